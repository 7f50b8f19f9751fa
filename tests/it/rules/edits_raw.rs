//! Steps that change bytes, on top of the edits of the document.

use bytes::Bytes;
use dmtap::markup::{self, Document, Hint, Limits};
use dmtap::rules::{RuleSet, Stage, Verdict, load};

use super::conversations::only_splices_differ;
use super::edits::{decide, rule};
use super::support::{Talk, book, decode, message_text, on, tree, wbxml};

const WHOLE: &str = "{ path = '/dm' }";

fn document() -> Document {
    decode(&message_text(2, &on("Replace", 3, "./A/B")))
}

/// What the steps make of a document; no byte changes beside their one patch.
fn sent(steps: &str, document: &Document) -> Bytes {
    let verdict = decide(&rule(WHOLE, steps), document);
    only_splices_differ(document, &verdict);
    verdict.body.unwrap()
}

fn why(verdict: &Verdict) -> &str {
    assert_eq!(verdict.body, None);
    let change = &verdict.applied[0].changes[0];
    assert_eq!(change.step, "not applied");
    &change.after
}

#[test]
fn a_body_is_set_from_text_base64_or_a_file() {
    let document = document();
    assert_eq!(sent("{ set-body = 'a {{session-id}}' }", &document), "a 7");
    let markup = "{ set-body = '<a b=\"{{path}}\">{{data}}</a>' }";
    let verdict = decide(&rule("{ command = 'Replace' }", markup), &document);
    assert_eq!(verdict.body.unwrap(), "<a b=\"/dm\">old</a>");
    assert_eq!(
        sent("{ set-body = { base64 = 'AGGA' } }", &document),
        &b"\0a\x80"[..]
    );
    let rules = rule(WHOLE, "{ set-body = { file = 'b/c.bin' } }");
    let read = |file: &str, path: &str| {
        assert_eq!((file, path), ("a.toml", "b/c.bin"));
        Ok(Bytes::from_static(b"\xff"))
    };
    let rules = load::parse_beside([], [("a.toml", &*rules)], &read).unwrap();
    let book = RuleSet::from_rules(rules).unwrap();
    let verdict = Talk::new(1, "d").decide(&book, Stage::Request, &document);
    assert_eq!(verdict.body.unwrap(), &b"\xff"[..]);
}

#[test]
fn a_body_takes_the_encoding_of_the_message() {
    let document = document();
    let steps = format!(
        "{{ set-body = {{ text = '{}', as = 'message' }} }}",
        message_text(9, "")
    );
    assert_eq!(sent(&steps, &document), message_text(9, ""));
    let binary = markup::decode(
        sent(&steps, &wbxml(&document)),
        Hint::default(),
        &Limits::default(),
    );
    let binary = binary.unwrap();
    assert!(binary.is_wbxml());
    assert_eq!(tree(&binary), tree(&wbxml(&decode(&message_text(9, "")))));
}

#[test]
fn text_is_replaced_by_regular_expressions_and_wbxml_stays_wbxml() {
    let document = document();
    let steps = "{ replace-text = '(o)(ld)|[.]/A', with = '{{path}}$2-$1$1' }";
    let expected = String::from_utf8(document.source().to_vec()).unwrap();
    let expected = expected.replace("old", "/dmld-oo").replace("./A", "/dm-");
    assert_eq!(sent(steps, &document), expected);
    let binary = markup::decode(
        sent(steps, &wbxml(&document)),
        Hint::default(),
        &Limits::default(),
    );
    let binary = binary.unwrap();
    assert!(binary.is_wbxml());
    assert_eq!(tree(&binary), tree(&wbxml(&decode(&expected))));
    // Markup is text in XML only.
    let steps = "{ replace-text = '<Final/>', with = '' }";
    assert!(!sent(steps, &document).ends_with(b"<Final/></SyncBody></SyncML>"));
    let verdict = decide(&rule(WHOLE, steps), &wbxml(&document));
    assert!(verdict.body.is_none() && verdict.applied.is_empty());
}

#[test]
fn a_rule_that_only_takes_out_what_is_not_there_finds_nothing() {
    let check = |matches: &str, steps: &str, expected: &[&str]| {
        let verdict = decide(&rule(matches, steps), &document());
        let changes = verdict.applied.iter().flat_map(|applied| &applied.changes);
        let steps: Vec<&str> = changes.map(|change| &*change.step).collect();
        assert_eq!(steps, expected, "{matches} {:?}", verdict.applied);
        assert_eq!(verdict.applied.len(), expected.len().min(1), "{matches}");
    };
    let (text, field) = (
        "{ replace-text = 'nowhere', with = '' }",
        "{ remove-header = 'X-Nowhere' }",
    );
    check(WHOLE, text, &[]);
    check(WHOLE, field, &[]);
    check(WHOLE, &format!("[{text}, {field}]"), &[]);
    check(
        WHOLE,
        "{ replace-text = 'old', with = '' }",
        &["replace-text"],
    );
    // Beside a step that acts, and on a command that was found, it is reported what did not come about.
    let set = "{ set-header = 'X-A', value = '1' }";
    check(
        WHOLE,
        &format!("[{set}, {text}]"),
        &["set-header", "not applied"],
    );
    check("{ command = 'Replace' }", text, &["not applied"]);
    check("{ command = 'Replace' }", field, &["not applied"]);
}

#[test]
fn a_limit_counts_bodies_in_which_something_matches() {
    let once = rule(WHOLE, "{ replace-text = 'old', with = 'new' }")
        .replace("step =", "limit = { times = 1, per = \"run\" }\nstep =");
    let (book, mut talk) = (book(&once), Talk::new(1, "d"));
    let mut changed = |text: &str| {
        let body = Bytes::from(text.to_owned());
        talk.decide_bytes(&book, Stage::Request, Some(&body)).body
    };
    assert_eq!(changed("nothing here"), None);
    assert_eq!(changed("old"), Some(Bytes::from("new")));
    assert_eq!(changed("old"), None);
}

#[test]
fn replaced_text_is_written_in_the_charset_of_the_body() {
    let head = "<?xml version='1.0' encoding='iso-8859-1'?>";
    let text = |data: &str| format!("{head}{}", message_text(2, &on("Replace", 3, data)));
    let latin = |text: &str| text.chars().map(|c| c as u8).collect::<Bytes>();
    let decode = |bytes| markup::decode(bytes, Hint::default(), &Limits::default()).unwrap();
    let document = decode(latin(&text("é/é/q")));
    let steps = "{ replace-text = 'é(/)|q', with = 'ü$1' }";
    assert_eq!(sent(steps, &document), latin(&text("ü/ü/ü")));
    let verdict = decide(
        &rule(WHOLE, "{ replace-text = 'q', with = '€' }"),
        &document,
    );
    assert_eq!(
        why(&verdict),
        "replace-text: the charset of the body lacks `€`"
    );
}

#[test]
fn bytes_are_flipped_and_cut_off_where_they_are_named() {
    let document = document();
    let source = document.source().clone();
    let length = source.len();
    let flipped = |at: usize, count: usize, mask: u8| {
        let mut bytes = source.to_vec();
        bytes[at..at + count]
            .iter_mut()
            .for_each(|byte| *byte ^= mask);
        Bytes::from(bytes)
    };
    let check = |steps: &str, expected: Bytes| assert_eq!(sent(steps, &document), expected);
    check("{ flip = { at = 0 } }", flipped(0, 1, 0xff));
    check(
        "{ flip = { at = 5, length = 4, mask = 0x01 } }",
        flipped(5, 4, 1),
    );
    check("{ flip = { at = -1 } }", flipped(length - 1, 1, 0xff));
    check(
        "{ flip = { at = -3, length = 3 } }",
        flipped(length - 3, 3, 0xff),
    );
    check("{ truncate = 10 }", source.slice(..10));
    check("{ truncate = 0 }", Bytes::new());
    check("{ truncate = -2 }", source.slice(..length - 2));
    check("{ truncate = '50%' }", source.slice(..length / 2));
    for (steps, said) in [
        (
            "{ flip = { at = 9999 } }",
            format!("flip: the body has {length} bytes"),
        ),
        (
            "{ flip = { at = -1, length = 2 } }",
            format!("flip: the body has {length} bytes"),
        ),
        (
            "{ truncate = 9999 }",
            format!("truncate: the body has only {length} bytes"),
        ),
        (
            "{ truncate = -9999 }",
            format!("truncate: the body has only {length} bytes"),
        ),
    ] {
        assert_eq!(why(&decide(&rule(WHOLE, steps), &document)), said);
    }
}

#[test]
fn bytes_are_changed_on_top_of_the_edits_of_the_rule() {
    let document = document();
    let steps = "[{ set-text = '{{next-cmd-id}}' }, { replace-text = 'old|4', with = '{{next-cmd-id}}' }, \
        { replace-text = '5', with = 'five' }, { truncate = -1 }]";
    for document in [&document, &wbxml(&document)] {
        let verdict = decide(&rule("{ command = 'Replace' }", steps), document);
        only_splices_differ(document, &verdict);
        let body = verdict.body.unwrap();
        assert!(body.windows(4).any(|bytes| bytes == b"five"), "{body:?}");
        assert!(verdict.document.is_none());
    }
    // What cannot be edited is not cut off either: the steps are one change.
    let steps = "[{ set-text = 'a' }, { set-text = 'b' }, { truncate = 1 }]";
    let verdict = decide(&rule("{ command = 'Replace' }", steps), &document);
    assert_eq!(
        why(&verdict),
        "two edits touch /SyncML/SyncBody/Replace/Item/Data"
    );
}

#[test]
fn a_body_that_is_no_document_can_be_changed_and_become_one() {
    let set = rule(WHOLE, "{ set-body = '<SyncML/>' }");
    let next = rule(
        "{ path = '/dm' }",
        "{ insert = '<SyncBody/>', last-in = '/SyncML' }",
    );
    let rules = format!("{set}{}", next.replace("\"r\"", "\"s\""));
    let mut talk = Talk::new(1, "d");
    let verdict = talk.decide_bytes(
        &book(&rules),
        Stage::Request,
        Some(&Bytes::from("no markup")),
    );
    assert_eq!(
        verdict.body.unwrap(),
        "<SyncML><SyncBody></SyncBody></SyncML>".replace("<SyncBody></SyncBody>", "<SyncBody/>")
    );
    let rules = rule(WHOLE, "{ replace-text = 'no', with = 'NO' }");
    let verdict = talk.decide_bytes(
        &book(&rules),
        Stage::Request,
        Some(&Bytes::from("no markup")),
    );
    assert_eq!(verdict.body.unwrap(), "NO markup");
    // Of a body that was not read nothing is known.
    let verdict = talk.decide_opaque(&book(&rules), Stage::Request);
    assert!(verdict.body.is_none() && verdict.applied.is_empty());
}

#[test]
fn a_response_that_cannot_have_a_body_gets_none() {
    let rules = rule(WHOLE, "{ set-body = 'x' }").replace("\"request\"", "\"response\"");
    let mut talk = Talk::new(1, "d");
    talk.response.status = http::StatusCode::NO_CONTENT;
    let verdict = talk.decide_bytes(&book(&rules), Stage::Response, Some(&Bytes::new()));
    assert_eq!(
        why(&verdict),
        "set-body: a response with status 204 has no body"
    );
    talk.response.status = http::StatusCode::OK;
    talk.request.method = http::Method::HEAD;
    let verdict = talk.decide_bytes(&book(&rules), Stage::Response, Some(&Bytes::new()));
    assert_eq!(why(&verdict), "set-body: a response to HEAD has no body");
    // A rule may have made the status.
    talk.request.method = http::Method::POST;
    let steps = "[{ set-http-status = 304 }, { set-body = 'x' }]";
    let rules = rule(WHOLE, steps).replace("\"request\"", "\"response\"");
    let verdict = talk.decide_bytes(&book(&rules), Stage::Response, Some(&Bytes::new()));
    assert!(verdict.body.is_none(), "{verdict:?}");
    let changes = verdict.applied.iter().flat_map(|it| &it.changes);
    let refused = changes.filter(|it| it.after.contains("status 304 has no body"));
    assert_eq!(refused.count(), 1, "{:?}", verdict.applied);
}
