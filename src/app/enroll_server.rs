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

use super::https::{self, ServerTls};
use super::server::{self, OnLine, Shared};
use crate::peer::Server;
use crate::peer::enroll::server::{Granted, MANAGEMENT_PATH, MOVED_PATH};
use crate::peer::enroll::{EnrollServer, EnrollmentCa, PrivateKey, Sites, User};
use crate::proxy::Authority;

/// A server that enrolls devices, with its two management servers.
pub struct EnrollService {
    enroll: Mutex<EnrollServer>,
    /// The management server of the first sessions; its last command moves the device.
    pub first: Shared,
    /// The management server of the later sessions.
    pub moved: Shared,
    /// Receives the answers of devices to commands.
    pub on_line: OnLine,
    /// Receives the granted certificates.
    pub on_grant: fn(&Granted),
}

impl EnrollService {
    /// Creates a server at these names, with a new CA; `adapt` may change its behaviour.
    ///
    /// # Errors
    /// The CA cannot be created.
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

    /// Returns the granted certificates.
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

    /// Returns the TLS settings for each name of this server, with leaves of `authority`. Every name asks for a client
    /// certificate; that of management sessions demands one, if it is a name of its own.
    ///
    /// # Errors
    /// A certificate cannot be created.
    pub fn tls(&self, authority: &Authority) -> Result<impl ServerTls + use<>, String> {
        let enroll = self.enroll.lock();
        let mut roots = rustls::RootCertStore::empty();
        let words = |error: rustls::server::VerifierBuilderError| error.to_string();
        let ca = roots.add(enroll.ca().to_vec().into());
        ca.map_err(|error| error.to_string())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
        let [discovery, management, sessions] = enroll.names();
        let asking = clients.clone().allow_unauthenticated().build();
        let all = [&*discovery, &*management, &*sessions];
        let asking = https::tls(authority, &all, Some(asking.map_err(words)?))?;
        let demanding = match [&discovery, &management].contains(&&sessions) {
            true => asking.clone(),
            false => {
                let clients = clients.build().map_err(words)?;
                https::tls(authority, &[&*sessions], Some(clients))?
            }
        };
        Ok(move |name: Option<&str>| {
            let is_of_sessions = name.is_some_and(|name| name.eq_ignore_ascii_case(&sessions));
            match is_of_sessions {
                true => demanding.clone(),
                false => asking.clone(),
            }
        })
    }
}

/// Serves until `stop`, then lets running exchanges end.
pub async fn serve(
    listener: TcpListener,
    tls: impl ServerTls,
    service: Arc<EnrollService>,
    stop: CancellationToken,
) {
    let respond = move |request| {
        let service = service.clone();
        async move { service.respond(request).await }
    };
    https::serve(listener, tls, respond, stop).await;
}

/// Creates an RSA key, which takes some tenths of a second.
///
/// # Errors
/// The machine has no random numbers.
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
