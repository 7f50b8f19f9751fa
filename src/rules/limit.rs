//! Limits: how often a rule acts.

use schemars::JsonSchema;
use serde::Deserialize;
use strum::IntoStaticStr;

use super::RuleInput;
use super::chance::Chance;
use super::value::Within;

/// A number of matches, at least 1.
pub type Count = Within<1, { u32::MAX as u64 }>;
/// A number of matches, which may be 0.
pub type SkipCount = Within<0, { u32::MAX as u64 }>;

/// The limit on how often the rule acts; without it, the rule acts on every match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(
    rename = "a limit",
    deny_unknown_fields,
    expecting = "limit = { times = 1 }"
)]
#[schemars(rename = "limit", extend("anyOf" = [{"required": ["times"]}, {"required": ["skip"]}, {"required": ["every"]}, {"required": ["chance"]}]))]
pub struct Limit {
    /// The rule acts at most this many times.
    #[schemars(extend("examples" = [1]))]
    pub times: Option<Count>,
    /// The rule first ignores this many matches.
    #[schemars(extend("examples" = [2]))]
    pub skip: Option<SkipCount>,
    /// The rule acts on every n-th of the remaining matches: 3 means the third, the sixth and so on.
    #[schemars(extend("examples" = [3]))]
    pub every: Option<Count>,
    /// The rule acts on this share of the remaining matches; the seed decides on which ones, so that they are the same in every run.
    #[schemars(extend("examples" = [0.3]))]
    pub chance: Option<Chance>,
    /// The scope of the counts: each session (the default), device or connection has its own, or the whole run of dmtap has one.
    #[serde(default)]
    pub per: Per,
}

/// The scope of a count or of the state of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize, JsonSchema, IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Per {
    /// A DM session; the connection if no session is known.
    #[default]
    Session,
    /// A device, by the Source of its messages; the connection if no session is known.
    Device,
    /// A connection of a device.
    Connection,
    /// The run of dmtap.
    Run,
    /// An IP address of devices; for connection rules only.
    #[serde(skip)]
    #[schemars(skip)]
    #[strum(serialize = "peer")]
    Address,
}

impl Limit {
    /// Whether the limit lets a rule act on every match.
    pub(super) fn limits_nothing(self) -> bool {
        let passes = self.skip.is_none_or(|skip| skip.0 == 0);
        let is_each = self.every.is_none_or(|every| every.0 == 1);
        self.times.is_none() && passes && is_each && self.chance.is_none()
    }

    /// Whether `skip` and `every` let the rule act on its `n`th match, and `times` as well. With `chance`, `times` has a
    /// count of its own, which the caller checks with [`Self::allows_act`].
    pub(super) fn allows_match(self, n: u64) -> bool {
        let after = n.saturating_sub(self.skip.map_or(0, |skip| skip.0));
        let every = self.every.map_or(1, |every| every.0);
        let is_left = after > 0 && after.is_multiple_of(every);
        is_left && (self.chance.is_some() || self.allows_act(after / every))
    }

    /// Whether `times` allows the rule to act for the `n`th time.
    pub(super) fn allows_act(self, n: u64) -> bool {
        self.times.is_none_or(|times| n <= times.0)
    }
}

impl Per {
    /// Returns the name in rule files.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Returns the key of the count for a message.
    pub fn key(self, input: &RuleInput<'_>) -> String {
        match (self, input.session) {
            (Self::Run, _) => String::new(),
            (Self::Session, Some(tag)) => format!("s{}", tag.number),
            (Self::Device, Some(tag)) => format!("d{}", tag.key.device),
            _ => input.connection.id.to_string(),
        }
    }
}
