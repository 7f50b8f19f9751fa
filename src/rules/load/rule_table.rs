//! The tables of a rule file: rules, limits, and what connections are matched by.

use schemars::{JsonSchema, json_schema};
use serde::Deserialize;

use crate::rules::chance::Chance;
use crate::rules::matcher::ConnectionMatcher;
use crate::rules::mistake::{KEY, Mistake};
use crate::rules::value::{
    Named, OneOf, Scalar, Within, any_form, described, schema_of_table, written,
};
use crate::rules::{Limit, Matcher, Per, Scenario, Stage, Step};

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
    pub(super) r#match: Option<Matcher>,
    /// How often the rule acts; without it, always.
    pub(super) limit: Option<Limit>,
    /// In which state of a scenario the rule acts; without it, in every state.
    pub(super) scenario: Option<Scenario>,
    /// What the rule does: one step, or a list of steps in order.
    #[schemars(required)]
    pub(super) step: Option<Vec<Step>>,
    /// After this rule acted, dmtap evaluates no later rule.
    #[schemars(extend("examples" = [true]))]
    pub(super) end: Option<End>,
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
}

pub(super) struct End;

any_form!(
    End,
    |value| match value {
        Scalar::Truth(true) => Ok(Self),
        _ => Err(Mistake::new(format!("`{KEY}` is written {KEY} = true"))
            .help("leave it out: dmtap then evaluates later rules, too")),
    },
    {"const": true}
);

pub(super) const KEYS: [&str; 7] = ["name", "stage", "match", "limit", "scenario", "step", "end"];

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
#[serde(
    rename = "a limit",
    deny_unknown_fields,
    expecting = "limit = { times = 1 }"
)]
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
        limit.checked(", chance = 0.3 acts on three of ten")
    }
}

impl Limit {
    /// The limit, if it limits anything; `more` is what the help names besides.
    fn checked(self, more: &str) -> Result<Self, Mistake> {
        if self.times.is_some() || self.skip > 0 || self.every > 1 || self.chance.is_some() {
            return Ok(self);
        }
        Err(Mistake::new("this limit limits nothing".into()).help(format!(
            "times = 1 acts once, skip = 1 lets the first one pass, every = 3 acts on each third one{more}"
        )))
    }
}

/// How many connections the rule acts on; without it, all of them.
#[derive(Deserialize, JsonSchema)]
#[serde(
    rename = "a limit",
    deny_unknown_fields,
    expecting = "limit = { times = 1 }"
)]
#[schemars(rename = "connection-limit", extend("anyOf" = [{"required": ["times"]}, {"required": ["skip"]}, {"required": ["every"]}]))]
struct ConnectionLimitTable {
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

/// What counts of connections are kept for.
#[derive(Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum PerConnection {
    /// The run of dmtap.
    Run,
    /// An IP address of devices.
    Peer,
}

/// The limit of a rule about connections.
#[derive(Deserialize)]
#[serde(try_from = "ConnectionLimitTable")]
pub(super) struct ConnectionLimit(pub(super) Limit);

impl TryFrom<ConnectionLimitTable> for ConnectionLimit {
    type Error = Mistake;

    fn try_from(table: ConnectionLimitTable) -> Result<Self, Mistake> {
        let limit = Limit {
            skip: table.skip.map_or(0, |skip| skip.0),
            every: table.every.map_or(1, |every| every.0),
            times: table.times.map(|times| times.0),
            chance: None,
            per: match table.per {
                Some(PerConnection::Peer) => Per::Peer,
                _ => Per::Run,
            },
        };
        limit.checked("").map(Self)
    }
}

schema_of_table!(ConnectionLimit, ConnectionLimitTable);

/// The keys of a connection that is matched.
pub(super) const CONNECTION_KEYS: [&str; 4] = ["peer", "listener", "sni", "host"];

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
