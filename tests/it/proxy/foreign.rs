//! Rare HTTP that is allowed, and HTTP that is not allowed.

use dmtap::flow::event::Event;
use dmtap::flow::{ParsedBody, Side};
use dmtap::proxy::{BodyCapture, Settings, Trust};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Request;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::io::Write;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::device::{Device, tls};
use super::rig::{Rig, in_front_of, soon};
use super::server::Server;

const BOTH: [BodyCapture; 2] = [BodyCapture::Pass, BodyCapture::Annotate];
const MESSAGE: &str = "<SyncML><SyncHdr/></SyncML>";

fn looking(server: &Server, body_capture: BodyCapture) -> Settings {
    Settings {
        body_capture,
        ..in_front_of(server.address, &server.ca)
    }
}

/// Sends bytes and reads to the end.
async fn talk(rig: &Rig, said: &[u8]) -> Vec<u8> {
    let tcp = TcpStream::connect(rig.address).await.unwrap();
    let mut stream = tls(tcp, &rig.ca(), "http/1.1", "localhost").await.unwrap();
    stream.write_all(said).await.unwrap();
    let mut answer = Vec::new();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    answer
}

fn failed(event: &Event) -> Option<(Option<Side>, String)> {
    match event {
        Event::Failed { side, why, .. } => Some((*side, why.clone())),
        _ => None,
    }
}

#[tokio::test]
async fn brotli_and_zstd_are_read_and_pass_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let mut brotli = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut brotli, 4096, 5, 22);
    encoder.write_all(MESSAGE.as_bytes()).unwrap();
    drop(encoder);
    let zstd = zstd::encode_all(MESSAGE.as_bytes(), 1).unwrap();
    for (coding, body) in [("br", brotli), ("zstd", zstd)] {
        let rig = Rig::start(looking(&server, BodyCapture::Annotate)).await;
        let mut device = rig.device("http/1.1").await;
        let mut request = device.request("POST", "/", body.clone());
        let fields = request.headers_mut();
        fields.insert("content-encoding", coding.parse().unwrap());
        device.send(request).await.unwrap();
        assert_eq!(server.last().body, body);
        let read = rig.log.request().await;
        let ParsedBody::Document(document, _) = &read.body.parsed else {
            panic!("{coding}: {:?}", read.body.parsed);
        };
        assert_eq!(document.source(), MESSAGE);
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_charset_as_the_coding_is_noted_and_stay_says_what_an_unknown_coding_hides() {
    let directory = tempfile::tempdir().unwrap();
    let check = async |coding: &str, url: &str, is_rewritten: bool, expected: &[&str]| {
        let answer = format!(
            "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'><s:Body><DiscoverResponse \
             xmlns='http://schemas.microsoft.com/windows/management/2012/01/enrollment'><DiscoverResult>\
             <EnrollmentServiceUrl>{url}</EnrollmentServiceUrl></DiscoverResult></DiscoverResponse></s:Body></s:Envelope>"
        );
        let response = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\nContent-Encoding: {coding}\r\n\
             Content-Length: {}\r\n\r\n{answer}",
            answer.len()
        );
        let (server, _) = Server::fixed(directory.path(), response.into()).await;
        for body_capture in BOTH {
            let rig = Rig::start(looking(&server, body_capture)).await;
            let got = rig.device("http/1.1").await.post("/", "<a/>").await;
            assert_eq!(*got.body() != answer, is_rewritten, "{coding}");
            let has_field = got.headers().contains_key("content-encoding");
            assert_eq!(has_field, !is_rewritten, "{coding}");
            let read = rig.log.response().await;
            let ids: Vec<&str> = read.notes.iter().map(|note| note.id).collect();
            if is_rewritten || body_capture == BodyCapture::Annotate {
                assert_eq!(ids, expected, "{coding} {body_capture:?}");
            }
            rig.stop().await;
        }
    };
    let away = "https://other.example.com/e";
    check("UTF-8", away, true, &["HTTP-09"]).await;
    check("UTF-8", "/e", false, &["HTTP-09"]).await;
    check("junk", away, false, &["STAY-01"]).await;
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn chunked(head: &str, coded: &[u8]) -> Vec<u8> {
    let mut said = format!("{head}\r\n\r\n{:x}\r\n", coded.len()).into_bytes();
    said.extend(coded);
    said.extend(b"\r\n0\r\n\r\n");
    said
}

#[tokio::test]
async fn a_transfer_coding_ends_here() {
    let directory = tempfile::tempdir().unwrap();
    let head =
        "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: gzip, chunked";
    for body_capture in BOTH {
        let server = Server::start(directory.path(), &["http/1.1"]).await;
        let rig = Rig::start(looking(&server, body_capture)).await;
        let answer = talk(&rig, &chunked(head, &gzip(MESSAGE))).await;
        assert!(answer.ends_with(MESSAGE.as_bytes()), "{body_capture:?}");
        assert_eq!(server.last().body, MESSAGE, "{body_capture:?}");
        assert!(!server.last().headers.contains_key("transfer-encoding"));
        let answer = talk(&rig, &chunked(head, b"no gzip")).await;
        assert!(answer.starts_with(b"HTTP/1.1 400"), "{body_capture:?}");
        rig.stop().await;
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked";
        let response = chunked(head, &gzip(MESSAGE));
        let (server, _) = Server::fixed(directory.path(), response).await;
        let rig = Rig::start(looking(&server, body_capture)).await;
        let answer = talk(
            &rig,
            b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        )
        .await;
        assert!(answer.ends_with(MESSAGE.as_bytes()), "{body_capture:?}");
        rig.stop().await;
    }
}

#[tokio::test]
async fn an_unasked_101_is_the_servers_fault() {
    let directory = tempfile::tempdir().unwrap();
    let response = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx";
    for body_capture in BOTH {
        for asked in ["", "Upgrade: x\r\n"] {
            let (server, _) = Server::fixed(directory.path(), response.into()).await;
            let rig = Rig::start(looking(&server, body_capture)).await;
            let said = format!("GET / HTTP/1.1\r\nHost: h\r\n{asked}Connection: close\r\n\r\n");
            let answer = talk(&rig, said.as_bytes()).await;
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
            let (side, why) = rig.log.until(failed).await;
            assert_eq!(side, Some(Side::Server));
            assert!(why.contains("passes on no upgrade"), "{why}");
            rig.stop().await;
        }
    }
}

#[tokio::test]
async fn malformed_chunks_of_a_device_get_400_and_are_reported() {
    let directory = tempfile::tempdir().unwrap();
    for body_capture in BOTH {
        for chunks in [
            "xyz\r\nab\r\n0\r\n\r\n",
            "2\r\nabcd\r\n0\r\n\r\n",
            "2 2\r\nab\r\n",
        ] {
            let server = Server::start(directory.path(), &["http/1.1"]).await;
            let rig = Rig::start(looking(&server, body_capture)).await;
            let head = "POST /up HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
            let answer = talk(&rig, format!("{head}{chunks}").as_bytes()).await;
            let answer = String::from_utf8(answer).unwrap();
            assert!(
                answer.starts_with("HTTP/1.1 400"),
                "{body_capture:?} {chunks:?}: {answer}"
            );
            let (side, why) = rig.log.until(failed).await;
            assert_eq!(side, Some(Side::Device));
            assert!(why.contains("chunks are malformed"), "{why}");
            let request = rig.log.request().await;
            assert_eq!(request.head.headers()["host"], "h");
            rig.stop().await;
        }
    }
}

#[tokio::test]
async fn a_port_that_is_none_gets_400() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let settings = Settings {
        trust: Trust::PlatformAnd(server.ca.clone()),
        ..Settings::regular()
    };
    for said in [
        "CONNECT localhost:99999 HTTP/1.1\r\nHost: h\r\n",
        "CONNECT localhost:0 HTTP/1.1\r\nHost: h\r\n",
        "CONNECT [::1]:65536 HTTP/1.1\r\nHost: h\r\n",
        "GET http://localhost:99999/ HTTP/1.1\r\nHost: h\r\n",
    ] {
        let rig = Rig::start(settings.clone()).await;
        let mut tcp = TcpStream::connect(rig.address).await.unwrap();
        let said = format!("{said}Connection: close\r\n\r\n");
        tcp.write_all(said.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        soon(tcp.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 400", "{said}");
        drop(tcp);
        rig.stop().await;
    }
}

#[tokio::test]
async fn heads_of_64_kilobytes_pass_in_both_versions() {
    let directory = tempfile::tempdir().unwrap();
    let long = "x".repeat(60_000);
    let fields: String = (0..200).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let response =
        format!("HTTP/1.1 200 OK\r\nX-Long: {long}\r\n{fields}Content-Length: 0\r\n\r\n");
    for offered in ["http/1.1", "h2"] {
        for alpn in ["http/1.1", "h2"] {
            let server = match offered {
                "h2" => Server::start(directory.path(), &["h2"]).await,
                _ => {
                    Server::fixed(directory.path(), response.clone().into())
                        .await
                        .0
                }
            };
            let rig = Rig::start(looking(&server, BodyCapture::Pass)).await;
            let tcp = TcpStream::connect(rig.address).await.unwrap();
            let stream = tls(tcp, &rig.ca(), alpn, "localhost").await.unwrap();
            let mut device = match alpn {
                "h2" => {
                    let mut builder = http2::Builder::new(TokioExecutor::new());
                    builder.max_header_list_size(1 << 20);
                    let io = TokioIo::new(stream);
                    let (sender, connection) = builder.handshake(io).await.unwrap();
                    tokio::spawn(connection);
                    Device::Http2(sender)
                }
                _ => {
                    let mut builder = hyper::client::conn::http1::Builder::new();
                    builder.max_headers(300);
                    let io = TokioIo::new(stream);
                    let (sender, connection) = builder.handshake(io).await.unwrap();
                    tokio::spawn(connection);
                    Device::Http1(sender)
                }
            };
            let mut request: Request<_> = device.request("POST", "/long", "hi");
            if offered == "h2" {
                let headers = request.headers_mut();
                headers.insert("x-echo", long.parse().unwrap());
            }
            let answer = soon(device.send(request)).await.unwrap();
            assert_eq!(answer.status(), 200, "{alpn} to {offered}");
            let name = if offered == "h2" { "x-echo" } else { "x-long" };
            assert_eq!(answer.headers()[name].len(), 60_000, "{alpn} to {offered}");
            rig.stop().await;
        }
    }
}

#[tokio::test]
async fn a_ring_of_two_proxies_is_answered_508() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    for body_capture in BOTH {
        let plain = |port: u16| Settings {
            body_capture,
            ..Settings::reverse(format!("http://127.0.0.1:{port}").parse().unwrap())
        };
        // The port of the second is known before it runs.
        let second = {
            let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            socket.local_addr().unwrap()
        };
        let first = Rig::start(plain(second.port())).await;
        let second = Rig::start_at(plain(first.address.port()), second).await;
        let mut tcp = TcpStream::connect(first.address).await.unwrap();
        tcp.write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi")
            .await
            .unwrap();
        let mut answer = [0; 12];
        soon(tcp.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 508");
        let (_, why) = first.log.until(failed).await;
        assert!(why.contains("request loop"), "{why}");
        drop(tcp);
        first.shut_down();
        second.stop().await;
        first.stop().await;
    }
    // Another proxy's mark is no loop.
    let rig = Rig::start(looking(&server, BodyCapture::Annotate)).await;
    let mut device = rig.device("http/1.1").await;
    let mut request = device.request("POST", "/", "hi");
    let other = "1.1 dmtap-0123456789abcdef";
    request.headers_mut().insert("via", other.parse().unwrap());
    assert_eq!(device.send(request).await.unwrap().status(), 200);
    let via: Vec<_> = server
        .last()
        .headers
        .get_all("via")
        .iter()
        .cloned()
        .collect();
    assert_eq!(via.len(), 2);
    assert_eq!(via[0], other);
    rig.stop().await;
}
