//! The enrolling server on the network: enrollment, and management sessions before and after the move.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use bytes::Bytes;
use http::header::HOST;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use parking_lot::Mutex;
use rustls::server::WebPkiClientVerifier;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::https;
use super::server::{self, OnLine, Shared};
use crate::peer::Server;
use crate::peer::enroll::server::{Granted, MANAGEMENT_PATH, MOVED_PATH};
use crate::peer::enroll::{EnrollServer, EnrollmentCa, PrivateKey, Sites, User};
use crate::proxy::Authority;

/// A server that enrolls devices, and the two places where it manages them.
pub struct EnrollService {
    enroll: Mutex<EnrollServer>,
    /// Where sessions begin; the last command moves the device.
    pub first: Shared,
    /// Where they go on.
    pub moved: Shared,
    /// Gets what devices answer to commands.
    pub on_line: OnLine,
    /// Gets what is granted.
    pub on_grant: fn(&Granted),
}

impl EnrollService {
    /// A server at these names, with a CA that nobody has seen before; `adapt` may change what it does.
    ///
    /// # Errors
    /// In words, where the CA cannot be made.
    pub fn new(
        sites: Sites,
        users: Vec<User>,
        adapt: impl FnOnce(EnrollServer) -> EnrollServer,
    ) -> Result<Self, String> {
        let now = now();
        let ca = EnrollmentCa::new(CA_NAME, new_key()?, now.as_secs(), now);
        let ca = ca.map_err(|error| error.to_string())?;
        let enroll = adapt(EnrollServer::new(sites, users, ca, now.as_secs() + 1));
        let server = |plan| Arc::new(Mutex::new(Server::new(plan)));
        Ok(Self {
            first: server(enroll.first_plan()),
            moved: server(EnrollServer::moved_plan()),
            enroll: Mutex::new(enroll),
            on_line: |_| {},
            on_grant: |_| {},
        })
    }

    /// What it has granted.
    pub fn granted(&self) -> Vec<Granted> {
        let enroll = self.enroll.lock();
        enroll.granted().to_vec()
    }

    async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let management = match request.uri().path() {
            MANAGEMENT_PATH => Some(&self.first),
            MOVED_PATH => Some(&self.moved),
            _ => None,
        };
        if let Some(server) = management {
            let refusal = {
                let enroll = self.enroll.lock();
                enroll.misdirected(request.headers().get(HOST), request.uri())
            };
            return match refusal {
                Some(refusal) => refusal.map(Full::new),
                None => {
                    let shown = request.extensions().get().cloned();
                    let check = |device: &str, values: &[(String, String)]| {
                        self.enroll.lock().admit(shown.as_ref(), device, now())?;
                        let shown = shown.as_ref();
                        shown.map_or(Ok(()), |shown| EnrollServer::compare(shown, values))
                    };
                    server::respond(request, server, self.on_line, check).await
                }
            };
        }
        let (parts, body) = request.into_parts();
        let body = match https::body(body).await {
            Ok(body) => body,
            Err(why) => {
                let mut response = Response::new(Full::from(why));
                *response.status_mut() = StatusCode::BAD_REQUEST;
                return response;
            }
        };
        let mut enroll = self.enroll.lock();
        let before = enroll.granted().len();
        let response = enroll.answer(&Request::from_parts(parts, body), now());
        let granted = enroll.granted().get(before..).unwrap_or_default().to_vec();
        drop(enroll);
        granted.iter().for_each(self.on_grant);
        response.map(Full::new)
    }
}

/// Serves until `stop`, then lets running exchanges end.
pub async fn serve(
    listener: TcpListener,
    tls: ServerTls,
    service: Arc<EnrollService>,
    stop: CancellationToken,
) {
    let respond = move |request| {
        let service = service.clone();
        async move { service.respond(request).await }
    };
    https::serve(listener, move |name| tls.at(name), respond, stop).await;
}

/// TLS of an enrolling server. Every name asks for a client certificate; that of management sessions demands one.
#[derive(Clone)]
pub struct ServerTls {
    asking: Arc<rustls::ServerConfig>,
    /// Where the name is no other's.
    demanding: Option<(String, Arc<rustls::ServerConfig>)>,
}

impl ServerTls {
    fn at(&self, name: Option<&str>) -> Arc<rustls::ServerConfig> {
        match &self.demanding {
            Some((own, demanding)) if name.is_some_and(|name| name.eq_ignore_ascii_case(own)) => {
                demanding.clone()
            }
            _ => self.asking.clone(),
        }
    }
}

/// The same for every name.
impl From<Arc<rustls::ServerConfig>> for ServerTls {
    fn from(asking: Arc<rustls::ServerConfig>) -> Self {
        Self {
            asking,
            demanding: None,
        }
    }
}

impl EnrollService {
    /// TLS for the names of this server, with leaves of `authority`.
    ///
    /// # Errors
    /// In words, where no certificate can be made.
    pub fn tls(&self, authority: &Authority) -> Result<ServerTls, String> {
        let enroll = self.enroll.lock();
        let mut roots = rustls::RootCertStore::empty();
        let words = |error: rustls::server::VerifierBuilderError| error.to_string();
        let ca = roots.add(enroll.ca().to_vec().into());
        ca.map_err(|error| error.to_string())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
        let names = enroll.names();
        let [discovery, management, sessions] = &names;
        let asking = clients.clone().allow_unauthenticated().build();
        let all = [&**discovery, management, sessions];
        let asking = https::tls(authority, &all, Some(asking.map_err(words)?))?;
        let demanding = match [discovery, management].contains(&sessions) {
            true => None,
            false => {
                let clients = clients.build().map_err(words)?;
                let tls = https::tls(authority, &[sessions], Some(clients))?;
                Some((sessions.clone(), tls))
            }
        };
        Ok(ServerTls { asking, demanding })
    }
}

/// A new RSA key; takes some tenths of a second.
///
/// # Errors
/// In words, where the machine has no random numbers.
pub fn new_key() -> Result<Arc<PrivateKey>, String> {
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|error| error.to_string())?;
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(|error| error.to_string())?;
    let key = PrivateKey::from_pkcs8(pkcs8.as_ref()).map_err(|error| error.to_string())?;
    Ok(Arc::new(key))
}

fn now() -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or_default()
}

const CA_NAME: &str = "dmtap simulated enrollment CA";
