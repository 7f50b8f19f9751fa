//! Steps that change header fields and the status.

use dmtap::flow::EffectDetail;
use dmtap::rules::{HeadEdit, Stage, Verdict};
use http::header::HeaderMap;

use super::edits::rule;
use super::support::{Talk, book, message, on};

fn decide(steps: &str) -> Verdict {
    let rules = rule("{ path = '/dm' }", steps).replace("\"request\"", "\"response\"");
    let mut talk = Talk::new(1, "d");
    let fields = [("a", "1"), ("b", "2"), ("c", "3"), ("b", "4")];
    for (name, value) in fields {
        talk.response.headers.append(name, value.parse().unwrap());
    }
    talk.decide(
        &book(&rules),
        Stage::Response,
        &message(1, &on("Get", 2, "./A")),
    )
}

/// The fields as they leave, and what is reported.
fn check(steps: &str, expected: &[(&str, &str)], reported: &[(&str, &str)]) {
    let verdict = decide(steps);
    assert!(verdict.body.is_none());
    let fields = [("a", "1"), ("b", "2"), ("b", "4"), ("c", "3")];
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(name, value.parse().unwrap());
    }
    verdict.edit_headers(&mut headers);
    let headers: Vec<_> = headers
        .iter()
        .map(|(n, v)| (n.as_str(), v.to_str().unwrap()))
        .collect();
    assert_eq!(headers, expected, "{steps}");
    let words = |change: &EffectDetail| (change.before.clone(), change.after.clone());
    let changes: Vec<_> = verdict.applied[0].changes.iter().map(words).collect();
    let reported: Vec<_> = reported
        .iter()
        .map(|(b, a)| ((*b).to_owned(), (*a).to_owned()))
        .collect();
    assert_eq!(changes, reported, "{steps}");
}

#[test]
fn fields_are_set_added_and_removed_in_their_order() {
    check(
        "{ set-header = 'B', value = '{{message-id}}/{{data}}' }",
        &[("a", "1"), ("b", "1/2, 4"), ("c", "3")],
        &[("b: 2, 4", "b: 1/2, 4")],
    );
    check(
        "{ set-header = 'Retry-After', value = '120' }",
        &[
            ("a", "1"),
            ("b", "2"),
            ("b", "4"),
            ("c", "3"),
            ("retry-after", "120"),
        ],
        &[("", "retry-after: 120")],
    );
    check(
        "[{ add-header = 'a', value = '5' }, { remove-header = 'b' }]",
        &[("a", "1"), ("a", "5"), ("c", "3")],
        &[("", "a: 5"), ("b: 2, 4", "")],
    );
    check(
        "[{ remove-header = 'a' }, { remove-header = 'a' }]",
        &[("b", "2"), ("b", "4"), ("c", "3")],
        &[("a: 1", ""), ("", "remove-header: there is no a")],
    );
}

#[test]
fn a_status_is_set() {
    let verdict =
        decide("[{ set-http-status = 503 }, { set-http-status = { code = 599, force = true } }]");
    let statuses: Vec<u16> = verdict
        .head
        .iter()
        .map(|edit| match edit {
            HeadEdit::Status(status) => status.as_u16(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(statuses, [503, 599]);
    let reported = &verdict.applied[0].changes;
    assert_eq!(
        (&*reported[0].before, &*reported[0].after),
        ("200 OK", "503 Service Unavailable")
    );
    assert_eq!(reported[1].before, "503 Service Unavailable");
}

#[test]
fn a_value_that_no_field_can_hold_is_not_sent() {
    let rules = rule(
        "{ command = 'Get' }",
        "{ set-header = 'x', value = '{{loc-uri}}' }",
    );
    let mut talk = Talk::new(1, "d");
    let document = message(1, &on("Get", 2, "./A\u{7f}\n/B"));
    let verdict = talk.decide(&book(&rules), Stage::Request, &document);
    assert!(verdict.head.is_empty());
    let change = &verdict.applied[0].changes[0];
    assert_eq!(
        change.after,
        "set-header: a header field cannot hold this value"
    );
}
