//! Enrollments whose answers are wrong.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dmtap::app::why::Question;
use dmtap::flow::{Head, NotParsed, ParsedBody, Side};
use dmtap::record::analysis::why::Options;
use dmtap::record::model::ParsedBodyRecord;
use dmtap::record::{EventRecord, Masking};
use http::{Method, StatusCode};

use super::{analysed, blocks, script};
use crate::enrollment::data;
use crate::record::stage::Stage;

/// What is concluded from a request with its answer.
fn explained(request: &str, answer: &str) -> String {
    blocks(&analysed(&records(request, answer)))
}

fn records(request: &str, answer: &str) -> Vec<EventRecord> {
    let headers = [("content-type", "application/soap+xml; charset=utf-8")];
    let mut stage = Stage::new();
    stage.request(&headers, data(request));
    stage.response(&headers, answer.to_owned());
    recorded(&stage)
}

fn recorded(stage: &Stage) -> Vec<EventRecord> {
    let events = stage.events.iter().enumerate();
    let records = events.map(|(at, event)| EventRecord::of(at as u64 + 1, event, Masking::Masked));
    records.collect()
}

fn text(name: &str) -> String {
    String::from_utf8(data(name)).unwrap()
}

/// The answer to a request for a certificate, with another token.
fn with_token(token: &str) -> String {
    let answer = text("response-account-here.xml");
    let (front, rest) = answer.split_once("#base64binary\">").unwrap();
    let (_, behind) = rest.split_once("</").unwrap();
    format!("{front}#base64binary\">{token}</{behind}")
}

/// Its provisioning document.
fn document() -> String {
    let answer = text("response-account-here.xml");
    let (_, rest) = answer.split_once("#base64binary\">").unwrap();
    let (token, _) = rest.split_once("</").unwrap();
    String::from_utf8(STANDARD.decode(token).unwrap()).unwrap()
}

#[test]
fn a_provisioning_document_with_which_no_device_is_managed_is_named() {
    let check = |token: &str, expected: &str| {
        let shown = explained("request-issue.xml", &with_token(token));
        assert!(shown.contains(expected), "{expected}:\n{shown}");
        let is_pending = shown.contains("✖ Enrollment stopped after its provisioning document");
        assert_eq!(is_pending, !expected.is_empty(), "{shown}");
    };
    let whole = document();
    check(&STANDARD.encode(&whole), "");
    // Somebody masked it.
    check("********", "");
    // Windows may read it.
    let in_utf16 = format!("<?xml version=\"1.0\" encoding=\"utf-16\"?>{whole}");
    let in_utf16: Vec<u8> = in_utf16.encode_utf16().flat_map(u16::to_le_bytes).collect();
    check(
        &STANDARD.encode([&[0xFF, 0xFE], &in_utf16[..]].concat()),
        "",
    );
    check(
        &STANDARD.encode(&whole[..whole.len() - 30]),
        "cannot be read: DeviceEnrollmentProvisionDoc",
    );
    check(
        &whole.replace('&', "&amp;").replace('<', "&lt;"),
        "not as base64",
    );
    check("no!base!64", "not base64");
    check("", "0 B, empty");
    check(&STANDARD.encode(STANDARD.encode(&whole)), "cannot be read");
    check(&STANDARD.encode("<page/>"), "its root is page");
    let check = |old: &str, new: &str, expected: &str| {
        assert!(whole.contains(old), "{old}: {whole}");
        check(&STANDARD.encode(whole.replacen(old, new, 1)), expected);
    };
    check(
        "name=\"PROVIDER-ID\"",
        "name=\"OTHER\"",
        "has no PROVIDER-ID",
    );
    check("name=\"ADDR\"", "name=\"OTHER\"", "has no ADDR");
    check("type=\"My\"", "type=\"CA\"", "has no client certificate");
    check(
        "\"PROVIDER-ID\" value=\"Contoso MDM\"",
        "\"PROVIDER-ID\" value=\"Contoso\"",
        "PROVIDER-ID of the account is Contoso, and DMClient/Provider has Contoso MDM",
    );
}

#[test]
fn a_mistake_in_the_answer_to_discover_is_named() {
    let check = |changes: &[(&str, &str)], expected: &str| {
        let mut answer =
            text("discover-response.xml").replace("mdm.contoso.example", "mdm.example.com");
        for (old, new) in changes {
            assert!(answer.contains(old), "{old}: {answer}");
            answer = answer.replace(old, new);
        }
        let shown = explained("discover.xml", &answer);
        assert!(
            shown.contains("✖ Enrollment goes no further than Discover"),
            "{shown}"
        );
        assert!(shown.contains(expected), "{expected}:\n{shown}");
        let is_mistake = shown.contains("mend this answer of the server");
        assert_eq!(is_mistake, !changes.is_empty(), "{shown}");
    };
    check(
        &[],
        "Next the device should send GetPolicies at https://mdm.example.com/xcep",
    );
    check(
        &[("EnrollmentServiceUrl>", "Other>")],
        "The answer has no EnrollmentServiceUrl",
    );
    check(
        &[("OnPremise", "Federated")],
        "it has no AuthenticationServiceUrl",
    );
    check(&[("OnPremise", "UserPass")], "Its AuthPolicy is UserPass");
    let soap = (
        "http://www.w3.org/2003/05/soap-envelope",
        "http://schemas.xmlsoap.org/soap/envelope/",
    );
    check(
        &[soap],
        "It is in SOAP 1.1, and the request was in SOAP 1.2.",
    );
}

#[test]
fn an_answer_that_could_not_be_read_is_not_called_missing() {
    let mut records = records("discover.xml", &text("discover-response.xml"));
    let answer = records.last_mut().unwrap();
    (answer.enrollment, answer.body) = (None, None);
    answer.reading = Some(ParsedBodyRecord::Unread {
        cause: None,
        why: "content coding: junk is not known".into(),
        without_coding: false,
    });
    let shown = blocks(&analysed(&records));
    assert!(
        shown.contains("✖ Enrollment (Discover): the answer could not be read"),
        "{shown}"
    );
    assert!(
        shown.contains("content coding: junk is not known"),
        "{shown}"
    );
    assert!(!shown.contains("no answer"), "{shown}");
}

#[test]
fn a_body_that_never_came_is_named_with_the_failure() {
    let mut stage = Stage::new();
    let request = stage.request(&[("content-type", "application/vnd.syncml.dm+xml")], "");
    request.body.parsed = ParsedBody::Unread(NotParsed::NotAsked { bytes: 0 });
    stage.failed(Some(Side::Device), "the request stalled");
    let shown = blocks(&analysed(&recorded(&stage)));
    for expected in [
        "1 message could not be read: what it says is not known",
        "x1: no byte of it came: the request stalled",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
}

#[test]
fn a_refused_get_of_discovery_is_settled_by_the_enrollment_that_follows() {
    let check = |is_enrolled: bool, get: &[(&str, &str)]| {
        let headers = [("content-type", "application/soap+xml; charset=utf-8")];
        let mut stage = Stage::new();
        if let Head::Request(head) = &mut stage.request(get, "").head {
            let head = Arc::get_mut(head).unwrap();
            head.method = Method::GET;
            head.uri = "https://mdm.example.com/EnrollmentServer/Discovery.svc"
                .parse()
                .unwrap();
        }
        if let Head::Response(head) = &mut stage.response(&[], "").head {
            head.status = StatusCode::METHOD_NOT_ALLOWED;
        }
        if is_enrolled {
            for (request, answer) in [
                ("discover.xml", "discover-response.xml"),
                ("request-issue.xml", "response-account-here.xml"),
            ] {
                stage.request(&headers, data(request));
                stage.response(&headers, data(answer));
            }
        }
        let mut question = Question::new(Options::default(), None);
        for (at, event) in stage.events.iter().enumerate() {
            question.event(&EventRecord::of(at as u64 + 1, event, Masking::Masked));
        }
        let text = question.answered().text(1);
        let mark = if is_enrolled { "·" } else { "✖" };
        let wanted = format!("{mark} Enrollment (the GET of discovery) refused: HTTP 405");
        assert!(
            anstream::adapter::strip_str(&text)
                .to_string()
                .contains(&wanted),
            "{text}"
        );
    };
    check(true, &[]);
    check(false, &[]);
    // A client may name a type for each request, also where there is no body.
    check(false, &[("content-type", "application/soap+xml")]);
}

#[test]
fn an_answer_to_another_step_is_named() {
    let shown = explained("request-issue.xml", &text("policies-response.xml"));
    assert!(
        shown.contains("✖ Enrollment (RequestSecurityToken): the answer is another than expected"),
        "{shown}"
    );
    assert!(
        shown.contains("asked in x1 for anna@contoso.example, and answered there"),
        "{shown}"
    );
    assert!(
        shown.contains("with GetPoliciesResponse, not with RequestSecurityTokenResponseCollection"),
        "{shown}"
    );
    assert_eq!(shown.matches("━━ enrollment").count(), 1, "{shown}");
}

#[test]
fn a_device_that_goes_on_after_an_answer_that_dmtap_cannot_read_has_one_enrollment() {
    let mut records = script::records(
        "enroll > discover.xml on=1\nenroll < discover-response.xml on=1\nenroll > policies.xml on=2\n\
         enroll < policies-response.xml on=2\nenroll > request-issue.xml on=2\nenroll < response-account-here.xml on=2\n",
    );
    let mut answers = records.iter_mut().filter(|it| it.exchange == Some(1));
    let answer = answers.nth(1).unwrap();
    (answer.enrollment, answer.reading) = (None, None);
    let mut question = Question::new(Options::default(), None);
    records.iter().for_each(|record| question.event(record));
    let text = question.answered().text(records.len() as u64);
    let text = anstream::adapter::strip_str(&text).to_string();
    assert!(text.contains("1 enrollment, nothing pending"), "{text}");
}
