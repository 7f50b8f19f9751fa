//! Matchers of connections that are being received: only addresses and a ClientHello are known.

use crate::rules::value::schema_of_table;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Net;
use crate::rules::Limit;
use crate::rules::connection::ConnectionFacts;
use crate::rules::glob::Glob;
use crate::rules::load::ConnectionLimitTable;
use crate::rules::load::ConnectionMatchTable;

/// Which connections, and how many of them. The default is every one.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "ConnectionMatchTable")]
pub struct ConnectionMatcher {
    /// The device's address.
    pub peers: Vec<Net>,
    /// The address it was accepted at: `ip:port`.
    pub listener: Vec<Glob>,
    /// The name the device asks for in its ClientHello.
    pub sni: Vec<Glob>,
    /// The server it is for: that of CONNECT, or the one behind this proxy; without port.
    pub host: Vec<Glob>,
    /// How often; `None`: always.
    pub limit: Option<ConnectionLimit>,
}

impl ConnectionMatcher {
    /// Whether it holds of every connection, however many there are.
    pub fn asks_nothing(&self) -> bool {
        self.peers.is_empty()
            && self.listener.is_empty()
            && self.sni.is_empty()
            && self.host.is_empty()
            && self.limit.is_none()
    }
}

/// How many connections a rule acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "ConnectionLimitTable")]
pub struct ConnectionLimit {
    /// Connections let pass first.
    pub skip: u64,
    /// Connections acted on after those; `None`: all of them.
    pub times: Option<u64>,
    /// Of the connections after those, each so many-th one.
    pub every: u64,
    /// What the count begins anew for.
    pub per: PerConnection,
}

/// What counts of connections are kept for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PerConnection {
    /// The run of dmtap.
    #[default]
    Run,
    /// An IP address of devices.
    Peer,
}

impl PerConnection {
    /// The scope a connection counts in.
    pub fn scope(self, facts: &ConnectionFacts<'_>) -> String {
        match self {
            Self::Run => String::new(),
            Self::Peer => format!("p{}", facts.peer.ip()),
        }
    }
}

impl ConnectionLimit {
    /// Whether the `n`th connection (from 1) is acted on.
    pub fn admits(self, n: u64) -> bool {
        let act = Limit::act_of(self.skip, self.every, n);
        act.is_some_and(|act| self.times.is_none_or(|times| act <= times))
    }
}

impl ConnectionMatcher {
    /// Whether addresses are all it asks for.
    pub fn asks_addresses_only(&self) -> bool {
        self.sni.is_empty() && self.host.is_empty()
    }

    /// Whether all of it holds.
    pub(in crate::rules) fn holds(&self, facts: &ConnectionFacts<'_>) -> bool {
        let peer = facts.peer.ip();
        let listener = facts.listener.to_string();
        (self.peers.is_empty() || self.peers.iter().any(|net| net.has(peer)))
            && fits(&self.listener, Some(&listener))
            && fits(&self.sni, facts.sni)
            && fits(&self.host, facts.host)
    }
}

fn fits(patterns: &[Glob], text: Option<&str>) -> bool {
    patterns.is_empty() || text.is_some_and(|text| patterns.iter().any(|p| p.matches(text)))
}

schema_of_table!(ConnectionMatcher, ConnectionMatchTable);
schema_of_table!(ConnectionLimit, ConnectionLimitTable);
