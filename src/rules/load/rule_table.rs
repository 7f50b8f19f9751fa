//! The tables of a rule file: rules, limits, and what connections are matched by.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::rules::limit::{Count, SkipCount};
use crate::rules::mistake::{KEY, Mistake};
use crate::rules::value::{Scalar, any_form, written};
use crate::rules::{Limit, Per, Scenario, Stage, Step};

/// A rule: when dmtap looks, where it acts, how often, and what it does.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "a rule", deny_unknown_fields)]
#[schemars(rename = "rule")]
pub(super) struct RuleTable<M, L> {
    /// Its name, unique among all files; records list it with each change that the rule made.
    #[schemars(required, extend("examples" = ["bitlocker-fails-once"]))]
    pub(super) name: Option<RuleName>,
    /// What the rule looks at: requests (device to server), responses (server to device), or connections of devices.
    #[schemars(required)]
    pub(super) stage: Option<Stage>,
    /// Where the rule acts; without it, on every message or connection of the stage.
    pub(super) r#match: Option<M>,
    /// How often the rule acts; without it, always.
    pub(super) limit: Option<L>,
    /// In which state of a scenario the rule acts; without it, in every state.
    pub(super) scenario: Option<Scenario>,
    /// What the rule does: one step, or a list of steps in order.
    #[schemars(required)]
    pub(super) step: Option<Vec<Step>>,
    /// After this rule acted, dmtap evaluates no later rule.
    #[schemars(extend("examples" = [true]))]
    pub(super) end: Option<End>,
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

/// How many connections the rule acts on; without it, all of them.
#[derive(Deserialize, JsonSchema)]
#[serde(
    rename = "a limit",
    deny_unknown_fields,
    expecting = "limit = { times = 1 }"
)]
#[schemars(rename = "connection-limit", extend("anyOf" = [{"required": ["times"]}, {"required": ["skip"]}, {"required": ["every"]}]))]
pub(super) struct ConnectionLimit {
    /// The rule acts on this many connections, then on no more.
    #[schemars(extend("examples" = [1]))]
    times: Option<Count>,
    /// Ignores the first n connections.
    #[schemars(extend("examples" = [2]))]
    skip: Option<SkipCount>,
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

impl From<ConnectionLimit> for Limit {
    fn from(table: ConnectionLimit) -> Self {
        Self {
            times: table.times,
            skip: table.skip,
            every: table.every,
            chance: None,
            per: match table.per {
                Some(PerConnection::Peer) => Per::Peer,
                _ => Per::Run,
            },
        }
    }
}

/// The keys of a connection that is matched.
pub(super) const CONNECTION_KEYS: [&str; 4] = ["peer", "listener", "sni", "host"];
