//! Scenarios: stories in acts. A rule may require a state, and may bring another one about where it acts.

use super::rule::Per;

/// Where a story is in before a rule changed that.
pub const STARTED: &str = "started";

/// The part of a rule in a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// The story's name; rules of one name share the state.
    pub name: String,
    /// The state in which the rule looks; `None`: in every one.
    pub requires: Option<String>,
    /// The state it brings about where it acts; `None`: it leaves it as it is.
    pub becomes: Option<String>,
    /// What has a state of its own: each session, device or connection, or the run.
    pub per: Per,
}

impl Scenario {
    /// Whether the rule looks in this state; `None` is the state before any change.
    pub(super) fn suits(&self, state: Option<&str>) -> bool {
        let required = self.requires.as_deref();
        required.is_none_or(|required| required == state.unwrap_or(STARTED))
    }
}
