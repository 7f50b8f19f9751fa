//! Events: what the proxy reports to records.

use std::net::SocketAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CapturedMessage, Connection, ConnectionId, ExchangeId, RuleEffect, Side, Timestamp};

/// Something happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A device connected, and its handshake, if any, succeeded.
    Opened(Arc<Connection>),
    /// Rules decided how to receive a connection; comes before it opens or is refused.
    ConnectionDecided {
        /// Its number.
        connection: ConnectionId,
        /// When.
        at: Timestamp,
        /// The rules, in order.
        applied: Vec<RuleEffect>,
    },
    /// A connection ended before it could carry a request.
    Refused {
        /// Its number.
        connection: ConnectionId,
        /// When.
        at: Timestamp,
        /// Why, for people.
        why: String,
    },
    /// A device sent something that is no HTTP, where a request was to come. Its connection ends with that.
    Malformed {
        /// The number of the connection; one to a proxy may not have been opened yet.
        connection: ConnectionId,
        /// The device's address.
        device: SocketAddr,
        /// When.
        at: Timestamp,
        /// What is wrong with it, for people.
        why: String,
    },
    /// A connection ended.
    Closed {
        /// Its number.
        connection: ConnectionId,
        /// When.
        at: Timestamp,
    },
    /// A request passed (or was held back by a rule: see its `applied`).
    Request(Arc<CapturedMessage>),
    /// A response went to the device; it may be dmtap's own ([`CapturedMessage::synthesized`]).
    Response(Arc<CapturedMessage>),
    /// An exchange came to no response.
    Failed {
        /// The exchange.
        exchange: ExchangeId,
        /// Its connection.
        connection: ConnectionId,
        /// When.
        at: Timestamp,
        /// The peer that failed; `None`: neither, dmtap itself stopped first.
        side: Option<Side>,
        /// Whether a rule broke the connection to that peer: nobody failed.
        by_rule: bool,
        /// Whether dmtap answers the device itself: its response comes next.
        is_answered: bool,
        /// What kept the response from coming, where that decides what to do about it.
        cause: Option<FailureCause>,
        /// Why, for people.
        why: String,
        /// What to do about it, where `cause` alone does not say it.
        help: Option<String>,
    },
}

/// What keeps the response of an exchange from coming.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureCause {
    /// The server's name has no address.
    Unresolved,
    /// Nothing listens at the server's address and port.
    NothingListens,
    /// The server ended the connection for want of a client certificate that it accepts.
    ClientCertificate,
    /// No connection to the server, or no TLS on it, for another reason.
    NotConnected,
    /// The saved traffic has no response.
    NotRecorded,
    /// One that this version does not know.
    #[serde(other)]
    #[schemars(skip)]
    Other,
}

/// Receives events. Called on the path of the traffic: it must not block.
pub trait EventSink: Send + Sync {
    /// Receives an event.
    fn on_event(&self, event: Event);
}
