//! Connections: made, shared, refused and ended.

use dmtap::flow::event::Event;
use dmtap::proxy::{BodyCapture, Origin, Scheme, Settings, Trust};
use tokio::net::TcpStream;

use super::device::{Device, tls};
use super::rig::{Rig, in_front_of, soon};
use super::server::Server;

#[tokio::test]
async fn connections_are_kept_on_both_sides() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let rig = Rig::start(in_front_of(server.address, &server.ca)).await;
    for _ in 0..3 {
        let mut device = rig.device("http/1.1").await;
        for _ in 0..5 {
            device.post("/", "hi").await;
        }
    }
    assert_eq!(server.accepted(), 1);
    let log = rig.stop().await;
    let opened = log.names().iter().filter(|name| **name == "opened").count();
    assert_eq!(opened, 3);
}

#[tokio::test]
async fn a_connection_says_what_was_agreed() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let rig = Rig::start(in_front_of(server.address, &server.ca)).await;
    rig.device("h2").await.post("/", "hi").await;
    let request = rig.log.request().await;
    let connection = &request.connection;
    assert_eq!(
        connection.server,
        format!("localhost:{}", server.address.port())
    );
    let tls = connection.tls.clone().unwrap();
    assert_eq!(tls.sni.as_deref(), Some("localhost"));
    assert_eq!(tls.alpn.as_deref(), Some("h2"));
    assert_eq!(tls.version.as_deref(), Some("TLSv1.3"));
    rig.stop().await;
}

#[tokio::test]
async fn a_device_that_does_not_trust_us_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let rig = Rig::start(in_front_of(server.address, &server.ca)).await;
    let tcp = TcpStream::connect(rig.address).await.unwrap();
    let error = tls(tcp, &server.ca, "h2", "localhost").await.unwrap_err();
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    let why = rig.log.until(why_refused).await;
    assert!(
        why.contains("does not trust the certificate (alert unknown_ca): install"),
        "{why}"
    );
    assert!(why.contains("dmtap-ca-cert.pem"), "{why}");
    rig.stop().await;
}

fn why_refused(event: &Event) -> Option<String> {
    match event {
        Event::Refused { why, .. } => Some(why.clone()),
        _ => None,
    }
}

#[tokio::test]
async fn clear_text_is_served_at_the_same_port() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let rig = Rig::start(in_front_of(server.address, &server.ca)).await;
    for alpn in ["http/1.1", "h2"] {
        let tcp = TcpStream::connect(rig.address).await.unwrap();
        let mut device = Device::over(tcp, alpn).await;
        assert_eq!(device.post("/", "hi").await.body(), "hi");
    }
    assert!(rig.log.request().await.connection.tls.is_none());
    rig.stop().await;
}

#[tokio::test]
async fn a_device_without_sni_gets_a_certificate_for_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let upstream = Origin {
        scheme: Scheme::Https,
        host: "127.0.0.1".into(),
        port: server.address.port(),
    };
    let settings = Settings {
        trust: Trust::Anything,
        ..Settings::reverse(upstream)
    };
    let rig = Rig::start(settings).await;
    let tcp = TcpStream::connect(rig.address).await.unwrap();
    // An IP address is never sent as SNI (RFC 6066 §3).
    let stream = tls(tcp, &rig.ca(), "http/1.1", "127.0.0.1").await.unwrap();
    let mut device = Device::over(stream, "http/1.1").await;
    assert_eq!(device.post("/", "hi").await.body(), "hi");
    rig.stop().await;
}

#[tokio::test]
async fn a_running_exchange_finishes_at_shutdown() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    for alpn in ["http/1.1", "h2"] {
        for body_capture in [BodyCapture::Pass, BodyCapture::Annotate] {
            let settings = Settings {
                body_capture,
                ..in_front_of(server.address, &server.ca)
            };
            let rig = Rig::start(settings).await;
            let mut device = rig.device(alpn).await;
            let idle = rig.device(alpn).await;
            let running = tokio::spawn(async move { device.post("/held", "hi").await });
            soon(server.holding.notified()).await;
            rig.shut_down();
            server.release.add_permits(1);
            assert_eq!(soon(running).await.unwrap().body(), "hi");
            let log = rig.stop().await;
            let names = log.names();
            assert!(names.contains(&"response"), "{names:?}");
            assert_eq!(names.iter().filter(|name| **name == "closed").count(), 2);
            drop(idle);
        }
    }
}

#[tokio::test]
async fn a_device_that_leaves_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    for alpn in ["http/1.1", "h2"] {
        let rig = Rig::start(in_front_of(server.address, &server.ca)).await;
        let mut device = rig.device(alpn).await;
        let running = tokio::spawn(async move { device.post("/held", "hi").await });
        soon(server.holding.notified()).await;
        running.abort();
        let _ = running.await;
        let failed = rig.log.until(|event| match event {
            Event::Failed { why, .. } => Some(why.clone()),
            _ => None,
        });
        assert!(failed.await.contains("the device left"));
        rig.stop().await;
    }
}
