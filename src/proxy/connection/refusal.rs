//! Why a connection came to nothing, and whether that is what a rule is for.

use std::net::SocketAddr;

use crate::flow::ConnectionId;
use crate::proxy::IN_TRANSCRIPT;

/// Why a connection is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A rule wanted it so.
    Intended(String),
    /// Something is wrong.
    Fault(String),
}

impl Refusal {
    /// The log has a warning for what nobody intends.
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
