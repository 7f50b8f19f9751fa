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
use super::connection_handle::ConnectionHandle;
use super::context::{Context, Server, Shared, now};
use super::exchange;
use super::failure::{left_http1, malformed};
use super::settings::{Mode, Scheme};
use super::upstream::ServerLink;
use super::wire::{ScriptedClose, Wire};
use crate::error_text;
use crate::flow::event::Event;
use crate::flow::origin::Origin;
use crate::flow::{Connection, ConnectionDecision, ConnectionId, Timestamp, TlsDetails};

/// Serves a connection to its end.
pub(super) async fn serve(shared: Arc<Shared>, tcp: TcpStream, device: SocketAddr) {
    let mut incoming = IncomingConnection {
        id: shared.next_connection(),
        opened: now(),
        device,
        listener: tcp.local_addr().unwrap_or(shared.listener),
        decision: None,
    };
    let id = incoming.id;
    incoming.decision = incoming.decide_early(&shared);
    let wire = Wire::new(tcp, &shared.settings.limits, shared.stop.child_token());
    let ended = match shared.settings.mode.clone() {
        _ if incoming.is_refused() => incoming.refuse(wire),
        Mode::Reverse { server } => {
            incoming
                .to_server(&shared, wire, Target::Behind(server))
                .await
        }
        Mode::Regular => incoming.to_proxy(&shared, wire).await,
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
        shared.emit(Event::Refused {
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

/// The server that a connection is for.
pub(super) enum Target {
    /// The server of reverse mode.
    Behind(Origin),
    /// The host and the port that the device named in CONNECT. The scheme is https until the first byte shows another.
    Connect(Origin),
}

impl Target {
    /// Returns the server, for a device that speaks this scheme.
    fn server(&self, scheme: Scheme) -> Option<Server> {
        match self {
            Self::Behind(origin) => Server::behind(origin),
            Self::Connect(origin) => Server::asked_for(&Origin {
                scheme,
                ..origin.clone()
            }),
        }
    }

    pub(super) fn origin(&self) -> &Origin {
        match self {
            Self::Behind(origin) | Self::Connect(origin) => origin,
        }
    }
}

impl IncomingConnection {
    /// Serves a connection that is meant for a server: TLS, or HTTP in clear text.
    async fn to_server(
        &self,
        shared: &Arc<Shared>,
        mut wire: Wire,
        target: Target,
    ) -> Result<(), NotServed> {
        let Some(first) = self.first_byte(shared, &mut wire).await? else {
            return Ok(());
        };
        let handle = wire.handle();
        let decision = match self.decision.clone() {
            Some(decision) => decision,
            None => self.decide(shared, &mut wire, first, &target).await?,
        };
        if !serves(&decision, first) {
            return self.receive(shared, wire, target, &decision).await;
        }
        match first {
            TLS_HANDSHAKE => {
                let stream = handshake(shared, wire, &target.origin().host, &decision);
                let stream = within(shared, stream).await??;
                let (opened, server) =
                    self.opened(&target, Scheme::Https, Some(tls_details(shared, &stream)))?;
                let context = open(shared, opened, server, handle);
                serve_http(stream, context).await;
                Ok(())
            }
            _ => {
                let (opened, server) = self.opened(&target, Scheme::Http, None)?;
                let context = open(shared, opened, server, handle);
                serve_http(wire, context).await;
                Ok(())
            }
        }
    }

    /// Returns the first byte, or `None` where the connection ends without one: health checks probe ports in this
    /// way, so nothing failed and nothing is recorded.
    async fn first_byte(&self, shared: &Shared, wire: &mut Wire) -> Result<Option<u8>, NotServed> {
        let first = match within(shared, wire.first_byte()).await? {
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            first => first.map_err(|error| no_first_byte(&error))?,
        };
        if first.is_none() {
            let Self { id, device, .. } = self;
            tracing::info!("{id} from {device}: closed without sending anything");
        }
        Ok(first)
    }

    fn opened(
        &self,
        target: &Target,
        scheme: Scheme,
        tls: Option<TlsDetails>,
    ) -> Result<(Connection, Server), String> {
        let server = target
            .server(scheme)
            .ok_or("no URL can be made of the server's name")?;
        let connection = self.connection(target.origin().host_and_port(), tls);
        Ok((connection, server))
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
    async fn to_proxy(&self, shared: &Arc<Shared>, mut wire: Wire) -> Result<(), NotServed> {
        let Some(first) = self.first_byte(shared, &mut wire).await? else {
            return Ok(());
        };
        if first == TLS_HANDSHAKE {
            let why = "the device speaks TLS to a proxy in regular mode: give it http:// as the proxy's address, or use --mode reverse:";
            return Err(NotServed::Fault(why.into()));
        }
        let asked = ForwardProxyConnection::new(self.clone(), shared, &wire);
        let handle = wire.handle();
        let service = service_fn(|request| Box::pin(asked.serve(request)));
        let mut connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(shared.settings.limits.head)
            .preserve_header_case(true)
            .auto_date_header(false)
            .serve_connection(TokioIo::new(ScriptedClose::new(wire, handle)), service);
        let stop = shared.stop.child_token();
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
            (Ok(()), Some(named)) => {
                let wire = parts
                    .io
                    .into_inner()
                    .into_inner()
                    .with_ahead(parts.read_buf);
                let target = Target::Connect(named);
                Box::pin(asked.tunnelling().to_server(shared, wire, target)).await
            }
            (ended, _) => asked.ended(ended),
        }
    }
}

fn open(
    shared: &Arc<Shared>,
    connection: Connection,
    server: Server,
    handle: ConnectionHandle,
) -> Context {
    let connection = Arc::new(connection);
    Context {
        link: Arc::new(ServerLink::new(&shared.upstreams, connection.clone())),
        shared: shared.clone(),
        connection,
        server,
        handle,
    }
}

/// Serves the HTTP version that ALPN agreed on, or that the first bytes show.
async fn serve_http<I>(io: I, context: Context)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shared = context.shared.clone();
    let _close_event = CloseEventGuard::new(&shared, &context.connection);
    let tls = context.connection.tls.as_ref();
    let server = shared
        .device_http
        .speaking(tls.and_then(|tls| tls.alpn.as_deref()));
    let (id, device) = (context.connection.id, context.connection.device);
    let handle = context.handle.clone();
    let context = Arc::new(context);
    let service = service_fn(move |request| exchange::serve(context.clone(), request));
    let io = ScriptedClose::new(io, handle.clone());
    let connection = server.serve_connection(TokioIo::new(io), service);
    tokio::pin!(connection);
    // A token of its own avoids contention: it is polled at every wake-up.
    let stop = shared.stop.child_token();
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
        why = handle.silence(&shared.settings.limits) => {
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
            shared.emit_malformed(id, device, why);
        }
    }
}

/// Emits the event that a connection opened, and when dropped, the event that it closed.
pub(super) struct CloseEventGuard {
    shared: Arc<Shared>,
    id: ConnectionId,
}

impl CloseEventGuard {
    pub(super) fn new(shared: &Arc<Shared>, connection: &Arc<Connection>) -> Self {
        shared.emit(Event::Opened(connection.clone()));
        Self {
            shared: shared.clone(),
            id: connection.id,
        }
    }
}

impl Drop for CloseEventGuard {
    fn drop(&mut self) {
        self.shared.emit(Event::Closed {
            connection: self.id,
            at: now(),
        });
    }
}

fn no_first_byte(error: &std::io::Error) -> String {
    let why = error_text::io(error);
    format!("the device sent nothing: {why}")
}

async fn within<T>(shared: &Shared, future: impl Future<Output = T>) -> Result<T, String> {
    let limit = shared.settings.limits.handshake;
    let stop = async {
        shared.stop.cancelled().await;
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

/// The first byte of a TLS record with a ClientHello (RFC 8446 §5.1).
pub(super) const TLS_HANDSHAKE: u8 = 0x16;
/// The time for a connection to close in good order once nothing runs on it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
