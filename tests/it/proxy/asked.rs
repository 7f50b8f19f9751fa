//! The address of a request: its record has the host and path that the device sent, even if dmtap refuses the request
//! or the device leaves.

use dmtap::flow::event::Event;
use dmtap::flow::{CapturedMessage, Head, Side};
use dmtap::proxy::Settings;
use http::Request;
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::rig::{Rig, in_front_of, soon};
use super::server::Server;

fn address(message: &CapturedMessage) -> String {
    match &message.head {
        Head::Request(head) => format!("{} {}", head.method, head.uri),
        Head::Response(head) => panic!("{head:?}"),
    }
}

const RULE: &str = "[[rule]]\nname = 'r'\nstage = 'request'\nmatch = { host = 'mdm.example' }\n\
    step = { answer = 203 }\n";

#[tokio::test]
async fn behind_a_reverse_proxy_host_and_address_are_the_devices() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    for alpn in ["http/1.1", "h2"] {
        for (host, path, expected) in [
            ("mdm.example", "/dm?x=1", "POST https://mdm.example/dm?x=1"),
            ("mdm.example:8443", "/", "POST https://mdm.example:8443/"),
            ("other.example", "/", "POST https://other.example/"),
        ] {
            let rig = Rig::start(in_front_of(server.address, &server.ca)).await;
            let mut device = rig.device(alpn).await;
            let send = async |device: &mut super::device::Device| {
                let request = match alpn {
                    "h2" => Request::post(format!("https://{host}{path}")),
                    _ => Request::post(path).header("Host", host),
                };
                let request = request.body(Full::default()).unwrap();
                device.send(request).await.unwrap()
            };
            assert_eq!(send(&mut device).await.status(), 200);
            let request = rig.log.request().await;
            assert_eq!(address(&request), expected, "{alpn}");
            // Only HTTP/1.1 has a field for it.
            let field = request.head.headers().get("host");
            assert_eq!(field.is_some(), alpn == "http/1.1", "{alpn}");
            let port = server.address.port();
            assert_eq!(request.connection.server, format!("localhost:{port}"));
            assert_eq!(server.last().headers["host"], format!("localhost:{port}"));
            rig.rule(RULE);
            let response = send(&mut device).await;
            if host.starts_with("mdm.example") {
                assert_eq!(response.status(), 203, "{alpn} {host}");
            } else {
                assert_eq!(response.status(), 200, "{alpn} {host}");
            }
            rig.stop().await;
        }
    }
}

/// What a connection answers to these bytes.
async fn talk(rig: &Rig, bytes: &str) -> String {
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

fn failed(event: &Event) -> Option<(Option<Side>, String)> {
    match event {
        Event::Failed { side, why, .. } => Some((*side, why.clone())),
        _ => None,
    }
}

#[tokio::test]
async fn a_refused_request_is_recorded_with_its_answer() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    for (request, status, expected, why) in [
        (
            "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\nConnection: close\r\n\r\n",
            405,
            "CONNECT h:443",
            "CONNECT is for proxies",
        ),
        (
            "POST /a HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            400,
            "POST http://a/a",
            "more than one Host",
        ),
    ] {
        let rig = Rig::start(in_front_of(server.address, &server.ca)).await;
        let answer = talk(&rig, request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert_eq!(answer.contains("allow: GET"), status == 405, "{answer}");
        assert_eq!(address(&*rig.log.request().await), expected);
        let (side, text) = rig.log.until(failed).await;
        assert_eq!(side, Some(Side::Device));
        assert!(text.contains(why), "{text}");
        let response = rig.log.response().await;
        assert!(response.synthesized);
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_connection_that_names_no_server_is_recorded_with_what_it_was_answered() {
    for (request, why) in [
        (
            "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
            "answered 400: no CONNECT",
        ),
        (
            "CONNECT h:99999 HTTP/1.1\r\nHost: h\r\n\r\n",
            "answered 400: CONNECT needs host:port",
        ),
    ] {
        let rig = Rig::start(Settings::regular()).await;
        let answer = talk(&rig, request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        let refused = |event: &Event| match event {
            Event::Refused { why, .. } => Some(why.clone()),
            _ => None,
        };
        let text = rig.log.until(refused).await;
        assert!(text.starts_with(why), "{text}");
        assert_eq!(rig.stop().await.names(), ["refused"]);
    }
}

#[tokio::test]
async fn an_upload_that_breaks_off_keeps_method_and_path() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    for framing in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let rig = Rig::start(in_front_of(server.address, &server.ca)).await;
        let mut stream = TcpStream::connect(rig.address).await.unwrap();
        let head = format!("PUT /up?load HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n5\r\nhe");
        stream.write_all(head.as_bytes()).await.unwrap();
        let opened = |event: &Event| matches!(event, Event::Opened(_)).then_some(());
        rig.log.until(opened).await;
        drop(stream);
        let (side, why) = rig.log.until(failed).await;
        assert_eq!(side, Some(Side::Device), "{framing}: {why}");
        let request = rig.log.request().await;
        assert_eq!(address(&request), "PUT http://h/up?load", "{framing}");
        let names = rig.stop().await.names().join(" ");
        assert_eq!(names, "opened request failed closed", "{framing}");
    }
}
