//! The state that exchanges share: one part for the whole proxy, and one for each connection.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime};

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
use super::settings::{Scheme, Settings};
use super::stay::Stay;
use super::stream_watchdog;
use super::tls::DeviceTls;
use super::upstream::{ServerLink, Upstreams};
use super::via::ViaToken;
use crate::conversation::Conversations;
use crate::flow::event::{Event, EventSink, FailureCause};
use crate::flow::origin::Origin;
use crate::flow::{Connection, ConnectionId, ExchangeId, Timestamp};

/// The state of the whole proxy.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) listener: SocketAddr,
    pub(super) tls: DeviceTls,
    pub(super) upstreams: Upstreams,
    pub(super) client_certs: ClientCerts,
    pub(super) stay: Stay,
    pub(super) identities: Arc<Identities>,
    pub(super) rules: Arc<LiveRules>,
    pub(super) conversations: Conversations,
    pub(super) budget: BodyBudget,
    pub(super) device_http: DeviceHttp,
    /// The token that is cancelled to make the running exchanges the last ones.
    pub(super) stop: CancellationToken,
    /// The token by which the proxy recognizes its own requests when they come back.
    pub(super) via: ViaToken,
    /// The token that is cancelled to cut everything that still runs after `stop`.
    pub(super) cut: CancellationToken,
    pub(super) events: Arc<dyn EventSink>,
    pub(super) connections: AtomicU64,
    pub(super) exchanges: AtomicU64,
}

impl Shared {
    pub(super) fn emit(&self, event: Event) {
        self.events.on_event(event);
    }

    /// Reports that an exchange failed before it had a response: a peer failed, a rule broke the connection to it, or
    /// dmtap itself stopped first.
    pub(super) fn emit_failed(
        &self,
        exchange: ExchangeId,
        connection: ConnectionId,
        end: FailedEnd,
        failure: Failure,
    ) {
        let (side, failure) = match self.cut.is_cancelled() {
            true => {
                let stopped = Failure {
                    cause: failure.cause.filter(|it| *it == FailureCause::NotTaken),
                    ..Failure::of_device(STOPPED.to_owned())
                };
                (None, stopped)
            }
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

    /// Reports that a device sent something that is not HTTP.
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

/// HTTP servers for devices: for a known HTTP version, or for any version, which the first bytes show.
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
            // The response must look as the server sent it: no field is added, and no field name changes its case.
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

    /// Returns the server for the protocol that ALPN agreed on, or the one for any version.
    pub(super) fn speaking(&self, alpn: Option<&str>) -> &auto::Builder<Tracked> {
        match alpn {
            Some("h2") => &self.http2,
            Some(_) => &self.http1,
            None => &self.any,
        }
    }
}

/// An executor that runs HTTP/2 streams as tasks that shutdown can wait for.
#[derive(Clone)]
pub(super) struct Tracked {
    tasks: TaskTracker,
    /// The longest time that a device may take for the next piece of a response.
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

/// The state of one connection of a device.
pub(super) struct Context {
    pub(super) shared: Arc<Shared>,
    pub(super) connection: Arc<Connection>,
    pub(super) server: Server,
    pub(super) link: Arc<ServerLink>,
    pub(super) handle: ConnectionHandle,
}

impl Context {
    /// Returns the URL that a device asked for. Its host is the one in `:authority`, in the request line or in `Host`.
    /// `None` if the device sent no host (HTTP/1.0), or an invalid one.
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

/// The server to which the requests of a connection go.
#[derive(Clone, Debug)]
pub(super) struct Server {
    scheme: UriScheme,
    authority: Authority,
    host: Host,
}

/// The treatment of the `Host` that a device sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Host {
    /// Replace it by the server's name: the device takes dmtap for the server.
    Behind,
    /// Replace it by the server's name.
    Replaced,
    /// Keep it: in a tunnel the server may have another name than the tunnel's end.
    Kept,
}

impl Server {
    /// Creates the server behind a reverse proxy, which must get its own name.
    pub(super) fn behind(origin: &Origin) -> Option<Self> {
        Self::with(origin, Host::Behind)
    }

    /// Returns the host name of the server.
    pub(super) fn host(&self) -> &str {
        self.authority.host()
    }

    /// Whether devices take dmtap for the server.
    pub(super) fn is_reverse_target(&self) -> bool {
        self.host == Host::Behind
    }

    /// Creates the server of a request with a full URL, which overrides `Host` (RFC 9112 §3.2.2).
    pub(super) fn named(origin: &Origin) -> Option<Self> {
        Self::with(origin, Host::Replaced)
    }

    /// Creates the server at the end of a tunnel.
    pub(super) fn asked_for(origin: &Origin) -> Option<Self> {
        Self::with(origin, Host::Kept)
    }

    fn with(origin: &Origin, host: Host) -> Option<Self> {
        let scheme = match origin.scheme {
            Scheme::Http => UriScheme::HTTP,
            Scheme::Https => UriScheme::HTTPS,
        };
        Some(Self {
            scheme,
            authority: origin.authority().parse().ok()?,
            host,
        })
    }

    /// Whether the `Host` or `:authority` that the HTTP client writes makes the device's `Host` unnecessary.
    pub(super) fn replaces_host(&self, host: &HeaderValue) -> bool {
        let same = || {
            host.as_bytes()
                .eq_ignore_ascii_case(self.authority.as_str().as_bytes())
        };
        self.host != Host::Kept || same()
    }

    /// Writes the `:authority` of an HTTP/2 request as `Host`, if the device's host is kept and is not the server's
    /// name.
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

    /// Returns the full URL at the server for the target of a request.
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

/// The failure of an exchange that had not ended when dmtap stopped.
const STOPPED: &str = "dmtap stopped before the exchange ended";

/// Returns the current time.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    // u64 is enough for the microseconds of half a million years.
    Timestamp(since.map_or(0, |since| since.as_micros() as u64))
}

/// Returns the time of a clock that nobody sets, for what goes on. The first call is its beginning.
pub(super) fn steady_now() -> Timestamp {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    Timestamp(START.elapsed().as_micros() as u64)
}

/// The end of a failed exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailedEnd {
    /// The device gets no response.
    NoResponse,
    /// A rule takes the response away.
    ByRule,
    /// dmtap answers in place of the server.
    Answered,
}
