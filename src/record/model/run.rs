//! What the lines say with which a run begins: they are no events of the traffic, and readers of records skip them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::effects::rfc3339;
use crate::flow::Timestamp;

/// Where dmtap listens: the first line of `--output json`.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StartRecord {
    /// When: RFC 3339, in UTC, to the microsecond.
    pub at: String,
    /// The version of dmtap.
    pub version: String,
    /// The mode of the proxy, as `--mode` has it.
    pub mode: Option<String>,
    /// Where devices connect to.
    pub listen: Vec<ListenerRecord>,
    /// The file with the certificate of dmtap's CA, which devices must trust.
    pub ca: String,
    /// Where the control API listens.
    pub control: Option<ListenerRecord>,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListenerRecord {
    /// What to connect to.
    pub url: String,
    /// The IP address.
    pub address: String,
    /// The port.
    pub port: u16,
}

/// The run that the events after it belong to: the first line of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunRecord {
    /// An id of its own.
    pub run: String,
    /// When it began: RFC 3339, in UTC, to the microsecond.
    pub at: String,
    /// The version of dmtap.
    pub version: String,
    /// The mode of the proxy, as `--mode` has it.
    pub mode: String,
    /// What the chance of rules is drawn from.
    pub seed: u64,
    /// Where the rules in force at the beginning come from, in the order in which they act.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleFileRecord>,
}

/// A text with rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleFileRecord {
    /// The file; of a rule of the command line its option, of a built-in rule `built-in:…`.
    pub file: String,
    /// The SHA-256 of the text, in hex.
    pub sha256: String,
    /// The names of its rules.
    pub names: Vec<String>,
}

impl RunRecord {
    /// The run of this id in this mode.
    pub fn new(run: String, at: Timestamp, mode: String, seed: u64) -> Self {
        Self {
            run,
            at: rfc3339(at),
            version: env!("CARGO_PKG_VERSION").into(),
            mode,
            seed,
            rules: Vec::new(),
        }
    }
}

impl StartRecord {
    /// dmtap listens there.
    pub fn new(at: Timestamp, listen: ListenerRecord, ca: String) -> Self {
        Self {
            at: rfc3339(at),
            version: env!("CARGO_PKG_VERSION").into(),
            mode: None,
            listen: vec![listen],
            ca,
            control: None,
        }
    }
}

impl ListenerRecord {
    /// A listener that speaks this scheme.
    pub fn new(scheme: &str, address: std::net::SocketAddr) -> Self {
        Self {
            url: format!("{scheme}://{address}"),
            address: address.ip().to_string(),
            port: address.port(),
        }
    }
}
