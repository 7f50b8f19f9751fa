//! Bytes from devices that are not HTTP.

use std::net::SocketAddr;

use dmtap::flow::event::Event;
use dmtap::proxy::{BodyCapture, Settings, Trust, UpstreamHttp};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::device::tls;
use super::rig::{Rig, in_front_of, soon};
use super::server::{self, Server};

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}

/// Sends bytes and reads to the end, whatever that is.
async fn talk(mut stream: impl Both, said: &[u8]) -> Vec<u8> {
    stream.write_all(said).await.unwrap();
    let mut answer = Vec::new();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    answer
}

fn malformed(event: &Event) -> Option<(u64, SocketAddr, String)> {
    match event {
        Event::Malformed {
            connection,
            device,
            why,
            ..
        } => Some((connection.0, *device, why.clone())),
        _ => None,
    }
}

#[tokio::test]
async fn a_request_of_http_2_with_a_wrong_length_is_not_taken_for_one_that_broke_off() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    for length in [1, 10] {
        let rig = Rig::start(in_front_of(server.address, &server.ca)).await;
        let mut device = rig.device("h2").await;
        let mut request = device.request("POST", "/", "abc");
        let fields = request.headers_mut();
        fields.insert("content-length", length.into());
        device.send(request).await.unwrap_err();
        let failed = |event: &Event| match event {
            Event::Failed { why, .. } => Some(why.clone()),
            _ => None,
        };
        let why = rig.log.until(failed).await;
        assert!(
            why.contains("another length than its Content-Length"),
            "{why}"
        );
        rig.stop().await;
    }
}

#[tokio::test]
async fn garbage_instead_of_a_request_is_reported_with_who_sent_it_and_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let good = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    for (alpn, said, wrong) in [
        (None, "\0\x01\x02\r\n\r\n", "no method of HTTP"),
        (Some(""), "\0\x01\x02\r\n\r\n", "no method of HTTP"),
        (
            Some("http/1.1"),
            "{\"json\": 1}\r\n\r\n",
            "no method of HTTP",
        ),
        (
            Some("http/1.1"),
            "GET / HTTP/1.1\r\nno field\r\n\r\n",
            "a line of the head is not a header field",
        ),
        (
            Some("http/1.1"),
            "GET / FTP/1.1\r\n\r\n",
            "no version of HTTP",
        ),
        (
            Some("h2"),
            "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
            "breaks the rules of HTTP/2 (PROTOCOL_ERROR)",
        ),
    ] {
        for first in ["", good] {
            if alpn == Some("h2") && !first.is_empty() {
                continue;
            }
            let rig = Rig::start(in_front_of(server.address, &server.ca)).await;
            let tcp = TcpStream::connect(rig.address).await.unwrap();
            let device = tcp.local_addr().unwrap();
            let stream: Box<dyn Both> = match alpn {
                None => Box::new(tcp),
                Some(alpn) => Box::new(tls(tcp, &rig.ca(), alpn, "localhost").await.unwrap()),
            };
            let answer = talk(stream, format!("{first}{said}").as_bytes()).await;
            let (connection, from, why) = rig.log.until(malformed).await;
            assert_eq!((connection, from), (1, device), "{said:?}");
            assert!(why.contains(wrong), "{said:?}: {why}");
            if alpn != Some("h2") {
                let answer = String::from_utf8_lossy(&answer);
                assert!(answer.contains("HTTP/1.1 400 Bad Request"), "{answer}");
            }
            let log = rig.stop().await;
            let names = log.names();
            let ends = names
                .iter()
                .filter(|name| !["request", "response"].contains(name));
            assert_eq!(
                ends.collect::<Vec<_>>(),
                [&"opened", &"malformed", &"closed"]
            );
        }
    }
}

#[tokio::test]
async fn a_device_that_leaves_in_the_middle_of_a_head_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let good = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    for first in ["", good] {
        let rig = Rig::start(in_front_of(server.address, &server.ca)).await;
        let mut tcp = TcpStream::connect(rig.address).await.unwrap();
        tcp.write_all(first.as_bytes()).await.unwrap();
        if !first.is_empty() {
            let mut answer = [0; 4096];
            assert!(tcp.read(&mut answer).await.unwrap() > 0);
        }
        tcp.write_all(b"POST / HTTP/1.1\r\nHo").await.unwrap();
        drop(tcp);
        let (_, _, why) = rig.log.until(malformed).await;
        assert_eq!(why, "it ends in the middle of a request's head");
        rig.stop().await;
    }
}

#[tokio::test]
async fn garbage_to_a_proxy_is_told_too() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let settings = Settings {
        trust: Trust::PlatformAnd(server.ca.clone()),
        ..Settings::regular()
    };
    let rig = Rig::start(settings.clone()).await;
    let tcp = TcpStream::connect(rig.address).await.unwrap();
    let from = tcp.local_addr().unwrap();
    talk(tcp, b"\0\0\r\n\r\n").await;
    let (connection, device, why) = rig.log.until(malformed).await;
    assert_eq!((connection, device), (1, from));
    assert!(why.contains("no method of HTTP"), "{why}");
    assert_eq!(rig.stop().await.names(), ["malformed"]);
    let rig = Rig::start(settings).await;
    let port = server.address.port();
    let said = format!("GET https://localhost:{port}/ HTTP/1.1\r\nHost: h\r\n\r\n\0\0\r\n\r\n");
    talk(
        TcpStream::connect(rig.address).await.unwrap(),
        said.as_bytes(),
    )
    .await;
    let (_, _, why) = rig.log.until(malformed).await;
    assert!(why.contains("no method of HTTP"), "{why}");
    rig.stop().await;
}

#[tokio::test]
async fn a_device_that_leaves_or_says_nothing_sent_nothing_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    for alpn in ["http/1.1", "h2"] {
        let rig = Rig::start(in_front_of(server.address, &server.ca)).await;
        let mut device = rig.device(alpn).await;
        device.post("/", "hi").await;
        drop(device);
        let closed = |event: &Event| matches!(event, Event::Closed { .. }).then_some(());
        rig.log.until(closed).await;
        let tcp = TcpStream::connect(rig.address).await.unwrap();
        drop(tls(tcp, &rig.ca(), alpn, "localhost").await.unwrap());
        let log = rig.stop().await;
        assert!(!log.names().contains(&"malformed"), "{:?}", log.names());
    }
}

/// A frame of HTTP/2 (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u8, content: &[u8]) -> Vec<u8> {
    let mut frame = vec![0, 0, content.len() as u8, kind, flags, 0, 0, 0, stream];
    frame.extend(content);
    frame
}

/// Answers the first request with half a body, and sends nonsense once it is asked to.
async fn nonsense_in_the_middle(mut stream: impl Both, go: oneshot::Receiver<()>) {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let mut content = vec![0; usize::from(head[1]) * 256 + usize::from(head[2])];
        stream.read_exact(&mut content).await.unwrap();
        if head[3] == HEADERS {
            break;
        }
    }
    let status_200 = 0x88;
    let mut answer = frame(HEADERS, END_HEADERS, 1, &[status_200]);
    answer.extend(frame(DATA, 0, 1, b"half"));
    stream.write_all(&answer).await.unwrap();
    go.await.unwrap();
    stream
        .write_all(&frame(SETTINGS, 0, 0, b"?"))
        .await
        .unwrap();
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_HEADERS: u8 = 4;

#[tokio::test]
async fn what_a_server_says_wrong_is_not_laid_to_the_device() {
    let directory = tempfile::tempdir().unwrap();
    let (acceptor, ca) = server::tls(directory.path(), &["h2"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (say, go) = oneshot::channel();
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        nonsense_in_the_middle(acceptor.accept(tcp).await.unwrap(), go).await;
    });
    let rig = Rig::start(Settings {
        body_capture: BodyCapture::Pass,
        upstream_http: UpstreamHttp::Http2,
        ..in_front_of(address, &ca)
    })
    .await;
    let tcp = TcpStream::connect(rig.address).await.unwrap();
    let mut stream = tls(tcp, &rig.ca(), "http/1.1", "localhost").await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains("half") {
        assert_ne!(soon(stream.read_buf(&mut read)).await.unwrap(), 0);
    }
    say.send(()).unwrap();
    let _ = soon(stream.read_to_end(&mut read)).await;
    let log = rig.stop().await;
    assert_eq!(log.names(), ["opened", "request", "failed", "closed"]);
}
