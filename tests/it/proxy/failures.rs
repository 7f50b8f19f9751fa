//! Servers that cannot be reached or trusted.

use dmtap::flow::Side;
use dmtap::flow::event::Event;
use dmtap::proxy::{Limits, Origin, Scheme, Settings, Trust};
use std::time::Duration;

use super::rig::{Rig, in_front_of};
use super::server::Server;

/// Posts through a proxy that cannot deliver: gives the status and the text the device gets.
async fn refused(settings: Settings) -> (u16, String) {
    let rig = Rig::start(settings).await;
    let mut device = rig.device("http/1.1").await;
    let response = device.post("/", "<a/>").await;
    drop(device);
    let log = rig.stop().await;
    assert_eq!(
        log.names(),
        ["opened", "request", "failed", "response", "closed"]
    );
    let own = log.response().await;
    assert!(own.synthesized);
    let side = log
        .until(|event| match event {
            Event::Failed { side, .. } => *side,
            _ => None,
        })
        .await;
    assert_eq!(side, Side::Server);
    assert_eq!(
        response.headers()["content-type"],
        "text/plain; charset=utf-8"
    );
    let text = String::from_utf8(response.body().to_vec()).unwrap();
    (response.status().as_u16(), text)
}

fn https(host: &str, port: u16) -> Settings {
    Settings::reverse(Origin {
        scheme: Scheme::Https,
        host: host.into(),
        port,
    })
}

#[tokio::test]
async fn a_server_that_is_down_gives_502() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let (status, text) = refused(https("127.0.0.1", port)).await;
    assert_eq!(status, 502);
    assert!(text.contains("refused"), "{text}");
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_gives_502() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let (status, text) = refused(https("localhost", server.address.port())).await;
    assert_eq!(status, 502);
    assert!(
        text.contains("not trusted: its issuer is not known here; use --server-ca FILE"),
        "{text}"
    );
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn a_certificate_for_another_name_gives_502() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let settings = Settings {
        trust: Trust::PlatformAnd(server.ca.clone()),
        ..https("127.0.0.2", server.address.port())
    };
    let (status, text) = refused(settings).await;
    // Loopback answers at 127.0.0.2 only where the server listens there.
    assert_eq!(status, 502);
    assert!(
        text.contains("another name") || text.contains("refused"),
        "{text}"
    );
}

#[tokio::test]
async fn any_certificate_will_do_where_the_user_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["h2", "http/1.1"]).await;
    let settings = Settings {
        trust: Trust::Anything,
        ..https("127.0.0.1", server.address.port())
    };
    let rig = Rig::start(settings).await;
    let response = rig.device("h2").await.post("/", "hi").await;
    assert_eq!(response.body(), "hi");
    rig.stop().await;
}

#[tokio::test]
async fn a_proxy_in_front_of_itself_says_so() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let settings = Settings {
        trust: Trust::Anything,
        ..https("127.0.0.1", address.port())
    };
    let rig = Rig::start_at(settings, address).await;
    let response = rig.device("http/1.1").await.post("/", "hi").await;
    assert_eq!(response.status(), 502);
    let text = String::from_utf8_lossy(response.body());
    assert!(text.contains("this proxy itself"), "{text}");
    rig.stop().await;
}

#[tokio::test]
async fn a_server_that_does_not_answer_gives_504() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let limits = Limits {
        response: Duration::from_millis(50),
        ..Limits::default()
    };
    let settings = Settings {
        limits,
        ..in_front_of(server.address, &server.ca)
    };
    let rig = Rig::start(settings).await;
    let response = rig.device("http/1.1").await.post("/held", "hi").await;
    assert_eq!(response.status(), 504);
    rig.stop().await;
}

#[tokio::test]
async fn a_server_that_takes_no_connection_in_time_gives_504_in_plain_text() {
    // Its queue takes the TCP connection, and nobody answers the handshake.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let settings = Settings {
        limits: Limits {
            connect: Duration::from_millis(50),
            ..Limits::default()
        },
        ..https("127.0.0.1", port)
    };
    let (status, text) = refused(settings).await;
    assert_eq!(status, 504);
    assert!(
        text.starts_with(&format!("dmtap: 127.0.0.1:{port}: ")),
        "{text}"
    );
    drop(listener);
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_found_out() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let (mut tcp, _) = listener.accept().await.unwrap();
        let _ = tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    });
    let (status, text) = refused(https("127.0.0.1", port)).await;
    assert_eq!(status, 502);
    assert!(text.contains("does not speak TLS"), "{text}");
}
