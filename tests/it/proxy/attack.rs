//! Devices that use up memory or never end a request: other devices are not affected.

use std::io::Write;
use std::time::Duration;

use dmtap::flow::event::Event;
use dmtap::flow::{NotParsed, ParsedBody, Side};
use dmtap::proxy::{BodyCapture, Limits, Settings};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::device::{Device, tls};
use super::rig::{Rig, in_front_of, soon};
use super::server::Server;

const SHORT: Duration = Duration::from_millis(100);
/// Large: no body of this length lives on the reserve of small ones.
const LENGTH: usize = 900_000;

fn limited(server: &Server, limits: Limits) -> Settings {
    Settings {
        max_body: 1 << 20,
        limits,
        ..in_front_of(server.address, &server.ca)
    }
}

/// Begins a request with a body of this length.
async fn begin(rig: &Rig, length: usize, sent: &[u8]) -> TlsStream<TcpStream> {
    let tcp = TcpStream::connect(rig.address).await.unwrap();
    let mut stream = tls(tcp, &rig.ca(), "http/1.1", "localhost").await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(sent).await.unwrap();
    stream.flush().await.unwrap();
    stream
}

const FAIL: &str = r#"
[[rule]]
name = "fail"
stage = "request"
match.command = "Status"

[[rule.step]]
set-status = 500
"#;

const STATUS: &str = "<SyncML><SyncHdr><SessionID>1</SessionID><MsgID>1</MsgID><Source><LocURI>d</LocURI></Source>\
    </SyncHdr><SyncBody><Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd>\
    <Data>200</Data></Status><Final/></SyncBody></SyncML>";

#[tokio::test(flavor = "multi_thread")]
async fn rules_act_at_once_while_large_uploads_stand_still() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let limits = Limits {
        body_memory: 4 << 20,
        // A small message would never be read if it had to wait for the large ones.
        memory_wait: Duration::MAX,
        grace: SHORT,
        ..Limits::default()
    };
    let rig = Rig::start(limited(&server, limits)).await;
    rig.rule(FAIL);
    let mut standing = Vec::new();
    for _ in 0..8 {
        standing.push(begin(&rig, LENGTH, &vec![b'x'; LENGTH - 10]).await);
    }
    for alpn in ["http/1.1", "h2"] {
        let mut device = rig.device(alpn).await;
        let answer = device.post("/", STATUS).await;
        let answer = String::from_utf8(answer.body().to_vec()).unwrap();
        assert!(answer.contains("<Data>500</Data>"), "{answer}");
    }
    drop(standing);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_at_once_take_their_turns_and_are_all_read() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let limits = Limits {
        body_memory: 8 << 20,
        ..Limits::default()
    };
    let rig = Rig::start(limited(&server, limits)).await;
    let (address, ca) = (rig.address, rig.ca());
    let sending = (0..20).map(|_| {
        let ca = ca.clone();
        tokio::spawn(async move {
            let mut device = Device::connect(address, &ca, "http/1.1").await;
            device.post("/", vec![b'x'; LENGTH]).await.body().len()
        })
    });
    for sending in sending.collect::<Vec<_>>() {
        assert_eq!(soon(sending).await.unwrap(), LENGTH);
    }
    for event in rig.stop().await.events() {
        if let Event::Request(captured) | Event::Response(captured) = event {
            let reading = &captured.body.parsed;
            assert!(!matches!(
                reading,
                ParsedBody::Unread(NotParsed::NoRoom { .. })
            ));
        }
    }
}

/// A text of this length, folded to a thousandth of it.
fn bomb(length: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let text = format!("<a>{}</a>", "<b/>".repeat(length / 4));
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn what_bodies_unfold_to_is_counted_until_the_server_answers() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let limits = Limits {
        body_memory: 8 << 20,
        memory_wait: SHORT,
        ..Limits::default()
    };
    let rig = Rig::start(limited(&server, limits)).await;
    let (address, ca) = (rig.address, rig.ca());
    let body = bomb(LENGTH);
    assert!(body.len() < 8000);
    let send = |path: &'static str| {
        let (ca, body) = (ca.clone(), body.clone());
        tokio::spawn(async move {
            let mut device = Device::connect(address, &ca, "http/1.1").await;
            let mut request = device.request("POST", path, body);
            let headers = request.headers_mut();
            headers.insert("content-encoding", "gzip".parse().unwrap());
            headers.insert("x-path", path.parse().unwrap());
            device.send(request).await.unwrap()
        })
    };
    let reading = async |path: &'static str| {
        let pick = |event: &Event| match event {
            Event::Request(captured) if captured.head.headers()["x-path"] == path => {
                Some(captured.body.parsed.clone())
            }
            _ => None,
        };
        rig.log.until(pick).await
    };
    let first = send("/held");
    assert!(matches!(reading("/held").await, ParsedBody::Document(..)));
    let second = send("/second");
    let no_room = NotParsed::NoRoom { limit: 8 << 20 };
    assert!(matches!(reading("/second").await, ParsedBody::Unread(why) if why == no_room));
    assert_eq!(soon(second).await.unwrap().body(), &body);
    server.release.add_permits(1);
    soon(first).await.unwrap();
    soon(send("/third")).await.unwrap();
    assert!(matches!(reading("/third").await, ParsedBody::Document(..)));
    rig.stop().await;
}

#[tokio::test]
async fn a_body_that_comes_by_single_bytes_ends() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let limits = Limits {
        slow: SHORT,
        grace: SHORT,
        ..Limits::default()
    };
    for body_capture in [BodyCapture::Pass, BodyCapture::Annotate] {
        let rig = Rig::start(Settings {
            body_capture,
            ..limited(&server, limits)
        })
        .await;
        let (mut reader, mut writer) = tokio::io::split(begin(&rig, 1000, b"<").await);
        let drip = tokio::spawn(async move {
            loop {
                // The time it takes is what this test is about.
                tokio::time::sleep(SHORT / 5).await;
                if writer.write_all(b"a").await.is_err() {
                    return;
                }
            }
        });
        let mut answer = [0; 12];
        soon(reader.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 408", "{body_capture:?}");
        let (side, why) = rig.log.until(failed).await;
        assert_eq!(side, Side::Device);
        assert!(why.contains("fewer than 1024 bytes a second"), "{why}");
        drip.abort();
        rig.stop().await;
    }
}

fn failed(event: &Event) -> Option<(Side, String)> {
    match event {
        Event::Failed {
            side: Some(side),
            why,
            ..
        } => Some((*side, why.clone())),
        _ => None,
    }
}

/// The preface, SETTINGS with an initial window of 0, and HEADERS of stream 1: GET https://x/ (RFC 9113 §6.5.2).
const NO_WINDOW: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0\
    \0\0\x06\x01\x05\0\0\0\x01\x82\x87\x84\x41\x01x";
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0pingping";

#[tokio::test]
async fn a_stream_whose_window_stays_shut_is_reset_though_the_connection_lives() {
    let directory = tempfile::tempdir().unwrap();
    let mut response = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc".to_vec();
    for body_capture in [BodyCapture::Pass, BodyCapture::Annotate] {
        let (server, _) = Server::fixed(directory.path(), std::mem::take(&mut response)).await;
        response = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc".to_vec();
        let limits = Limits {
            body: SHORT,
            grace: SHORT,
            ..Limits::default()
        };
        let rig = Rig::start(Settings {
            body_capture,
            ..limited(&server, limits)
        })
        .await;
        let tcp = TcpStream::connect(rig.address).await.unwrap();
        let stream = tls(tcp, &rig.ca(), "h2", "localhost").await.unwrap();
        let (mut reader, mut writer) = tokio::io::split(stream);
        writer.write_all(NO_WINDOW).await.unwrap();
        let pings = tokio::spawn(async move {
            // The connection is not silent.
            while writer.write_all(PING).await.is_ok() {
                tokio::time::sleep(SHORT / 5).await;
            }
        });
        soon(async {
            loop {
                let mut head = [0; 9];
                reader.read_exact(&mut head).await.unwrap();
                let mut content = vec![0; usize::from(head[1]) * 256 + usize::from(head[2])];
                reader.read_exact(&mut content).await.unwrap();
                const RST_STREAM: u8 = 3;
                if head[3] == RST_STREAM {
                    break;
                }
            }
        })
        .await;
        pings.abort();
        rig.stop().await;
    }
}
