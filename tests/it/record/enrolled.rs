//! Enrollment in records: the faults of real servers, requests and grants, and no secret.

use std::path::Path;

use bytes::Bytes;
use dmtap::flow::{CapturedMessage, Event, Head, NotParsed, ParsedBody};
use dmtap::record::Masking;
use dmtap::record::model::EventRecord;
use http::StatusCode;

use crate::record::stage::Stage;
use crate::record::transcript::{expect, json_lines, read_lines, show, transcript};

const SOAP: (&str, &str) = ("content-type", "application/soap+xml; charset=utf-8");
const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");
const HTML: (&str, &str) = ("content-type", "text/html");

fn data(name: &str) -> Bytes {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/enrollment");
    std::fs::read(folder.join(name)).unwrap().into()
}

fn status(message: &mut CapturedMessage, code: u16) -> &mut CapturedMessage {
    if let Head::Response(head) = &mut message.head {
        head.status = StatusCode::from_u16(code).unwrap();
    }
    message
}

/// A body that the proxy does not decode.
fn foreign(message: &mut CapturedMessage, media_type: &str) {
    message.body.parsed = ParsedBody::Unread(NotParsed::MediaType(media_type.into()));
}

/// One exchange: what the transcript shows of both halves.
fn exchange(request: Bytes, code: u16, answer: Bytes) -> (String, String) {
    let mut stage = Stage::new();
    stage.request(&[SOAP], request);
    status(stage.response(&[SOAP], answer), code);
    halves(&stage)
}

fn halves(stage: &Stage) -> (String, String) {
    let text = transcript(&stage.events, Masking::Masked);
    let (request, response) = text.split_once("\n◀").unwrap();
    (request.to_owned(), response.to_owned())
}

#[track_caller]
fn holds(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in\n{text}");
    }
}

#[test]
fn an_empty_request_where_an_envelope_is_expected_is_named_and_its_fault_shown() {
    let (request, response) = exchange(Bytes::new(), 200, data("fault-message-format.xml"));
    holds(&request, &["no body, though a SOAP envelope is expected"]);
    holds(
        &response,
        &[
            "RSTRC/wstep",
            "fault s:MessageFormat (0x80180001): cannot read the request: EOF",
            "MENROLL_E_DEVICE_MESSAGE_FORMAT_ERROR",
            "HTTP status 200",
        ],
    );
}

#[test]
fn a_fault_that_dmtap_answers_with_is_read_as_the_device_reads_it() {
    let mut stage = Stage::new();
    stage.request(&[SOAP], data("discover-version-9.xml"));
    let answer = stage.response(&[SOAP], data("fault-message-format.xml"));
    status(answer, 500);
    answer.synthesized = true;
    answer.body.received = Bytes::new();
    answer.body.parsed = ParsedBody::Empty;
    let (_, response) = halves(&stage);
    let fault = "fault s:MessageFormat (0x80180001): cannot read the request: EOF";
    holds(&response, &["dmtap's own answer", fault]);
    assert!(!response.contains("0x801901F4"), "{response}");
    let lines = json_lines(&stage.events, Masking::Masked);
    let lines = std::str::from_utf8(&lines).unwrap();
    let record: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(record["reading"]["dialect"], "soap", "{record}");
    assert_eq!(record["enrollment"]["fault"]["hresult"], "0x80180001");
}

#[test]
fn a_discovery_refused_with_json_shows_what_was_sent_and_the_text() {
    let mut stage = Stage::new();
    stage.request(&[SOAP], data("discover-version-9.xml"));
    let answer = stage.response(&[JSON], data("bad-request.json"));
    foreign(status(answer, 400), "application/json");
    let (request, response) = halves(&stage);
    holds(
        &request,
        &[
            "Discover, user anna@contoso.example",
            "RequestVersion 9.0",
            "DeviceType CIMClient_Windows",
            "OSEdition 48",
        ],
    );
    holds(
        &response,
        &[
            "400 Bad Request (0x80190190)",
            "application/json; charset=utf-8, 114 B, not decoded",
            "\"reason\":\"the discover message is not valid: RequestVersion\"",
        ],
    );
    assert!(!response.contains("not read"), "{response}");
}

#[test]
fn a_request_with_a_password_shows_its_user_and_device_and_why_it_is_refused() {
    let (request, response) = exchange(
        data("request-issue.xml"),
        500,
        data("fault-authentication.xml"),
    );
    holds(
        &request,
        &[
            "RST/wstep, UsernameToken of anna@contoso.example, device 00112233445566778899AABBCCDDEEFF",
            "EnrollmentType Full",
            "asks for a certificate (Issue, PKCS10)",
            "subject CN=6f2d9c1e-4a7b-4c3d-8e5f-0a1b2c!00112233445566778899AABBCCDDEEFF",
            "EnrollmentData ******** (25 B)",
            "AIKPub ********",
        ],
    );
    let fault = "fault s:Authentication (0x80180002): the security token is empty";
    holds(&response, &[fault]);
    // The fault says more than the status does.
    assert!(!response.contains("0x801901F4"), "{response}");
}

#[test]
fn a_fault_in_lower_case_with_status_200_is_a_fault() {
    let (request, response) =
        exchange(data("request-empty.xml"), 200, data("fault-lower-case.xml"));
    holds(&request, &["RST/wstep"]);
    holds(
        &response,
        &[
            "fault s:enrollmentserver (0x80180005): the request is not valid: EnrollmentType <nil>",
            "the fault came with HTTP status 200 (SOAP 1.2 asks for 500)",
        ],
    );
}

fn enrollment() -> Stage {
    let mut stage = Stage::new();
    stage.request(&[SOAP], data("discover.xml"));
    stage.response(&[SOAP], data("discover-response.xml"));
    stage.request(&[SOAP], data("policies.xml"));
    stage.response(&[SOAP], data("policies-response.xml"));
    stage.request(&[SOAP], data("request-entra.xml"));
    status(stage.response(&[SOAP], data("fault-device-cap.xml")), 500);
    stage.request(&[SOAP], data("request-issue.xml"));
    stage.response(&[SOAP], data("response.xml"));
    stage.request(&[SOAP], data("request-renew.xml"));
    let provisioning = ("content-type", "text/xml");
    stage.response(&[provisioning], data("provisioning.xml"));
    stage
}

#[test]
fn an_enrollment_reads_as_expected() {
    let text = transcript(&enrollment().events, Masking::Masked);
    expect("enrolled.txt", &text);
}

#[test]
fn an_enrollment_shown_again_from_json_reads_the_same() {
    let events = enrollment().events;
    let lines = json_lines(&events, Masking::Masked);
    let mut again = dmtap::record::Transcript::new(Vec::new(), dmtap::record::Colour::Plain);
    show(&lines, &mut again).unwrap();
    let again = String::from_utf8(again.into_inner()).unwrap();
    assert_eq!(again, transcript(&events, Masking::Masked));
}

#[test]
fn json_lines_name_what_is_asked_and_granted() {
    let lines = json_lines(&enrollment().events, Masking::Masked);
    let records = read_lines(&lines);
    let enrollment = |at: usize| records[at].enrollment.as_ref().unwrap();
    let request = enrollment(7);
    assert_eq!(request.message.as_deref(), Some("RequestSecurityToken"));
    assert_eq!(request.facts.get("EnrollmentType"), Some("Full"));
    assert_eq!(request.authentication.as_deref(), Some("UsernameToken"));
    let granted = &enrollment(8).granted;
    let kinds: Vec<&str> = granted.iter().map(|part| &*part.kind).collect();
    let expected = [
        "certificate",
        "certificate",
        "renewal",
        "account",
        "provider",
    ];
    assert_eq!(kinds, expected);
    let thumbprint = granted[1].facts.get("thumbprint");
    assert_eq!(thumbprint, Some("39B10DFF7E42FC310EB267A7F82E0DBE8545330A"));
    let fault = enrollment(6).fault.as_ref().unwrap();
    assert_eq!(fault.hresult.as_deref(), Some("0x80180013"));
}

#[test]
fn no_password_token_or_nonce_is_shown_not_even_in_raw_transcripts() {
    let secrets = [
        "correct-horse-77",
        "server-secret-51",
        "client-secret-52",
        "bm9uY2UtZm9y",
        "eyJhbGciOiJub25lIn0",
        "ZXlKaGJHY2lPaUp1YjI1bEluMC",
    ];
    let events = enrollment().events;
    for masking in [Masking::Masked, Masking::Raw] {
        let text = transcript(&events, masking);
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} is in\n{text}");
        }
    }
    let lines = String::from_utf8(json_lines(&events, Masking::Masked)).unwrap();
    for secret in secrets.iter().chain(&["opaque-enrollment-blob-91"]) {
        assert!(!lines.contains(secret), "{secret} is in the JSON lines");
    }
}

#[test]
fn the_text_of_an_error_page_is_shown_and_only_the_size_of_another() {
    let page = "<html>\r\n<head><title>400 No required SSL certificate was sent</title></head>\r\n<body>\r\n\
        <center><h1>400 Bad Request</h1></center>\r\n<center>No required SSL certificate was sent</center>\r\n\
        <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";
    let shown = |code: u16| {
        let mut stage = Stage::new();
        stage.request(&[SOAP], data("discover.xml"));
        foreign(status(stage.response(&[HTML], page), code), "text/html");
        halves(&stage).1
    };
    holds(
        &shown(400),
        &[
            "text/html, 230 B, not decoded",
            "\n  │   No required SSL certificate was sent\n",
        ],
    );
    let fine = shown(200);
    holds(&fine, &["text/html, 230 B, not decoded"]);
    assert!(!fine.contains("No required"), "{fine}");
}

#[test]
fn secrets_in_the_text_of_an_error_are_masked() {
    let mut stage = Stage::new();
    stage.request(&[SOAP], data("discover.xml"));
    let body = "{\"error\":\"no\",\"access_token\":\"S3cr3t!\"}";
    foreign(
        status(stage.response(&[JSON], body), 401),
        "application/json",
    );
    let (_, response) = halves(&stage);
    holds(&response, &["\"error\":\"no\"", "(0x80190191)"]);
    assert!(!response.contains("S3cr3t!"), "{response}");
}

#[test]
fn an_error_of_bytes_or_of_many_lines_shows_little() {
    let shown = |body: Bytes, media_type: &'static str| {
        let mut stage = Stage::new();
        stage.request(&[SOAP], data("discover.xml"));
        let answer = stage.response(&[("content-type", media_type)], body);
        foreign(status(answer, 502), media_type);
        halves(&stage).1.lines().count()
    };
    let image = Bytes::from_static(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01");
    assert_eq!(shown(image, "image/png"), 3);
    let long = "line\n".repeat(10_000);
    assert_eq!(shown(long.into(), "text/plain"), 12);
}

#[test]
fn every_event_with_a_document_of_another_language_has_no_enrollment() {
    let mut stage = Stage::new();
    stage.request(&[SOAP], "<a><b/></a>");
    let Some(event @ Event::Request(_)) = stage.events.last() else {
        panic!("there is no request");
    };
    assert!(
        EventRecord::of(1, event, Masking::Masked)
            .enrollment
            .is_none()
    );
}
