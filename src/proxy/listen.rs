//! The proxy's listener, and its shutdown.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::accept::{accept_until, all_ended};
use super::body_budget::BodyBudget;
use super::ca::Authority;
use super::client_certs::ClientCerts;
use super::connection;
use super::device_certificate::CertificateJudge;
use super::device_http::DeviceHttp;
use super::identity::Identities;
use super::live_rules::LiveRules;
use super::settings::Settings;
use super::state::ProxyState;
use super::stay::Stay;
use super::tls::DeviceTls;
use super::upstream::Upstreams;
use super::via::ViaToken;
use crate::conversation::Conversations;
use crate::error_text;
use crate::flow::event::EventSink;
use crate::printable::counted;
use crate::rules::RuleSet;

/// A proxy that is bound to its address and not yet running.
pub struct Proxy {
    listener: TcpListener,
    state: Arc<ProxyState>,
    streams: TaskTracker,
}

impl Proxy {
    /// Binds the listener and loads all certificates. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// An error if the address is in use, or a certificate cannot be loaded. The text says which.
    pub async fn bind(
        settings: Settings,
        authority: Arc<Authority>,
        rules: Arc<RuleSet>,
        events: Arc<dyn EventSink>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await.map_err(|error| {
            let why = cannot_listen(settings.listen, &error);
            io::Error::new(error.kind(), why)
        })?;
        let address = listener.local_addr()?;
        let identities = Identities::new(&settings).map_err(io::Error::other)?;
        let identities = Arc::new(identities);
        let client_certs = ClientCerts::load(&settings, identities.clone())?;
        let client_ca = settings.client_certs.client_ca.as_deref();
        let judge = CertificateJudge::new(authority.certificate(), client_ca)?;
        let streams = TaskTracker::new();
        let conversations =
            Conversations::new(settings.limits.sessions).with_accounts(accounts(&settings));
        let pairs = identities.pairs();
        pairs
            .devices()
            .for_each(|der| conversations.add_device_certificate(der));
        let state = ProxyState {
            listener: address,
            tls: DeviceTls::new(authority, &settings.certificates, judge)
                .map_err(io::Error::other)?,
            stay: Stay::new(&settings)?,
            identities,
            upstreams: Upstreams::new(&settings, address)?,
            client_certs,
            rules: Arc::new(LiveRules::new(rules)),
            conversations,
            budget: BodyBudget::new(
                settings.limits.body_memory.max(settings.max_body),
                settings.limits.memory_wait,
            ),
            device_http: DeviceHttp::new(&settings, &streams),
            stop: CancellationToken::new(),
            via: ViaToken::random()?,
            cut: CancellationToken::new(),
            events,
            connections: AtomicU64::new(0),
            exchanges: AtomicU64::new(0),
            settings,
        };
        Ok(Self {
            listener,
            state: Arc::new(state),
            streams,
        })
    }

    /// Returns the address that the proxy listens at.
    pub fn local_addr(&self) -> SocketAddr {
        self.state.listener
    }

    /// Returns the rules in force, which can be replaced while the proxy runs.
    pub fn rules(&self) -> Arc<LiveRules> {
        self.state.rules.clone()
    }

    /// Serves until `shutdown`. Then running exchanges may finish within the grace period. Returns when every
    /// connection has ended.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self {
            listener,
            state,
            streams,
        } = self;
        let most = state.settings.limits.connections;
        let serve = |tcp, device| connection::serve(state.clone(), tcp, device);
        let retiring = tokio::spawn(state.identities.clone().retire_daily());
        let connections = accept_until(listener, most, &shutdown, serve).await;
        retiring.abort();
        finish(&state, connections, streams).await;
    }
}

/// Says why the proxy cannot listen at an address, and what helps.
pub fn cannot_listen(address: SocketAddr, error: &io::Error) -> String {
    let port = address.port();
    let why = match error.kind() {
        io::ErrorKind::PermissionDenied if (1..1024).contains(&port) => {
            return format!("cannot listen at {address}: {}", port_is_reserved());
        }
        io::ErrorKind::AddrInUse if port == 0 => "no port is free".into(),
        io::ErrorKind::AddrInUse => {
            "another program listens there; choose another port, with -p (--control for the control API)".into()
        }
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".into(),
        _ => error_text::io(error),
    };
    format!("cannot listen at {address}: {why}")
}

/// Says what helps if only root may listen.
fn port_is_reserved() -> String {
    if !cfg!(target_os = "linux") {
        return "ports below 1024 are the administrator's; take a higher one".into();
    }
    let program =
        std::env::current_exe().map_or_else(|_| "dmtap".into(), |p| p.display().to_string());
    let program = match program.contains(|c: char| c.is_whitespace() || "'\"$\\".contains(c)) {
        true => format!("'{}'", program.replace('\'', "'\\''")),
        false => program,
    };
    format!(
        "ports below 1024 are root's; let this program use them with `sudo setcap cap_net_bind_service=+ep {program}`, \
         or take a higher port"
    )
}

/// Lets exchanges finish, then ends those that take too long.
async fn finish(state: &ProxyState, mut connections: JoinSet<()>, streams: TaskTracker) {
    state.stop.cancel();
    streams.close();
    let ended = async {
        all_ended(&mut connections).await;
        streams.wait().await;
    };
    let grace = state.settings.limits.grace;
    if tokio::time::timeout(grace, ended).await.is_err() {
        tracing::warn!(
            "{} did not finish within {grace:?}, cut off",
            counted(connections.len(), "connection")
        );
        state.cut.cancel();
        connections.shutdown().await;
        // Streams of HTTP/2 end with their connection.
        let _ = tokio::time::timeout(CUT_STREAMS_TIMEOUT, streams.wait()).await;
    }
}

/// The longest time for streams to end after they are cut.
const CUT_STREAMS_TIMEOUT: Duration = Duration::from_secs(1);

/// Returns the accounts of devices that are known from the start.
fn accounts(settings: &Settings) -> impl Iterator<Item = (&str, &str)> {
    let accounts = settings.accounts.iter();
    accounts.map(|account| (&*account.user, &*account.password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_nothing_can_listen_says_what_helps() {
        let check = |address: &str, kind: io::ErrorKind, expected: &str| {
            let words = cannot_listen(address.parse().unwrap(), &kind.into());
            assert!(words.contains(expected), "{words}");
        };
        let denied = io::ErrorKind::PermissionDenied;
        if cfg!(target_os = "linux") {
            let program = std::env::current_exe().unwrap().display().to_string();
            let command = format!("`sudo setcap cap_net_bind_service=+ep {program}`");
            check("0.0.0.0:443", denied, &command);
        }
        check("0.0.0.0:443", denied, "take a higher port");
        check(
            "0.0.0.0:8080",
            denied,
            "cannot listen at 0.0.0.0:8080: permission denied",
        );
        check(
            "[::1]:80",
            io::ErrorKind::AddrInUse,
            "choose another port, with -p",
        );
        check(
            "192.0.2.1:80",
            io::ErrorKind::AddrNotAvailable,
            "does not have that address",
        );
    }
}
