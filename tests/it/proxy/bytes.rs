//! Untouched means identical.

use bytes::Bytes;
use dmtap::flow::{CapturedMessage, NotParsed, ParsedBody};
use dmtap::proxy::{BodyCapture, Settings};

use super::rig::{Rig, in_front_of};
use super::server::Server;

/// Bodies of every kind: name, content type, bytes.
fn bodies() -> Vec<(&'static str, &'static str, Bytes)> {
    let noise: Vec<u8> = (0..1_u32 << 20)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let xml = "application/vnd.syncml.dm+xml";
    let wbxml = "application/vnd.syncml.dm+wbxml";
    vec![
        ("empty", xml, Bytes::new()),
        (
            "broken XML",
            xml,
            Bytes::from_static(b"<SyncML><a></SyncML"),
        ),
        (
            "every byte",
            "application/octet-stream",
            (0..=255).collect(),
        ),
        (
            "not UTF-8",
            "text/xml; charset=utf-8",
            Bytes::from_static(b"<a>\xff\xfe</a>"),
        ),
        (
            "broken WBXML",
            wbxml,
            Bytes::from_static(b"\x02\x9f\x53\x6a\x00\x6d\x6c"),
        ),
        (
            "crlf",
            "text/plain",
            Bytes::from_static(b"\r\n\r\n0\r\n\r\n"),
        ),
        ("one MiB", wbxml, noise.into()),
    ]
}

async fn check(device: &str, server: &[&str], body_capture: BodyCapture, max_body: usize) {
    let directory = tempfile::tempdir().unwrap();
    let offered = server;
    let server = Server::start(directory.path(), offered).await;
    let settings = Settings {
        body_capture,
        max_body,
        ..in_front_of(server.address, &server.ca)
    };
    let rig = Rig::start(settings).await;
    let mut client = rig.device(device).await;
    for (name, content_type, body) in bodies() {
        let mut request = client.request("POST", "/omadm?mode=Machine", body.clone());
        let value = content_type.parse().unwrap();
        request.headers_mut().insert("content-type", value);
        let response = client.send(request).await.unwrap();
        assert_eq!(response.status(), 200, "{name}");
        assert!(response.body() == &body, "{name}: the response changed");
        let seen = server.last();
        assert!(seen.body == body, "{name}: the request changed");
        assert_eq!(seen.method, "POST");
        // The server is spoken to in the version of the device, as far as it speaks that.
        let is_http2 = seen.version == http::Version::HTTP_2;
        let spoken = match offered.contains(&device) {
            true => device,
            false => offered[0],
        };
        assert_eq!(is_http2, spoken == "h2");
        assert_eq!(seen.path, "/omadm?mode=Machine");
        assert_eq!(seen.headers["content-type"], content_type);
    }
    rig.stop().await;
}

#[tokio::test]
async fn every_body_passes_untouched_in_every_version_of_http() {
    for body_capture in [BodyCapture::Pass, BodyCapture::Annotate] {
        for device in ["http/1.1", "h2"] {
            check(device, &["http/1.1"], body_capture, 16 << 20).await;
            check(device, &["h2", "http/1.1"], body_capture, 16 << 20).await;
        }
    }
}

#[tokio::test]
async fn bodies_above_the_limit_pass_untouched() {
    for device in ["http/1.1", "h2"] {
        check(device, &["h2", "http/1.1"], BodyCapture::Annotate, 100).await;
    }
}

async fn reported(
    body_capture: BodyCapture,
    max_body: usize,
    path: &str,
    body: &[u8],
) -> [CapturedMessage; 2] {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let settings = Settings {
        body_capture,
        max_body,
        ..in_front_of(server.address, &server.ca)
    };
    let rig = Rig::start(settings).await;
    let mut device = rig.device("http/1.1").await;
    device.post(path, body.to_vec()).await;
    let request = rig.log.request().await;
    let response = rig.log.response().await;
    drop(device);
    let log = rig.stop().await;
    assert_eq!(log.names(), ["opened", "request", "response", "closed"]);
    [request, response].map(|captured| CapturedMessage::clone(&captured))
}

#[tokio::test]
async fn what_is_not_read_says_so() {
    let body = b"0123456789";
    for captured in reported(BodyCapture::Pass, 16 << 20, "/", body).await {
        let expected = NotParsed::NotAsked { bytes: 10 };
        assert!(matches!(&captured.body.parsed, ParsedBody::Unread(why) if *why == expected));
        assert!(captured.body.received.is_empty());
    }
    for captured in reported(BodyCapture::Annotate, 9, "/", body).await {
        let expected = NotParsed::TooLarge { limit: 9 };
        assert!(matches!(&captured.body.parsed, ParsedBody::Unread(why) if *why == expected));
    }
    for captured in reported(BodyCapture::Annotate, 9, "/", b"").await {
        assert!(matches!(&captured.body.parsed, ParsedBody::Empty));
    }
}

#[tokio::test]
async fn what_cannot_be_decoded_is_kept_and_flagged() {
    let body = b"<this><is not> markup";
    for captured in reported(BodyCapture::Annotate, 16 << 20, "/", body).await {
        assert!(matches!(&captured.body.parsed, ParsedBody::Broken(_)));
        assert_eq!(captured.body.received, &body[..]);
        assert_eq!(captured.body.sent.as_ptr(), captured.body.received.as_ptr());
        assert_eq!(captured.notes[0].id, "XML-01");
    }
}

#[tokio::test]
async fn a_coded_response_passes_coded() {
    let [_, response] =
        reported(BodyCapture::Annotate, 16 << 20, "/gzip", b"not really gzip").await;
    assert_eq!(response.head.headers()["content-encoding"], "gzip");
    let reading = &response.body.parsed;
    assert!(matches!(reading, ParsedBody::Unread(NotParsed::Coding(why)) if why.contains("gzip")));
    assert_eq!(response.body.sent, "not really gzip");
}
