//! The state of the whole proxy, which all its connections share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::sync::CancellationToken;

use super::body_budget::BodyBudget;
use super::client_certs::ClientCerts;
use super::clock::now;
use super::device_http::DeviceHttp;
use super::failure::Failure;
use super::identity::Identities;
use super::live_rules::LiveRules;
use super::settings::Settings;
use super::stay::Stay;
use super::tls::DeviceTls;
use super::upstream::Upstreams;
use super::via::ViaToken;
use crate::conversation::Conversations;
use crate::flow::event::{Event, EventSink, FailureCause};
use crate::flow::{ConnectionId, ExchangeId};

/// The state of the whole proxy: its settings, what it learned, and what its connections share.
pub(super) struct ProxyState {
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

impl ProxyState {
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

/// The failure of an exchange that had not ended when dmtap stopped.
const STOPPED: &str = "dmtap stopped before the exchange ended";
