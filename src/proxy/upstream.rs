//! Towards the server: pooled connections, HTTP/1.1 or HTTP/2 as the server chooses by ALPN.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower_service::Service;

use super::body::Body;
use super::headers::{LONGEST_HEAD, MOST_FIELDS};
use super::settings::{Settings, Upstream};
use super::trust;

/// Sends requests to servers.
pub(super) type Client = hyper_util::client::legacy::Client<Connector, Body>;

/// A client for a proxy that listens at `listener`.
///
/// # Errors
/// Where the trusted certificates cannot be loaded.
pub(super) fn client(settings: &Settings, listener: SocketAddr) -> io::Result<Client> {
    let limits = &settings.limits;
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(trust::client_config(&settings.trust)?)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(no_loop(settings, listener));
    let connector = Connector {
        https,
        limit: limits.connect,
    };
    Ok(
        hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(limits.idle)
            .pool_max_idle_per_host(IDLE_PER_SERVER)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .http1_preserve_header_case(true)
            .http1_max_headers(MOST_FIELDS)
            .http2_max_header_list_size(LONGEST_HEAD)
            .http2_keep_alive_interval(limits.idle)
            .build(connector),
    )
}

/// A bare connection to a server, within the limit of time and under the same bans as any other.
///
/// # Errors
/// Why there is none, in words.
pub(super) async fn connect(
    settings: &Settings,
    listener: SocketAddr,
    server: &Upstream,
) -> Result<TcpStream, String> {
    let address = format!("http://{}:{}", server.bracketed(), server.port);
    let address: Uri = address
        .parse()
        .map_err(|_| "the server's name is not valid in a URL")?;
    let limit = settings.limits.connect;
    let connecting = no_loop(settings, listener).call(address);
    match tokio::time::timeout(limit, connecting).await {
        Ok(Ok(io)) => Ok(io.into_inner()),
        Ok(Err(error)) => Err(super::failure::Failure::of(&error).why),
        Err(_) => Err(ConnectError::Timeout(limit).to_string()),
    }
}

/// TCP to servers.
fn no_loop(settings: &Settings, listener: SocketAddr) -> NoLoop {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(settings.limits.connect));
    NoLoop {
        tcp,
        listener,
        private: settings.private.clone().into(),
    }
}

/// Why a server was not even connected.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("no connection, or no TLS handshake, within {0:?}")]
    Timeout(Duration),
    #[error("the server is this proxy itself: forwarding to {0} would never end")]
    Loop(SocketAddr),
    #[error("{0} is dmtap's own control API, which is not reachable through the proxy")]
    Private(SocketAddr),
    #[error("{0}")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// TCP and TLS within a limit of time.
#[derive(Clone)]
pub(super) struct Connector {
    https: HttpsConnector<NoLoop>,
    limit: Duration,
}

type Connecting<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = ConnectError;
    type Future = Connecting<Self::Response, Self::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.https.poll_ready(cx).map_err(ConnectError::Other)
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let connecting = self.https.call(server);
        let limit = self.limit;
        Box::pin(async move {
            match tokio::time::timeout(limit, connecting).await {
                Ok(connected) => connected.map_err(ConnectError::Other),
                Err(_) => Err(ConnectError::Timeout(limit)),
            }
        })
    }
}

/// TCP, except to the proxy's own listener and to those that are private.
#[derive(Clone)]
struct NoLoop {
    tcp: HttpConnector,
    listener: SocketAddr,
    private: Arc<[SocketAddr]>,
}

impl Service<Uri> for NoLoop {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = Connecting<Self::Response, Self::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let ready = self.tcp.poll_ready(cx);
        ready.map_err(|e| ConnectError::Other(e.into()))
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let connecting = self.tcp.call(server);
        let (listener, private) = (self.listener, self.private.clone());
        Box::pin(async move {
            let io = connecting
                .await
                .map_err(|e| ConnectError::Other(e.into()))?;
            if leads_to(io.inner(), listener) {
                return Err(ConnectError::Loop(listener));
            }
            match private
                .iter()
                .find(|private| leads_to(io.inner(), **private))
            {
                Some(private) => Err(ConnectError::Private(*private)),
                None => Ok(io),
            }
        })
    }
}

/// Whether a connection ends at a listener of this machine, which may listen on every address of it.
fn leads_to(tcp: &TcpStream, listener: SocketAddr) -> bool {
    let (Ok(peer), Ok(local)) = (tcp.peer_addr(), tcp.local_addr()) else {
        return false;
    };
    let [peer_ip, local_ip] = [peer, local].map(|address| address.ip().to_canonical());
    let same_machine = peer_ip == local_ip || peer_ip.is_loopback();
    peer.port() == listener.port()
        && (peer_ip == listener.ip() || (listener.ip().is_unspecified() && same_machine))
}

/// Unused connections kept per server.
const IDLE_PER_SERVER: usize = 256;
