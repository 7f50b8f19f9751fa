//! Heads and bodies that rules change, as they are on the wire.

use std::io::Write;

use dmtap::flow::event::Event;
use dmtap::proxy::{BodyCapture, Settings};
use dmtap::record::{EventRecord, Masking};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::device::tls;
use super::rig::{Rig, in_front_of, soon, unmarked};
use super::server::Server;

/// Sends the bytes of a request to a server that answers with fixed bytes, with these steps in force: gives what
/// each peer read.
async fn talk(
    stage: &str,
    steps: &str,
    body_capture: BodyCapture,
    response: &[u8],
) -> (String, String) {
    let directory = tempfile::tempdir().unwrap();
    let (server, read) = Server::fixed(directory.path(), response.into()).await;
    let settings = Settings {
        body_capture,
        ..in_front_of(server.address, &server.ca)
    };
    let rig = Rig::start(settings).await;
    rig.rule(&format!(
        "[[rule]]\nname = 'r'\nstage = '{stage}'\nstep = {steps}\n"
    ));
    let tcp = TcpStream::connect(rig.address).await.unwrap();
    let mut stream = tls(tcp, &rig.ca(), "http/1.1", "localhost").await.unwrap();
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The request says `Connection: close`; not every peer sends close_notify.
    let _ = soon(stream.read_to_end(&mut answer)).await;
    let asked = read.lock().unwrap().clone();
    let asked = String::from_utf8(asked).unwrap();
    let port = server.address.port().to_string();
    (
        unmarked(&asked).replace(&port, "PORT"),
        String::from_utf8(answer).unwrap(),
    )
}

const REQUEST: &str = "POST /a?b=c HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nContent-Length: 2\r\n\
    Connection: close\r\n\r\nhi";
const RESPONSE: &str =
    "HTTP/1.1 299 Very Odd\r\nServer: x\r\nX-A: 1\r\nX-B: 2\r\nContent-Length: 3\r\n\r\nabc";

/// With bodies that stream through unread, and with such as are read.
const BOTH: [BodyCapture; 2] = [BodyCapture::Pass, BodyCapture::Annotate];

#[tokio::test]
async fn requests_leave_with_the_fields_that_rules_give_them() {
    let steps = "[{ set-header = 'x-a', value = '{{path}}' }, { add-header = 'X-C', value = '3' }]";
    for body_capture in BOTH {
        let (asked, _) = talk("request", steps, body_capture, RESPONSE.as_bytes()).await;
        assert_eq!(
            asked,
            "POST /a?b=c HTTP/1.1\r\nX-A: /a\r\nContent-Length: 2\r\nx-c: 3\r\n\
             Host: localhost:PORT\r\n\r\nhi"
        );
    }
    let steps = "{ set-header = 'host', value = 'elsewhere' }";
    let (asked, _) = talk("request", steps, BodyCapture::Pass, RESPONSE.as_bytes()).await;
    assert_eq!(
        asked.to_lowercase().matches("host: elsewhere").count(),
        1,
        "{asked}"
    );
}

#[tokio::test]
async fn responses_leave_with_the_head_that_rules_give_them() {
    let steps = "[{ remove-header = 'x-a' }, { set-http-status = 503 }, { set-header = 'Retry-After', value = '9' }]";
    for body_capture in BOTH {
        let (_, answer) = talk("response", steps, body_capture, RESPONSE.as_bytes()).await;
        // The words of the server go with its status.
        assert_eq!(
            answer,
            "HTTP/1.1 503 Service Unavailable\r\nServer: x\r\nX-B: 2\r\nContent-Length: 3\r\n\
             retry-after: 9\r\nconnection: close\r\n\r\nabc"
        );
    }
}

#[tokio::test]
async fn a_status_without_a_body_leaves_without_one() {
    for body_capture in BOTH {
        for (status, line) in [(204, "204 No Content"), (304, "304 Not Modified")] {
            let steps = format!("{{ set-http-status = {status} }}");
            let (_, answer) = talk("response", &steps, body_capture, RESPONSE.as_bytes()).await;
            assert_eq!(
                answer,
                format!(
                    "HTTP/1.1 {line}\r\nServer: x\r\nX-A: 1\r\nX-B: 2\r\nconnection: close\r\n\r\n"
                )
            );
        }
    }
}

#[tokio::test]
async fn bodies_leave_with_the_length_they_have() {
    let check = async |steps: &str, response: &[u8], expected: &str| {
        let (_, answer) = talk("response", steps, BodyCapture::Pass, response).await;
        assert!(answer.ends_with(expected), "{answer}");
        assert!(
            !answer.to_lowercase().contains("content-encoding"),
            "{answer}"
        );
    };
    let plain = RESPONSE.as_bytes();
    check(
        "{ set-body = 'longer' }",
        plain,
        "Content-Length: 6\r\nconnection: close\r\n\r\nlonger",
    )
    .await;
    check(
        "{ truncate = 1 }",
        plain,
        "Content-Length: 1\r\nconnection: close\r\n\r\na",
    )
    .await;
    check("{ flip = { at = 0, mask = 2 } }", plain, "\r\n\r\ncbc").await;
    // A coded body is changed in the clear, and sent so; be it markup or not.
    for body in ["<a>text</a>", "text"] {
        let mut coder = GzEncoder::new(Vec::new(), Compression::default());
        coder.write_all(body.as_bytes()).unwrap();
        let coded = coder.finish().unwrap();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            coded.len()
        );
        let response = [head.as_bytes(), &coded].concat();
        let expected = format!("\r\n\r\n{}", body.replace('t', "T"));
        check("{ replace-text = 't', with = 'T' }", &response, &expected).await;
    }
}

#[tokio::test]
async fn a_coded_body_that_is_no_markup_is_recorded_as_the_rule_found_it() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    for (media_type, is) in [
        ("application/vnd.syncml.dm+xml", "opaque"),
        ("text/plain", "undecoded"),
    ] {
        let rig = Rig::start(Settings {
            body_capture: BodyCapture::Annotate,
            ..in_front_of(server.address, &server.ca)
        })
        .await;
        rig.rule(
            "[[rule]]\nname = 'r'\nstage = 'request'\nstep = { replace-text = 'broken', with = 'mended' }\n",
        );
        let mut device = rig.device("http/1.1").await;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(b"a <broken text").unwrap();
        let mut request = device.request("POST", "/", gzip.finish().unwrap());
        let headers = request.headers_mut();
        headers.insert("content-type", media_type.parse().unwrap());
        headers.insert("content-encoding", "gzip".parse().unwrap());
        device.send(request).await.unwrap();
        assert_eq!(server.last().body, "a <mended text");
        for masking in [Masking::Raw, Masking::Masked] {
            let event = Event::Request(rig.log.request().await);
            let record = EventRecord::of(1, &event, masking);
            let text = |body: &Option<_>| {
                let body: &dmtap::record::model::BodyRecord = body.as_ref().unwrap();
                body.text().unwrap().to_owned()
            };
            assert_eq!(text(&record.body), "a <broken text");
            assert_eq!(text(&record.sent), "a <mended text");
            let splice = &record.applied[0].splices[0];
            assert_eq!((splice.start, splice.end), (3, 9));
            let reading = serde_json::to_value(record.reading.as_ref().unwrap()).unwrap();
            assert_eq!(reading["is"], is);
            assert_eq!(reading["decoded"], true);
        }
        rig.stop().await;
    }
}
