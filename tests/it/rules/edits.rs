//! Steps that change the document: a message in, a rule, a message out, in XML and in WBXML.

use dmtap::flow::Side;
use dmtap::markup::{Document, Flag, FlagKind};
use dmtap::rules::{Stage, Verdict};

use super::conversations::only_splices_differ;
use super::support::{Talk, book, decode, message, message_text, on, status, tree, wbxml};

/// What each of the tables below begins with.
pub(crate) const BODY: &str = "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>7</CmdRef><Cmd>Exec</Cmd>\
    <Data a=\"&lt;1\">200</Data></Status>\
    <Replace><CmdID>2</CmdID><Item><Target><LocURI>./A/B</LocURI></Target>\
    <Meta><Format xmlns=\"syncml:metinf\">chr</Format></Meta><Data>old &amp; grey</Data></Item>\
    <Item><Target><LocURI>./A/C</LocURI></Target><Data>second</Data></Item></Replace>\
    <Atomic><CmdID>3</CmdID><Add><CmdID>4</CmdID><Item><Data>x</Data></Item></Add></Atomic>";

pub(crate) fn rule(matcher: &str, steps: &str) -> String {
    format!("[[rule]]\nname = \"r\"\nstage = \"request\"\nmatch = {matcher}\nstep = {steps}\n")
}

/// Decides on a message of a session in which the server asked for an Exec of `./A/Restart`.
pub(crate) fn decide(rules: &str, document: &Document) -> Verdict {
    let asked = message(1, &on("Exec", 7, "./A/Restart"));
    let mut talk = Talk::new(1, "urn:device").said(Side::Server, &asked);
    talk.decide(&book(rules), Stage::Request, document)
}

/// The rule makes `expected` of `body`: byte for byte in XML, the same tree in WBXML, and no byte changes beside
/// the splices.
fn becomes(body: &str, matcher: &str, steps: &str, expected: &str) {
    let rules = rule(matcher, steps);
    let document = decode(&message_text(2, body));
    let verdict = decide(&rules, &document);
    let sent = verdict.body.as_ref().map(|body| body.to_vec());
    let sent = String::from_utf8(sent.unwrap_or_default()).unwrap();
    assert_eq!(
        sent,
        message_text(2, expected),
        "{rules}\n{:?}",
        verdict.applied
    );
    only_splices_differ(&document, &verdict);
    let binary = wbxml(&document);
    let verdict = decide(&rules, &binary);
    let after = verdict.document.as_ref().expect("WBXML stays WBXML");
    assert!(after.is_wbxml());
    let wrong = |flag: &&Flag| flag.kind != FlagKind::Attributes;
    assert_eq!(after.flags().iter().find(wrong), None, "{rules}");
    assert_eq!(tree(after), tree(&wbxml(&decode(&sent))), "{rules}");
    only_splices_differ(&binary, &verdict);
}

/// The same, reported by what gives way to what in [`BODY`].
fn check(matcher: &str, steps: &str, changes: &[(&str, &str)]) {
    let mut expected = BODY.to_owned();
    for (before, after) in changes {
        assert_eq!(expected.matches(before).count(), 1, "{before}");
        expected = expected.replace(before, after);
    }
    becomes(BODY, matcher, steps, &expected);
}

/// The rule finds something, changes nothing, and says why; in both encodings.
fn refused(matcher: &str, steps: &str, why: &str) {
    let document = decode(&message_text(2, BODY));
    for document in [&document, &wbxml(&document)] {
        let verdict = decide(&rule(matcher, steps), document);
        assert_eq!(verdict.body, None, "{steps}");
        let changes = &verdict.applied[0].changes;
        assert_eq!(changes[0].step, "not applied", "{steps}");
        assert_eq!(changes[0].after, why, "{steps}");
    }
}

const REPLACE: &str = "{ command = 'Replace' }";
const STATUS: &str = "{ command = 'Status' }";
const WHOLE: &str = "{ path = '/dm' }";

#[test]
fn texts_and_attributes_are_set_and_taken_away() {
    check(
        REPLACE,
        "{ set-text = 'a < b' }",
        &[("old &amp; grey", "a &lt; b"), ("second", "a &lt; b")],
    );
    check(
        REPLACE,
        "{ set-text = 'n', at = 'Item[2]/Data' }",
        &[("second", "n")],
    );
    check(
        "{ loc-uri = './A/C' }",
        "{ set-text = 'n' }",
        &[("second", "n")],
    );
    check(
        STATUS,
        "{ set-attribute = 'a', value = '<2', at = 'Data' }",
        &[("&lt;1", "&lt;2")],
    );
    check(
        STATUS,
        "{ set-attribute = 'b', value = '3', at = 'Data' }",
        &[("\"&lt;1\"", "\"&lt;1\" b=\"3\"")],
    );
    check(
        STATUS,
        "{ remove-attribute = 'a', at = 'Data' }",
        &[(" a=\"&lt;1\"", "")],
    );
    refused(
        STATUS,
        "{ remove-attribute = 'z', at = 'Data' }",
        "remove-attribute: Data has no attribute z",
    );
    refused(
        STATUS,
        "{ set-text = 'n' }",
        "set-text: there is no Item/Data",
    );
}

#[test]
fn elements_are_inserted_at_every_side() {
    let insert = |side: &str| format!("{{ insert = '<Data>n</Data>', {side} }}");
    check(
        REPLACE,
        &insert("before = 'Item[1]/Data'"),
        &[("<Data>old", "<Data>n</Data><Data>old")],
    );
    check(
        REPLACE,
        &insert("after = 'Item[1]/Data'"),
        &[("grey</Data>", "grey</Data><Data>n</Data>")],
    );
    check(
        REPLACE,
        &insert("first-in = '.'"),
        &[("<Replace>", "<Replace><Data>n</Data>")],
    );
    check(
        REPLACE,
        &insert("last-in = 'Item'"),
        &[
            ("grey</Data>", "grey</Data><Data>n</Data>"),
            ("second</Data>", "second</Data><Data>n</Data>"),
        ],
    );
    check(
        REPLACE,
        "{ insert = '<Delete><CmdID>{{next-cmd-id}}</CmdID></Delete>', after = '.' }",
        &[("</Replace>", "</Replace><Delete><CmdID>5</CmdID></Delete>")],
    );
    // Code pages of WBXML are switched to and fro.
    check(
        REPLACE,
        "{ insert = '<Meta><Type>text/plain</Type></Meta>', before = 'Item[2]/Data' }",
        &[(
            "<Data>second",
            "<Meta><Type>text/plain</Type></Meta><Data>second",
        )],
    );
}

#[test]
fn what_an_unknown_element_holds_is_what_it_would_be_in_the_namespace_around_it() {
    let unknown = "<Frobnicate><CmdID>9</CmdID><Item><Data>n</Data></Item></Frobnicate>";
    let check = |step: &str, known: &[bool]| {
        let rules = rule("{ command = 'Atomic' }", step);
        let xml = decode(&message_text(2, BODY));
        for document in [wbxml(&xml), xml] {
            let verdict = decide(&rules, &document);
            let after = verdict.document.as_ref().expect("the rule acts");
            let of_unknown = after.elements().filter(|e| {
                let mut around = std::iter::successors(Some(*e), |e| e.parent());
                around.any(|e| e.local() == "Frobnicate")
            });
            let found: Vec<bool> = of_unknown.map(|e| e.name().token().is_some()).collect();
            assert_eq!(found, known, "{step} in WBXML: {}", after.is_wbxml());
        }
    };
    let known = [false, true, true, true];
    check(&format!("{{ insert = '{unknown}', before = '.' }}"), &known);
    check(&format!("{{ replace = '{unknown}', at = 'Add' }}"), &known);
    let foreign = unknown.replacen('>', " xmlns=\"urn:other\">", 1);
    check(
        &format!("{{ insert = '{foreign}', before = '.' }}"),
        &[false; 4],
    );
}

#[test]
fn elements_are_replaced_and_removed() {
    check(
        REPLACE,
        "{ replace = '<Data>n</Data>', at = 'Item[1]/Meta' }",
        &[(
            "<Meta><Format xmlns=\"syncml:metinf\">chr</Format></Meta>",
            "<Data>n</Data>",
        )],
    );
    check(
        "{ command = 'Atomic' }",
        "{ replace = '<Get><CmdID>{{cmd-id}}</CmdID></Get>' }",
        &[(
            "<Atomic><CmdID>3</CmdID><Add><CmdID>4</CmdID><Item><Data>x</Data></Item></Add></Atomic>",
            "<Get><CmdID>3</CmdID></Get>",
        )],
    );
    check(
        REPLACE,
        "{ remove = true, at = 'Item/Meta' }",
        &[(
            "<Meta><Format xmlns=\"syncml:metinf\">chr</Format></Meta>",
            "",
        )],
    );
    // The Add goes with the Atomic around it.
    check(
        "{ command = ['Atomic', 'Add'] }",
        "{ remove = true }",
        &[(
            "<Atomic><CmdID>3</CmdID><Add><CmdID>4</CmdID><Item><Data>x</Data></Item></Add></Atomic>",
            "",
        )],
    );
}

#[test]
fn elements_are_copied_and_moved() {
    check(
        REPLACE,
        "{ copy = 'Item[1]/Meta', before = 'Item[2]/Data' }",
        &[(
            "<Data>second",
            "<Meta><Format xmlns=\"syncml:metinf\">chr</Format></Meta><Data>second",
        )],
    );
    check(
        REPLACE,
        "{ move = 'Item[2]', before = 'Item[1]' }",
        &[
            (
                "<Item><Target><LocURI>./A/C</LocURI></Target><Data>second</Data></Item>",
                "",
            ),
            (
                "<Item><Target><LocURI>./A/B",
                "<Item><Target><LocURI>./A/C</LocURI></Target><Data>second</Data></Item>\
                 <Item><Target><LocURI>./A/B",
            ),
        ],
    );
    check(
        "{ command = 'Add' }",
        "{ move = '.', before = '/SyncML/SyncBody/Status' }",
        &[
            ("<Add><CmdID>4</CmdID><Item><Data>x</Data></Item></Add>", ""),
            (
                "<Status>",
                "<Add><CmdID>4</CmdID><Item><Data>x</Data></Item></Add><Status>",
            ),
        ],
    );
    refused(
        REPLACE,
        "{ move = 'Item[1]/Data', last-in = 'Item' }",
        "move: there are 2 Item: number one of them",
    );
    refused(
        "{ command = 'Atomic' }",
        "{ move = '.', last-in = 'Add' }",
        "two edits touch /SyncML/SyncBody/Atomic/Add",
    );
}

#[test]
fn a_copy_means_the_same_where_other_namespaces_are_in_force() {
    let meta =
        "<Meta xmlns=\"syncml:metinf\" xmlns:v=\"urn:v\"><Format v:a=\"1\">chr</Format></Meta>";
    let body = format!("<Add><CmdID>1</CmdID>{meta}<Item><Data>x</Data></Item></Add>");
    let copied =
        "<Item><Format xmlns=\"syncml:metinf\" xmlns:v=\"urn:v\" v:a=\"1\">chr</Format><Data>";
    becomes(
        &body,
        "{ command = 'Add' }",
        "{ copy = 'Meta/Format', first-in = 'Item' }",
        &body.replace("<Item><Data>", copied),
    );
}

#[test]
fn commands_are_duplicated_and_put_in_another_order() {
    let second = "<Item><Target><LocURI>./A/C</LocURI></Target><Data>second</Data></Item>";
    check(
        "{ loc-uri = './A/C' }",
        "{ duplicate = true, at = 'Item' }",
        &[(second, &format!("{second}{second}"))],
    );
    let (atomic, rest) = BODY.split_once("<Atomic>").unwrap();
    let again = |ids: [&str; 2]| {
        let rest = rest.replace(">3<", ids[0]).replace(">4<", ids[1]);
        format!("{BODY}<Atomic>{rest}")
    };
    assert!(!atomic.is_empty());
    becomes(
        BODY,
        "{ command = 'Atomic' }",
        "{ duplicate = true }",
        &again([">3<", ">4<"]),
    );
    becomes(
        BODY,
        "{ command = 'Atomic' }",
        "{ duplicate = true, new-ids = true }",
        &again([">5<", ">6<"]),
    );
    let statuses = [1, 2, 3].map(|id| status(id, 1, 7, "Exec", 200 + id as u16));
    becomes(
        &statuses.concat(),
        STATUS,
        "{ reverse = true }",
        &[&*statuses[2], &statuses[1], &statuses[0]].concat(),
    );
    refused(
        STATUS,
        "{ reverse = true }",
        "reverse: no sibling of it is selected",
    );
}

#[test]
fn places_reach_the_whole_message_and_documents_inside_it() {
    let document = decode(&message_text(2, BODY));
    for (matcher, at) in [
        (WHOLE, "SyncHdr/SessionID"),
        (REPLACE, "/SyncML/SyncHdr/SessionID"),
    ] {
        let steps = format!("{{ set-text = '{{{{message-id}}}}{{{{data}}}}', at = '{at}' }}");
        for document in [&document, &wbxml(&document)] {
            let verdict = decide(&rule(matcher, &steps), document);
            let after = verdict.document.unwrap();
            let texts = tree(&after);
            assert!(texts.contains(&("/SyncML/SyncHdr/SessionID".into(), "27".into())));
        }
    }
    let inner = "<MgmtTree><Node><NodeName>n</NodeName></Node><Node><NodeName>m</NodeName></Node></MgmtTree>";
    let escaped = inner.replace('<', "&lt;");
    let base64 = "PE1nbXRUcmVlPjxWZXJEVEQ+MS4yPC9WZXJEVEQ+PC9NZ210VHJlZT4=";
    let changed = "PE1nbXRUcmVlPjxWZXJEVEQ+bjwvVmVyRFREPjwvTWdtdFRyZWU+";
    let data =
        |text: &str| format!("<Replace><CmdID>2</CmdID><Item><Data>{text}</Data></Item></Replace>");
    let at = "at = 'Item/Data!/MgmtTree/Node[2]'";
    let without = |text: &str| text.replacen("<Node><NodeName>m</NodeName></Node>", "", 1);
    becomes(
        &data(&escaped),
        REPLACE,
        &format!("{{ remove = true, {at} }}"),
        &data(&without(inner).replace('<', "&lt;")),
    );
    becomes(
        &data(&format!("<![CDATA[{inner}]]>")),
        REPLACE,
        &format!("{{ remove = true, {at} }}"),
        &data(&format!("<![CDATA[{}]]>", without(inner))),
    );
    becomes(
        &data(base64),
        REPLACE,
        "{ set-text = 'n', at = 'Item/Data!/MgmtTree/VerDTD' }",
        &data(changed),
    );
    refused(
        REPLACE,
        "{ remove = true, at = 'Item/Data!/MgmtTree' }",
        "remove: there is no Item/Data!/MgmtTree",
    );
}

#[test]
fn names_in_templates_stand_for_the_message_at_hand() {
    let set = |text: &str| format!("{{ set-text = '{text}', at = 'Data' }}");
    let check = |text: &str, value: &str| {
        check(STATUS, &set(text), &[(">200<", &format!(">{value}<"))]);
    };
    check("{{session-id}} {{message-id}} {{device}}", "7 2 urn:device");
    check("{{cmd-id}} {{cmd-ref}} {{msg-ref}}", "1 7 1");
    check("{{loc-uri}} was {{data}}", "./A/Restart was 200");
    check("{{next-cmd-id}} {{next-cmd-id}}", "5 6");
    check("{{server}}{{path}} {{{{data}}", "mdm.example/dm {{data}}");
    refused(
        REPLACE,
        "{ set-text = '{{cmd-ref}}' }",
        "set-text: {{cmd-ref}} stands for nothing here",
    );
    // Values are no markup of the element that is inserted.
    super::edits::check(
        REPLACE,
        "{ insert = '<Data a=\"{{data}}\">{{data}}</Data>', last-in = 'Item[2]' }",
        &[(
            "second</Data>",
            "second</Data><Data a=\"old &amp; grey\">old &amp; grey</Data>",
        )],
    );
}

#[test]
fn steps_of_one_rule_are_one_patch_and_clash_where_they_want_one_thing() {
    check(
        STATUS,
        "[{ set-status = 500 }, { insert = '<Item/>', last-in = '.' }, { remove = true, at = 'Cmd' }]",
        &[
            (">200</Data>", ">500</Data><Item/>"),
            ("<Cmd>Exec</Cmd>", ""),
        ],
    );
    refused(
        STATUS,
        "[{ set-status = 500 }, { set-text = '1', at = 'Data' }]",
        "two edits touch /SyncML/SyncBody/Status/Data",
    );
}

#[test]
fn no_rule_makes_a_message_longer_than_may_be_read() {
    let document = decode(&message_text(2, BODY));
    let rules = rule(
        REPLACE,
        "{ insert = '<Data>0123456789</Data>', last-in = '.' }",
    );
    let mut talk = Talk::new(1, "d");
    talk.limits.bytes = document.source().len() + 20;
    let verdict = talk.decide(&book(&rules), Stage::Request, &document);
    assert_eq!(verdict.body, None);
    let why = &verdict.applied[0].changes[0].after;
    assert!(why.contains("the limit of a body"), "{why}");
}
