//! New connections to servers: TCP, TLS, HTTP.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, HandshakeKind};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::client_configs::{ClientConfigs, KnownServer};
use super::observed::{BehindHead, Handshake, Observed, ObservedStream};
use super::refused::{Reason, Refused};
use super::{HTTP_2, Offer};
use crate::flow::origin::{Origin, Scheme};
use crate::proxy::body::{Body, Broken};
use crate::proxy::client_identity::ClientIdentity;
use crate::proxy::failure::{self, Failure, PlainError, ServerError};
use crate::proxy::headers::{MAX_HEAD_BYTES, MOST_FIELDS};
use crate::proxy::self_wake::repolled;
use crate::proxy::settings::{Mode, Resolve, Settings, Trust};
use crate::proxy::trust;

/// The dialer, which makes connections to servers.
pub(super) struct Dialer {
    tcp: TcpDialer,
    tls: ClientConfigs,
    /// The servers that the user named, whose certificates `-k` accepts. Servers that only a server named are verified.
    /// `None` if there is no such difference.
    named: Option<Vec<Origin>>,
    limit: Duration,
    keep_alive: Duration,
}

impl Dialer {
    /// Creates the dialer of a proxy that listens at `listener`.
    ///
    /// # Errors
    /// An error if the trusted certificates cannot be loaded.
    pub(super) fn new(settings: &Settings, listener: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            tcp: TcpDialer::new(settings, listener),
            tls: ClientConfigs::new(&settings.trust)?,
            named: named(settings),
            limit: settings.limits.connect,
            keep_alive: settings.limits.idle,
        })
    }

    /// Connects to the server of a URL. `identity` is presented if the server asks for a certificate. `refused` creates
    /// the error for a server that asks for one and refuses the handshake.
    ///
    /// # Errors
    /// [`ConnectError`] if there is no connection.
    pub(super) async fn dial(
        &self,
        target: &Uri,
        offer: Offer,
        identity: Option<&ClientIdentity>,
        refused: impl FnOnce(Reason) -> ConnectError,
    ) -> Result<ServerConnection, ConnectError> {
        // The future is on the heap: TLS makes it large, and the futures of most requests, which would grow by it, dial
        // no server.
        let connecting = Box::pin(trust::watched(self.connect(target, offer, identity)));
        match tokio::time::timeout(self.limit, connecting).await {
            Ok((Err(error), true)) if failure::is_refusal(&error) => {
                let alert = failure::alert(&error);
                // A server that has answered without another certificate does not close without a word for the lack of one.
                match alert.is_none() && self.tls.has_answered(identity, target) {
                    true => Err(error),
                    false => Err(refused(Reason::Asked(alert))),
                }
            }
            Ok((connected, _)) => connected,
            Err(_) => Err(ConnectError::Timeout(self.limit)),
        }
    }

    async fn connect(
        &self,
        target: &Uri,
        offer: Offer,
        identity: Option<&ClientIdentity>,
    ) -> Result<ServerConnection, ConnectError> {
        match self.connect_offering(target, offer, identity).await {
            Err(error) if offer == Offer::Http1First && error.is_about_alpn() => {
                let offer = Offer::Http2Or1;
                self.connect_offering(target, offer, identity).await
            }
            connected => connected,
        }
    }

    async fn connect_offering(
        &self,
        target: &Uri,
        offer: Offer,
        identity: Option<&ClientIdentity>,
    ) -> Result<ServerConnection, ConnectError> {
        let tcp = self.tcp.clone().call(target.clone()).await?.into_inner();
        let resolved = self.tcp.resolved(target).and_then(Resolve::scheme);
        let has_tls = target.scheme_str() == Some("https");
        if !resolved.map_or(has_tls, |scheme| scheme == Scheme::Https) {
            let is_http2 = offer == Offer::Http2;
            let server = KnownServer::new(Handshake::Clear);
            return self.open(tcp, is_http2, server).await;
        }
        let host = target.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(ConnectError::other)?;
        let is_learned = self.is_learned(target);
        let config = self.tls.of(identity, offer, is_learned);
        let tls = TlsConnector::from(config.map_err(PlainError).map_err(ConnectError::other)?)
            .connect(name, tcp)
            .await;
        let tls = tls.map_err(|error| match is_learned {
            true => unverified(target, error),
            false => ConnectError::other(error),
        })?;
        let is_http2 = tls.get_ref().1.alpn_protocol() == Some(HTTP_2);
        let handshake = match trust::asked_and_shown() {
            Some(shown) => Handshake::Asked { shown },
            None => Handshake::NotAsked,
        };
        // A server that resumes a session does not ask again: its first request for a certificate holds.
        let is_resumed = tls.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        let server = self.tls.server(identity, target, handshake, is_resumed);
        self.open(tls, is_http2, server).await
    }

    fn is_learned(&self, target: &Uri) -> bool {
        let origin = target
            .authority()
            .and_then(|it| Origin::of_authority(Scheme::Https, it.as_str()));
        let named = self.named.as_ref();
        named.is_some_and(|named| origin.is_none_or(|origin| !named.contains(&origin)))
    }

    /// Begins HTTP on a stream. A task of its own drives the connection until it ends.
    async fn open<S>(
        &self,
        stream: S,
        is_http2: bool,
        server: KnownServer,
    ) -> Result<ServerConnection, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let observed = Arc::new(Observed::new(server));
        let stream = ObservedStream::new(stream, observed.clone(), is_http2);
        if is_http2 {
            let (send, connection) = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .keep_alive_interval(self.keep_alive)
                .max_header_list_size(MAX_HEAD_BYTES)
                // The limit of the server is known when its SETTINGS come. Until then, more streams could be refused.
                .initial_max_send_streams(1)
                .handshake(TokioIo::new(stream))
                .await
                .map_err(ConnectError::other)?;
            drive(connection);
            let sender = Sender::Http2(send);
            return Ok(ServerConnection { sender, observed });
        }
        let (send, connection) = http1::Builder::new()
            .preserve_header_case(true)
            .max_headers(MOST_FIELDS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(ConnectError::other)?;
        drive(connection);
        let sender = Sender::Http1(send);
        Ok(ServerConnection { sender, observed })
    }
}

fn named(settings: &Settings) -> Option<Vec<Origin>> {
    let (Mode::Reverse { server }, Trust::Anything) = (&settings.mode, &settings.trust) else {
        return None;
    };
    let maps = settings.stay.maps.iter().map(|pair| pair.server.clone());
    Some(maps.chain([server.clone()]).collect())
}

/// Returns the error of an unverified server that the user did not name. `-k` does not help.
fn unverified(target: &Uri, error: io::Error) -> ConnectError {
    let tls = error.get_ref().and_then(|error| error.downcast_ref());
    let Some(certificate @ rustls::Error::InvalidCertificate(_)) = tls else {
        return ConnectError::other(error);
    };
    let what = ServerError::of(certificate, "--server-ca").what;
    let server = target.authority().map_or("HOST", |it| it.as_str());
    ConnectError::other(PlainError(format!(
        "{what}; -k covers only servers that you name: add --map PUBLIC=https://{server}"
    )))
}

fn drive(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) {
    tokio::spawn(async move {
        if let Err(error) = repolled(connection).await {
            tracing::debug!("a connection to a server ended: {error}");
        }
    });
}

/// An open connection to a server.
#[derive(Debug)]
pub(super) struct ServerConnection {
    sender: Sender,
    observed: Arc<Observed>,
}

#[derive(Debug)]
enum Sender {
    /// HTTP/1.1: one request at a time.
    Http1(http1::SendRequest<Body>),
    /// HTTP/2: many requests at a time.
    Http2(http2::SendRequest<Body>),
}

/// The failure of a request that got no response.
pub(super) struct Failed {
    pub(super) error: hyper::Error,
    /// The request, if no byte of it was sent.
    pub(super) unsent: Option<Box<Request<Body>>>,
    /// Whether the server says that it did not process the request.
    pub(super) is_unprocessed: bool,
    /// Whether the server closed the connection and sent no byte after the request.
    pub(super) is_silent: bool,
    /// The way in which the server refused a connection that may lack a client certificate.
    pub(super) refusal: Option<Reason>,
}

impl ServerConnection {
    /// Returns the counter of the bytes behind the head of an answer, in HTTP/1.1.
    pub(super) fn behind_head(&self) -> Option<BehindHead> {
        (!self.is_http2()).then(|| BehindHead(self.observed.clone()))
    }

    /// Returns how the connection began.
    pub(super) fn handshake(&self) -> Handshake {
        self.observed.handshake
    }

    pub(super) fn is_http2(&self) -> bool {
        matches!(self.sender, Sender::Http2(_))
    }

    pub(super) fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(send) => send.is_closed(),
            Sender::Http2(send) => send.is_closed(),
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        match &self.sender {
            Sender::Http1(send) => send.is_ready(),
            Sender::Http2(send) => send.is_ready(),
        }
    }

    /// Waits until another request may be sent, but not longer than `wait`.
    pub(super) async fn is_ready_within(&mut self, wait: Duration) -> bool {
        if self.is_ready() {
            return true;
        }
        let Sender::Http1(send) = &mut self.sender else {
            return false;
        };
        !wait.is_zero() && matches!(tokio::time::timeout(wait, send.ready()).await, Ok(Ok(())))
    }

    /// Returns another handle on the same connection, if it carries several requests at a time.
    pub(super) fn shared(&self) -> Option<Self> {
        match &self.sender {
            Sender::Http1(_) => None,
            Sender::Http2(send) => Some(Self {
                sender: Sender::Http2(send.clone()),
                observed: self.observed.clone(),
            }),
        }
    }

    /// Sends a request and waits for the head of the response.
    pub(super) async fn send(
        mut self,
        request: Request<Body>,
    ) -> (Result<Response<Incoming>, Failed>, Self) {
        let sent = match &mut self.sender {
            Sender::Http1(send) => {
                self.observed.received.store(false, Ordering::Relaxed);
                send.try_send_request(request).await
            }
            Sender::Http2(send) => send.try_send_request(request).await,
        };
        if sent.is_ok() {
            self.observed.note_answer();
        }
        let sent = sent.map_err(|mut failed| {
            let unsent = failed.take_message().map(Box::new);
            let error = failed.into_error();
            // hyper counts a body that broke off as an error of its user, like an HTTP/2 request that still waited for
            // its stream when the connection ended.
            let is_broken = failure::chain(&error).any(|error| error.is::<Broken>());
            let is_user = error.is_user();
            let (is_silent, is_unprocessed) = match &self.sender {
                Sender::Http1(_) => (!self.observed.received.load(Ordering::Relaxed), false),
                Sender::Http2(_) => (false, is_refused(&error) || is_user && !is_broken),
            };
            Failed {
                is_unprocessed,
                is_silent: is_silent && !is_user,
                refusal: (!is_broken)
                    .then(|| self.observed.refusal(unsent.is_some()))
                    .flatten(),
                error,
                unsent,
            }
        });
        (sent, self)
    }
}

/// Whether an HTTP/2 error says that the request was not processed (RFC 9113 §8.7): its stream was refused, or a GOAWAY
/// without an error names an earlier stream as the last one.
fn is_refused(error: &hyper::Error) -> bool {
    failure::chain(error)
        .find_map(|error| error.downcast_ref::<h2::Error>())
        .is_some_and(|error| match error.reason() {
            Some(h2::Reason::REFUSED_STREAM) => error.is_remote(),
            Some(h2::Reason::NO_ERROR) => error.is_remote() && error.is_go_away(),
            _ => false,
        })
}

/// Makes a plain TCP connection to a server, with the same time limit and the same forbidden addresses as any other.
///
/// # Errors
/// The reason, as text, if there is no connection.
pub(in crate::proxy) async fn connect(
    settings: &Settings,
    listener: SocketAddr,
    server: &Origin,
) -> Result<TcpStream, String> {
    let address = format!("http://{}", server.host_and_port());
    let address: Uri = address
        .parse()
        .map_err(|_| "the server's name is not valid in a URL")?;
    let limit = settings.limits.connect;
    let connecting = TcpDialer::new(settings, listener).call(address);
    match tokio::time::timeout(limit, connecting).await {
        Ok(Ok(io)) => Ok(io.into_inner()),
        Ok(Err(error)) => Err(Failure::of(&error).to_string()),
        Err(_) => Err(ConnectError::Timeout(limit).to_string()),
    }
}

/// The reason why there is no connection to a server.
#[derive(Debug, thiserror::Error)]
pub(in crate::proxy) enum ConnectError {
    #[error("no connection, or no TLS handshake, within {0:?}")]
    Timeout(Duration),
    #[error("the server is this proxy itself: forwarding to {0} would never end")]
    Loop(SocketAddr),
    #[error("{0} is dmtap's own control API, which is not reachable through the proxy")]
    Private(SocketAddr),
    /// The server refused the connection, and a client certificate may help.
    #[error("{0}")]
    Refused(Box<Refused>),
    #[error("{0}")]
    Other(#[source] Box<dyn Error + Send + Sync>),
}

impl ConnectError {
    fn other(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }

    /// Whether the server supports none of the HTTP versions offered (RFC 7301 §3.2).
    fn is_about_alpn(&self) -> bool {
        let Self::Other(error) = self else {
            return false;
        };
        let io = error.downcast_ref::<io::Error>();
        let tls = io.and_then(|io| io.get_ref()?.downcast_ref::<rustls::Error>());
        matches!(
            tls,
            Some(
                rustls::Error::NoApplicationProtocol
                    | rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)
            )
        )
    }
}

/// A TCP dialer that does not connect to the proxy's own listener or to private ones.
#[derive(Clone)]
struct TcpDialer {
    tcp: HttpConnector,
    listener: SocketAddr,
    private: Arc<[SocketAddr]>,
    resolve: Arc<[Resolve]>,
}

impl TcpDialer {
    fn new(settings: &Settings, listener: SocketAddr) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(settings.limits.connect));
        Self {
            tcp,
            listener,
            private: settings.private.clone().into(),
            resolve: settings.resolve.clone().into(),
        }
    }

    /// Connects to the server of a URL. The connector is always ready.
    async fn call(mut self, server: Uri) -> Result<TokioIo<TcpStream>, ConnectError> {
        let resolved = self.resolved(&server).map(Resolve::address);
        let resolved = resolved.and_then(|address| format!("http://{address}/").parse().ok());
        let server = resolved.unwrap_or(server);
        let io = self.tcp.call(server).await.map_err(ConnectError::other)?;
        if leads_to(io.inner(), self.listener) {
            return Err(ConnectError::Loop(self.listener));
        }
        let private = self.private.iter();
        match private
            .copied()
            .find(|private| leads_to(io.inner(), *private))
        {
            Some(private) => Err(ConnectError::Private(private)),
            None => Ok(io),
        }
    }
}

impl TcpDialer {
    /// Returns the entry for a server whose name is not looked up.
    fn resolved(&self, server: &Uri) -> Option<&Resolve> {
        let own = if server.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        let port = server.port_u16().unwrap_or(own);
        let host = server.host()?;
        self.resolve.iter().find(|known| known.is_of(host, port))
    }
}

/// Whether a connection ends at a listener of this machine, which may listen at all its addresses.
fn leads_to(tcp: &TcpStream, listener: SocketAddr) -> bool {
    let (Ok(peer), Ok(local)) = (tcp.peer_addr(), tcp.local_addr()) else {
        return false;
    };
    let [peer_ip, local_ip] = [peer, local].map(|address| address.ip().to_canonical());
    let same_machine = peer_ip == local_ip || peer_ip.is_loopback();
    peer.port() == listener.port()
        && (peer_ip == listener.ip() || (listener.ip().is_unspecified() && same_machine))
}
