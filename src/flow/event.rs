//! Events: what the proxy reports to records.

use std::net::SocketAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CapturedMessage, Connection, ConnectionId, ExchangeId, RuleEffect, Side, Timestamp};

/// Something that happened in the proxy.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A device connected, and its TLS handshake, if any, succeeded.
    Opened(Arc<Connection>),
    /// Rules decided how to receive a connection. This event comes before the connection opens or is refused.
    ConnectionDecided {
        /// The number of the connection.
        connection: ConnectionId,
        /// The time of the event.
        at: Timestamp,
        /// The rules that acted, in order.
        applied: Vec<RuleEffect>,
    },
    /// A connection ended before it could carry a request.
    Refused {
        /// The number of the connection.
        connection: ConnectionId,
        /// The time of the event.
        at: Timestamp,
        /// The reason, as text.
        why: String,
    },
    /// A device sent something other than HTTP where a request was due. Its connection ends then.
    Malformed {
        /// The number of the connection. A connection to a proxy may not have been opened yet.
        connection: ConnectionId,
        /// The device's address.
        device: SocketAddr,
        /// The time of the event.
        at: Timestamp,
        /// The error in the bytes, as text.
        why: String,
    },
    /// A connection ended.
    Closed {
        /// The number of the connection.
        connection: ConnectionId,
        /// The time of the event.
        at: Timestamp,
    },
    /// A request passed, or a rule held it back (see [`CapturedMessage::applied`]).
    Request(Arc<CapturedMessage>),
    /// A response went to the device; it may be dmtap's own ([`CapturedMessage::synthesized`]).
    Response(Arc<CapturedMessage>),
    /// An exchange failed before it had a response, or the device left before it took the whole response.
    Failed {
        /// The exchange.
        exchange: ExchangeId,
        /// The connection of the exchange.
        connection: ConnectionId,
        /// The time of the event.
        at: Timestamp,
        /// The peer that failed; `None` if no peer failed and dmtap itself stopped first.
        side: Option<Side>,
        /// Whether a rule broke the connection to that peer, so that no peer failed.
        by_rule: bool,
        /// Whether dmtap answers the device itself. The event of that response comes next.
        is_answered: bool,
        /// The cause, if it decides what the user can do about the failure.
        cause: Option<FailureCause>,
        /// The reason, as text.
        why: String,
        /// The remedy for the failure, if `cause` alone does not say it.
        help: Option<String>,
    },
}

/// The cause that kept the response of an exchange from coming.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureCause {
    /// The server's name does not resolve to an address.
    Unresolved,
    /// Nothing listens at the server's address and port.
    NothingListens,
    /// The server ended the connection because it did not get a client certificate that it accepts.
    ClientCertificate,
    /// The connection or the TLS handshake with the server failed for another reason.
    NotConnected,
    /// The saved traffic has no response.
    NotRecorded,
    /// The response came, and the device left before it took all of it.
    NotTaken,
    /// A cause that this version does not know.
    #[serde(other)]
    #[schemars(skip)]
    Other,
}

/// The receiver of events. It is called on the path of the traffic, so it must not block.
pub trait EventSink: Send + Sync {
    /// Receives an event.
    fn on_event(&self, event: Event);
}
