//! Data that a HAR leaves out: bodies, times, and what a proxy changed; answers that are not messages.

use serde_json::json;

use super::saved_traffic::printed;
use super::traffic_files::{answer, archive, session};

#[test]
fn a_request_whose_body_the_exporter_left_out_is_not_an_empty_one() {
    let [one, two, three, four] = session();
    // Some write an empty text and the size 0.
    let whole = archive(&[("00", &one, answer(&two)), ("01", &three, answer(&four))]);
    let without = archive(&[("00", "", answer(&two)), ("01", "", answer(&four))]);
    let (code, lint) = printed("lint", &whole);
    assert_eq!(code, Some(0), "{lint}");
    let (code, lint) = printed("lint", &without);
    assert_eq!(code, Some(0), "{lint}");
    assert!(!lint.contains("never sent"), "{lint}");
    let (code, why) = printed("why", &without);
    assert_eq!(code, Some(1), "{why}");
    assert!(
        why.contains("WHY-15") && why.contains("save the traffic once more with its bodies"),
        "{why}"
    );
}

#[test]
fn what_comes_after_an_empty_answer_is_judged_too() {
    let [one, two, three, four] = session();
    let empty =
        || json!({"status": 200, "headers": [], "content": {"size": 0, "text": ""}, "bodySize": 0});
    // The Status 405 comes behind an answer that ended the session.
    let text = archive(&[
        ("00", &one, answer(&two)),
        ("01", &one.replace("<MsgID>1<", "<MsgID>2<"), empty()),
        (
            "02",
            &three.replace("<MsgID>2<", "<MsgID>3<"),
            answer(&four),
        ),
    ]);
    let (code, why) = printed("why", &text);
    assert_eq!(code, Some(1), "{why}");
    assert!(why.contains("405 Command not allowed"), "{why}");
    assert!(!why.contains("not in the record"), "{why}");
    // The same request once more got an empty answer again: nothing new.
    let again = archive(&[
        ("00", &one, answer(&two)),
        ("01", &three, empty()),
        ("02", &three, empty()),
    ]);
    let (_, why) = printed("why", &again);
    assert!(why.contains("1 session,"), "{why}");
}

#[test]
fn a_file_without_times_says_nothing_of_times() {
    let [one, two, ..] = session();
    let entry = |status: u16, text: &str| {
        json!({
            "request": {"method": "POST", "url": "https://mdm.example/dm", "postData": {"text": one},
                "headers": [{"name": "Content-Type", "value": "application/vnd.syncml.dm+xml"}]},
            "response": {"status": status, "headers": [{"name": "Retry-After", "value": "30"}], "content": {"text": text}},
        })
    };
    let text = json!({"log": {"entries": [entry(503, "busy"), entry(200, &two)]}}).to_string();
    let (_, why) = printed("why", &text);
    assert!(
        why.contains("x1: came back with the same message; Retry-After 30 s\n"),
        "{why}"
    );
    assert!(!why.contains("µs") && !why.contains("kept"), "{why}");
}

#[test]
fn nothing_in_a_har_stood_behind_dmtap() {
    let soap = |body: &str| json!({"mimeType": "application/soap+xml", "text": body});
    let text =
        |name: &str| std::fs::read_to_string(format!("tests/data/enrollment/{name}")).unwrap();
    let headers = json!([{"name": "Content-Type", "value": "application/soap+xml; charset=utf-8"}]);
    let entry = json!({
        "startedDateTime": "2024-03-01T10:00:00Z",
        "request": {"method": "POST", "url": "https://enterpriseenrollment.example/EnrollmentServer/Discovery.svc",
            "headers": headers, "postData": soap(&text("discover.xml"))},
        "response": {"status": 200, "headers": headers, "content": soap(&text("discover-response.xml"))},
    });
    let archive = json!({"log": {"entries": [entry]}}).to_string();
    let (_, why) = printed("why", &archive);
    assert!(!why.contains("behind dmtap"), "{why}");
}

#[test]
fn an_answer_that_is_no_message_ends_the_session() {
    let [one, ..] = session();
    let answers = [
        (
            json!({"status": 302, "headers": [{"name": "Location", "value": "https://login.example/"}], "content": {"size": 0, "text": ""}}),
            &["HTTP 302", "the server redirects to https://login.example/"],
        ),
        (
            json!({"status": 200, "headers": [{"name": "Content-Type", "value": "text/html"}],
                "content": {"mimeType": "text/html", "text": "<!doctype html><html><head><title>Sign in</title></head></html>"}}),
            &["is not a SyncML message", "Sign in"],
        ),
    ];
    for (answer, expected) in answers {
        let (code, why) = printed("why", &archive(&[("00", &one, answer)]));
        assert_eq!(code, Some(1), "{why}");
        for expected in expected
            .iter()
            .chain(&["WHY-03", "stands in front of the server"])
        {
            assert!(why.contains(expected), "{expected}: {why}");
        }
    }
}
