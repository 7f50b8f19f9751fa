//! Connections to servers. Each device connection has connections of its own to the server, in the HTTP version that
//! the device uses.
//!
//! ```text
//! ServerLink, one for each device connection ──► its open connections, kept for its life
//!      │ needs one                                   │ the device connection ends
//!      ▼                                             ▼
//! IdleConnections, by server and ALPN offer ◄────────┘
//!      │ none fits
//!      ▼
//! Dialer: TCP, TLS, HTTP
//! ```

mod client_configs;
mod dial;
mod idle;
mod observed;
mod refused;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Request, Response, Uri, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::time::Instant;

pub(super) use self::dial::{ConnectError, connect};
pub(super) use self::observed::{BehindHead, Handshake};

use self::dial::{Dialer, ServerConnection};
use self::idle::IdleConnections;
use self::refused::{Reason, Refused};
use super::body::Body;
use super::client_identity::ClientIdentity;
use super::failure::Failure;
use super::settings::{Settings, UpstreamHttp};
use crate::flow;

/// The dialer for servers, and the connections that no device connection uses at present.
pub(super) struct Upstreams {
    dialer: Dialer,
    idle: Arc<IdleConnections>,
    http: UpstreamHttp,
}

impl Upstreams {
    /// Creates the connections for a proxy that listens at `listener`.
    ///
    /// # Errors
    /// An error if the trusted certificates cannot be loaded.
    pub(super) fn new(settings: &Settings, listener: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            dialer: Dialer::new(settings, listener)?,
            idle: Arc::new(IdleConnections::new(settings.limits.idle)),
            http: settings.upstream_http,
        })
    }

    /// Returns the versions to offer to a server for a device that uses this HTTP version.
    fn offer(&self, device: Version) -> Offer {
        match self.http {
            UpstreamHttp::Http1 => Offer::Http1,
            UpstreamHttp::Http2 => Offer::Http2,
            UpstreamHttp::Auto if device == Version::HTTP_2 => Offer::Http2Or1,
            UpstreamHttp::Auto => Offer::Http1First,
        }
    }
}

/// The HTTP versions that are offered to a server by ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Offer {
    Http1,
    /// HTTP/1.1. If a server refuses it in the handshake, HTTP/2 is offered, too.
    Http1First,
    Http2Or1,
    /// HTTP/2. Without TLS it is used with prior knowledge (RFC 9113 §3.3).
    Http2,
}

impl Offer {
    /// Returns the ALPN names of the versions.
    fn alpn(self) -> &'static [&'static [u8]] {
        match self {
            Self::Http1 | Self::Http1First => &[HTTP_1],
            Self::Http2Or1 => &[HTTP_2, HTTP_1],
            Self::Http2 => &[HTTP_2],
        }
    }
}

/// The key of connections that may replace each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ServerKey {
    scheme: Option<Scheme>,
    authority: Option<Authority>,
    offer: Offer,
    /// The id of the client identity that is presented. The server attributes the connection to it.
    identity: Option<Arc<str>>,
}

/// A request without a response.
pub(super) struct NotAnswered {
    pub(super) failure: Failure,
    pub(super) repeat: Repeat,
}

/// How often a request without a response may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    Never,
    /// Once: the server closed a connection that was in use before, at once and without sending a byte. It may have
    /// processed the request all the same.
    Once,
    /// A few times: the server says that it did not process the request.
    Often,
}

impl From<ConnectError> for NotAnswered {
    fn from(error: ConnectError) -> Self {
        let (failure, repeat) = (Failure::of(&error), Repeat::Never);
        Self { failure, repeat }
    }
}

/// The connections of one device connection to its servers.
pub(super) struct ServerLink {
    device: Arc<flow::Connection>,
    idle: Arc<IdleConnections>,
    open: Mutex<Vec<(ServerKey, ServerConnection)>>,
    /// Whether the server may attribute the connections to the user of this device: no other device gets them.
    is_authenticated: AtomicBool,
    /// The lock for making a connection that may carry several requests. Requests that come meanwhile wait for it.
    dialing: tokio::sync::Mutex<()>,
}

impl ServerLink {
    pub(super) fn new(upstreams: &Upstreams, device: Arc<flow::Connection>) -> Self {
        Self {
            device,
            idle: upstreams.idle.clone(),
            open: Mutex::default(),
            is_authenticated: AtomicBool::new(false),
            dialing: tokio::sync::Mutex::default(),
        }
    }

    /// Sends a request with a full URL, and waits for the head of the response. The extensions of the response have the
    /// [`Handshake`] of its connection, and in HTTP/1.1 [`BehindHead`]. `device` is the HTTP version that the device uses.
    ///
    /// # Errors
    /// [`NotAnswered`] if there is no response.
    pub(super) async fn send(
        &self,
        upstreams: &Upstreams,
        device: Version,
        identity: Option<&ClientIdentity>,
        mut request: Request<Body>,
    ) -> Result<Response<Incoming>, NotAnswered> {
        let target = request.uri().clone();
        let key = ServerKey {
            scheme: target.scheme().cloned(),
            authority: target.authority().cloned(),
            offer: upstreams.offer(device),
            identity: identity.map(|identity| identity.id.clone()),
        };
        let wait = match device == Version::HTTP_2 {
            true => Duration::ZERO,
            false => READY_TIMEOUT,
        };
        let has_host = request.headers().contains_key(header::HOST);
        if authenticates_connection(request.headers()) {
            self.is_authenticated.store(true, Ordering::Relaxed);
        }
        let mut dialed = 0;
        loop {
            let known = self.take(&key, wait).await;
            let is_reused = known.is_some();
            let connection = match known {
                Some(connection) => connection,
                None => {
                    dialed += 1;
                    self.dial(upstreams, &key, &target, identity).await?
                }
            };
            address(&mut request, &target, connection.is_http2(), has_host);
            if device == Version::HTTP_2 && !connection.is_http2() {
                join_cookies(request.headers_mut());
            }
            let sent_at = Instant::now();
            let (sent, connection) = connection.send(request).await;
            let failed = match sent {
                Ok(mut response) => {
                    let extensions = response.extensions_mut();
                    extensions.insert(connection.handshake());
                    connection
                        .behind_head()
                        .map(|behind| extensions.insert(behind));
                    self.keep(&key, connection);
                    return Ok(response);
                }
                Err(failed) => failed,
            };
            // Each connection is tried once: the used ones run out, and the number of new ones is limited.
            let repeat = match (failed.unsent, failed.refusal) {
                (Some(unsent), _) if is_reused || dialed < MOST_DIALED => {
                    request = *unsent;
                    continue;
                }
                _ if failed.is_unprocessed => Repeat::Often,
                (_, Some(reason)) => return Err(self.refused(&target, &key, reason).into()),
                _ if is_reused && failed.is_silent && sent_at.elapsed() < MAX_CLOSING_TIME => {
                    Repeat::Once
                }
                _ => Repeat::Never,
            };
            let mut failure = Failure::of(&failed.error);
            if failed.error.is_incomplete_message() && !failed.is_silent {
                failure.why = "the server closed the connection in the head of its answer".into();
            }
            return Err(NotAnswered { failure, repeat });
        }
    }

    /// Takes an open connection of this link, or an idle one, which then belongs to the link.
    async fn take(&self, key: &ServerKey, wait: Duration) -> Option<ServerConnection> {
        loop {
            let own = take_from(&mut self.open.lock(), key);
            match own {
                Some(mut connection) => {
                    if connection.is_ready_within(wait).await {
                        return Some(connection);
                    }
                    if !connection.is_closed() {
                        // The connection still carries another exchange.
                        self.keep(key, connection);
                        return self.idle.take(key);
                    }
                }
                None => return self.idle.take(key),
            }
        }
    }

    async fn dial(
        &self,
        upstreams: &Upstreams,
        key: &ServerKey,
        target: &Uri,
        identity: Option<&ClientIdentity>,
    ) -> Result<ServerConnection, ConnectError> {
        let refused = |reason| self.refused(target, key, reason);
        let dial = upstreams.dialer.dial(target, key.offer, identity, refused);
        if !matches!(key.offer, Offer::Http2 | Offer::Http2Or1) {
            return dial.await;
        }
        let _dialing = self.dialing.lock().await;
        // The result needs a name: a lock in the head of an `if let` is held to the end of its body, and `keep` takes
        // the lock, too.
        let made = take_from(&mut self.open.lock(), key);
        match made {
            Some(made) if made.is_http2() || made.is_ready() => return Ok(made),
            Some(busy) => self.keep(key, busy),
            None => {}
        }
        let connection = dial.await?;
        if let Some(shared) = connection.shared() {
            self.keep(key, shared);
        }
        Ok(connection)
    }

    /// Returns a name of the device for people: its certificate's subject, or its address.
    fn device_name(&self) -> String {
        let tls = self.device.tls.as_ref();
        match tls.and_then(|tls| tls.client.as_ref()) {
            Some(presented) => printable(&presented.subject),
            None => self.device.device.ip().to_string(),
        }
    }

    fn refused(&self, target: &Uri, key: &ServerKey, reason: Reason) -> ConnectError {
        ConnectError::Refused(Box::new(Refused {
            host: target.host().unwrap_or_default().to_owned(),
            device: self.device_name(),
            identity: key.identity.as_deref().map(str::to_owned),
            reason,
        }))
    }

    /// Keeps a connection for the next request.
    fn keep(&self, key: &ServerKey, connection: ServerConnection) {
        let mut open = self.open.lock();
        let is_known = connection.is_http2()
            && open
                .iter()
                .any(|(known, other)| known == key && other.is_http2() && !other.is_closed());
        if !connection.is_closed() && !is_known {
            open.push((key.clone(), connection));
        }
    }
}

impl Drop for ServerLink {
    fn drop(&mut self) {
        if self.is_authenticated.load(Ordering::Relaxed) {
            return;
        }
        for (key, connection) in self.open.lock().drain(..) {
            self.idle.put(key, connection);
        }
    }
}

/// Takes a connection with this key. A connection that carries several requests is shared, any other is removed. Ready
/// connections come first.
fn take_from(
    open: &mut Vec<(ServerKey, ServerConnection)>,
    key: &ServerKey,
) -> Option<ServerConnection> {
    open.retain(|(_, connection)| !connection.is_closed());
    let fits = |(known, _): &(ServerKey, ServerConnection)| known == key;
    let ready = open
        .iter()
        .position(|entry| fits(entry) && entry.1.is_ready());
    let at = ready.or_else(|| open.iter().position(fits))?;
    match open[at].1.shared() {
        Some(shared) => Some(shared),
        None => Some(open.swap_remove(at).1),
    }
}

/// Writes the target in the form of the connection's HTTP version: HTTP/1.1 has the path in the request line and the
/// server in `Host`, HTTP/2 has everything in pseudo-header fields.
fn address(request: &mut Request<Body>, target: &Uri, is_http2: bool, has_host: bool) {
    if is_http2 {
        *request.uri_mut() = target.clone();
        if !has_host {
            request.headers_mut().remove(header::HOST);
        }
        request.headers_mut().remove(header::TRANSFER_ENCODING);
        return;
    }
    if request.body().size_hint().exact().is_none() {
        // Without the field, hyper treats a GET as one without a body.
        let chunked = HeaderValue::from_static("chunked");
        let headers = request.headers_mut();
        headers.insert(header::TRANSFER_ENCODING, chunked);
    }
    let path = target.path_and_query().cloned();
    *request.uri_mut() = Uri::from(path.unwrap_or(PathAndQuery::from_static("/")));
    if !has_host
        && let Some(authority) = target.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(header::HOST, host);
    }
}

/// Joins the `Cookie` fields into which HTTP/2 splits cookies: HTTP/1.1 has one (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let cookies = headers.get_all(header::COOKIE).iter();
    let cookies: Vec<&[u8]> = cookies.map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, joined);
    }
}

/// Whether a request authenticates its connection, not only itself, as NTLM and Negotiate do (RFC 4559 §6).
fn authenticates_connection(headers: &HeaderMap) -> bool {
    headers.get_all(header::AUTHORIZATION).iter().any(|value| {
        let scheme = value.as_bytes().split(|byte| *byte == b' ').next();
        let is = |name: &[u8]| scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(name));
        is(b"NTLM") || is(b"Negotiate")
    })
}

/// Returns a name without control characters, which Windows certificates have.
fn printable(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).collect()
}

/// The most new connections that are tried for one request whose bytes were not sent.
const MOST_DIALED: usize = 2;
/// The time for a connection to become ready again. An HTTP/1.1 device sends its next request when it has the whole
/// response, and the task of the connection to the server may notice that end a moment later.
const READY_TIMEOUT: Duration = Duration::from_millis(20);
/// The time within which the end of a connection is taken for one that the server closed while the request was on its
/// way (RFC 9112 §9.6). A server that closes later has probably read the request.
const MAX_CLOSING_TIME: Duration = Duration::from_millis(200);
/// The ALPN names.
const HTTP_1: &[u8] = b"http/1.1";
const HTTP_2: &[u8] = b"h2";
