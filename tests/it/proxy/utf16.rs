//! Messages in UTF-16: read, changed, and sent in their original encoding.

use std::io::Write as _;

use bytes::Bytes;
use dmtap::flow::{CapturedMessage, NotParsed, ParsedBody};
use dmtap::proxy::{BodyCapture, Settings};
use dmtap::record::{Colour, EventRecord, JsonLines, Masking, Pcapng, Sink, Transcript};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::rig::{Rig, in_front_of};
use super::server::Server;

/// A message with characters of one, two, three and four bytes in UTF-8.
fn message(declaration: &str) -> String {
    format!(
        "{declaration}<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD>\
        <VerProto>DM/1.2</VerProto><SessionID>1</SessionID><MsgID>1</MsgID>\
        <Target><LocURI>https://localhost</LocURI></Target><Source><LocURI>urn:uuid:1</LocURI></Source>\
        </SyncHdr><SyncBody><Replace><CmdID>1</CmdID><Item>\
        <Target><LocURI>./Vendor/MSFT/Accounts/Users/a/Password</LocURI></Target><Data>S3cr3t!</Data></Item>\
        <Item><Source><LocURI>./DevInfo/Man</LocURI></Source><Data>caf\u{e9} \u{4e2d} \u{1F600}</Data></Item>\
        </Replace><Final/></SyncBody></SyncML>"
    )
}

const DECLARED: &str = "<?xml version=\"1.0\" encoding=\"utf-16\"?>\r\n";

/// Byte order mark, and the bytes of a unit.
type Form = (&'static [u8], fn(u16) -> [u8; 2]);

const FORMS: [Form; 4] = [
    (b"\xFF\xFE", u16::to_le_bytes),
    (b"\xFE\xFF", u16::to_be_bytes),
    (b"", u16::to_le_bytes),
    (b"", u16::to_be_bytes),
];

fn encoded((mark, bytes): Form, text: &str) -> Bytes {
    let units = text.encode_utf16().flat_map(bytes);
    mark.iter().copied().chain(units).collect()
}

const EDIT: &str = r#"
[[rule]]
name = "edit"
stage = "request"
match = { command = "Replace" }
step = { set-text = "\u4e2dé", at = "Item[2]/Data" }
"#;

fn raw(step: &str) -> String {
    format!("[[rule]]\nname = \"raw\"\nstage = \"request\"\nstep = {{ {step} }}\n")
}

struct Sent {
    /// What the server got.
    body: Bytes,
    headers: http::HeaderMap,
    request: CapturedMessage,
    masked: Vec<u8>,
    raw: Vec<u8>,
}

/// Sends a body through a proxy with rules.
async fn send(body: Bytes, fields: &[(&'static str, &'static str)], rules: &str) -> Sent {
    send_within(body, fields, rules, 16 << 20).await
}

async fn send_within(
    body: Bytes,
    fields: &[(&'static str, &'static str)],
    rules: &str,
    max_body: usize,
) -> Sent {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let settings = Settings {
        body_capture: BodyCapture::Annotate,
        max_body,
        ..in_front_of(server.address, &server.ca)
    };
    let rig = Rig::start(settings).await;
    rig.rule(rules);
    let mut device = rig.device("http/1.1").await;
    let mut request = device.request("POST", "/", body);
    let media_type = "application/vnd.syncml.dm+xml";
    let headers = request.headers_mut();
    headers.insert("content-type", media_type.parse().unwrap());
    for (name, value) in fields {
        headers.insert(*name, value.parse().unwrap());
    }
    let response = device.send(request).await.unwrap();
    let seen = server.last();
    assert_eq!(
        response.body(),
        &seen.body,
        "an untouched response in the same encoding"
    );
    let request = rig.log.request().await;
    rig.log.response().await;
    let events = rig.stop().await.events();
    let written = |masking| {
        let mut out = Vec::new();
        let mut lines = JsonLines::new(&mut out);
        let mut text = Vec::new();
        let mut page = Transcript::new(&mut text, Colour::Plain);
        let mut packets = Vec::new();
        let mut pcapng = Pcapng::new(&mut packets).unwrap();
        for (seq, event) in (1..).zip(&events) {
            let record = EventRecord::of(seq, event, masking);
            lines.write_event(&record).unwrap();
            page.write_event(&record).unwrap();
            pcapng.write_event(&record).unwrap();
        }
        pcapng.finish().unwrap();
        drop((lines, page, pcapng));
        [out, text, packets].concat()
    };
    Sent {
        body: seen.body,
        headers: seen.headers,
        request: CapturedMessage::clone(&request),
        masked: written(Masking::Masked),
        raw: written(Masking::Raw),
    }
}

fn ids(message: &CapturedMessage) -> Vec<&'static str> {
    message.notes.iter().map(|note| note.id).collect()
}

fn holds(bytes: &[u8], part: &str) -> bool {
    memchr::memmem::find(bytes, part.as_bytes()).is_some()
}

#[tokio::test]
async fn a_message_in_utf_16_is_read_and_passes_byte_for_byte() {
    for form in FORMS {
        for declaration in [DECLARED, "", "\r\n"] {
            let text = message(declaration);
            let body = encoded(form, &text);
            let sent = send(body.clone(), &[], "").await;
            assert_eq!(sent.body, body);
            let ParsedBody::Document(document, _) = &sent.request.body.parsed else {
                panic!("{form:?} {declaration}: {:?}", sent.request.body.parsed);
            };
            assert_eq!(document.source(), format!("\u{FEFF}{text}").as_bytes());
            assert_eq!(ids(&sent.request), ["XML-08"], "{form:?}");
            assert_eq!(sent.request.body.received, body);
            assert!(sent.request.session.is_some());
            assert!(!holds(&sent.masked, "S3cr3t!"), "{form:?}");
            assert!(holds(&sent.raw, "S3cr3t!") && holds(&sent.masked, "caf\u{e9}"));
        }
    }
}

#[tokio::test]
async fn what_a_rule_changes_goes_back_in_the_encoding_it_came_in() {
    for form in FORMS {
        let text = message(DECLARED);
        let changed = text.replace("caf\u{e9} \u{4e2d} \u{1F600}", "\u{4e2d}\u{e9}");
        let sent = send(encoded(form, &text), &[], EDIT).await;
        assert_eq!(sent.body, encoded(form, &changed), "{form:?}");
        assert_eq!(sent.request.applied.len(), 1);
        assert_eq!(sent.headers["content-length"], sent.body.len().to_string());
        assert_eq!(sent.request.body.sent, sent.body);
        let document = sent.request.body.sent_document.as_ref().unwrap();
        assert_eq!(document.source(), format!("\u{FEFF}{changed}").as_bytes());
        assert!(!holds(&sent.masked, "S3cr3t!"), "{form:?}");
    }
}

#[tokio::test]
async fn a_message_in_utf_16_inside_gzip_is_read_and_changed() {
    let form = FORMS[0];
    let text = message(DECLARED);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&encoded(form, &text)).unwrap();
    let body = Bytes::from(encoder.finish().unwrap());
    let coded = [("content-encoding", "gzip")];
    let sent = send(body.clone(), &coded, "").await;
    assert_eq!(sent.body, body);
    assert!(sent.request.body.parsed.document().is_some());
    let sent = send(body, &coded, EDIT).await;
    let changed = text.replace("caf\u{e9} \u{4e2d} \u{1F600}", "\u{4e2d}\u{e9}");
    assert_eq!(sent.body, encoded(form, &changed));
    assert!(!sent.headers.contains_key("content-encoding"));
}

#[tokio::test]
async fn steps_on_bytes_see_the_text_in_utf_8() {
    for form in FORMS {
        let text = message(DECLARED);
        let check = async |step: &str, expected: Bytes| {
            let sent = send(encoded(form, &text), &[], &raw(step)).await;
            assert_eq!(sent.body, expected, "{step} {form:?}");
            assert!(!holds(&sent.masked, "S3cr3t!"), "{step} {form:?}");
        };
        check(
            "replace-text = \"caf\u{e9}\", with = \"t\u{e9}\u{4e2d}\"",
            encoded(form, &text.replace("caf\u{e9}", "t\u{e9}\u{4e2d}")),
        )
        .await;
        check("truncate = -4", encoded(form, &text[..text.len() - 4])).await;
        check(
            "set-body = \"<a>\u{4e2d}</a>\"",
            encoded(form, "<a>\u{4e2d}</a>"),
        )
        .await;
    }
}

#[tokio::test]
async fn a_body_that_a_rule_gives_in_another_encoding_leaves_as_it_is_written() {
    let wbxml = Bytes::from_static(b"\x02\xa4\x01\x6a\x00\x6d\x6c\x71\x01\x01");
    let utf16 = encoded(FORMS[3], "<a/>");
    for body in [wbxml, utf16, Bytes::from_static(b"<a>\xff</a>")] {
        use base64::Engine as _;
        let packed = base64::engine::general_purpose::STANDARD.encode(&body);
        let rule = raw(&format!("set-body = {{ base64 = \"{packed}\" }}"));
        let sent = send(encoded(FORMS[0], &message(DECLARED)), &[], &rule).await;
        assert_eq!(sent.body, body);
    }
}

#[tokio::test]
async fn utf_8_that_is_labelled_utf_16_is_read_and_stays_utf_8() {
    let charset = (
        "content-type",
        "application/vnd.syncml.dm+xml; charset=utf-16",
    );
    for (declaration, fields) in [
        (DECLARED, &[][..]),
        (DECLARED, &[charset]),
        ("", &[charset]),
    ] {
        let text = message(declaration);
        let sent = send(text.clone().into(), fields, "").await;
        assert_eq!(sent.body, text);
        assert!(sent.request.body.parsed.document().is_some());
        assert_eq!(ids(&sent.request), ["XML-01"], "{declaration}");
        let sent = send(text.clone().into(), fields, EDIT).await;
        let changed = text.replace("caf\u{e9} \u{4e2d} \u{1F600}", "\u{4e2d}\u{e9}");
        assert_eq!(sent.body, changed);
    }
}

#[tokio::test]
async fn broken_utf_16_passes_with_the_offset_in_what_is_recorded_and_shows_no_secret() {
    for form @ (mark, _) in FORMS {
        let text = message(DECLARED);
        let whole = encoded(form, &text);
        // The root is never closed: that is found in the text, which is recorded.
        let torn = text
            .replace("S3cr3t!", "password=S3cr3t!")
            .replace("</SyncML>", "");
        let torn = (encoded(form, &torn), 3 + DECLARED.len());
        // Half of a character: the record has the bytes as received.
        let half = (whole.slice(..whole.len() - 1), whole.len() - 2);
        for (body, at) in [torn, half] {
            let sent = send(body.clone(), &[], "").await;
            assert_eq!(sent.body, body);
            let ParsedBody::Broken(error) = &sent.request.body.parsed else {
                panic!("{form:?}: {:?}", sent.request.body.parsed);
            };
            assert_eq!(error.at as usize, at, "{mark:?}: {error}");
            assert_eq!(sent.request.notes[0].at, Some(error.at));
            for unit in [u16::to_le_bytes, u16::to_be_bytes] {
                let secret: Vec<u8> = "S3cr3t!".encode_utf16().flat_map(unit).collect();
                assert!(memchr::memmem::find(&sent.masked, &secret).is_none());
            }
            assert!(!holds(&sent.masked, "S3cr3t!"), "{form:?}");
            assert!(!holds(&sent.masked, "UwAzAGMAcg"), "base64 of it");
        }
    }
}

#[tokio::test]
async fn utf_16_whose_text_is_longer_than_the_limit_passes_unread() {
    let body = encoded(FORMS[0], &format!("<a>{}</a>", "\u{4e2d}".repeat(100)));
    // 216 bytes in UTF-16, 310 in UTF-8.
    let sent = send_within(body.clone(), &[], EDIT, 300).await;
    assert_eq!(sent.body, body);
    let reading = &sent.request.body.parsed;
    assert!(
        matches!(reading, ParsedBody::Unread(NotParsed::Coding(why)) if why.contains("UTF-16LE")),
        "{reading:?}"
    );
}
