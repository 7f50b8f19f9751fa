//! The tables of a rule file: rules and the limits of connection rules, and the keys that match connections.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::rules::limit::{Count, SkipCount};
use crate::rules::mistake::Mistake;
use crate::rules::value::{Scalar, any_form, written};
use crate::rules::{Limit, Per, Scenario, Stage, Step};

/// A rule: the messages or connections it acts on, how often it acts, and what it does.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "a rule", deny_unknown_fields)]
#[schemars(rename = "rule")]
pub(super) struct RuleTable<M, L> {
    /// The name of the rule, unique among all files; records list it with each change that the rule made.
    #[schemars(required, extend("examples" = ["bitlocker-fails-once"]))]
    pub(super) name: Option<RuleName>,
    /// The traffic that the rule looks at: requests (device to server), responses (server to device), or connections of devices.
    #[schemars(required)]
    pub(super) stage: Option<Stage>,
    /// The conditions under which the rule acts; without them, it acts on every message or connection of the stage.
    pub(super) r#match: Option<M>,
    /// The limit on how often the rule acts; without it, the rule acts on every match.
    pub(super) limit: Option<L>,
    /// The scenario that the rule takes part in; without it, the rule acts in every state.
    pub(super) scenario: Option<Scenario>,
    /// The actions of the rule: one step, or a list of steps that run in order.
    #[schemars(required)]
    pub(super) step: Option<Vec<Step>>,
    /// After this rule acted on a message, dmtap evaluates no later rule for it.
    #[schemars(extend("examples" = [true]))]
    pub(super) end: Option<End>,
}

pub(super) struct End;

any_form!(
    End,
    |value| match value {
        Scalar::Truth(true) => Ok(Self),
        _ => Err(Mistake::only_true("leave it out: dmtap then evaluates later rules, too")),
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

/// The limit on the connections that the rule acts on; without it, the rule acts on all of them.
#[derive(Deserialize, JsonSchema)]
#[serde(
    rename = "a limit",
    deny_unknown_fields,
    expecting = "limit = { times = 1 }"
)]
#[schemars(rename = "connection-limit", extend("anyOf" = [{"required": ["times"]}, {"required": ["skip"]}, {"required": ["every"]}]))]
pub(super) struct ConnectionLimit {
    /// The rule acts on at most this many connections.
    #[schemars(extend("examples" = [1]))]
    times: Option<Count>,
    /// The rule first ignores this many connections.
    #[schemars(extend("examples" = [2]))]
    skip: Option<SkipCount>,
    /// The rule acts on every n-th of the remaining connections: 3 means the third, the sixth and so on.
    #[schemars(extend("examples" = [3]))]
    every: Option<Count>,
    /// The scope of the counts: the whole run of dmtap (`run`, the default), or each IP address of devices (`peer`).
    per: Option<PerConnection>,
}

/// The scope of a count of connections.
#[derive(Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum PerConnection {
    /// The run of dmtap.
    Run,
    /// An IP address of devices.
    #[serde(rename = "peer")]
    Address,
}

impl From<ConnectionLimit> for Limit {
    fn from(table: ConnectionLimit) -> Self {
        Self {
            times: table.times,
            skip: table.skip,
            every: table.every,
            chance: None,
            per: match table.per {
                Some(PerConnection::Address) => Per::Address,
                _ => Per::Run,
            },
        }
    }
}

/// The keys that match connections.
pub(super) const CONNECTION_KEYS: [&str; 4] = ["peer", "listener", "sni", "host"];
