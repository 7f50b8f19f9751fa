//! The lines at the beginning of a run. They are not events of the traffic, and readers of records skip them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::event::rfc3339;
use crate::flow::Timestamp;

/// The listening addresses: the first line of `--output json`.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StartRecord {
    /// The time: RFC 3339, in UTC, to the microsecond.
    pub at: String,
    /// The version of dmtap.
    pub version: String,
    /// The mode of the proxy, as in `--mode`.
    pub mode: Option<String>,
    /// The addresses that devices connect to.
    pub listen: Vec<ListenerRecord>,
    /// The file with the certificate of dmtap's CA, which devices must trust.
    pub ca: String,
    /// The address of the control API.
    pub control: Option<ListenerRecord>,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListenerRecord {
    /// The URL to connect to.
    pub url: String,
    /// The IP address.
    pub address: String,
    /// The port.
    pub port: u16,
}

/// The run that the following events belong to: the first line of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunRecord {
    /// The unique id of the run.
    pub run: String,
    /// The time of the beginning: RFC 3339, in UTC, to the microsecond.
    pub at: String,
    /// The version of dmtap.
    pub version: String,
    /// The mode of the proxy, as in `--mode`.
    pub mode: String,
    /// The seed of the random choices of rules.
    pub seed: u64,
    /// The sources of the rules in force at the beginning, in the order in which they act.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleFileRecord>,
}

/// A file or other text with rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleFileRecord {
    /// The file; for a rule on the command line its option, for a built-in rule `built-in:…`.
    pub file: String,
    /// The SHA-256 of the text, in hex.
    pub sha256: String,
    /// The names of the rules.
    pub names: Vec<String>,
}

impl RunRecord {
    /// Creates the record of a run with this id and mode.
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
    /// Creates the record of a proxy with one listener.
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
    /// Creates the record of a listener for this scheme.
    pub fn new(scheme: &str, address: std::net::SocketAddr) -> Self {
        Self {
            url: format!("{scheme}://{address}"),
            address: address.ip().to_string(),
            port: address.port(),
        }
    }
}
