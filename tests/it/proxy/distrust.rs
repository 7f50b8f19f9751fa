//! The reasons why a server is not trusted or does not answer: in words, each with its remedy.

use crate::support::provider;
use std::path::Path;
use std::sync::Arc;

use dmtap::proxy::{Origin, Scheme, Settings, Trust};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientCertVerifierBuilder, WebPkiClientVerifier};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::rig::Rig;

/// A certificate that signs itself, for `localhost`; its PEM form and how a server serves it.
fn made(change: impl FnOnce(&mut rcgen::CertificateParams)) -> (String, rustls::ServerConfig) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    change(&mut params);
    let certificate = params.self_signed(&key).unwrap();
    let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(unchecked(chain, key));
    (certificate.pem(), config)
}

/// Serves a certificate that rustls itself may refuse.
fn unchecked(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Arc<rustls::sign::SingleCertAndKey> {
    let key = provider().key_provider.load_private_key(key).unwrap();
    let certified = rustls::sign::CertifiedKey::new(chain, key);
    Arc::new(certified.into())
}

fn as_ca(params: &mut rcgen::CertificateParams) {
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
}

/// A server that answers `answer` to the first request of each connection, `times` times, and otherwise closes without an
/// answer; where it listens.
async fn serve(config: rustls::ServerConfig, answer: &'static str, mut times: u32) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let Ok(mut tls) = acceptor.accept(tcp).await else {
                continue;
            };
            if matches!(tls.read(&mut [0; 4096]).await, Ok(1..)) && times > 0 {
                times -= 1;
                let _ = tls.write_all(answer.as_bytes()).await;
            }
            let _ = tls.shutdown().await;
        }
    });
    port
}

/// A server that answers to the first request of each connection, `times` times, and then closes the connection in the
/// handshake, behind its own messages; where it listens.
async fn serve_and_break_handshakes(mut config: rustls::ServerConfig, mut times: u32) -> u16 {
    // A server that resumes a session does not ask for a certificate.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(config.clone());
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            if times > 0 {
                times -= 1;
                let mut tls = acceptor.accept(tcp).await.unwrap();
                let _ = tls.read(&mut [0; 4096]).await;
                let _ = tls.write_all(HELLO.as_bytes()).await;
                let _ = tls.shutdown().await;
                continue;
            }
            let mut tls = rustls::ServerConnection::new(config.clone()).unwrap();
            let (mut bytes, mut flight) = ([0; 4096], Vec::new());
            let read = tcp.read(&mut bytes).await.unwrap();
            tls.read_tls(&mut &bytes[..read]).unwrap();
            tls.process_new_packets().unwrap();
            while tls.wants_write() {
                tls.write_tls(&mut flight).unwrap();
            }
            tcp.write_all(&flight).await.unwrap();
            let _ = tcp.read(&mut bytes).await;
        }
    });
    port
}

/// How a server asks for a client certificate, as `change` has it.
fn asking(
    version: &'static rustls::SupportedProtocolVersion,
    change: impl FnOnce(ClientCertVerifierBuilder) -> ClientCertVerifierBuilder,
) -> rustls::ServerConfig {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    as_ca(&mut params);
    let certificate = params.self_signed(&key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(change(clients).build().unwrap())
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap()
}

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

async fn asked(host: &str, port: u16, trust: Trust) -> (u16, String) {
    let settings = Settings {
        trust,
        ..Settings::reverse(Origin {
            scheme: Scheme::Https,
            host: host.into(),
            port,
        })
    };
    let rig = Rig::start(settings).await;
    let response = rig.device("http/1.1").await.post("/", "<a/>").await;
    let text = String::from_utf8(response.body().to_vec()).unwrap();
    let status = response.status().as_u16();
    drop(rig);
    for library in [
        "Other(", "Error", "os error", "rustls", "hyper", "::", "http2 ",
    ] {
        assert!(!text.contains(library), "{text}");
    }
    (status, text)
}

fn file(folder: &Path, pem: &str) -> Trust {
    let path = folder.join("named.pem");
    std::fs::write(&path, pem).unwrap();
    Trust::PlatformAnd(path)
}

#[tokio::test]
async fn a_self_signed_certificate_in_the_file_is_trusted_by_its_name_and_dates() {
    let folder = tempfile::tempdir().unwrap();
    let check = async |change: fn(&mut rcgen::CertificateParams), status, words: &str| {
        let (pem, config) = made(change);
        let port = serve(config, HELLO, u32::MAX).await;
        let found = asked("localhost", port, file(folder.path(), &pem)).await;
        assert_eq!(found.0, status, "{found:?}");
        assert!(found.1.contains(words), "{found:?}");
    };
    check(as_ca, 200, "hello").await;
    check(|_| {}, 200, "hello").await;
    let other_name = |params: &mut rcgen::CertificateParams| {
        as_ca(params);
        params.subject_alt_names =
            vec![rcgen::SanType::DnsName("other.example".try_into().unwrap())];
    };
    let words = "for another name: it is for other.example, and not localhost";
    check(other_name, 502, words).await;
    let nameless = |params: &mut rcgen::CertificateParams| {
        as_ca(params);
        params.subject_alt_names = Vec::new();
    };
    let words = "certificate is not for localhost: it has no subjectAltName";
    check(nameless, 502, words).await;
    let expired = |params: &mut rcgen::CertificateParams| {
        as_ca(params);
        params.not_after = rcgen::date_time_ymd(2020, 2, 3);
    };
    check(expired, 502, "expired on 2020-02-03").await;
    let early = |params: &mut rcgen::CertificateParams| {
        as_ca(params);
        params.not_before = rcgen::date_time_ymd(2090, 2, 3);
        params.not_after = rcgen::date_time_ymd(2091, 2, 3);
    };
    check(early, 502, "not yet valid: it begins on 2090-02-03").await;
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_named() {
    let check = async |change: fn(&mut rcgen::CertificateParams), words: &str| {
        let (_, config) = made(change);
        let port = serve(config, HELLO, u32::MAX).await;
        let (status, text) = asked("localhost", port, Trust::Platform).await;
        assert_eq!(status, 502);
        assert!(text.contains(words), "{text}");
    };
    check(
        as_ca,
        "it is self-signed; use --server-ca FILE with a FILE that holds this very",
    )
    .await;
    let for_clients = |params: &mut rcgen::CertificateParams| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    };
    check(for_clients, "lacks serverAuth").await;
    let critical = |params: &mut rcgen::CertificateParams| {
        let mut extension = rcgen::CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        extension.set_criticality(true);
        params.custom_extensions = vec![extension];
    };
    check(critical, "it has the critical extension 1.2.3.4, which").await;
    let (_, config) = made(critical);
    let port = serve(config, HELLO, u32::MAX).await;
    let (_, text) = asked("localhost", port, Trust::Anything).await;
    assert!(text.contains("critical extension 1.2.3.4"), "{text}");
}

#[tokio::test]
async fn a_server_that_asks_for_a_client_certificate_is_named_over_both_versions() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let port = serve(asking(version, |it| it), HELLO, u32::MAX).await;
        let (status, text) = asked("localhost", port, Trust::Anything).await;
        assert_eq!(status, 502);
        assert!(
            text.contains("asks for a client certificate"),
            "{version:?}: {text}"
        );
    }
}

/// Checks the answer of dmtap after the server's last own one.
async fn check_after(answers: u32, port: u16, words: &str, not: &str) {
    let settings = Settings {
        trust: Trust::Anything,
        ..Settings::reverse(Origin {
            scheme: Scheme::Https,
            host: "localhost".into(),
            port,
        })
    };
    let rig = Rig::start(settings).await;
    for _ in 0..answers {
        let answer = rig.device("http/1.1").await.post("/", "<a/>").await;
        assert_eq!(answer.status(), 200);
    }
    // The request that the server closes on is sent again, on a connection that is new to the server.
    let answer = rig.device("http/1.1").await.post("/", "<a/>").await;
    assert_eq!(answer.status(), 502);
    let text = String::from_utf8_lossy(answer.body()).into_owned();
    assert!(text.contains(words) && !text.contains(not), "{text}");
}

#[tokio::test]
async fn a_server_that_answered_without_a_certificate_does_not_close_for_the_lack_of_one() {
    let crashed = "the server closed the connection without answering";
    let asks = "asks for a client certificate and closes the connection without it";
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for (answers, words, not) in [(0, asks, crashed), (1, crashed, asks)] {
            let config = asking(version, ClientCertVerifierBuilder::allow_unauthenticated);
            let port = serve(config, HELLO, answers).await;
            check_after(answers, port, words, not).await;
        }
    }
}

#[tokio::test]
async fn nor_does_it_close_the_handshake_for_the_lack_of_one() {
    let closed = "the server closed the connection during the TLS handshake";
    let asks = "asks for a client certificate and closes the connection without it";
    for (answers, words, not) in [(0, asks, closed), (1, closed, asks)] {
        let version = &rustls::version::TLS12;
        let config = asking(version, ClientCertVerifierBuilder::allow_unauthenticated);
        let port = serve_and_break_handshakes(config, answers).await;
        check_after(answers, port, words, not).await;
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named_in_words() {
    let check = async |answer: &'static str, words: &str| {
        let (_, config) = made(|_| {});
        let port = serve(config, answer, u32::MAX).await;
        let (status, text) = asked("localhost", port, Trust::Anything).await;
        assert_eq!(status, 502);
        assert!(text.contains(words), "{text}");
    };
    check("", "the server closed the connection without answering").await;
    let in_head = "the server closed the connection in the head of its answer";
    check("HTTP/1.1 20", in_head).await;
    check("HTTP/1.1 200 OK\r\nContent-Le", in_head).await;
    check("what?\r\n\r\n", "what the server answered is not HTTP").await;
}
