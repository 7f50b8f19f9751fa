//! The tables of a rule file: rules, limits, and what connections are matched by.

use schemars::{JsonSchema, json_schema};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::match_table::MatchTable;
use crate::rules::chance::Chance;
use crate::rules::matcher::{ConnectionLimit, ConnectionMatcher, Net, PerConnection};
use crate::rules::mistake::{KEY, Mistake};
use crate::rules::value::{Listener, Named, OneOf, ServerName, True, Within, described, written};
use crate::rules::{Limit, Per, Scenario, Stage, Step};

/// A rule: when dmtap looks, where it acts, how often, and what it does.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "a rule", deny_unknown_fields)]
#[schemars(rename = "rule")]
pub(super) struct RuleTable {
    /// Its name, unique among all files; records list it with each change that the rule made.
    #[schemars(required, extend("examples" = ["bitlocker-fails-once"]))]
    pub(super) name: Option<RuleName>,
    /// What the rule looks at: requests (device to server), responses (server to device), or connections of devices.
    #[schemars(required)]
    pub(super) stage: Option<OneOf<Stage>>,
    /// Where the rule acts; without it, on every message or connection of the stage.
    pub(super) r#match: Option<MatchTable>,
    /// How often the rule acts; without it, always.
    pub(super) limit: Option<Limit>,
    /// In which state of a scenario the rule acts; without it, in every state.
    pub(super) scenario: Option<Scenario>,
    /// What the rule does: one step, or a list of steps in order.
    #[schemars(required)]
    pub(super) step: Option<Vec<Step>>,
    /// After this rule acted, dmtap evaluates no later rule.
    #[schemars(extend("examples" = [true]))]
    pub(super) end: Option<True>,
}

/// A rule about connections: no message has passed yet.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "a rule", deny_unknown_fields)]
#[schemars(rename = "rule-of-connections")]
pub(super) struct ConnectionRuleTable {
    /// Its name, unique among all files; records list it with each change that the rule made.
    #[schemars(required)]
    pub(super) name: Option<RuleName>,
    /// What the rule looks at.
    #[schemars(required)]
    #[serde(rename = "stage")]
    _stage: Option<OneOf<Stage>>,
    /// Which connections the rule acts on; without it, on every one.
    pub(super) r#match: Option<ConnectionMatcher>,
    /// How many connections the rule acts on; without it, all of them.
    pub(super) limit: Option<ConnectionLimit>,
    /// What the rule does: one step, or a list of steps in order.
    #[schemars(required)]
    pub(super) step: Option<Vec<Step>>,
    #[serde(rename = "scenario")]
    #[schemars(skip)]
    _scenario: Option<IgnoredAny>,
    #[serde(rename = "end")]
    #[schemars(skip)]
    _end: Option<IgnoredAny>,
}

/// The keys of a rule.
pub(super) const KEYS: [&str; 7] = ["name", "stage", "match", "limit", "scenario", "step", "end"];

/// The name of a rule.
pub(super) struct RuleName(pub(super) String);

written!(
    RuleName,
    |text| match text.trim() {
        "" => Err(Mistake::new("the name is empty".into())),
        _ => Ok(Self(text.to_owned())),
    },
    {"type": "string", "pattern": "\\S"}
);

impl Named for Stage {
    fn all() -> Vec<(&'static str, Self)> {
        [Self::Request, Self::Response, Self::Connection]
            .map(|stage| (stage.name(), stage))
            .to_vec()
    }
}

type Count = Within<1, { u32::MAX as u64 }>;

/// How often the rule acts; without it, always.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "a limit", deny_unknown_fields)]
#[schemars(rename = "limit", extend("anyOf" = [{"required": ["times"]}, {"required": ["skip"]}, {"required": ["every"]}, {"required": ["chance"]}]))]
pub(in crate::rules) struct LimitTable {
    /// The rule acts this many times, then no more.
    #[schemars(extend("examples" = [1]))]
    times: Option<Count>,
    /// Ignores the first n matches.
    #[schemars(extend("examples" = [2]))]
    skip: Option<Within<0, { u32::MAX as u64 }>>,
    /// Of the remaining matches, acts on each so many-th one: 3 is the third, the sixth and so on.
    #[schemars(extend("examples" = [3]))]
    every: Option<Count>,
    /// Acts on this share of the remaining matches; the seed decides which ones, the same in every run.
    #[schemars(extend("examples" = [0.3]))]
    chance: Option<Chance>,
    /// What has a count of its own; the default is `session`.
    per: Option<Per>,
}

impl TryFrom<LimitTable> for Limit {
    type Error = Mistake;

    fn try_from(table: LimitTable) -> Result<Self, Mistake> {
        let limit = Self {
            skip: table.skip.map_or(0, |skip| skip.0),
            every: table.every.map_or(1, |every| every.0),
            times: table.times.map(|times| times.0),
            chance: table.chance,
            per: table.per.unwrap_or_default(),
        };
        match limit.times.is_some() || limit.skip > 0 || limit.every > 1 || limit.chance.is_some() {
            true => Ok(limit),
            false => Err(Mistake::new("this limit limits nothing".into()).help(
                "times = 1 acts once, skip = 1 lets the first one pass, every = 3 acts on each third one, \
                 chance = 0.3 acts on three of ten",
            )),
        }
    }
}

/// How many connections the rule acts on; without it, all of them.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "a limit", deny_unknown_fields)]
#[schemars(rename = "connection-limit", extend("anyOf" = [{"required": ["times"]}, {"required": ["skip"]}, {"required": ["every"]}]))]
pub(in crate::rules) struct ConnectionLimitTable {
    /// The rule acts on this many connections, then on no more.
    #[schemars(extend("examples" = [1]))]
    times: Option<Count>,
    /// Ignores the first n connections.
    #[schemars(extend("examples" = [2]))]
    skip: Option<Within<0, { u32::MAX as u64 }>>,
    /// Of the remaining connections, acts on each so many-th one: 3 is the third, the sixth and so on.
    #[schemars(extend("examples" = [3]))]
    every: Option<Count>,
    /// What has a count of its own; the default is `run`, and `peer` is each IP address.
    per: Option<PerConnection>,
}

impl TryFrom<ConnectionLimitTable> for ConnectionLimit {
    type Error = Mistake;

    fn try_from(table: ConnectionLimitTable) -> Result<Self, Mistake> {
        let limit = Self {
            skip: table.skip.map_or(0, |skip| skip.0),
            every: table.every.map_or(1, |every| every.0),
            times: table.times.map(|times| times.0),
            per: table.per.unwrap_or_default(),
        };
        match limit.times.is_some() || limit.skip > 0 || limit.every > 1 {
            true => Ok(limit),
            false => Err(Mistake::new("this limit limits nothing".into()).help(
                "times = 1 acts once, skip = 1 lets the first one pass, every = 3 acts on each third one",
            )),
        }
    }
}

/// Which connections the rule acts on: all keys must match.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(rename = "`match`", deny_unknown_fields, default)]
#[schemars(rename = "connection-match")]
pub(in crate::rules) struct ConnectionMatchTable {
    /// The device's address, or a network.
    #[schemars(extend("examples" = ["192.0.2.7", "10.0.0.0/8"]))]
    peer: Vec<Net>,
    /// The address at which dmtap accepted the device: a port, or a pattern for `ip:port`.
    #[schemars(extend("examples" = [8443, "127.0.0.1:*"]))]
    listener: Vec<Listener>,
    /// The name in the device's ClientHello; `*` matches any characters.
    #[schemars(extend("examples" = ["mdm.example.com"]))]
    sni: Vec<ServerName>,
    /// The server: that of CONNECT, or the one behind `--mode reverse:`; without port.
    #[schemars(extend("examples" = ["*.windowsupdate.com"]))]
    host: Vec<ServerName>,
}

/// The keys of a connection that is matched.
pub(super) const CONNECTION_KEYS: [&str; 4] = ["peer", "listener", "sni", "host"];

impl From<ConnectionMatchTable> for ConnectionMatcher {
    fn from(table: ConnectionMatchTable) -> Self {
        Self {
            peers: table.peer,
            listener: table
                .listener
                .into_iter()
                .map(|listener| listener.0)
                .collect(),
            sni: table.sni.into_iter().map(|name| name.0).collect(),
            host: table.host.into_iter().map(|name| name.0).collect(),
            limit: None,
        }
    }
}

impl<'de> Deserialize<'de> for Chance {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        Self::new(number).ok_or_else(|| {
            let mistake = Mistake::new(format!("`{KEY}` cannot be {number}"));
            serde::de::Error::custom(
                mistake
                    .label("above 0, at most 1")
                    .help("chance = 0.3 acts on about three finds of ten"),
            )
        })
    }
}

described!([] Chance, |_| json_schema!({"type": "number", "exclusiveMinimum": 0, "maximum": 1}));
