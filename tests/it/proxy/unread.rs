//! Rules act in the same way with and without a record: every step over the same exchange, twice.

use std::collections::{BTreeMap, BTreeSet};

use dmtap::flow::DeliveryStep;
use dmtap::flow::event::Event;
use dmtap::proxy::{BodyCapture, Settings};
use dmtap::rules::load;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::device::tls;
use super::rig::{Rig, in_front_of, soon, unmarked};
use super::server::Server;

const GET: &str = "{ command = 'Get' }";
const REPLACE: &str = "{ command = 'Replace' }";
const STATUS: &str = "{ command = 'Status' }";
const WHOLE: &str = "{ path = '/dm' }";

/// Every verb with a rule of its own: what it selects, and its step.
const STEPS: &[(&str, &str, &str)] = &[
    (
        "advance-scenario",
        "{ method = '*' }\nscenario = { name = 'acts', becomes = 'second' }",
        "{ advance-scenario = true }",
    ),
    ("set-status", STATUS, "{ set-status = 500 }"),
    (
        "set-text",
        GET,
        "{ set-text = './B', at = 'Item/Target/LocURI' }",
    ),
    (
        "set-text",
        WHOLE,
        "{ set-text = '{{message-id}}{{session-id}}', at = 'SyncHdr/MsgID' }",
    ),
    (
        "set-attribute",
        GET,
        "{ set-attribute = 'a', value = '{{device}}' }",
    ),
    ("remove-attribute", WHOLE, "{ remove-attribute = 'xmlns' }"),
    (
        "insert",
        WHOLE,
        "{ insert = '<Get/>', last-in = 'SyncBody' }",
    ),
    ("replace", GET, "{ replace = '<Item/>', at = 'Item' }"),
    ("remove", GET, "{ remove = true }"),
    ("copy", GET, "{ copy = 'Item', last-in = '.' }"),
    ("move", GET, "{ move = 'Item', first-in = '.' }"),
    ("duplicate", GET, "{ duplicate = true }"),
    ("reverse", STATUS, "{ reverse = true }"),
    (
        "set-header",
        WHOLE,
        "{ set-header = 'x-a', value = 'plain' }",
    ),
    (
        "set-header",
        WHOLE,
        "{ set-header = 'x-a', value = '{{path}} of {{server}}' }",
    ),
    (
        "add-header",
        WHOLE,
        "{ add-header = 'x-b', value = '{{session-id}}/{{message-id}}/{{device}}' }",
    ),
    (
        "add-header",
        GET,
        "{ add-header = 'x-b', value = '{{cmd-id}} {{loc-uri}} {{next-cmd-id}}' }",
    ),
    ("remove-header", WHOLE, "{ remove-header = 'x-c' }"),
    ("set-http-status", WHOLE, "{ set-http-status = 404 }"),
    ("set-body", WHOLE, "{ set-body = 'other' }"),
    ("set-body", WHOLE, "{ set-body = '{{session-id}}' }"),
    ("replace-text", WHOLE, "{ replace-text = 'a', with = 'b' }"),
    ("flip", WHOLE, "{ flip = { at = 1 } }"),
    ("truncate", WHOLE, "{ truncate = '50%' }"),
    ("answer", WHOLE, "{ answer = 503, body = 'busy' }"),
    ("delay", WHOLE, "{ delay = '5ms' }"),
    ("latency", WHOLE, "{ latency = '5ms' }"),
    ("latency", WHOLE, "{ latency = '5ms', jitter = '4ms' }"),
    ("bandwidth", WHOLE, "{ bandwidth = '100 KB/s' }"),
    (
        "slicer",
        WHOLE,
        "{ slicer = { size = 100, delay = '1ms' } }",
    ),
    ("slow-close", WHOLE, "{ slow-close = '5ms' }"),
    ("timeout", WHOLE, "{ timeout = '5ms' }"),
    ("limit-data", WHOLE, "{ limit-data = 20 }"),
    ("reset", WHOLE, "{ reset = true }"),
    ("reset-peer", WHOLE, "{ reset-peer = true }"),
    ("reset-peer", WHOLE, "{ reset-peer = { after = 20 } }"),
    ("empty-response", WHOLE, "{ empty-response = true }"),
    ("malformed-chunk", WHOLE, "{ malformed-chunk = true }"),
    (
        "random-data-then-close",
        WHOLE,
        "{ random-data-then-close = true }",
    ),
    ("content-length", WHOLE, "{ content-length = '+10' }"),
    ("content-length", WHOLE, "{ content-length = '-10' }"),
    ("content-length", WHOLE, "{ content-length = 12 }"),
    (
        "soap-fault",
        WHOLE,
        "{ soap-fault = { subcode = 's:Authorization' } }",
    ),
    ("refuse", GET, "{ refuse = 500 }"),
    ("hide-status", STATUS, "{ hide-status = true }"),
    (
        "inject-command",
        WHOLE,
        "{ inject-command = '<Get><Item/></Get>' }",
    ),
    ("atomic-rollback", WHOLE, "{ atomic-rollback = 404 }"),
    ("challenge", WHOLE, "{ challenge = 401 }"),
    ("busy", WHOLE, "{ busy = 503 }"),
    ("busy", WHOLE, "{ busy = 417 }"),
    ("session-abort", WHOLE, "{ session-abort = true }"),
    ("next-message", WHOLE, "{ next-message = true }"),
    ("duplicate-message", WHOLE, "{ duplicate-message = true }"),
    ("unknown-cmdref", STATUS, "{ unknown-cmdref = true }"),
    ("break-msgid", WHOLE, "{ break-msgid = 'skip' }"),
    ("drop-final", WHOLE, "{ drop-final = true }"),
    ("max-msg-size", WHOLE, "{ max-msg-size = 1500 }"),
    ("max-obj-size", WHOLE, "{ max-obj-size = 64 }"),
    (
        "resp-uri",
        WHOLE,
        "{ resp-uri = 'https://localhost/other' }",
    ),
    ("wrong-session", WHOLE, "{ wrong-session = 'FF' }"),
    ("wrong-version", WHOLE, "{ wrong-version = 'ver-proto' }"),
    ("wrong-size", REPLACE, "{ wrong-size = 1 }"),
    ("refuse-connection", "", "{ refuse-connection = true }"),
    ("tunnel", "", "{ tunnel = true }"),
    ("certificate", "", "{ certificate = 'expired' }"),
    ("tls-min", "", "{ tls-min = '1.3' }"),
    ("tls-max", "", "{ tls-max = '1.2' }"),
    (
        "handshake-alert",
        "",
        "{ handshake-alert = 'handshake_failure' }",
    ),
    ("handshake-stall", "", "{ handshake-stall = '5ms' }"),
    ("handshake-close", "", "{ handshake-close = true }"),
];

fn message(number: u32) -> String {
    format!(
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
        <SessionID>1</SessionID><MsgID>{number}</MsgID><Target><LocURI>https://localhost</LocURI></Target>\
        <Source><LocURI>urn:uuid:1</LocURI></Source><Meta><MaxMsgSize>9000</MaxMsgSize></Meta></SyncHdr>\
        <SyncBody><Status><CmdID>1</CmdID><MsgRef>{number}</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd>\
        <Data>200</Data></Status><Status><CmdID>2</CmdID><MsgRef>1</MsgRef><CmdRef>3</CmdRef><Cmd>Get</Cmd>\
        <Data>200</Data></Status><Get><CmdID>3</CmdID><Meta><Size>3</Size></Meta><Item><Target>\
        <LocURI>./A</LocURI></Target></Item></Get><Replace><CmdID>4</CmdID><Item><Target><LocURI>./B</LocURI></Target>\
        <Meta><Size>3</Size></Meta><Data>abc</Data></Item></Replace><Final/></SyncBody></SyncML>"
    )
}

fn http(first_line: &str, more: &str, body: &str) -> String {
    let length = body.len();
    format!("{first_line}\r\nX-C: c\r\n{more}Content-Length: {length}\r\n\r\n{body}")
}

/// What came of two exchanges: what each peer read, and how the messages were to leave.
#[derive(Debug, PartialEq)]
struct Came {
    server: Vec<String>,
    device: Vec<String>,
    deliveries: BTreeMap<(u64, u8), Vec<DeliveryStep>>,
}

async fn play(rules: &str, body_capture: BodyCapture, bodies: &[String; 2], media: &str) -> Came {
    let directory = tempfile::tempdir().unwrap();
    // The server closes each connection, and says so: dmtap need not find out while it sends the next request.
    let answer = http("HTTP/1.1 200 OK\r\nConnection: close", media, &bodies[0]);
    let (server, read) = Server::fixed(directory.path(), answer.into_bytes()).await;
    let rig = Rig::start(Settings {
        body_capture,
        ..in_front_of(server.address, &server.ca)
    })
    .await;
    rig.rule(rules);
    let port = server.address.port().to_string();
    let (mut at_server, mut at_device) = (Vec::new(), Vec::new());
    for body in bodies {
        let request = http(
            "POST /dm HTTP/1.1\r\nHost: h\r\nConnection: close",
            media,
            body,
        );
        at_device.push(exchange(&rig, &server, &request).await);
        // The server may hear of a cut after the device did.
        soon(async {
            let is_cut = rules.contains("limit-data") || rules.contains("after = 20");
            while is_cut && read.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let got = std::mem::take(&mut *read.lock().unwrap());
        at_server.push(unmarked(&String::from_utf8_lossy(&got)).replace(&port, "PORT"));
    }
    let reported = rig.stop().await.events().into_iter();
    let deliveries = reported.filter_map(|event| match event {
        Event::Request(captured) => Some(((captured.exchange.0, 1), captured.delivery.ops.clone())),
        Event::Response(captured) => {
            Some(((captured.exchange.0, 2), captured.delivery.ops.clone()))
        }
        _ => None,
    });
    Came {
        server: at_server,
        device: at_device,
        // What is cut may be reported when the next exchange has begun.
        deliveries: deliveries.collect(),
    }
}

/// What a device reads to the end, and how that end came.
async fn exchange(rig: &Rig, server: &Server, request: &str) -> String {
    // A tunnel leads to the server itself.
    let both =
        std::fs::read_to_string(rig.ca()).unwrap() + &std::fs::read_to_string(&server.ca).unwrap();
    let trusted = rig.directory.path().join("both.pem");
    std::fs::write(&trusted, both).unwrap();
    // A connection that is refused may be gone before it is looked at.
    let connecting = async {
        let tcp = TcpStream::connect(rig.address).await?;
        tls(tcp, &trusted, "http/1.1", "localhost").await
    };
    let mut stream = match connecting.await {
        Ok(stream) => stream,
        Err(error) => return format!("no TLS: {:?}", error.kind()),
    };
    if let Err(error) = stream.write_all(request.as_bytes()).await {
        return format!("{:?}", error.kind());
    }
    let mut answer = Vec::new();
    let end = soon(stream.read_to_end(&mut answer)).await;
    let end = end.map(drop).map_err(|error| error.kind());
    format!("{:?} {end:?}", bytes::Bytes::from(answer))
}

fn stages(matcher: &str) -> &'static [&'static str] {
    match matcher {
        "" => &["connection"],
        _ => &["request", "response"],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_does_the_same_where_nobody_looks() {
    let listed: BTreeSet<&str> = STEPS.iter().map(|(verb, ..)| *verb).collect();
    let known: BTreeSet<&str> = dmtap::rules::step::verbs().iter().copied().collect();
    assert_eq!(listed, known, "each verb has a rule here");
    let mut played = BTreeSet::new();
    let mut cases = Vec::new();
    for (verb, matcher, step) in STEPS {
        for stage in stages(matcher) {
            let matcher = if matcher.is_empty() {
                String::new()
            } else {
                format!("match = {matcher}\n")
            };
            let rules =
                format!("[[rule]]\nname = 'r'\nstage = '{stage}'\n{matcher}step = {step}\n");
            // Some stand at one stage only.
            if load::parse("a.toml", &rules).is_err() {
                continue;
            }
            played.insert(*verb);
            cases.push(rules);
        }
    }
    assert_eq!(played, known, "each is played at one stage at least");
    // They wait most of the time.
    for some in cases.chunks(AT_ONCE) {
        let playing: JoinSet<()> = some.iter().cloned().map(play_both).collect();
        playing.join_all().await;
    }
}

async fn play_both(rules: String) {
    let syncml = (
        [message(1), message(2)],
        "Content-Type: application/vnd.syncml.dm+xml\r\n",
    );
    let plain = (
        ["some text".repeat(20), "and more".repeat(20)],
        "Content-Type: text/plain\r\n",
    );
    for (bodies, media) in [&syncml, &plain] {
        let looked = play(&rules, BodyCapture::Annotate, bodies, media).await;
        let passed = play(&rules, BodyCapture::Pass, bodies, media).await;
        assert_eq!(passed, looked, "{rules}");
    }
}

/// Rules that are played at once: each takes sockets and a folder.
const AT_ONCE: usize = 12;
