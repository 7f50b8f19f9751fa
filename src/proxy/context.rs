//! What exchanges share: the whole proxy's, and their connection's.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme as UriScheme, Uri};
use http::{HeaderMap, HeaderValue, Method, header, request};
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::body_budget::BodyBudget;
use super::client_certs::ClientCerts;
use super::connection_handle::ConnectionHandle;
use super::failure::Failure;
use super::headers::{MAX_HEAD_BYTES, MOST_FIELDS};
use super::identity::Identities;
use super::live_rules::LiveRules;
use super::settings::{Scheme, Settings, Upstream};
use super::stay::Stay;
use super::stream_watchdog;
use super::tls::DeviceTls;
use super::upstream::{ServerLink, Upstreams};
use super::via::ViaToken;
use crate::conversation::Conversations;
use crate::flow::event::{Event, EventSink};
use crate::flow::origin::Origin;
use crate::flow::{Connection, ConnectionId, ExchangeId, Timestamp};

/// One for the whole proxy.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) listener: SocketAddr,
    pub(super) tls: DeviceTls,
    /// The CA file that devices must trust, for messages.
    pub(super) ca_file: String,
    /// The certificate in it, in DER.
    pub(super) ca_certificate: Bytes,
    pub(super) upstreams: Upstreams,
    pub(super) client_certs: ClientCerts,
    pub(super) stay: Stay,
    pub(super) identities: Arc<Identities>,
    pub(super) rules: Arc<LiveRules>,
    pub(super) conversations: Conversations,
    pub(super) budget: BodyBudget,
    pub(super) device_http: DeviceHttp,
    /// Cancelled when running exchanges are to be the last ones.
    pub(super) stop: CancellationToken,
    /// What tells this proxy's requests from others', when they come back.
    pub(super) via: ViaToken,
    /// Cancelled when what still runs after that is cut.
    pub(super) cut: CancellationToken,
    pub(super) events: Arc<dyn EventSink>,
    pub(super) connections: AtomicU64,
    pub(super) exchanges: AtomicU64,
}

impl Shared {
    pub(super) fn emit(&self, event: Event) {
        self.events.on_event(event);
    }

    /// Reports that an exchange came to no response: a peer failed in this way, a rule broke the connection to it, or
    /// dmtap itself stopped first.
    pub(super) fn emit_failed(
        &self,
        exchange: ExchangeId,
        connection: ConnectionId,
        end: FailedEnd,
        failure: Failure,
    ) {
        let (side, failure) = match self.cut.is_cancelled() {
            true => (None, Failure::of_device(STOPPED.to_owned())),
            false => (Some(failure.side), failure),
        };
        self.emit(Event::Failed {
            exchange,
            connection,
            at: now(),
            side,
            by_rule: end == FailedEnd::ByRule && side.is_some(),
            is_answered: end == FailedEnd::Answered,
            cause: failure.cause,
            why: failure.to_string(),
            help: failure.help,
        });
    }

    /// Tells that a device sent something that is no HTTP.
    pub(super) fn emit_malformed(&self, connection: ConnectionId, device: SocketAddr, why: String) {
        self.emit(Event::Malformed {
            connection,
            device,
            at: now(),
            why,
        });
    }

    pub(super) fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.connections.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(super) fn next_exchange(&self) -> ExchangeId {
        ExchangeId(self.exchanges.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// HTTP towards devices: known to be of a version, or seen by its first bytes.
pub(super) struct DeviceHttp {
    http1: auto::Builder<Tracked>,
    http2: auto::Builder<Tracked>,
    any: auto::Builder<Tracked>,
}

impl DeviceHttp {
    pub(super) fn new(settings: &Settings, tasks: &TaskTracker) -> Self {
        let builder = || {
            let mut builder = auto::Builder::new(Tracked {
                tasks: tasks.clone(),
                limit: settings.limits.body,
            });
            // The response must look as the server sent it: no field is added, no name respelled.
            builder
                .http1()
                .timer(TokioTimer::new())
                .header_read_timeout(settings.limits.head)
                .max_headers(MOST_FIELDS)
                .preserve_header_case(true)
                .auto_date_header(false);
            builder
                .http2()
                .timer(TokioTimer::new())
                .max_concurrent_streams(settings.limits.streams)
                .max_header_list_size(MAX_HEAD_BYTES)
                .auto_date_header(false);
            builder
        };
        Self {
            http1: builder().http1_only(),
            http2: builder().http2_only(),
            any: builder(),
        }
    }

    /// The one for what ALPN agreed on, if it agreed on anything.
    pub(super) fn speaking(&self, alpn: Option<&str>) -> &auto::Builder<Tracked> {
        match alpn {
            Some("h2") => &self.http2,
            Some(_) => &self.http1,
            None => &self.any,
        }
    }
}

/// Runs the streams of HTTP/2 where shutdown can wait for them.
#[derive(Clone)]
pub(super) struct Tracked {
    tasks: TaskTracker,
    /// For a device to take the next piece of a response.
    limit: Duration,
}

impl<F> hyper::rt::Executor<F> for Tracked
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.tasks.spawn(stream_watchdog::run(future, self.limit));
    }
}

/// One for each connection of a device.
pub(super) struct Context {
    pub(super) shared: Arc<Shared>,
    pub(super) connection: Arc<Connection>,
    pub(super) server: Server,
    pub(super) link: Arc<ServerLink>,
    pub(super) handle: ConnectionHandle,
}

impl Context {
    /// The address that a device asked for: the host is what it sent as `:authority`, in the request line or as `Host`.
    /// `None` where it sent none (HTTP/1.0), or one that is no host.
    pub(super) fn asked(&self, request: &request::Parts) -> Option<Uri> {
        let target = &request.uri;
        if target.scheme().is_some() || request.method == Method::CONNECT {
            return Some(target.clone());
        }
        let host = request.headers.get(header::HOST)?;
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(match self.connection.tls {
            Some(_) => UriScheme::HTTPS,
            None => UriScheme::HTTP,
        });
        parts.authority = Authority::try_from(host.as_bytes()).ok();
        parts.path_and_query = target.path_and_query().cloned();
        Uri::from_parts(parts).ok()
    }
}

/// Where requests of a connection go.
#[derive(Clone, Debug)]
pub(super) struct Server {
    scheme: UriScheme,
    authority: Authority,
    host: Host,
}

/// What becomes of the `Host` a device sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Host {
    /// The server's name stands in its place: the device takes dmtap for the server.
    Behind,
    /// The server's name stands in its place.
    Replaced,
    /// It is the device's choice; in a tunnel the server may have another name than the tunnel's end.
    Kept,
}

impl Server {
    /// The server behind a reverse proxy, which must see its own name.
    pub(super) fn behind(upstream: &Upstream) -> Option<Self> {
        Self::with(upstream, Host::Behind)
    }

    /// Another server behind a reverse proxy.
    pub(super) fn at(origin: &Origin) -> Option<Self> {
        let Origin { scheme, host, port } = origin.clone();
        Self::behind(&Upstream { scheme, host, port })
    }

    /// Its name.
    pub(super) fn host(&self) -> &str {
        self.authority.host()
    }

    /// Whether devices take dmtap for it.
    pub(super) fn is_behind(&self) -> bool {
        self.host == Host::Behind
    }

    /// The server of a request with a full address, which outweighs `Host` (RFC 9112 §3.2.2).
    pub(super) fn named(upstream: &Upstream) -> Option<Self> {
        Self::with(upstream, Host::Replaced)
    }

    /// The server at the end of a tunnel.
    pub(super) fn asked_for(upstream: &Upstream) -> Option<Self> {
        Self::with(upstream, Host::Kept)
    }

    fn with(upstream: &Upstream, host: Host) -> Option<Self> {
        let scheme = match upstream.scheme {
            Scheme::Http => UriScheme::HTTP,
            Scheme::Https => UriScheme::HTTPS,
        };
        Some(Self {
            scheme,
            authority: upstream.authority().parse().ok()?,
            host,
        })
    }

    /// Whether the client's own Host or `:authority` says all that the device's `Host` does.
    pub(super) fn replaces_host(&self, host: &HeaderValue) -> bool {
        let same = || {
            host.as_bytes()
                .eq_ignore_ascii_case(self.authority.as_str().as_bytes())
        };
        self.host != Host::Kept || same()
    }

    /// What HTTP/2 says in `:authority` and HTTP/1.1 in `Host` is kept the same way.
    pub(super) fn keep_authority(&self, target: &Uri, headers: &mut HeaderMap) {
        let Some(authority) = target.authority().filter(|_| self.host == Host::Kept) else {
            return;
        };
        if *authority != self.authority
            && let Ok(authority) = HeaderValue::from_str(authority.as_str())
        {
            headers.insert(header::HOST, authority);
        }
    }

    /// The full address of what a request asks for.
    pub(super) fn address(&self, target: &Uri) -> Option<Uri> {
        let path = target.path_and_query().cloned();
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path.unwrap_or(PathAndQuery::from_static("/")));
        Uri::from_parts(parts).ok()
    }
}

impl fmt::Display for Server {
    /// `host:port`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = if self.scheme == UriScheme::HTTPS {
            443
        } else {
            80
        };
        let port = self.authority.port_u16().unwrap_or(own);
        write!(f, "{}:{port}", self.authority.host())
    }
}

/// Why an exchange came to no response that had not ended when dmtap had to.
const STOPPED: &str = "dmtap stopped before the exchange ended";

/// This moment.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    // u64 holds the microseconds of half a million years.
    Timestamp(since.map_or(0, |since| since.as_micros() as u64))
}

/// How an exchange ends that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailedEnd {
    /// The device gets no response.
    NoResponse,
    /// A rule takes the response away.
    ByRule,
    /// dmtap answers in place of the server.
    Answered,
}
