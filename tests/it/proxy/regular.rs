//! Regular mode: devices name the server.

use dmtap::flow::event::Event;
use dmtap::proxy::{Settings, Trust};
use http::Request;
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::device::{Device, tls};
use super::rig::{EventLog, Rig, in_front_of, soon};
use super::server::Server;

fn regular(server: &Server) -> Settings {
    Settings {
        trust: Trust::PlatformAnd(server.ca.clone()),
        ..Settings::regular()
    }
}

#[tokio::test]
async fn connect_leads_to_the_server_it_names() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["h2", "http/1.1"]).await;
    for alpn in ["http/1.1", "h2"] {
        let rig = Rig::start(regular(&server)).await;
        let mut tcp = TcpStream::connect(rig.address).await.unwrap();
        let to = format!("localhost:{}", server.address.port());
        let connect = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n");
        tcp.write_all(connect.as_bytes()).await.unwrap();
        let mut answer = [0; 19];
        soon(tcp.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK\r\n\r\n");
        let stream = tls(tcp, &rig.ca(), alpn, "localhost").await.unwrap();
        let mut device = Device::over(stream, alpn).await;
        assert_eq!(device.post("/x", "hi").await.body(), "hi");
        assert_eq!(server.last().path, "/x");
        assert_eq!(rig.log.request().await.connection.server, to);
        drop(device);
        let log = rig.stop().await;
        assert_eq!(log.names(), ["opened", "request", "response", "closed"]);
    }
}

#[tokio::test]
async fn requests_with_a_full_address_are_forwarded() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let rig = Rig::start(regular(&server)).await;
    let tcp = TcpStream::connect(rig.address).await.unwrap();
    let mut device = Device::over(tcp, "http/1.1").await;
    let address = format!("https://localhost:{}/y?z", server.address.port());
    assert_eq!(device.post(&address, "hi").await.body(), "hi");
    assert_eq!(server.last().path, "/y?z");
    let host = format!("localhost:{}", server.address.port());
    // RFC 9112 §3.2.2: the address outweighs the Host that the device sent.
    assert_eq!(server.last().headers["host"], host);
    let response = device.post("/no/address", "hi").await;
    assert_eq!(response.status(), 400);
    drop(device);
    let log = rig.stop().await;
    assert_eq!(log.names(), ["opened", "request", "response", "closed"]);
}

/// Sends the bytes of requests in clear text and gives what comes back.
async fn talk(rig: &Rig, requests: &str) -> String {
    let mut tcp = TcpStream::connect(rig.address).await.unwrap();
    tcp.write_all(requests.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    soon(tcp.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn several_hosts_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let rigs = [
        Rig::start(regular(&server)).await,
        Rig::start(in_front_of(server.address, &server.ca)).await,
    ];
    for rig in rigs {
        let address = format!("https://localhost:{}/", server.address.port());
        let request =
            format!("GET {address} HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n");
        let answer = talk(&rig, &request).await;
        assert!(
            answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
            "{answer}"
        );
        rig.stop().await;
    }
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn in_a_tunnel_the_name_is_the_devices_choice_in_every_version() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    for alpn in ["http/1.1", "h2"] {
        let rig = Rig::start(regular(&server)).await;
        let tcp = tunnel(&rig, &format!("localhost:{}", server.address.port())).await;
        let stream = tls(tcp, &rig.ca(), alpn, "localhost").await.unwrap();
        let mut device = Device::over(stream, alpn).await;
        let request = Request::post(if alpn == "h2" {
            "https://mdm.example/"
        } else {
            "/"
        });
        let request = match alpn {
            "h2" => request,
            _ => request.header("Host", "mdm.example"),
        };
        let request = request.body(Full::default()).unwrap();
        device.send(request).await.unwrap();
        assert_eq!(server.last().headers["host"], "mdm.example", "{alpn}");
        rig.stop().await;
    }
}

async fn tunnel(rig: &Rig, to: &str) -> TcpStream {
    let mut tcp = TcpStream::connect(rig.address).await.unwrap();
    open_tunnel(&mut tcp, to).await;
    tcp
}

async fn open_tunnel(tcp: &mut TcpStream, to: &str) {
    let connect = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n");
    tcp.write_all(connect.as_bytes()).await.unwrap();
    let mut answer = [0; 19];
    soon(tcp.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK\r\n\r\n");
}

/// The number and server of each event.
fn connections(log: &EventLog) -> Vec<String> {
    let words = |event: Event| match event {
        Event::Opened(connection) => format!("opened {}", connection.id),
        Event::Closed { connection, .. } => format!("closed {connection}"),
        Event::Request(captured) => {
            format!(
                "{} to {}",
                captured.connection.id, captured.connection.server
            )
        }
        Event::Failed { why, .. } => format!("failed: {why}"),
        _ => String::new(),
    };
    let words = log.events().into_iter().map(words);
    words.filter(|words| !words.is_empty()).collect()
}

#[tokio::test]
async fn each_request_of_a_connection_names_its_own_server() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let rig = Rig::start(regular(&server)).await;
    let port = server.address.port();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let down = nobody.local_addr().unwrap();
    drop(nobody);
    let answer = talk(
        &rig,
        &format!(
            "GET https://localhost:{port}/ HTTP/1.1\r\nHost: a\r\n\r\n\
             GET http://{down}/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        ),
    )
    .await;
    assert!(answer.contains(&format!("dmtap: {down}: ")), "{answer}");
    let log = rig.stop().await;
    let reported = connections(&log);
    assert_eq!(
        reported[..3],
        [
            "opened c1".into(),
            format!("c1 to localhost:{port}"),
            format!("c1 to {down}")
        ]
    );
    assert_eq!(reported[4..], ["closed c1"]);
}

#[tokio::test]
async fn a_tunnel_after_a_request_is_a_connection_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let rig = Rig::start(regular(&server)).await;
    let to = format!("localhost:{}", server.address.port());
    let mut tcp = TcpStream::connect(rig.address).await.unwrap();
    let request =
        format!("POST https://{to}/ HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n1234");
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"1234") {
        soon(tcp.read_buf(&mut answer)).await.unwrap();
    }
    open_tunnel(&mut tcp, &to).await;
    let stream = tls(tcp, &rig.ca(), "http/1.1", "localhost").await.unwrap();
    let mut device = Device::over(stream, "http/1.1").await;
    assert_eq!(device.post("/", "hi").await.body(), "hi");
    drop(device);
    let log = rig.stop().await;
    let expected = [
        "opened c1".into(),
        format!("c1 to {to}"),
        "closed c1".into(),
        "opened c2".into(),
        format!("c2 to {to}"),
        "closed c2".into(),
    ];
    assert_eq!(connections(&log), expected);
}

#[tokio::test]
async fn connect_is_not_for_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let rig = Rig::start(in_front_of(server.address, &server.ca)).await;
    let connect = "CONNECT h:443 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let answer = talk(&rig, connect).await;
    assert!(
        answer.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"),
        "{answer}"
    );
    assert!(answer.contains("allow: GET,"), "{answer}");
    assert_eq!(server.accepted(), 0);
    rig.stop().await;
}

/// What rules of connections come to: whether each request in turn, of one connection, is answered, and what was
/// recorded of the rules.
async fn admitted(
    rig: &Rig,
    server: &Server,
    rules: &str,
    hosts: &[&str],
) -> (Vec<bool>, Vec<String>) {
    rig.rule(rules);
    let reported = || {
        let events = rig.log.events().into_iter();
        events.filter_map(|event| match event {
            Event::ConnectionDecided { applied, .. } => {
                let change = &applied[0].changes[0];
                Some(
                    format!("{} {}", change.step, change.after)
                        .trim()
                        .to_owned(),
                )
            }
            _ => None,
        })
    };
    let before = reported().count();
    let mut tcp = TcpStream::connect(rig.address).await.unwrap();
    let mut answered = Vec::new();
    for host in hosts {
        let address = format!("https://{host}:{}/", server.address.port());
        let request =
            format!("POST {address} HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n1234");
        let _ = tcp.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        while !answer.ends_with(b"1234") {
            match soon(tcp.read_buf(&mut answer)).await {
                Ok(0) => panic!("closed in good order"),
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
                    break;
                }
            }
        }
        answered.push(answer.ends_with(b"1234"));
    }
    (answered, reported().skip(before).collect())
}

#[tokio::test]
async fn requests_with_a_full_address_are_received_as_rules_of_connections_say() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let rule = |more: &str, step: &str| {
        format!("[[rule]]\nname = 'r'\nstage = 'connection'\nstep = {step}\n{more}\n")
    };
    let refuse = "{ refuse-connection = true }";
    let check = async |rules: String, hosts: &[&str], answered: &[bool], reported: &[&str]| {
        let rig = Rig::start(regular(&server)).await;
        let got = admitted(&rig, &server, &rules, hosts).await;
        assert_eq!(got.0, answered, "{rules}");
        assert_eq!(got.1, reported, "{rules}");
        rig.stop().await
    };
    let (here, there) = ("localhost", "127.0.0.1");
    let refused = ["refuse-connection"];
    let local = "match = { host = 'localhost' }";
    let log = check(rule(local, refuse), &[here], &[false], &refused).await;
    assert_eq!(log.names(), ["admitted", "refused"]);
    check(rule(local, refuse), &[there], &[true], &[]).await;
    // The second request is for another host than the first.
    let log = check(
        rule(local, refuse),
        &[there, here],
        &[true, false],
        &refused,
    )
    .await;
    assert_eq!(log.names().last(), Some(&"closed"));
    check(
        rule("match = { sni = 'localhost' }", refuse),
        &[here],
        &[true],
        &[],
    )
    .await;
    let twice = "match = { host = 'localhost' }\nlimit = { skip = 1 }";
    check(rule(twice, refuse), &[here, here, here], &[true; 3], &[]).await;
    for (step, why) in [
        ("{ tunnel = true }", "tunnel: a tunnel begins with CONNECT"),
        (
            "{ certificate = 'expired' }",
            "certificate: the device does not speak TLS",
        ),
        (
            "{ handshake-close = true }",
            "handshake-close: the device does not speak TLS",
        ),
    ] {
        for more in ["", local] {
            let reported = format!("not applied {why}");
            check(rule(more, step), &[here], &[true], &[&reported]).await;
        }
    }
}
