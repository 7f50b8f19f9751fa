//! DM sessions through a proxy: message counters, and delivery.

use std::time::Duration;

use dmtap::flow::{AnswerTarget, CapturedMessage, NotParsed, ParsedBody, Side, event::Event};
use dmtap::proxy::{BodyCapture, Limits, Settings};

use super::rig::{EventLog, Rig, in_front_of};
use super::server::Server;

/// A message with a Status for a command of message 1, and a Get.
fn message(number: u32, session: &str) -> String {
    format!(
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
        <SessionID>{session}</SessionID><MsgID>{number}</MsgID><Target><LocURI>https://localhost</LocURI></Target>\
        <Source><LocURI>urn:uuid:1</LocURI></Source></SyncHdr><SyncBody>\
        <Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef><Cmd>Get</Cmd><Data>200</Data></Status>\
        <Get><CmdID>2</CmdID><Item><Target><LocURI>./DevInfo/Lang</LocURI></Target></Item></Get>\
        <Final/></SyncBody></SyncML>"
    )
}

fn passages(log: &EventLog, side: Side) -> Vec<CapturedMessage> {
    let events = log.events().into_iter();
    let passages = events.filter_map(|event| match event {
        Event::Request(captured) | Event::Response(captured) => {
            Some(CapturedMessage::clone(&captured))
        }
        _ => None,
    });
    passages.filter(|captured| captured.from == side).collect()
}

const COUNTERS: &str = r#"
[[rule]]
name = "of the response"
stage = "response"
match.message = 3
match.command = "Get"

[[rule.step]]
remove = true

[[rule]]
name = "of the request"
stage = "response"
match.message = 7

[[rule.step]]
delay = "1ms"
"#;

#[tokio::test]
async fn a_response_is_matched_by_its_own_number() {
    let directory = tempfile::tempdir().unwrap();
    let body = message(3, "1");
    let response = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (server, _) = Server::fixed(directory.path(), response.into_bytes()).await;
    let rig = Rig::start(in_front_of(server.address, &server.ca)).await;
    rig.rule(COUNTERS);
    rig.device("http/1.1")
        .await
        .post("/", message(7, "1"))
        .await;
    let response = rig.log.response().await;
    let applied: Vec<_> = response
        .applied
        .iter()
        .map(|applied| &*applied.rule)
        .collect();
    assert_eq!(applied, ["of the response"]);
    assert_eq!(response.session.clone().unwrap().message, Some(3));
    rig.stop().await;
}

#[tokio::test]
async fn a_message_that_the_server_did_not_answer_was_not_delivered() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let settings = Settings {
        limits: Limits {
            response: Duration::from_millis(50),
            ..Limits::default()
        },
        ..in_front_of(server.address, &server.ca)
    };
    let rig = Rig::start(settings).await;
    let mut device = rig.device("http/1.1").await;
    assert_eq!(device.post("/held", message(1, "1")).await.status(), 504);
    device.post("/", message(2, "1")).await;
    device.post("/", message(1, "1")).await;
    device.post("/", message(3, "1")).await;
    drop(device);
    let log = rig.stop().await;
    // The test server sends each message back: its Status is for a command of message 1.
    let [_, before, own, after] = &passages(&log, Side::Server)[..] else {
        panic!("{:?}", log.names())
    };
    assert!(matches!(before.links[0].to, AnswerTarget::Nothing));
    for captured in [own, after] {
        assert!(matches!(captured.links[0].to, AnswerTarget::Command { .. }));
    }
}

#[tokio::test]
async fn a_key_too_long_is_noted_and_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let rig = Rig::start(in_front_of(server.address, &server.ca)).await;
    let long = message(1, &"9".repeat(2000));
    rig.device("h2").await.post("/", long).await;
    let request = rig.log.request().await;
    assert!(request.session.is_none());
    let note = request
        .notes
        .iter()
        .find(|note| note.id == "SES-01")
        .unwrap();
    assert!(note.text.contains("2010 bytes"), "{}", note.text);
    rig.stop().await;
}

const REFUSE: &str =
    "[[rule]]\nname = 'r'\nstage = 'response'\nmatch.command = 'Get'\nstep.refuse = 500\n";

#[tokio::test]
async fn bodies_are_read_for_a_session_that_rules_left_until_it_ends() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    for (path, reads) in [
        ("/", true),
        ("/busy", true),
        ("/empty", false),
        ("/held", false),
    ] {
        let settings = Settings {
            body_capture: BodyCapture::Pass,
            limits: Limits {
                response: Duration::from_millis(100),
                ..Limits::default()
            },
            ..in_front_of(server.address, &server.ca)
        };
        let rig = Rig::start(settings).await;
        rig.rule(REFUSE);
        let mut device = rig.device("http/1.1").await;
        device.post("/", message(1, "1")).await;
        rig.rule("");
        device.post(path, message(2, "1")).await;
        device.post("/", "x").await;
        drop(device);
        let log = rig.stop().await;
        let requests = passages(&log, Side::Device);
        let is_read = requests.iter().map(|captured| {
            let reading = &captured.body.parsed;
            !matches!(reading, ParsedBody::Unread(NotParsed::NotAsked { .. }))
        });
        assert_eq!(is_read.collect::<Vec<_>>(), [true, true, reads], "{path}");
    }
}

/// Notes on answers to nothing in messages of the device.
fn dangling(log: &EventLog) -> Vec<(&'static str, String)> {
    let passages = passages(log, Side::Device).into_iter();
    let notes = passages.flat_map(|captured| captured.notes);
    let about = notes.filter(|note| note.id == "STA-03");
    about
        .map(|note| (note.severity.name(), note.text))
        .collect()
}

#[tokio::test]
async fn a_peer_is_not_blamed_for_what_dmtap_did_not_see() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let never = (
        "error",
        "Status refers to command \"2\" of message \"1\", which was never sent".to_owned(),
    );
    let unseen = (
        "info",
        "message 1 of the server was not seen or could not be read".to_owned(),
    );
    let unread = message(1, "1") + &" ".repeat(4096);
    for (what, messages, expected) in [
        (
            "from the beginning",
            [message(1, "1"), message(2, "1")],
            vec![never],
        ),
        (
            "in the middle",
            [message(2, "1"), message(3, "1")],
            vec![unseen.clone(); 2],
        ),
        (
            "a message too long",
            [unread, message(2, "1")],
            vec![unseen],
        ),
    ] {
        let settings = Settings {
            max_body: 4096,
            ..in_front_of(server.address, &server.ca)
        };
        let rig = Rig::start(settings).await;
        let mut device = rig.device("http/1.1").await;
        for message in messages {
            device.post("/", message).await;
        }
        drop(device);
        assert_eq!(dangling(&*rig.stop().await), expected, "{what}");
    }
}
