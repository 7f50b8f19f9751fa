//! Each device connection has its own connection to the server, and a dead connection costs no exchange.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dmtap::flow::event::Event;
use dmtap::proxy::{Settings, UpstreamHttp};
use http::{HeaderValue, Request, Response, Version, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::device::Device;
use super::rig::{EventLog, Rig, in_front_of};
use super::server::{Server, tls};

#[tokio::test]
async fn two_devices_at_once_have_a_connection_each_in_their_own_version() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["h2", "http/1.1"]).await;
    let rig = Rig::start(in_front_of(server.address, &server.ca)).await;
    let mut old = rig.device("http/1.1").await;
    let mut new = rig.device("h2").await;
    for _ in 0..20 {
        old.post("/", "old").await;
        assert_eq!(server.last().version, Version::HTTP_11);
        new.post("/", "new").await;
        assert_eq!(server.last().version, Version::HTTP_2);
    }
    assert_eq!(server.accepted(), 2);
    rig.stop().await;
}

#[tokio::test]
async fn upstream_http_overrules_the_version_of_the_device() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["h2", "http/1.1"]).await;
    for (upstream_http, version) in [
        (UpstreamHttp::Http1, Version::HTTP_11),
        (UpstreamHttp::Http2, Version::HTTP_2),
    ] {
        let rig = Rig::start(Settings {
            upstream_http,
            ..in_front_of(server.address, &server.ca)
        })
        .await;
        for alpn in ["http/1.1", "h2"] {
            rig.device(alpn).await.post("/", "hi").await;
            assert_eq!(server.last().version, version, "{alpn}");
        }
        rig.stop().await;
    }
}

#[tokio::test]
async fn cookies_of_http2_reach_a_server_of_http1_as_one_field() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let rig = Rig::start(in_front_of(server.address, &server.ca)).await;
    let check = async |alpn: &str, expected: &[&str]| {
        let mut device = rig.device(alpn).await;
        let mut request = device.request("POST", "/", "hi");
        for crumb in ["a=1", "b=2"] {
            let crumb = HeaderValue::from_static(crumb);
            request.headers_mut().append(header::COOKIE, crumb);
        }
        device.send(request).await.unwrap();
        let headers = server.last().headers;
        let cookies: Vec<_> = headers.get_all(header::COOKIE).iter().collect();
        assert_eq!(cookies, expected, "{alpn}");
    };
    check("h2", &["a=1; b=2"]).await;
    check("http/1.1", &["a=1", "b=2"]).await;
    rig.stop().await;
}

/// Sends exchanges one after another on each of so many streams of one connection at once.
async fn streams_are_echoed(rig: &Rig, streams: usize, exchanges: usize) {
    let Device::Http2(sender) = rig.device("h2").await else {
        panic!("no HTTP/2");
    };
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..streams {
        let mut device = Device::Http2(sender.clone());
        tasks.spawn(async move {
            for n in 0..exchanges {
                let body = format!("{task} {n}");
                let response = device.post("/", body.clone()).await;
                assert_eq!(response.status(), 200, "{:?}", response.body());
                assert_eq!(*response.body(), body.as_bytes());
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test]
async fn many_streams_of_a_device_reach_a_server_that_speaks_http1_only() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let rig = Rig::start(in_front_of(server.address, &server.ca)).await;
    streams_are_echoed(&rig, 50, 4).await;
    assert!(server.accepted() <= 50, "{}", server.accepted());
    rig.stop().await;
}

/// A server that answers some requests on each connection, reads one more, holds it, and closes without a byte.
async fn closing_after(
    directory: &std::path::Path,
    most: usize,
    held: Duration,
) -> (std::net::SocketAddr, std::path::PathBuf, Arc<AtomicUsize>) {
    let (acceptor, ca) = tls(directory, &["http/1.1"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = accepted.clone();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            tcp.set_nodelay(true).unwrap();
            let acceptor = acceptor.clone();
            count.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut stream = acceptor.accept(tcp).await.unwrap();
                let mut taken = [0; 4096];
                for _ in 0..most {
                    let mut read = 0;
                    // Each request is "hi" behind its head.
                    while !taken[..read].ends_with(b"\r\n\r\nhi") {
                        match stream.read(&mut taken[read..]).await {
                            Ok(0) | Err(_) => return,
                            Ok(more) => read += more,
                        }
                    }
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
                    stream.write_all(answer).await.unwrap();
                }
                let _ = stream.read(&mut taken).await;
                tokio::time::sleep(held).await;
            });
        }
    });
    (address, ca, accepted)
}

#[tokio::test]
async fn a_connection_that_dies_before_the_first_byte_of_an_answer_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let (address, ca, accepted) = closing_after(directory.path(), 4, Duration::ZERO).await;
    let rig = Rig::start(in_front_of(address, &ca)).await;
    let mut device = rig.device("http/1.1").await;
    for n in 0..1000 {
        let response = device.post("/", "hi").await;
        assert_eq!(response.status(), 200, "exchange {n}");
    }
    assert_eq!(accepted.load(Ordering::Relaxed), 250);
    let log = rig.stop().await;
    assert_eq!(sent_again(&log), 249, "each repetition has a note");
}

fn sent_again(log: &EventLog) -> usize {
    let is_noted = |event: &&Event| match event {
        Event::Response(captured) => captured.notes.iter().any(|note| note.id == "HTTP-08"),
        _ => false,
    };
    log.events().iter().filter(is_noted).count()
}

#[tokio::test]
async fn a_failure_says_that_the_request_was_sent_before() {
    let directory = tempfile::tempdir().unwrap();
    let (acceptor, ca) = tls(directory.path(), &["http/1.1"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        // It answers the first request only.
        let mut answers = vec![&b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"[..]];
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(tcp).await.unwrap();
            while stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {
                let Some(answer) = answers.pop() else { break };
                stream.write_all(answer).await.unwrap();
            }
        }
    });
    let rig = Rig::start(in_front_of(address, &ca)).await;
    let mut device = rig.device("http/1.1").await;
    assert_eq!(device.post("/", "").await.status(), 200);
    let response = device.post("/", "").await;
    assert_eq!(response.status(), 502);
    let text = String::from_utf8_lossy(response.body());
    assert!(text.contains("had sent the request before"), "{text}");
    rig.stop().await;
}

#[tokio::test]
async fn an_answer_of_dmtap_to_head_has_no_body() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["h2"]).await;
    let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let rig = Rig::start(in_front_of(nowhere, &server.ca)).await;
    for alpn in ["http/1.1", "h2"] {
        let mut device = rig.device(alpn).await;
        let request = device.request("HEAD", "/", "");
        let response = device.send(request).await.unwrap();
        assert_eq!(response.status(), 502, "{alpn}");
        assert!(response.body().is_empty(), "{alpn}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_request_that_the_server_held_for_a_while_is_not_sent_again() {
    let directory = tempfile::tempdir().unwrap();
    let (address, ca, accepted) = closing_after(directory.path(), 1, HELD).await;
    let rig = Rig::start(in_front_of(address, &ca)).await;
    let mut device = rig.device("http/1.1").await;
    assert_eq!(device.post("/", "hi").await.status(), 200);
    assert_eq!(device.post("/", "hi").await.status(), 502);
    assert_eq!(accepted.load(Ordering::Relaxed), 1);
    let log = rig.stop().await;
    assert_eq!(sent_again(&log), 0);
}

/// The time for which a server works at a request.
const HELD: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_connection_that_a_device_authenticated_goes_to_no_other_device() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let rig = Rig::start(in_front_of(server.address, &server.ca)).await;
    let cases = [("Basic dTpw", 1), ("NTLM TlRMTVNTUAAB", 1), ("", 2)];
    for (n, (authorization, connections)) in cases.into_iter().enumerate() {
        let mut device = rig.device("http/1.1").await;
        let mut request = device.request("POST", "/", "hi");
        let authorization = HeaderValue::from_static(authorization);
        request
            .headers_mut()
            .insert(header::AUTHORIZATION, authorization);
        assert_eq!(device.send(request).await.unwrap().status(), 200);
        assert_eq!(server.accepted(), connections, "device {n}");
        drop(device);
        let closed = |event: &Event| match event {
            Event::Closed { connection, .. } if connection.0 == n as u64 + 1 => Some(()),
            _ => None,
        };
        rig.log.until(closed).await;
    }
    rig.stop().await;
}

/// An HTTP/2 server that takes few streams at once and says goodbye after some requests on each connection.
async fn going_away_after(
    directory: &std::path::Path,
    most: usize,
) -> (std::net::SocketAddr, std::path::PathBuf, Arc<AtomicUsize>) {
    let (acceptor, ca) = tls(directory, &["h2"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = accepted.clone();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            tcp.set_nodelay(true).unwrap();
            let acceptor = acceptor.clone();
            count.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let stream = acceptor.accept(tcp).await.unwrap();
                let (served, goodbye) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
                let last = goodbye.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let turn = served.fetch_add(1, Ordering::Relaxed) + 1;
                    if turn == most {
                        last.notify_one();
                    }
                    async move {
                        if turn % 3 == 0 {
                            return Err(h2::Error::from(h2::Reason::REFUSED_STREAM));
                        }
                        let body = request.into_body().collect().await;
                        let body = body.map_err(|_| h2::Reason::INTERNAL_ERROR)?;
                        Ok(Response::new(Full::new(body.to_bytes())))
                    }
                });
                let connection = http2::Builder::new(TokioExecutor::new())
                    .max_concurrent_streams(3)
                    .serve_connection(TokioIo::new(stream), service);
                tokio::pin!(connection);
                tokio::select! {
                    _ = connection.as_mut() => return,
                    () = goodbye.notified() => connection.as_mut().graceful_shutdown(),
                }
                let _ = connection.await;
            });
        }
    });
    (address, ca, accepted)
}

#[tokio::test]
async fn a_server_that_says_goodbye_or_refuses_streams_costs_no_exchange() {
    let directory = tempfile::tempdir().unwrap();
    let (address, ca, accepted) = going_away_after(directory.path(), 20).await;
    let rig = Rig::start(in_front_of(address, &ca)).await;
    streams_are_echoed(&rig, 4, 250).await;
    assert!(accepted.load(Ordering::Relaxed) > 10);
    rig.stop().await;
}
