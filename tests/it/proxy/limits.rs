//! No wait is endless, and nothing grows without bound.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use dmtap::flow::Side;
use dmtap::flow::event::Event;
use dmtap::proxy::{BodyCapture, Limits, Settings};
use http::{Request, StatusCode};
use http_body::Frame;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::device::tls;
use super::rig::{Rig, in_front_of, soon};
use super::server::Server;

const BOTH: [BodyCapture; 2] = [BodyCapture::Pass, BodyCapture::Annotate];
const SHORT: Duration = Duration::from_millis(100);

fn limited(server: &Server, body_capture: BodyCapture, limits: Limits) -> Settings {
    Settings {
        body_capture,
        limits,
        ..in_front_of(server.address, &server.ca)
    }
}

/// A body that begins and never ends.
struct Stalling(Option<Bytes>);

impl http_body::Body for Stalling {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.0.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None => Poll::Pending,
        }
    }
}

/// Sends a request whose body stalls, and gives the status of the answer.
async fn stall(rig: &Rig, alpn: &str) -> StatusCode {
    let request = Request::post("https://localhost/");
    stall_after(rig, alpn, request, Some("hi".into())).await
}

async fn stall_after(
    rig: &Rig,
    alpn: &str,
    request: http::request::Builder,
    first: Option<Bytes>,
) -> StatusCode {
    let tcp = TcpStream::connect(rig.address).await.unwrap();
    let mut stream = tls(tcp, &rig.ca(), alpn, "localhost").await.unwrap();
    if alpn == "h2" {
        let builder = http2::Builder::new(TokioExecutor::new());
        let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = request.body(Stalling(first));
        let answer = sender.send_request(request.unwrap());
        return soon(answer).await.unwrap().status();
    }
    let request = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhi";
    stream.write_all(request).await.unwrap();
    let mut answer = [0; 12];
    soon(stream.read_exact(&mut answer)).await.unwrap();
    std::str::from_utf8(&answer[9..]).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_request_that_stalls_gets_408() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits {
        body: SHORT,
        ..Limits::default()
    };
    for offered in ["http/1.1", "h2"] {
        let server = Server::start(directory.path(), &[offered]).await;
        for body_capture in BOTH {
            for alpn in ["http/1.1", "h2"] {
                let rig = Rig::start(limited(&server, body_capture, limits)).await;
                let status = stall(&rig, alpn).await;
                assert_eq!(status, 408, "{alpn} {body_capture:?} to {offered}");
                let (side, why) = rig.log.until(failed).await;
                assert_eq!(side, Side::Device);
                assert!(why.contains("stalled"), "{why}");
                let log = rig.stop().await;
                let expected = ["opened", "request", "failed", "response", "closed"];
                assert_eq!(log.names(), expected);
            }
        }
    }
}

#[tokio::test]
async fn a_device_that_waits_for_100_over_http2_gets_417_and_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits {
        expect: SHORT,
        ..Limits::default()
    };
    let expecting = || Request::post("https://localhost/").header("expect", "100-Continue");
    let server = Server::start(directory.path(), &["h2"]).await;
    for body_capture in BOTH {
        let rig = Rig::start(limited(&server, body_capture, limits)).await;
        let request = expecting();
        let status = stall_after(&rig, "h2", request, None).await;
        assert_eq!(status, 417, "{body_capture:?}");
        let (side, why) = rig.log.until(failed).await;
        assert_eq!(side, Side::Device);
        assert!(why.contains("over HTTP/2 dmtap sends no 100"), "{why}");
        assert_eq!(rig.log.request().await.notes[0].id, "HTTP-10");
        rig.stop().await;
        // A device that has begun to send does not wait for 100.
        let pausing = Limits {
            body: SHORT,
            ..Limits::default()
        };
        let rig = Rig::start(limited(&server, body_capture, pausing)).await;
        let status = stall_after(&rig, "h2", expecting(), Some("hi".into())).await;
        assert_eq!(status, 408, "{body_capture:?}");
        let (_, why) = rig.log.until(failed).await;
        assert!(!why.contains("100 (Continue)"), "{why}");
        rig.stop().await;
        // A device that does not wait is served.
        for alpn in ["h2", "http/1.1"] {
            let rig = Rig::start(limited(&server, body_capture, limits)).await;
            let mut device = rig.device(alpn).await;
            let mut request = device.request("POST", "/", "hi");
            let expected = "100-continue".parse().unwrap();
            request.headers_mut().insert("expect", expected);
            let answer = device.send(request).await.unwrap();
            assert_eq!(
                (answer.status().as_u16(), &**answer.body()),
                (200, &b"hi"[..])
            );
            let request = rig.log.request().await;
            let has = request.notes.iter().any(|note| note.id == "HTTP-10");
            assert!(!has, "{alpn} {body_capture:?}");
            rig.stop().await;
        }
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

#[tokio::test]
async fn a_response_that_stalls_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi";
    let server = Server::stalling(directory.path(), response.into()).await;
    let limits = Limits {
        body: SHORT,
        ..Limits::default()
    };
    for alpn in ["http/1.1", "h2"] {
        for body_capture in BOTH {
            let rig = Rig::start(limited(&server, body_capture, limits)).await;
            let mut device = rig.device(alpn).await;
            let answer = soon(device.send(device.request("POST", "/", "hi"))).await;
            match body_capture {
                BodyCapture::Annotate => assert_eq!(answer.unwrap().status(), 504),
                BodyCapture::Pass => assert!(answer.is_err()),
            }
            let (side, why) = rig.log.until(failed).await;
            assert_eq!(side, Side::Server);
            assert!(why.contains("stalled"), "{why}");
            rig.stop().await;
        }
    }
}

/// Waits for the end of a stream, whatever is sent before it.
async fn ended(mut stream: impl AsyncRead + Unpin) {
    let _ = soon(stream.read_to_end(&mut Vec::new())).await;
}

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let limits = Limits {
        head: SHORT,
        ..Limits::default()
    };
    let rig = Rig::start(limited(&server, BodyCapture::Annotate, limits)).await;
    // The first bytes are those of HTTP/2's preface, and of POST.
    for (alpn, sent) in [
        (None, "P"),
        (Some(""), ""),
        (Some(""), "P"),
        (Some("http/1.1"), "P"),
        (Some("h2"), ""),
        (Some("h2"), "PRI * HTTP/2.0\r\n"),
    ] {
        let tcp = TcpStream::connect(rig.address).await.unwrap();
        let mut stream: Box<dyn Both> = match alpn {
            None => Box::new(tcp),
            Some(alpn) => Box::new(tls(tcp, &rig.ca(), alpn, "localhost").await.unwrap()),
        };
        stream.write_all(sent.as_bytes()).await.unwrap();
        ended(stream).await;
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let limits = Limits {
        head: SHORT,
        body: SHORT,
        ..Limits::default()
    };
    for alpn in ["http/1.1", "h2"] {
        let rig = Rig::start(limited(&server, BodyCapture::Annotate, limits)).await;
        let mut device = rig.device(alpn).await;
        device.post("/", "hi").await;
        rig.log.until(closed).await;
        rig.stop().await;
    }
}

fn closed(event: &Event) -> Option<()> {
    matches!(event, Event::Closed { .. }).then_some(())
}

#[tokio::test]
async fn a_running_exchange_is_not_silence() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let limits = Limits {
        head: SHORT,
        body: SHORT,
        response: 4 * SHORT,
        ..Limits::default()
    };
    for alpn in ["http/1.1", "h2"] {
        let rig = Rig::start(limited(&server, BodyCapture::Annotate, limits)).await;
        let mut device = rig.device(alpn).await;
        assert_eq!(device.post("/held", "hi").await.status(), 504);
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_after_the_timeout_that_was_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let limits = Limits::default().with_timeout(SHORT);
    let rig = Rig::start(limited(&server, BodyCapture::Annotate, limits)).await;
    let answer = soon(rig.device("http/1.1").await.post("/held", "hi")).await;
    assert_eq!(answer.status(), 504);
    rig.stop().await;
}

#[tokio::test]
async fn the_clock_for_the_response_starts_when_the_request_was_sent() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let limits = Limits {
        response: SHORT,
        ..Limits::default()
    };
    for body_capture in BOTH {
        let rig = Rig::start(limited(&server, body_capture, limits)).await;
        let tcp = TcpStream::connect(rig.address).await.unwrap();
        let mut stream = tls(tcp, &rig.ca(), "http/1.1", "localhost").await.unwrap();
        let head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n";
        stream.write_all(head).await.unwrap();
        for byte in b"slow" {
            // The time it takes is what this test is about.
            tokio::time::sleep(SHORT).await;
            stream.write_all(&[*byte]).await.unwrap();
        }
        let mut answer = [0; 12];
        soon(stream.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200", "{body_capture:?}");
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_device_that_reads_nothing_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    // More than the buffers of two sockets hold.
    let length = 20 << 20;
    let mut response = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    response.resize(response.len() + length, b'x');
    let server = Server::stalling(directory.path(), response).await;
    let limits = Limits {
        head: 2 * SHORT,
        body: 2 * SHORT,
        ..Limits::default()
    };
    for alpn in ["http/1.1", "h2"] {
        let rig = Rig::start(limited(&server, BodyCapture::Pass, limits)).await;
        let tcp = TcpStream::connect(rig.address).await.unwrap();
        let mut stream = tls(tcp, &rig.ca(), alpn, "localhost").await.unwrap();
        let request: &[u8] = match alpn {
            "h2" => H2_GET,
            _ => b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        };
        stream.write_all(request).await.unwrap();
        let (side, _) = rig.log.until(failed).await;
        assert_eq!(side, Side::Device, "{alpn}");
        rig.log.until(closed).await;
        drop(stream);
        rig.stop().await;
    }
}

/// The preface, empty SETTINGS, and HEADERS of stream 1: GET https://x/ (RFC 7541 §6: fields 2, 7, 4 of the
/// static table, and :authority).
const H2_GET: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\
    \0\0\x06\x01\x05\0\0\0\x01\x82\x87\x84\x41\x01x";

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let rig = Rig::start(limited(&server, BodyCapture::Annotate, limits)).await;
    let mut first = rig.device("http/1.1").await;
    let (address, ca) = (rig.address, rig.ca());
    let second = tokio::spawn(async move {
        let mut second = super::device::Device::connect(address, &ca, "http/1.1").await;
        second.post("/second", "hi").await
    });
    for _ in 0..10 {
        first.post("/first", "hi").await;
    }
    assert_eq!(
        rig.log
            .names()
            .iter()
            .filter(|name| **name == "opened")
            .count(),
        1
    );
    drop(first);
    assert_eq!(soon(second).await.unwrap().status(), 200);
    let log = rig.stop().await;
    // The first one was closed before the second one was opened.
    let names = log.names();
    let order: Vec<_> = names.iter().filter(|name| name.ends_with("ed")).collect();
    assert_eq!(order, [&"opened", &"closed", &"opened", &"closed"]);
}

#[tokio::test]
async fn what_outlasts_the_grace_period_is_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let limits = Limits {
        grace: SHORT,
        ..Limits::default()
    };
    for alpn in ["http/1.1", "h2"] {
        let rig = Rig::start(limited(&server, BodyCapture::Annotate, limits)).await;
        let mut device = rig.device(alpn).await;
        let request = device.request("POST", "/held", "hi");
        let running = tokio::spawn(async move { device.send(request).await });
        soon(server.holding.notified()).await;
        // The server never answers; the proxy ends all the same, and tells of everything.
        let log = rig.stop().await;
        assert!(soon(running).await.unwrap().is_err());
        let names = log.names();
        assert_eq!(names[..2], ["opened", "request"]);
        assert!(names.contains(&"closed"), "{names:?}");
        // Neither peer failed.
        let reported = log.events().into_iter().find_map(|event| match event {
            Event::Failed { side, why, .. } => Some((side, why)),
            _ => None,
        });
        let why = "dmtap stopped before the exchange ended";
        assert_eq!(reported, Some((None, why.to_owned())), "{alpn}");
    }
}

#[tokio::test]
async fn http_2_takes_so_many_requests_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let limits = Limits {
        streams: 1,
        ..Limits::default()
    };
    let rig = Rig::start(limited(&server, BodyCapture::Annotate, limits)).await;
    let tcp = TcpStream::connect(rig.address).await.unwrap();
    let mut stream = tls(tcp, &rig.ca(), "h2", "localhost").await.unwrap();
    stream.write_all(H2_GET).await.unwrap();
    let mut head = [0; 9];
    soon(stream.read_exact(&mut head)).await.unwrap();
    let mut settings = vec![0; usize::from(head[2])];
    soon(stream.read_exact(&mut settings)).await.unwrap();
    // SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113 §6.5.2).
    let reported: Vec<_> = settings.chunks(6).filter(|s| s[..2] == [0, 3]).collect();
    assert_eq!(reported, [[0, 3, 0, 0, 0, 1]]);
    drop(stream);
    rig.stop().await;
}
