//! The framing of a message stays the same, whether or not a rule or a record needs its body.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use dmtap::flow::{CapturedMessage, Severity};
use dmtap::proxy::{BodyCapture, Settings};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::device::tls;
use super::rig::{Rig, in_front_of, soon, unmarked};
use super::server::{self, Server};

/// Who looks at a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looks {
    Nobody,
    ARecord,
    ARule,
}

pub(super) const LOOKS: [Looks; 3] = [Looks::Nobody, Looks::ARecord, Looks::ARule];

/// Rules that read bodies and change none of these.
pub(super) const IDLE_RULES: &str = r#"
[[rule]]
name = "request"
stage = "request"
match = { command = "Status", loc-uri = "./Vendor/None" }
step = { set-status = 500 }

[[rule]]
name = "response"
stage = "response"
match = { command = "Replace", loc-uri = "./Vendor/None" }
step = { set-text = "x" }
"#;

async fn rig(looks: Looks, server: &Server, max_body: usize) -> Rig {
    let settings = Settings {
        body_capture: match looks {
            Looks::ARecord => BodyCapture::Annotate,
            Looks::Nobody | Looks::ARule => BodyCapture::Pass,
        },
        max_body,
        ..in_front_of(server.address, &server.ca)
    };
    let rig = Rig::start(settings).await;
    if looks == Looks::ARule {
        rig.rule(IDLE_RULES);
    }
    rig
}

/// What was sent and reported in one exchange over sockets of HTTP/1.1.
struct Exchanged {
    asked: String,
    answer: String,
    response: Arc<CapturedMessage>,
}

async fn exchange(looks: Looks, max_body: usize, request: &str, response: &str) -> Exchanged {
    let directory = tempfile::tempdir().unwrap();
    let (server, read) = Server::fixed(directory.path(), response.into()).await;
    let rig = rig(looks, &server, max_body).await;
    let tcp = TcpStream::connect(rig.address).await.unwrap();
    let mut stream = tls(tcp, &rig.ca(), "http/1.1", "localhost").await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The request says `Connection: close`; not every peer sends close_notify.
    let _ = soon(stream.read_to_end(&mut answer)).await;
    let asked = String::from_utf8(read.lock().unwrap().clone()).unwrap();
    Exchanged {
        asked: unmarked(&asked),
        answer: String::from_utf8(answer).unwrap(),
        response: rig.log.response().await,
    }
}

fn ids(message: &Arc<CapturedMessage>) -> Vec<&'static str> {
    message.notes.iter().map(|note| note.id).collect()
}

const ENOUGH: usize = 16 << 20;
const REQUEST: &str = "POST / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nContent-Length: 0\r\nConnection: close, TE\r\n\r\n";
const CHUNKS: &str = "3\r\n<a>\r\n4\r\n</a>\r\n0\r\n";

/// Media types of SOAP and SyncML.
const MESSAGES: [&str; 6] = [
    "application/soap+xml; charset=utf-8",
    "text/xml",
    "Application/XML",
    "application/vnd.syncml.dm+xml",
    "application/vnd.syncml.dm+wbxml",
    "application/vnd.syncml+xml",
];

#[tokio::test]
async fn answers_in_soap_and_syncml_leave_with_one_length_whoever_looks() {
    for (media_type, looks) in MESSAGES.into_iter().flat_map(|m| LOOKS.map(|l| (m, l))) {
        let response = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nTransfer-Encoding: chunked\r\n\
            Trailer: X-Sum\r\nX-End: 1\r\n\r\n{CHUNKS}X-Sum: 7\r\n\r\n"
        );
        let got = exchange(looks, ENOUGH, REQUEST, &response).await;
        assert_eq!(
            got.answer,
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nX-End: 1\r\n\
                content-length: 7\r\nconnection: close\r\n\r\n<a></a>"
            ),
            "{looks:?}"
        );
        assert!(ids(&got.response).contains(&"HTTP-05"), "{looks:?}");
    }
}

#[tokio::test]
async fn an_answer_of_enrollment_in_chunks_is_noted_and_no_other() {
    let soap = "<Envelope><Body/></Envelope>";
    for (media_type, body, framing, expected) in [
        (
            "application/soap+xml",
            soap,
            "Transfer-Encoding: chunked",
            true,
        ),
        ("application/soap+xml", soap, "Content-Length: 28", false),
        (
            "application/vnd.syncml.dm+xml",
            "<SyncML/>",
            "Transfer-Encoding: chunked",
            false,
        ),
        ("image/png", "PNG", "Transfer-Encoding: chunked", false),
    ] {
        let body = match framing.contains("chunked") {
            true => format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
            false => body.to_owned(),
        };
        let response =
            format!("HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\n{framing}\r\n\r\n{body}");
        for looks in LOOKS {
            let got = exchange(looks, ENOUGH, REQUEST, &response).await;
            let mut notes = got.response.notes.iter();
            let is_noted =
                notes.any(|note| (note.id, note.severity) == ("HTTP-04", Severity::Info));
            assert_eq!(is_noted, expected, "{looks:?} {media_type} {framing}");
        }
    }
}

#[tokio::test]
async fn an_answer_of_no_bytes_in_chunks_leaves_with_the_length_0() {
    let response = "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n\
        0\r\n\r\n";
    for looks in LOOKS {
        let got = exchange(looks, ENOUGH, REQUEST, response).await;
        assert!(
            got.answer.contains("\r\ncontent-length: 0\r\n") && got.answer.ends_with("\r\n\r\n"),
            "{looks:?}: {}",
            got.answer
        );
        assert!(!got.answer.contains("chunked"), "{looks:?}");
    }
}

#[tokio::test]
async fn an_answer_that_only_the_end_of_the_connection_ends_leaves_with_its_length() {
    let response = "HTTP/1.0 200 OK\r\nContent-Type: application/soap+xml\r\n\r\n<a></a>";
    for looks in LOOKS {
        let got = exchange(looks, ENOUGH, REQUEST, response).await;
        assert!(
            got.answer.contains("content-length: 7\r\n") && got.answer.ends_with("\r\n\r\n<a></a>"),
            "{looks:?}: {}",
            got.answer
        );
    }
}

#[tokio::test]
async fn a_message_that_is_too_long_to_collect_streams_and_a_note_says_so() {
    let response = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n{CHUNKS}\r\n"
    );
    for looks in LOOKS {
        let got = exchange(looks, 6, REQUEST, &response).await;
        let (head, body) = got.answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("Transfer-Encoding: chunked"), "{head}");
        assert!(!head.to_lowercase().contains("content-length"), "{head}");
        assert_eq!(body, format!("{CHUNKS}\r\n"), "{looks:?}");
        assert_eq!(ids(&got.response), ["HTTP-04", "STAY-01"], "{looks:?}");
    }
    let sized = "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 7\r\n\r\n<a></a>";
    for looks in LOOKS {
        let got = exchange(looks, 6, REQUEST, sized).await;
        assert!(got.answer.contains("Content-Length: 7\r\n"), "{looks:?}");
        assert_eq!(ids(&got.response), ["STAY-01"], "{looks:?}");
    }
}

#[tokio::test]
async fn every_other_answer_keeps_its_chunks_and_its_trailers_whoever_looks() {
    for body in [CHUNKS, "0\r\n"] {
        for fields in ["Content-Type: application/json", "X-Odd: 1"] {
            let answer = |close: &str| {
                format!(
                    "HTTP/1.1 200 OK\r\n{fields}\r\nTrailer: x-sum\r\n\
                    {close}Transfer-Encoding: chunked\r\n\r\n{body}x-sum: 7\r\n\r\n"
                )
            };
            for looks in LOOKS {
                let got = exchange(looks, ENOUGH, REQUEST, &answer("")).await;
                let (head, body_sent) = got.answer.split_once("\r\n\r\n").unwrap();
                let head = head.to_lowercase();
                assert!(head.contains("transfer-encoding: chunked"), "{head}");
                assert!(!head.contains("content-length"), "{looks:?}: {head}");
                // Chunks may be joined.
                assert!(
                    body_sent.ends_with("0\r\nx-sum: 7\r\n\r\n"),
                    "{looks:?}: {body_sent}"
                );
                assert_eq!(body_sent.contains("</a>"), body == CHUNKS, "{looks:?}");
                let noted = ids(&got.response);
                assert!(!noted.contains(&"HTTP-05"), "{looks:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_request_in_chunks_stays_in_chunks_with_its_trailers_whoever_looks() {
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    for method in ["POST", "GET"] {
        for media_type in ["application/vnd.syncml.dm+xml", "application/json"] {
            let request = format!(
                "{method} / HTTP/1.1\r\nHost: h\r\nContent-Type: {media_type}\r\n\
                Transfer-Encoding: chunked\r\nTrailer: x-sum\r\nConnection: close\r\n\r\n\
                {CHUNKS}x-sum: 7\r\n\r\n"
            );
            for looks in LOOKS {
                let got = exchange(looks, ENOUGH, &request, response).await;
                let (head, body) = got.asked.split_once("\r\n\r\n").unwrap();
                let head = head.to_lowercase();
                assert!(
                    head.contains("transfer-encoding: chunked"),
                    "{looks:?}: {head}"
                );
                assert!(!head.contains("content-length"), "{looks:?}: {head}");
                assert!(body.contains("</a>"), "{looks:?} {method}: {body}");
                assert!(body.ends_with("0\r\nx-sum: 7\r\n\r\n"), "{looks:?}: {body}");
            }
        }
    }
}

#[tokio::test]
async fn a_request_of_no_bytes_in_chunks_stays_in_chunks_whoever_looks() {
    let request = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
        0\r\n\r\n";
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    for looks in LOOKS {
        let got = exchange(looks, ENOUGH, request, response).await;
        let (head, body) = got.asked.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains("Transfer-Encoding: chunked"),
            "{looks:?}: {head}"
        );
        assert!(
            !head.to_lowercase().contains("content-length"),
            "{looks:?}: {head}"
        );
        assert_eq!(body, "0\r\n\r\n", "{looks:?}");
    }
}

#[tokio::test]
async fn a_length_that_is_stated_twice_goes_on_once() {
    for twice in [
        "Content-Length: 7\r\nContent-Length: 7",
        "Content-Length: 7, 7",
    ] {
        let response =
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n{twice}\r\n\r\n<a></a>");
        for looks in LOOKS {
            let got = exchange(looks, ENOUGH, REQUEST, &response).await;
            let head = got.answer.split_once("\r\n\r\n").unwrap().0;
            let lengths: Vec<_> = head
                .lines()
                .filter(|line| line.starts_with("Content-Length"))
                .collect();
            assert_eq!(lengths, ["Content-Length: 7"], "{looks:?}: {}", got.answer);
        }
    }
}

#[tokio::test]
async fn a_changed_body_states_its_length_and_loses_its_trailers_with_a_note() {
    let response = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\
        Trailer: x-sum\r\n\r\n{CHUNKS}x-sum: 7\r\n\r\n"
    );
    let directory = tempfile::tempdir().unwrap();
    let (server, _) = Server::fixed(directory.path(), response.into()).await;
    let rig = rig(Looks::ARecord, &server, ENOUGH).await;
    rig.rule("[[rule]]\nname = \"other\"\nstage = \"response\"\nstep = { set-body = \"new\" }\n");
    let tcp = TcpStream::connect(rig.address).await.unwrap();
    let mut stream = tls(tcp, &rig.ca(), "http/1.1", "localhost").await.unwrap();
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = soon(stream.read_to_string(&mut answer)).await;
    assert!(answer.contains("content-length: 3\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nnew"), "{answer}");
    assert!(!answer.to_lowercase().contains("trailer:"), "{answer}");
    assert!(ids(&rig.log.response().await).contains(&"HTTP-05"));
}

/// Frames, one after the other, whose length nobody knows.
struct Frames(VecDeque<Frame<Bytes>>);

impl Frames {
    fn with_trailer(text: &'static str) -> Self {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("7"));
        let data = Frame::data(Bytes::from_static(text.as_bytes()));
        Self([data, Frame::trailers(trailers)].into())
    }
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

/// A server of HTTP/2 that answers with the media type, and the length, that the request's fields ask for, and with a
/// trailer.
async fn server_of_http2(directory: &std::path::Path) -> Server {
    let mut server = Server::start(directory, &["h2"]).await;
    let (acceptor, ca) = server::tls(directory, &["h2"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (server.address, server.ca) = (listener.local_addr().unwrap(), ca);
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let Ok(stream) = acceptor.accept(tcp).await else {
                continue;
            };
            let service = service_fn(async |request: Request<Incoming>| {
                let mut response = Response::new(Frames::with_trailer("<a></a>"));
                for (name, value) in request.headers() {
                    if let Some(name) = name.as_str().strip_prefix("x-answer-") {
                        let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
                        response.headers_mut().insert(name, value.clone());
                    }
                }
                let sent = request.into_body().collect().await.unwrap();
                if let Some(sum) = sent.trailers().and_then(|trailers| trailers.get("x-sum")) {
                    response.headers_mut().insert("x-request-sum", sum.clone());
                }
                Ok::<_, Infallible>(response)
            });
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
        }
    });
    server
}

#[tokio::test]
async fn http2_keeps_trailers_but_those_of_answers_in_soap_and_syncml() {
    let directory = tempfile::tempdir().unwrap();
    let server = server_of_http2(directory.path()).await;
    for looks in LOOKS {
        for (media_type, is_message) in [("text/xml", true), ("application/json", false)] {
            for length in [None, Some("7")] {
                let rig = rig(looks, &server, ENOUGH).await;
                let tcp = TcpStream::connect(rig.address).await.unwrap();
                let stream = tls(tcp, &rig.ca(), "h2", "localhost").await.unwrap();
                let builder = http2::Builder::new(TokioExecutor::new());
                let (mut sender, connection) =
                    builder.handshake(TokioIo::new(stream)).await.unwrap();
                tokio::spawn(connection);
                let mut request =
                    Request::post("https://localhost/").header("x-answer-content-type", media_type);
                if let Some(length) = length {
                    request = request.header("x-answer-content-length", length);
                }
                let request = request.body(Frames::with_trailer("<b></b>")).unwrap();
                let response = soon(sender.send_request(request)).await.unwrap();
                let stated = response.headers().get("content-length").cloned();
                assert_eq!(response.headers()["x-request-sum"], "7", "{looks:?}");
                let body = soon(response.into_body().collect()).await.unwrap();
                let trailers = body.trailers().cloned();
                assert_eq!(body.to_bytes(), "<a></a>");
                let case = format!("{looks:?} {media_type} {length:?}");
                assert_eq!(stated.is_some(), is_message || length.is_some(), "{case}");
                assert_eq!(trailers.is_some(), !is_message, "{case}");
                let noted = ids(&rig.log.response().await);
                assert_eq!(noted.contains(&"HTTP-05"), is_message, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_of_http2_to_a_device_of_http1_is_reported_whole_though_it_has_trailers() {
    let directory = tempfile::tempdir().unwrap();
    let server = server_of_http2(directory.path()).await;
    for looks in LOOKS {
        for media_type in ["text/xml", "application/json"] {
            let rig = rig(looks, &server, ENOUGH).await;
            let tcp = TcpStream::connect(rig.address).await.unwrap();
            let mut stream = tls(tcp, &rig.ca(), "http/1.1", "localhost").await.unwrap();
            let request = format!(
                "POST / HTTP/1.1\r\nHost: h\r\nx-answer-content-type: {media_type}\r\n\
                x-answer-content-length: 7\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            let _ = soon(stream.read_to_string(&mut answer)).await;
            assert!(answer.contains("content-length: 7\r\n"), "{answer}");
            assert!(answer.ends_with("\r\n\r\n<a></a>"), "{answer}");
            rig.log.response().await;
            let names = rig.stop().await.names();
            assert!(
                !names.contains(&"failed"),
                "{looks:?} {media_type}: {names:?}"
            );
        }
    }
}

#[tokio::test]
async fn bytes_behind_the_end_that_a_length_states_are_noted() {
    for (body, expected) in [("<a>ü</a>", None), ("<a>ü</a>\n", Some("at least 1 bytes"))] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let _ = tcp.read(&mut [0; 4096]).await;
            let head = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 9";
            let answer = format!("{head}\r\n\r\n{body}");
            tcp.write_all(answer.as_bytes()).await.unwrap();
        });
        let settings = Settings {
            body_capture: BodyCapture::Annotate,
            ..Settings::reverse(origin.parse().unwrap())
        };
        let rig = Rig::start(settings).await;
        let got = rig.device("http/1.1").await.post("/", "<b/>").await;
        assert_eq!(got.body(), "<a>ü</a>");
        let response = rig.log.response().await;
        let note = response.notes.iter().find(|note| note.id == "HTTP-07");
        let text = note.map(|note| &*note.text);
        assert_eq!(text.is_some(), expected.is_some(), "{text:?}");
        assert!(
            text.unwrap_or_default()
                .contains(expected.unwrap_or_default())
        );
    }
}
