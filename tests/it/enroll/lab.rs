//! dmtap with the swap in front of an enrollment server.

use std::sync::Mutex;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use dmtap::app::dial::HttpClient;
use dmtap::flow::event::Event;
use dmtap::flow::{CapturedMessage, Note};
use dmtap::peer::enroll::{EnrollServer, Enrollment, EnrollmentCa, PrivateKey};
use dmtap::proxy::{IdentityStore, LiveRules, Origin, Proxy, Scheme, Settings, SwapSettings};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;

use tokio::sync::Barrier;

use super::*;
use crate::support::rig::EventLog;

/// What a server makes of an answer.
pub(super) type Change = dyn Fn(Response<Bytes>) -> Option<Response<Bytes>> + Send + Sync;

/// dmtap with the swap in front of a server.
pub(super) struct Lab {
    pub(super) log: Arc<EventLog>,
    pub(super) rules: Arc<LiveRules>,
    pub(super) confdir: tempfile::TempDir,
    dialer: Dialer,
    trust: Trust,
    _folder: Option<tempfile::TempDir>,
    stop: CancellationToken,
}

impl Lab {
    pub(super) async fn in_front_of(
        bench_trust: (&Authority, Trust),
        server: SocketAddr,
        adapt: impl FnOnce(&mut Settings),
    ) -> Self {
        let (authority, trust) = bench_trust;
        let port = server.port();
        let mut settings = Settings::reverse(Origin {
            scheme: Scheme::Https,
            host: DISCOVERY.into(),
            port,
        });
        let confdir = tempfile::tempdir().unwrap();
        settings.listen.set_port(0);
        settings.trust = trust.clone();
        settings.confdir = Some(confdir.path().to_owned());
        settings.swap = SwapSettings::All;
        settings.resolve = [DISCOVERY, MANAGEMENT]
            .map(|host| Resolve::new(host, port, server))
            .into();
        adapt(&mut settings);
        // The CA of dmtap is that of the server: the device trusts one file.
        let authority = authority.certificate_file().parent().unwrap();
        let authority = Arc::new(Authority::load_or_create(authority).unwrap());
        let log = Arc::new(EventLog::default());
        let proxy = Proxy::bind(settings, authority, Arc::default(), log.clone());
        let proxy = proxy.await.unwrap();
        let (here, rules) = (proxy.local_addr(), proxy.rules());
        let stop = CancellationToken::new();
        tokio::spawn(proxy.run(stop.clone()));
        let dialer = Dialer::without_dns(vec![
            Resolve::new("one.dmtap.test", 443, here),
            // Without the rule `stay` the device asks for this name, and DNS leads it to dmtap.
            Resolve::new(DISCOVERY, port, here),
        ]);
        Self {
            log,
            rules,
            confdir,
            dialer,
            trust,
            _folder: None,
            stop,
        }
    }

    /// In front of a server whose answers to the request for a certificate are changed.
    pub(super) async fn with_answers(
        change: Arc<Change>,
        adapt: impl FnOnce(&mut Settings),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::load_or_create(folder.path()).unwrap();
        let address = server(&authority, change, None).await;
        let trust = Trust::PlatformAnd(authority.certificate_file().to_owned());
        let mut lab = Self::in_front_of((&authority, trust), address, adapt).await;
        lab._folder = Some(folder);
        lab
    }

    /// In front of a server that answers requests for certificates when so many are there.
    pub(super) async fn with_held_answers(
        barrier: Arc<Barrier>,
        adapt: impl FnOnce(&mut Settings),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::load_or_create(folder.path()).unwrap();
        let address = server(&authority, Arc::new(Some), Some(barrier)).await;
        let trust = Trust::PlatformAnd(authority.certificate_file().to_owned());
        let mut lab = Self::in_front_of((&authority, trust), address, adapt).await;
        lab._folder = Some(folder);
        lab
    }

    pub(super) fn client(&self) -> HttpClient {
        self.dialer.client(&self.trust).unwrap()
    }

    /// A client that shows the certificate of a device.
    pub(super) fn client_of(&self, enrollment: &Enrollment, key: &Arc<PrivateKey>) -> HttpClient {
        let certificate = &enrollment.certificate;
        let client = self
            .dialer
            .client_with(&self.trust, certificate, key.clone());
        client.unwrap()
    }

    pub(super) async fn enroll(&self, profile: EnrollProfile) -> Result<Enrollment, EnrollError> {
        self.enroll_with(profile, new_key().unwrap()).await
    }

    pub(super) async fn enroll_with(
        &self,
        profile: EnrollProfile,
        key: Arc<PrivateKey>,
    ) -> Result<Enrollment, EnrollError> {
        let url = "https://one.dmtap.test/EnrollmentServer/Discovery.svc";
        enroll(&self.client(), profile, key, url.parse().unwrap()).await
    }

    /// The answer to the request for a certificate, as it came and as it left.
    pub(super) fn answer(&self) -> Arc<CapturedMessage> {
        let events = self.log.events();
        let responses = events.into_iter().filter_map(|event| match event {
            Event::Response(message) => Some(message),
            _ => None,
        });
        responses.last().unwrap()
    }

    pub(super) fn notes(&self) -> Vec<Note> {
        let events = self.log.events();
        let notes = events.into_iter().flat_map(|event| match event {
            Event::Request(message) | Event::Response(message) => message.notes.clone(),
            _ => Vec::new(),
        });
        notes.filter(|note| note.id.starts_with("SWAP")).collect()
    }

    pub(super) fn store(&self) -> IdentityStore {
        IdentityStore::of(self.confdir.path())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// An enrolling server under one name; `None` of a change closes the connection.
async fn server(
    authority: &Authority,
    change: Arc<Change>,
    barrier: Option<Arc<Barrier>>,
) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let tls = dmtap::app::https::tls(authority, &[DISCOVERY], None).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(tls);
    let origin = format!("https://{DISCOVERY}:{}", address.port());
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
    let now = Duration::from_secs(1_790_000_000);
    let ca = EnrollmentCa::new("CA", new_key().unwrap(), 1, now).unwrap();
    let server = EnrollServer::new(sites, vec![user], ca, 2).taking_any_to();
    let server = Arc::new(Mutex::new(server));
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (server, change, barrier) = (server.clone(), change.clone(), barrier.clone());
            let respond = move |request: Request<Incoming>| {
                let (server, change, barrier) = (server.clone(), change.clone(), barrier.clone());
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let is_last = parts.uri.path().ends_with("Enrollment.svc");
                    if let Some(barrier) = barrier.filter(|_| is_last) {
                        barrier.wait().await;
                    }
                    let request = Request::from_parts(parts, body);
                    let answer = server.lock().unwrap().answer(&request, now);
                    let answer = match is_last {
                        true => change(answer),
                        false => Some(answer),
                    };
                    answer.map(|answer| answer.map(Full::new)).ok_or("gone")
                }
            };
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(tcp).await else {
                    return;
                };
                let service = service_fn(respond);
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    address
}

/// The answer with another provisioning document.
pub(super) fn with_document(
    answer: Response<Bytes>,
    change: impl Fn(String) -> String,
) -> Response<Bytes> {
    let text = String::from_utf8(answer.body().to_vec()).unwrap();
    let from = text.find("<BinarySecurityToken").unwrap();
    let from = from + text[from..].find('>').unwrap() + 1;
    let to = from + text[from..].find('<').unwrap();
    let document = String::from_utf8(STANDARD.decode(&text[from..to]).unwrap()).unwrap();
    let token = STANDARD.encode(change(document));
    let text = format!("{}{token}{}", &text[..from], &text[to..]);
    let mut answer = answer;
    answer
        .headers_mut()
        .insert("content-length", text.len().into());
    *answer.body_mut() = text.into();
    answer
}
