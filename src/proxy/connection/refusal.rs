//! The reason why a connection failed, and whether a rule intended it.

use std::net::SocketAddr;

use crate::flow::ConnectionId;
use crate::proxy::IN_TRANSCRIPT;

/// The reason why a connection is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A rule intended it.
    Intended(String),
    /// An error that nobody intended.
    Fault(String),
}

impl Refusal {
    /// Logs the refusal. Only an unintended one is a warning.
    pub(super) fn log(&self, id: ConnectionId, device: SocketAddr) {
        match self {
            Self::Intended(why) => {
                tracing::info!(target: IN_TRANSCRIPT, "{id} from {device} refused: {why}");
            }
            Self::Fault(why) => {
                tracing::warn!(target: IN_TRANSCRIPT, "{id} from {device} refused: {why}");
            }
        }
    }

    pub(super) fn why(self) -> String {
        match self {
            Self::Intended(why) | Self::Fault(why) => why,
        }
    }
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Self::Fault(why)
    }
}

impl From<&str> for Refusal {
    fn from(why: &str) -> Self {
        Self::Fault(why.into())
    }
}
