//! One connection of a device: its destination, its TLS handshake and its HTTP.

mod decide;
mod forward_request;
mod handshake;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use self::decide::serves;
use self::forward_request::ForwardProxyConnection;
use self::handshake::{handshake, tls_details};
use super::IN_TRANSCRIPT;
use super::clock::now;
use super::connection_handle::ConnectionHandle;
use super::destination::Destination;
use super::device_connection::DeviceConnection;
use super::exchange;
use super::failure::{left_http1, malformed};
use super::settings::{Mode, Scheme};
use super::state::ProxyState;
use super::upstream::ServerLink;
use super::wire::{ScriptedClose, Wire};
use crate::error_text;
use crate::flow::event::Event;
use crate::flow::{Connection, ConnectionDecision, ConnectionId, Timestamp, TlsDetails};

/// Serves a connection to its end.
pub(super) async fn serve(proxy: Arc<ProxyState>, tcp: TcpStream, device: SocketAddr) {
    let mut incoming = IncomingConnection {
        id: proxy.next_connection(),
        opened: now(),
        device,
        listener: tcp.local_addr().unwrap_or(proxy.listener),
        decision: None,
    };
    let id = incoming.id;
    incoming.decision = incoming.decide_early(&proxy);
    let wire = Wire::new(tcp, &proxy.settings.limits, proxy.stop.child_token());
    let ended = match proxy.settings.mode.clone() {
        _ if incoming.is_refused() => incoming.refuse(wire),
        Mode::Reverse { server } => match Destination::behind(&server) {
            Some(server) => incoming.to_server(&proxy, wire, server).await,
            None => Err(NotServed::Fault(NO_URL.into())),
        },
        Mode::Regular => incoming.to_proxy(&proxy, wire).await,
    };
    if let Err(not_served) = ended {
        let why = match not_served {
            NotServed::Intended(why) => {
                tracing::info!(target: IN_TRANSCRIPT, "{id} from {device} refused: {why}");
                why
            }
            NotServed::Fault(why) => {
                tracing::warn!(target: IN_TRANSCRIPT, "{id} from {device} refused: {why}");
                why
            }
        };
        proxy.emit(Event::Refused {
            connection: id,
            at: now(),
            why,
        });
    }
}

/// The reason why a connection is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
enum NotServed {
    /// A rule intended it.
    Intended(String),
    /// An error that nobody intended.
    Fault(String),
}

impl From<String> for NotServed {
    fn from(why: String) -> Self {
        Self::Fault(why)
    }
}

/// A connection of which only the addresses are known.
#[derive(Clone)]
pub(super) struct IncomingConnection {
    pub(super) id: ConnectionId,
    opened: Timestamp,
    device: SocketAddr,
    listener: SocketAddr,
    /// The decision on how to receive the connection, if it was made already.
    decision: Option<ConnectionDecision>,
}

impl IncomingConnection {
    /// Serves a connection that is meant for a server: TLS, or HTTP in clear text.
    async fn to_server(
        &self,
        proxy: &Arc<ProxyState>,
        mut wire: Wire,
        server: Destination,
    ) -> Result<(), NotServed> {
        let Some(first) = self.first_byte(proxy, &mut wire).await? else {
            return Ok(());
        };
        let handle = wire.handle();
        let decision = match self.decision.clone() {
            Some(decision) => decision,
            None => self.decide(proxy, &mut wire, first, &server).await?,
        };
        if !serves(&decision, first) {
            return self.receive(proxy, wire, &server, &decision).await;
        }
        match first {
            TLS_HANDSHAKE => {
                let stream = handshake(proxy, wire, &server.origin().host, &decision);
                let stream = within(proxy, stream).await??;
                let tls = Some(tls_details(proxy, &stream));
                let device = self.open(proxy, server.spoken_to(Scheme::Https), tls, handle)?;
                serve_http(stream, device).await;
            }
            _ => {
                let device = self.open(proxy, server.spoken_to(Scheme::Http), None, handle)?;
                serve_http(wire, device).await;
            }
        }
        Ok(())
    }

    /// Returns the first byte, or `None` where the connection ends without one: health checks probe ports in this
    /// way, so nothing failed and nothing is recorded.
    async fn first_byte(
        &self,
        proxy: &ProxyState,
        wire: &mut Wire,
    ) -> Result<Option<u8>, NotServed> {
        let first = match within(proxy, wire.first_byte()).await? {
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            first => first.map_err(|error| no_first_byte(&error))?,
        };
        if first.is_none() {
            let Self { id, device, .. } = self;
            tracing::info!("{id} from {device}: closed without sending anything");
        }
        Ok(first)
    }

    /// Returns the connection as its exchanges need it.
    fn open(
        &self,
        proxy: &Arc<ProxyState>,
        server: Option<Destination>,
        tls: Option<TlsDetails>,
        handle: ConnectionHandle,
    ) -> Result<DeviceConnection, String> {
        let server = server.ok_or(NO_URL)?;
        let connection = Arc::new(self.connection(server.origin().host_and_port(), tls));
        Ok(DeviceConnection {
            link: Arc::new(ServerLink::new(&proxy.upstreams, connection.clone())),
            proxy: proxy.clone(),
            connection,
            server,
            handle,
        })
    }

    pub(super) fn connection(&self, server: String, tls: Option<TlsDetails>) -> Connection {
        Connection {
            id: self.id,
            opened: self.opened,
            device: self.device,
            listener: self.listener,
            server,
            tls,
        }
    }

    /// Serves a device that knows that it uses a proxy: `CONNECT`, or requests with a full URL.
    async fn to_proxy(&self, proxy: &Arc<ProxyState>, mut wire: Wire) -> Result<(), NotServed> {
        let Some(first) = self.first_byte(proxy, &mut wire).await? else {
            return Ok(());
        };
        if first == TLS_HANDSHAKE {
            let why = "the device speaks TLS to a proxy in regular mode: give it http:// as the proxy's address, or use --mode reverse:";
            return Err(NotServed::Fault(why.into()));
        }
        let asked = ForwardProxyConnection::new(self.clone(), proxy, &wire);
        let handle = wire.handle();
        let service = service_fn(|request| Box::pin(asked.serve(request)));
        let mut connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(proxy.settings.limits.head)
            .preserve_header_case(true)
            .auto_date_header(false)
            .serve_connection(TokioIo::new(ScriptedClose::new(wire, handle)), service);
        let stop = proxy.stop.child_token();
        let ended = tokio::select! {
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => ended,
            () = stop.cancelled() => {
                std::pin::Pin::new(&mut connection).graceful_shutdown();
                poll_fn(|cx| connection.poll_without_shutdown(cx)).await
            }
        };
        let parts = connection.into_parts();
        let tunnel = asked.tunnel();
        match (ended, tunnel) {
            (Ok(()), Some(server)) => {
                let wire = parts
                    .io
                    .into_inner()
                    .into_inner()
                    .with_ahead(parts.read_buf);
                Box::pin(asked.tunnelling().to_server(proxy, wire, server)).await
            }
            (ended, _) => asked.ended(ended),
        }
    }
}

/// Serves the HTTP version that ALPN agreed on, or that the first bytes show.
async fn serve_http<I>(io: I, device: DeviceConnection)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let proxy = device.proxy.clone();
    let _close_event = CloseEventGuard::new(&proxy, &device.connection);
    let tls = device.connection.tls.as_ref();
    let server = proxy
        .device_http
        .speaking(tls.and_then(|tls| tls.alpn.as_deref()));
    let (id, address) = (device.connection.id, device.connection.device);
    let handle = device.handle.clone();
    let device = Arc::new(device);
    let service = service_fn(move |request| exchange::serve(device.clone(), request));
    let io = ScriptedClose::new(io, handle.clone());
    let connection = server.serve_connection(TokioIo::new(io), service);
    tokio::pin!(connection);
    // A token of its own avoids contention: it is polled at every wake-up.
    let stop = proxy.stop.child_token();
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = handle.goaway_requested() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        why = handle.silence(&proxy.settings.limits) => {
            tracing::info!("{id} is closed: {why}");
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(CLOSE_TIMEOUT, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!("{id}: {error}");
        let why = malformed(&*error).or_else(|| {
            let is_cut = handle.has_begun_request() && left_http1(&*error);
            is_cut.then(|| "it ends in the middle of a request's head".to_owned())
        });
        if let Some(why) = why {
            proxy.emit_malformed(id, address, why);
        }
    }
}

/// Emits the event that a connection opened, and when dropped, the event that it closed.
pub(super) struct CloseEventGuard {
    proxy: Arc<ProxyState>,
    id: ConnectionId,
}

impl CloseEventGuard {
    pub(super) fn new(proxy: &Arc<ProxyState>, connection: &Arc<Connection>) -> Self {
        proxy.emit(Event::Opened(connection.clone()));
        Self {
            proxy: proxy.clone(),
            id: connection.id,
        }
    }
}

impl Drop for CloseEventGuard {
    fn drop(&mut self) {
        self.proxy.emit(Event::Closed {
            connection: self.id,
            at: now(),
        });
    }
}

fn no_first_byte(error: &std::io::Error) -> String {
    let why = error_text::io(error);
    format!("the device sent nothing: {why}")
}

async fn within<T>(proxy: &ProxyState, future: impl Future<Output = T>) -> Result<T, String> {
    let limit = proxy.settings.limits.handshake;
    let stop = async {
        proxy.stop.cancelled().await;
        Err("dmtap is shutting down".to_owned())
    };
    tokio::select! {
        biased;
        done = tokio::time::timeout(limit, future) => {
            done.map_err(|_| format!("no handshake within {limit:?}"))
        }
        stopped = stop => stopped,
    }
}

/// The failure of a connection to a server whose name is not valid in a URL.
const NO_URL: &str = "no URL can be made of the server's name";
/// The first byte of a TLS record with a ClientHello (RFC 8446 §5.1).
pub(super) const TLS_HANDSHAKE: u8 = 0x16;
/// The time for a connection to close in good order once nothing runs on it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
