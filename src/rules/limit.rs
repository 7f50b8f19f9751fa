//! How often a rule acts.

use schemars::JsonSchema;
use serde::Deserialize;
use strum::IntoStaticStr;

use super::RuleInput;
use super::chance::Chance;
use super::value::Within;

/// A number of matches, 1 at least.
pub type Count = Within<1, { u32::MAX as u64 }>;
/// A number of matches, perhaps none.
pub type SkipCount = Within<0, { u32::MAX as u64 }>;

/// How often the rule acts; without it, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(
    rename = "a limit",
    deny_unknown_fields,
    expecting = "limit = { times = 1 }"
)]
#[schemars(rename = "limit", extend("anyOf" = [{"required": ["times"]}, {"required": ["skip"]}, {"required": ["every"]}, {"required": ["chance"]}]))]
pub struct Limit {
    /// The rule acts this many times, then no more.
    #[schemars(extend("examples" = [1]))]
    pub times: Option<Count>,
    /// Ignores the first n matches.
    #[schemars(extend("examples" = [2]))]
    pub skip: Option<SkipCount>,
    /// Of the remaining matches, acts on each so many-th one: 3 is the third, the sixth and so on.
    #[schemars(extend("examples" = [3]))]
    pub every: Option<Count>,
    /// Acts on this share of the remaining matches; the seed decides which ones, the same in every run.
    #[schemars(extend("examples" = [0.3]))]
    pub chance: Option<Chance>,
    /// What has a count of its own; the default is `session`.
    #[serde(default)]
    pub per: Per,
}

/// What a limit counts within.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize, JsonSchema, IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Per {
    /// A DM session; the connection where none is known.
    #[default]
    Session,
    /// A device, by the Source of its messages; the connection where none is known.
    Device,
    /// A connection of a device.
    Connection,
    /// The run of dmtap.
    Run,
    /// The IP address of devices, of connections only.
    #[serde(skip)]
    #[schemars(skip)]
    Peer,
}

impl Limit {
    /// Whether it lets a rule act on every match.
    pub(super) fn limits_nothing(self) -> bool {
        let passes = self.skip.is_none_or(|skip| skip.0 == 0);
        let is_each = self.every.is_none_or(|every| every.0 == 1);
        self.times.is_none() && passes && is_each && self.chance.is_none()
    }

    /// Whether the `n`th match is one of those that `skip` and `every` leave, and within `times`, which counts by
    /// itself where there is chance.
    pub(super) fn admits(self, n: u64) -> bool {
        let after = n.saturating_sub(self.skip.map_or(0, |skip| skip.0));
        let every = self.every.map_or(1, |every| every.0);
        let is_left = after > 0 && after.is_multiple_of(every);
        is_left && (self.chance.is_some() || self.allows(after / every))
    }

    /// Whether it allows to act for the `n`th time.
    pub(super) fn allows(self, n: u64) -> bool {
        self.times.is_none_or(|times| n <= times.0)
    }
}

impl Per {
    /// Its name in rule files.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// What a message is counted under.
    pub fn key(self, input: &RuleInput<'_>) -> String {
        match (self, input.session) {
            (Self::Run, _) => String::new(),
            (Self::Session, Some(tag)) => format!("s{}", tag.number),
            (Self::Device, Some(tag)) => format!("d{}", tag.key.device),
            _ => input.connection.id.to_string(),
        }
    }
}
