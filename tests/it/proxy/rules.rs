//! Rules act on traffic.

use bytes::Bytes;
use dmtap::flow::event::Event;
use dmtap::flow::{AnswerTarget, CapturedMessage, DeliveryStep, ParsedBody, Side};
use dmtap::proxy::{BodyCapture, Settings};
use http_body_util::Full;
use std::error::Error;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::device::tls;
use super::rig::{Rig, in_front_of, soon};
use super::server::Server;

/// A message of session 1; the test server sends it back, so that it is the response, too.
const MESSAGE: &str = "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD>\
    <VerProto>DM/1.2</VerProto><SessionID>1</SessionID><MsgID>1</MsgID>\
    <Target><LocURI>https://localhost</LocURI></Target><Source><LocURI>urn:uuid:1</LocURI></Source>\
    </SyncHdr><SyncBody>\
    <Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef><Cmd>Get</Cmd><Data>200</Data></Status>\
    <Get><CmdID>2</CmdID><Item><Target><LocURI>./DevInfo/Lang</LocURI></Target></Item></Get>\
    <Final/></SyncBody></SyncML>";

async fn rig(rule: &str, body_capture: BodyCapture) -> (Rig, Server) {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["h2", "http/1.1"]).await;
    let settings = Settings {
        body_capture,
        ..in_front_of(server.address, &server.ca)
    };
    let rig = Rig::start(settings).await;
    rig.rule(rule);
    (rig, server)
}

#[tokio::test]
async fn sessions_link_what_was_delivered() {
    let (rig, _server) = rig("", BodyCapture::Annotate).await;
    let mut device = rig.device("h2").await;
    device.post("/", MESSAGE).await;
    device.post("/", MESSAGE).await;
    drop(device);
    let log = rig.stop().await;
    let passages: Vec<_> = log
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Request(captured) | Event::Response(captured) => Some(captured),
            _ => None,
        })
        .collect();
    let [first, answer, second, _] = &passages[..] else {
        panic!("{} passages", passages.len());
    };
    // Nothing was delivered to the device before its first message: its Status dangles.
    assert!(matches!(first.links[0].to, AnswerTarget::Nothing));
    assert_eq!(first.notes[0].id, "STA-03");
    // The response answers the request's Get, and the second request the response's.
    for captured in [answer, second] {
        let command = captured.links[0].to.command().unwrap();
        assert_eq!(command.element().local(), "Get");
        assert!(captured.notes.is_empty());
    }
    let tags: Vec<_> = passages
        .iter()
        .map(|captured| captured.session.as_ref().unwrap())
        .map(|tag| (tag.number, tag.exchange, tag.message))
        .collect();
    assert_eq!(tags, [1, 1, 2, 2].map(|exchange| (1, exchange, Some(1))));
}

const REMOVE: &str = r#"
[[rule]]
name = "hide"
stage = "STAGE"
match.command = "Get"

[[rule.step]]
remove = true
"#;

async fn changed(stage: &str) -> (CapturedMessage, CapturedMessage, Bytes, super::server::Seen) {
    let (rig, server) = rig(&REMOVE.replace("STAGE", stage), BodyCapture::Annotate).await;
    let mut device = rig.device("http/1.1").await;
    let mut request = device.request("POST", "/", MESSAGE);
    for (name, value) in [
        ("content-type", "application/vnd.syncml.dm+xml"),
        ("mdm-signature", "xyz"),
        ("digest", "sha-256=abc"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let response = device.send(request).await.unwrap();
    let length = response.headers()["content-length"].to_str().unwrap();
    assert_eq!(length, response.body().len().to_string());
    let reported = [rig.log.request().await, rig.log.response().await];
    let [request, response_seen] = reported.map(|captured| CapturedMessage::clone(&captured));
    drop(device);
    rig.stop().await;
    (request, response_seen, response.into_body(), server.last())
}

fn without_get() -> String {
    let start = MESSAGE.find("<Get>").unwrap();
    let end = MESSAGE.find("</Get>").unwrap() + "</Get>".len();
    format!("{}{}", &MESSAGE[..start], &MESSAGE[end..])
}

#[tokio::test]
async fn a_rule_changes_a_request_and_its_head_with_it() {
    let (request, response, _, seen) = changed("request").await;
    assert_eq!(seen.body, without_get());
    assert_eq!(seen.headers["content-length"], seen.body.len().to_string());
    assert!(!seen.headers.contains_key("digest"));
    assert_eq!(request.body.received, MESSAGE);
    assert_eq!(request.body.sent, without_get());
    assert!(request.body.sent_document.is_some());
    assert_eq!(request.applied[0].rule, "hide");
    assert!(request.notes.iter().any(|note| note.id == "SIG-01"));
    // The head is reported as received.
    assert!(request.head.headers().contains_key("digest"));
    // The server never got the Get: its answer (an echo) refers to nothing.
    assert!(matches!(response.links[0].to, AnswerTarget::Nothing));
}

#[tokio::test]
async fn a_rule_changes_a_response() {
    let (request, response, body, seen) = changed("response").await;
    assert_eq!(seen.body, MESSAGE);
    assert!(request.applied.is_empty());
    assert_eq!(body, without_get());
    assert_eq!(response.applied[0].rule, "hide");
}

const ANSWER: &str = r#"
[[rule]]
name = "busy"
stage = "STAGE"

[[rule.step]]
answer = 503
body = "busy"
"#;

#[tokio::test]
async fn a_rule_answers_in_place_of_the_server() {
    for (stage, asked) in [("request", 0), ("response", 1)] {
        for body_capture in [BodyCapture::Pass, BodyCapture::Annotate] {
            let (rig, server) = rig(&ANSWER.replace("STAGE", stage), body_capture).await;
            let mut device = rig.device("h2").await;
            let response = device.post("/", MESSAGE).await;
            assert_eq!(
                (response.status().as_u16(), &response.body()[..]),
                (503, &b"busy"[..])
            );
            assert_eq!(server.accepted(), asked, "{stage}");
            drop(device);
            let log = rig.stop().await;
            assert_eq!(log.names(), ["opened", "request", "response", "closed"]);
            let own = log.response().await;
            assert!(own.synthesized && matches!(own.body.parsed, ParsedBody::Empty));
        }
    }
}

const LATER: &str = r#"
[[rule]]
name = "slow"
stage = "response"

[[rule.step]]
delay = "1ms"
"#;

#[tokio::test]
async fn a_delayed_response_arrives_whole() {
    let (rig, _server) = rig(LATER, BodyCapture::Pass).await;
    let mut device = rig.device("http/1.1").await;
    assert_eq!(device.post("/", "hi").await.body(), "hi");
    let response = rig.log.response().await;
    assert!(matches!(response.delivery.ops[..], [DeliveryStep::Wait(_)]));
    rig.stop().await;
}

const RESET: &str = r#"
[[rule]]
name = "cut"
stage = "STAGE"
limit = { times = 1, per = "run" }

[[rule.step]]
reset = true
"#;

#[tokio::test]
async fn a_reset_is_a_tcp_reset_in_http_1() {
    for stage in ["request", "response"] {
        let (rig, server) = rig(&RESET.replace("STAGE", stage), BodyCapture::Annotate).await;
        let tcp = TcpStream::connect(rig.address).await.unwrap();
        let mut stream = tls(tcp, &rig.ca(), "http/1.1", "localhost").await.unwrap();
        let request = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
        stream.write_all(request.as_bytes()).await.unwrap();
        let error = soon(stream.read_to_end(&mut Vec::new())).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{stage}");
        assert_eq!(server.accepted(), usize::from(stage == "response"));
        let log = rig.stop().await;
        let last = if stage == "request" {
            "failed"
        } else {
            "response"
        };
        assert_eq!(log.names(), ["opened", "request", last, "closed"]);
    }
}

#[tokio::test]
async fn a_reset_is_a_stream_reset_in_http_2_and_the_connection_lives() {
    let (rig, _server) = rig(&RESET.replace("STAGE", "response"), BodyCapture::Annotate).await;
    let mut device = rig.device("h2").await;
    let request: http::Request<Full<Bytes>> = device.request("POST", "/", "hi");
    let error = device.send(request).await.unwrap_err();
    let reason = error.source().unwrap().to_string();
    assert!(reason.contains("stream error"), "{reason}");
    assert_eq!(device.post("/", "again").await.body(), "again");
    let log = rig.stop().await;
    let opened = log.names().iter().filter(|name| **name == "opened").count();
    assert_eq!(opened, 1);
}

#[tokio::test]
async fn an_exchange_keeps_the_rules_it_began_with() {
    let (rig, server) = rig("", BodyCapture::Pass).await;
    let mut device = rig.device("http/1.1").await;
    let running = tokio::spawn(async move {
        let first = device.post("/held", "hi").await;
        (first, device.post("/", "hi").await)
    });
    soon(server.holding.notified()).await;
    rig.rule(&ANSWER.replace("STAGE", "response"));
    server.release.add_permits(1);
    let (first, second) = soon(running).await.unwrap();
    assert_eq!(first.status(), 200);
    assert_eq!(second.status(), 503);
    rig.stop().await;
}

#[tokio::test]
async fn a_failed_exchange_names_the_side() {
    let (rig, _server) = rig(&RESET.replace("STAGE", "request"), BodyCapture::Pass).await;
    let mut device = rig.device("h2").await;
    let request = device.request("POST", "/", "hi");
    device.send(request).await.unwrap_err();
    let side = rig.log.until(|event| match event {
        Event::Failed { side, why, .. } if why.contains("rule") => *side,
        _ => None,
    });
    assert_eq!(side.await, Side::Device);
    rig.stop().await;
}

const CHANGED: &str = r#"
[[rule]]
name = "first"
stage = "request"
match.command = "Get"

[[rule.step]]
STEP

[[rule]]
name = "lost"
stage = "request"
match.command = "Get"
match.loc-uri = "./DevInfo/**"

[[rule.step]]
remove = true

[[rule]]
name = "of no command"
stage = "request"

[[rule.step]]
delay = "1ms"
"#;

#[tokio::test]
async fn a_rule_that_finds_no_document_any_more_says_so() {
    let longer = "set-text = \"./DevInfo/SwV and some more\"\nat = \"Item/Target/LocURI\"";
    for (step, decodes) in [("truncate = -1", false), (longer, true)] {
        let (rig, _server) = rig(&CHANGED.replace("STEP", step), BodyCapture::Annotate).await;
        rig.device("http/1.1").await.post("/", MESSAGE).await;
        let request = rig.log.request().await;
        assert_eq!(request.body.sent_document.is_some(), decodes);
        let [first, second, third] = &request.applied[..] else {
            panic!("{:?}", request.applied)
        };
        assert_eq!(
            (&*first.rule, &*second.rule, &*third.rule),
            ("first", "lost", "of no command")
        );
        let change = &second.changes[0];
        assert_eq!(change.step == "not applied", !decodes);
        assert_eq!(
            change.after.contains("after rule `first`"),
            !decodes,
            "{}",
            change.after
        );
        assert_eq!(third.changes[0].step, "delay");
        rig.stop().await;
    }
}
