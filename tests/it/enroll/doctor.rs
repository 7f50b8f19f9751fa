//! `dmtap doctor` finds every mistake in a setup, and none in a correct one.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use dmtap::app::doctor::{Doctor, Finding};
use dmtap::flow::{Event, EventSink};
use dmtap::proxy::{Authority, Origin, Proxy, Resolve, Scheme, Settings, Trust};
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{Bench, DISCOVERY, MANAGEMENT};

impl Bench {
    fn doctor(&self) -> Doctor {
        let port = self.address.port();
        let line = |name| Resolve::new(name, port, self.address);
        Doctor {
            server: format!("https://{DISCOVERY}:{port}").parse().unwrap(),
            domain: None,
            public: None,
            trust: self.trust(),
            ca: self.authority.certificate_file().to_owned(),
            resolve: vec![line(DISCOVERY), line(MANAGEMENT)],
        }
    }
}

pub(crate) struct Nobody;

impl EventSink for Nobody {
    fn on_event(&self, _: Event) {}
}

/// A proxy with a CA of its own in a folder.
async fn bound(settings: Settings, folder: &Path) -> (Proxy, Arc<Authority>) {
    let authority = Arc::new(Authority::load_or_create(folder).unwrap());
    let proxy = Proxy::bind(
        settings,
        authority.clone(),
        Arc::default(),
        Arc::new(Nobody),
    );
    (proxy.await.unwrap(), authority)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_right_where_dmtap_stands_in_front_of_a_server() {
    for redirects in [false, true] {
        let bench = Bench::new(redirects).await;
        let mut settings = Settings::reverse(Origin {
            scheme: Scheme::Https,
            host: DISCOVERY.into(),
            port: bench.address.port(),
        });
        settings.listen.set_port(0);
        settings.trust = bench.trust();
        settings.resolve = bench.doctor().resolve;
        let folder = tempfile::tempdir().unwrap();
        let (proxy, authority) = bound(settings, folder.path()).await;
        let port = proxy.local_addr().port();
        tokio::spawn(proxy.run(bench.stop.clone()));
        let mut doctor = bench.doctor();
        doctor.ca = authority.certificate_file().to_owned();
        doctor.domain = Some("dmtap.test".into());
        doctor.public = Some(format!("https://dmtap.lab:{port}").parse().unwrap());
        let here = (Ipv4Addr::LOCALHOST, port).into();
        doctor.resolve.push(Resolve::new("dmtap.lab", port, here));
        doctor.resolve.push(Resolve::new(DISCOVERY, 443, here));
        let findings = doctor.examine().await;
        let wrong: Vec<_> = findings.iter().filter(|finding| !finding.is_ok()).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        let mut expected = vec![
            "domain",
            "dmtap's CA",
            "public name",
            "public port",
            "public certificate",
            "public answer",
            "public discovery",
            "server name",
            "server port",
            "server certificate",
            "client certificate",
            "clock",
            "redirect",
            "discovery",
            "named host",
        ];
        expected.retain(|what| redirects || *what != "redirect");
        let whats: Vec<_> = findings.iter().map(|finding| finding.what).collect();
        assert_eq!(whats, expected);
        let last = &find(&findings, "discovery").text;
        assert!(last.contains("OnPremise authentication"), "{last}");
        assert_eq!(
            last.contains("leads to https://mdm.dmtap.test"),
            !redirects,
            "{last}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_right_is_found_with_what_to_do() {
    let bench = Bench::new(false).await;
    let other = tempfile::tempdir().unwrap();
    let other = Authority::load_or_create(other.path()).unwrap();
    // Another CA than the one that issued the server's certificate, and one that is not there at all.
    let mut doctor = bench.doctor();
    doctor.trust = Trust::PlatformAnd(other.certificate_file().to_owned());
    doctor.ca = other.certificate_file().with_file_name("missing.pem");
    let findings = doctor.examine().await;
    check(&findings, "dmtap's CA", "start dmtap proxy once");
    check(&findings, "server certificate", "--server-ca FILE");
    check(
        &findings,
        "server certificate",
        "or start dmtap proxy with -k",
    );
    assert_eq!(
        wrong(&findings),
        ["dmtap's CA", "server certificate", "named host"]
    );
    // Discovery names a host that does not resolve.
    let mut doctor = bench.doctor();
    doctor.resolve.truncate(1);
    let findings = doctor.examine().await;
    check(&findings, "named host", "--resolve mdm.dmtap.test:");
    assert_eq!(wrong(&findings), ["named host"]);
    // A name that the server does not know, and a path where it has nothing.
    let mut doctor = bench.doctor();
    doctor.server = format!("https://localhost:{}", bench.address.port())
        .parse()
        .unwrap();
    let findings = doctor.examine().await;
    check(
        &findings,
        "discovery",
        "the server does not know the name localhost",
    );
    let mut doctor = bench.doctor();
    doctor.server = format!("{}nothing", doctor.server).parse().unwrap();
    let findings = doctor.examine().await;
    check(
        &findings,
        "discovery",
        "this server offers no enrollment here",
    );
    let remedy = find(&findings, "discovery").remedy.clone().unwrap();
    let port = format!(":{}/EnrollmentServer/Discovery.svc", bench.address.port());
    assert!(remedy.ends_with(&port), "{remedy}");
    // The server itself in the place of dmtap.
    let mut doctor = bench.doctor();
    doctor.ca = other.certificate_file().to_owned();
    doctor.public = Some(doctor.server.clone());
    let findings = doctor.examine().await;
    check(&findings, "public certificate", "a device refuses it too");
    let shown = &find(&findings, "public certificate").text;
    assert!(shown.contains("dmtap"), "the chain is shown: {shown}");
    check(&findings, "public answer", "start dmtap there");
    // Nobody at all.
    let closed = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        listener.local_addr().unwrap()
    };
    let mut doctor = bench.doctor();
    doctor.public = Some(
        format!("https://127.0.0.1:{}", closed.port())
            .parse()
            .unwrap(),
    );
    doctor.resolve.push(Resolve::new("gone.test", 443, closed));
    doctor.server = "https://gone.test".parse().unwrap();
    let findings = doctor.examine().await;
    check(
        &findings,
        "public port",
        "dmtap proxy --mode reverse:https://gone.test",
    );
    check(&findings, "server port", "firewalls");
    assert_eq!(wrong(&findings), ["public port", "server port"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_domain_without_a_name_is_only_noted() {
    let bench = Bench::new(false).await;
    let mut doctor = bench.doctor();
    doctor.domain = Some("nowhere.invalid".into());
    let findings = doctor.examine().await;
    let found = find(&findings, "domain");
    assert!(found.is_ok() && !found.is_needed, "{found:#?}");
    assert!(
        found
            .text
            .contains("not needed for the link ms-device-enrollment:"),
        "{found:#?}"
    );
    check(&findings, "domain", "let DNS or the hosts file");
    assert_eq!(wrong(&findings), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_dmtap_at_the_public_address_is_found() {
    let bench = Bench::new(false).await;
    let mut settings = Settings::reverse(Origin {
        scheme: Scheme::Https,
        host: "localhost".into(),
        port: bench.address.port(),
    });
    settings.listen.set_port(0);
    let folder = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::load_or_create(folder.path()).unwrap());
    let proxy = Proxy::bind(settings, authority, Arc::default(), Arc::new(Nobody));
    let proxy = proxy.await.unwrap();
    let here = proxy.local_addr();
    tokio::spawn(proxy.run(bench.stop.clone()));
    let mut doctor = bench.doctor();
    doctor.public = Some(
        format!("https://dmtap.lab:{}", here.port())
            .parse()
            .unwrap(),
    );
    doctor
        .resolve
        .push(Resolve::new("dmtap.lab", here.port(), here));
    let findings = doctor.examine().await;
    assert_eq!(wrong(&findings), ["public certificate", "public answer"]);
    check(
        &findings,
        "public answer",
        "give doctor the --confdir of that dmtap",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dmtap_that_does_not_reach_the_server_is_found() {
    let bench = Bench::new(false).await;
    let mut settings = Settings::reverse(Origin {
        scheme: Scheme::Https,
        host: "nowhere.invalid".into(),
        port: 443,
    });
    settings.listen.set_port(0);
    let folder = tempfile::tempdir().unwrap();
    let (proxy, authority) = bound(settings, folder.path()).await;
    let here = proxy.local_addr();
    tokio::spawn(proxy.run(bench.stop.clone()));
    let mut doctor = bench.doctor();
    doctor.ca = authority.certificate_file().to_owned();
    doctor.public = Some(
        format!("https://dmtap.lab:{}", here.port())
            .parse()
            .unwrap(),
    );
    doctor
        .resolve
        .push(Resolve::new("dmtap.lab", here.port(), here));
    let findings = doctor.examine().await;
    assert_eq!(wrong(&findings), ["public discovery"]);
    check(&findings, "public discovery", "its --mode and --resolve");
    let text = &find(&findings, "public discovery").text;
    assert!(
        text.contains("HTTP 502") && text.contains("cannot be resolved"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_tls_is_examined_under_its_https_name() {
    let bench = Bench::new(false).await;
    let (tls, ca) = (bench.address, bench.authority.certificate_file().to_owned());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let clear = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut device, _)) = listener.accept().await {
            let ca = ca.clone();
            tokio::spawn(async move {
                let tcp = TcpStream::connect(tls).await.unwrap();
                let mut server =
                    crate::support::device::tls(tcp, &ca, "http/1.1", DISCOVERY).await?;
                tokio::io::copy_bidirectional(&mut device, &mut server).await
            });
        }
    });
    let mut doctor = bench.doctor();
    // Nothing here is trusted: there is no certificate to trust.
    doctor.trust = Trust::Platform;
    doctor.resolve = [DISCOVERY, MANAGEMENT]
        .map(|name| {
            format!("{name}:{}:http://{clear}", tls.port())
                .parse()
                .unwrap()
        })
        .into();
    let findings = doctor.examine().await;
    assert_eq!(wrong(&findings), [""; 0], "{findings:#?}");
    for what in ["server certificate", "named host"] {
        let text = &find(&findings, what).text;
        assert!(text.contains("without TLS, as --resolve says"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_wants_client_certificates_is_found() {
    use rustls::version::{TLS12, TLS13};
    for (required, version) in [(false, &TLS13), (true, &TLS13), (true, &TLS12)] {
        let bench = Bench::new(false).await;
        let mut roots = RootCertStore::empty();
        roots.add(bench.authority.certificate().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let verifier = match required {
            true => verifier,
            false => verifier.allow_unauthenticated(),
        };
        let leaf = bench.authority.leaf(&[DISCOVERY]).unwrap();
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(leaf)));
        let tls = Arc::new(tls);
        let tls = move |_: Option<&str>| tls.clone();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let service = bench.service.clone();
        let serving = super::enroll_server::serve(listener, tls, service, stop.clone());
        tokio::spawn(serving);
        let port = bench.address.port();
        let mut doctor = bench.doctor();
        // The same name and port as the server knows, another listener.
        doctor
            .resolve
            .insert(0, Resolve::new(DISCOVERY, port, address));
        let findings = doctor.examine().await;
        let found = find(&findings, "client certificate");
        assert_eq!(found.is_ok(), !required, "{findings:#?}");
        let text = match required {
            true if version == &TLS12 => {
                "enterpriseenrollment.dmtap.test:PORT: the server asks for a client certificate, and ends the handshake \
                 without one"
            }
            true => "the server closes connections without a client certificate",
            false => {
                "the server asks for one in the handshake, and serves devices without one, too"
            }
        };
        assert_eq!(found.text, text.replace("PORT", &port.to_string()));
        stop.cancel();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_in_gzip_that_nobody_asked_for_is_named() {
    let bench = Bench::new(false).await;
    let leaf = bench.authority.leaf(&[DISCOVERY]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(leaf)));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, b"<s:Envelope/>").unwrap();
    let gzip = bytes::Bytes::from(gzip.finish().unwrap());
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(tcp).await else {
                continue;
            };
            let gzip = gzip.clone();
            let service =
                hyper::service::service_fn(move |_: http::Request<hyper::body::Incoming>| {
                    let answer = http::Response::builder().header("content-encoding", "gzip");
                    let answer = answer.body(http_body_util::Full::new(gzip.clone()));
                    async move { answer }
                });
            let io = hyper_util::rt::TokioIo::new(stream);
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
        }
    });
    let mut doctor = bench.doctor();
    let port = bench.address.port();
    doctor
        .resolve
        .insert(0, Resolve::new(DISCOVERY, port, address));
    let findings = doctor.examine().await;
    let text = &find(&findings, "discovery").text;
    assert!(
        text.contains("Content-Encoding: gzip, for which the request did not ask"),
        "{text}"
    );
}

fn wrong(findings: &[Finding]) -> Vec<&str> {
    let wrong = findings.iter().filter(|finding| !finding.is_ok());
    wrong.map(|finding| finding.what).collect()
}

fn find<'f>(findings: &'f [Finding], what: &str) -> &'f Finding {
    let found = findings.iter().find(|finding| finding.what == what);
    found.unwrap_or_else(|| panic!("{what}: {findings:#?}"))
}

fn check(findings: &[Finding], what: &str, remedy: &str) {
    let found = find(findings, what);
    let to_do = found.remedy.as_deref().unwrap_or_default();
    assert!(to_do.contains(remedy), "{found:#?}");
}
