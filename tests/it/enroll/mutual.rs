//! After the swap both legs have mutual TLS, each with its own key.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use dmtap::dm::certificate::thumbprint;
use dmtap::flow::event::Event;
use dmtap::identity::cms::name_of;
use dmtap::identity::{CertificateParts, message_signature};
use dmtap::peer::enroll::{EnrollServer, EnrollmentCa, PrivateKey};
use dmtap::proxy::{IdentityStore, Proxy, Scheme, Settings, SwapSettings, Upstream};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio::net::TcpStream;

use super::lab::Lab;
use super::*;
use crate::support::provider;
use crate::support::rig::EventLog;

const NAME: &str = "mdm.dmtap.test";
const MANAGED: &str = "/managed";
const SIGNATURE: &str = "mdm-signature";
const FORWARDED: &str = "x-client-cert";
/// The paths at which the server sends a device on to another name, and these names.
const ELSEWHERE: [(&str, &str); 2] = [
    ("/redirect", "redirect.dmtap.test"),
    ("/resp-uri", "resp-uri.dmtap.test"),
];

/// A server that enrolls devices, and answers below [`MANAGED`] with the thumbprint of the certificate it was shown.
async fn server(authority: &Authority) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let ca = EnrollmentCa::new("Their CA", new_key().unwrap(), 1, now).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from(ca.certificate().to_vec()))
        .unwrap();
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
            .allow_unauthenticated()
            .build()
            .unwrap();
    let [(_, first), (_, second)] = ELSEWHERE;
    let leaf = authority.leaf(&[NAME, first, second]).unwrap();
    let tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(leaf)));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let origin = format!("https://{NAME}:{}", address.port());
    let sites = Sites {
        discovery: origin.clone(),
        management: origin.clone(),
        sessions: origin,
    };
    let user = User {
        name: "alice@dmtap.test".into(),
        login: password(),
        encoding: Encoding::Xml,
    };
    let enrolls = Arc::new(Mutex::new(EnrollServer::new(sites, vec![user], ca, 2)));
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(tcp).await else {
                continue;
            };
            let shown = stream.get_ref().1.peer_certificates();
            let shown = shown.map_or("none".to_owned(), |chain| thumbprint(&chain[0]));
            let enrolls = enrolls.clone();
            let respond = move |request: Request<Incoming>| {
                let (enrolls, shown) = (enrolls.clone(), shown.clone());
                async move {
                    if request.uri().path() == MANAGED {
                        let mut response = Response::new(Full::new(Bytes::from(shown)));
                        for name in [SIGNATURE, FORWARDED] {
                            if let Some(value) = request.headers().get(name) {
                                response.headers_mut().insert(name, value.clone());
                            }
                        }
                        return Ok(response);
                    }
                    let elsewhere = ELSEWHERE.iter();
                    let path = request.uri().path();
                    if let Some((way, host)) = elsewhere.copied().find(|(way, _)| *way == path) {
                        return Ok(sent_on(
                            way,
                            &format!("https://{host}:{}{MANAGED}", address.port()),
                        ));
                    }
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes();
                    let request = Request::from_parts(parts, body);
                    let answer = enrolls.lock().unwrap().answer(&request, now);
                    Ok::<_, hyper::Error>(answer.map(Full::new))
                }
            };
            tokio::spawn(async move {
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service_fn(respond))
                    .await;
            });
        }
    });
    address
}

/// The settings of dmtap in front of the server.
fn in_front_of(server: SocketAddr) -> Settings {
    Settings::reverse(Upstream {
        scheme: Scheme::Https,
        host: NAME.into(),
        port: server.port(),
    })
}

/// The answer that sends a device on to another address.
fn sent_on(way: &str, url: &str) -> Response<Full<Bytes>> {
    let header = format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><RespURI>{url}</RespURI></SyncHdr><SyncBody><Final/></SyncBody></SyncML>"
    );
    let response = match way {
        "/redirect" => Response::builder()
            .status(307)
            .header("location", url)
            .body(Full::default()),
        _ => Response::builder()
            .header("content-type", "application/vnd.syncml.dm+xml")
            .body(Full::from(header)),
    };
    response.unwrap()
}

/// A device's key, and its PKCS#8.
pub(super) fn device_key() -> (Arc<PrivateKey>, Vec<u8>) {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let key = PrivateKey::from_pkcs8(pkcs8.as_ref()).unwrap();
    (Arc::new(key), pkcs8.as_ref().to_vec())
}

/// Which certificate the server was shown when a device with this one asked through dmtap.
async fn shown(dmtap: SocketAddr, ca: &Authority, own: Option<(&[u8], &[u8])>) -> String {
    let root = CertificateDer::from_pem_file(ca.certificate_file()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root).unwrap();
    let builder = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some((certificate, pkcs8)) => {
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8.to_vec()));
            let chain = vec![CertificateDer::from(certificate.to_vec())];
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    let tcp = TcpStream::connect(dmtap).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("one.dmtap.test").unwrap();
    let stream = connector.connect(name, tcp).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = Request::get(MANAGED).header("host", "one.dmtap.test");
    let request = request.body(Full::<Bytes>::default()).unwrap();
    let response = tokio::time::timeout(Duration::from_secs(20), sender.send_request(request));
    let body = response.await.unwrap().unwrap().into_body();
    let body = body.collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_sees_the_certificate_that_it_issued_and_signatures_by_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::load_or_create(folder.path()).unwrap());
    let address = server(&authority).await;
    let mut settings = in_front_of(address);
    settings.listen.set_port(0);
    let trust = Trust::PlatformAnd(authority.certificate_file().to_owned());
    settings.trust = trust.clone();
    settings.confdir = Some(folder.path().to_owned());
    settings.swap = SwapSettings::All;
    settings.resolve = vec![Resolve::new(NAME, address.port(), address)];
    let log = Arc::new(EventLog::default());
    let proxy = Proxy::bind(settings, authority.clone(), Arc::default(), log.clone());
    let proxy = proxy.await.unwrap();
    let (here, stop) = (proxy.local_addr(), CancellationToken::new());
    tokio::spawn(proxy.run(stop.clone()));
    let dialer = Dialer::without_dns(vec![Resolve::new("one.dmtap.test", 443, here)]);
    let client = dialer.client(&trust).unwrap();
    let mut devices = Vec::new();
    for id in ["1", "2"] {
        let (key, pkcs8) = device_key();
        let profile = EnrollProfile {
            device_id: id.repeat(32),
            ..alice()
        };
        let url = "https://one.dmtap.test/EnrollmentServer/Discovery.svc"
            .parse()
            .unwrap();
        let enrollment = enroll(&client, profile, key, url).await.unwrap();
        devices.push((enrollment, pkcs8));
    }
    let store = IdentityStore::of(folder.path());
    let message = include_str!("../../data/signature/message.xml");
    for (enrollment, pkcs8) in &devices {
        // What the device signs, the server could not verify: it knows another key.
        let key = PrivateKey::from_pkcs8(pkcs8).unwrap();
        let template = include_str!("../../data/signature/signature.txt");
        let template = message_signature::read(template).unwrap();
        let certificate = &enrollment.certificate;
        let signed = template.anew(message.as_bytes(), b"", certificate, &key);
        let client = dialer
            .client_with(&trust, certificate, Arc::new(key))
            .unwrap();
        let request = Request::post(format!("https://one.dmtap.test{MANAGED}"))
            .header("content-type", "application/vnd.syncml.dm+xml")
            .header(SIGNATURE, STANDARD.encode(signed.unwrap()));
        let request = request.body(Full::new(message.into())).unwrap();
        let response = client.request(request).await.unwrap();
        let sent = response.headers()[SIGNATURE].to_str().unwrap();
        let stored = store.find(&enrollment.thumbprint).unwrap();
        let server = stored.server_certificate.octets().unwrap();
        let parts = CertificateParts::read(&server).unwrap();
        let sent = message_signature::read(sent).unwrap();
        assert_eq!(sent.check(parts.public_key(), message.as_bytes()), Ok(()));
        assert_eq!(sent.signer(), name_of(&server).unwrap());
        // What the device's key signed inside of a message passes, with a note.
        let results = "<Results><CmdID>2</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef><Item><Source><LocURI>./Vendor/MSFT/\
                       DMClient/Provider/A/SignedEntDMID</LocURI></Source><Data>TUlJ</Data></Item></Results><Final/>";
        let request = Request::post(format!("https://one.dmtap.test{MANAGED}"))
            .header("content-type", "application/vnd.syncml.dm+xml");
        let body = message.replace("<Final/>", results);
        let request = request.body(Full::new(body.clone().into())).unwrap();
        client.request(request).await.unwrap();
        let is_it = |event: &Event| match event {
            Event::Request(message) if message.body.received == body => Some(message.clone()),
            _ => None,
        };
        let message = log.until(is_it).await;
        assert_eq!(message.body.sent, message.body.received);
        assert!(
            message.notes.iter().any(|note| note.id == "SWAP-05"),
            "{:?}",
            message.notes
        );
    }
    for number in [0, 1, 0, 1] {
        let (enrollment, pkcs8) = &devices[number];
        let stored = store.find(&enrollment.thumbprint).unwrap();
        let own = Some((&*enrollment.certificate, &**pkcs8));
        let shown = shown(here, &authority, own).await;
        assert_eq!(shown, stored.server_certificate.thumbprint);
        assert_ne!(shown, enrollment.thumbprint);
    }
    assert_eq!(shown(here, &authority, None).await, "none");
    let (enrollment, pkcs8) = &devices[0];
    let stored = store.find(&enrollment.thumbprint).unwrap();
    store.remove(&stored.id).unwrap();
    let own = Some((&*enrollment.certificate, &**pkcs8));
    assert_eq!(shown(here, &authority, own).await, "none");
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_certificate_goes_with_the_device_to_a_host_that_its_server_sends_it_to() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::load_or_create(folder.path()).unwrap();
    let address = server(&authority).await;
    let trust = Trust::PlatformAnd(authority.certificate_file().to_owned());
    let lab = Lab::in_front_of((&authority, trust), address, |settings| {
        settings.mode = in_front_of(address).mode;
        let names = ELSEWHERE.map(|(_, host)| Resolve::new(host, address.port(), address));
        settings.resolve.extend(names);
    });
    let (lab, key) = (lab.await, new_key().unwrap());
    let enrollment = lab.enroll_with(alice(), key.clone()).await.unwrap();
    let stored = lab.store().find(&enrollment.thumbprint).unwrap();
    let client = lab.client_of(&enrollment, &key);
    let ask = async |url: &str| {
        let request = Request::post(url).header("content-type", "application/vnd.syncml.dm+xml");
        let request = request.body(Full::default()).unwrap();
        let (parts, body) = client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts, String::from_utf8(body.to_vec()).unwrap())
    };
    for (way, host) in ELSEWHERE {
        let (head, body) = ask(&format!("https://one.dmtap.test{way}")).await;
        let location = head.headers.get("location");
        let location = location.map(|url| url.to_str().unwrap());
        let between = |text: &str| {
            let (_, rest) = text.split_once("<RespURI>")?;
            Some(rest.split_once('<')?.0.to_owned())
        };
        let url = location.map(str::to_owned).or_else(|| between(&body));
        let url = url.unwrap();
        assert!(url.contains(&format!("/.dmtap/at/{host}")), "{url}");
        let (_, shown) = ask(&url).await;
        assert_eq!(shown, stored.server_certificate.thumbprint, "{way}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_certificate_in_a_header_field_is_the_one_that_the_server_issued() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::load_or_create(folder.path()).unwrap();
    let address = server(&authority).await;
    let trust = Trust::PlatformAnd(authority.certificate_file().to_owned());
    let lab = Lab::in_front_of((&authority, trust), address, |settings| {
        settings.mode = in_front_of(address).mode;
        settings.client_certs.forward = "der".parse().ok();
    });
    let (lab, key) = (lab.await, new_key().unwrap());
    let enrollment = lab.enroll_with(alice(), key.clone()).await.unwrap();
    let stored = lab.store().find(&enrollment.thumbprint).unwrap();
    let client = lab.client_of(&enrollment, &key);
    let url = format!("https://one.dmtap.test{MANAGED}");
    let request = Request::get(url).body(Full::default()).unwrap();
    let response = client.request(request).await.unwrap();
    let forwarded = STANDARD.decode(&response.headers()[FORWARDED]).unwrap();
    assert_eq!(thumbprint(&forwarded), stored.server_certificate.thumbprint);
}
