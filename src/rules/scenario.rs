//! Scenarios, as in WireMock: a rule may require a state, and may set another one when it acts.

use crate::rules::value::schema_of_table;
use serde::Deserialize;

use super::load::ScenarioTable;
use super::rule::Per;

/// The state before any rule set one.
pub const STARTED: &str = "started";

/// The part of a rule in a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "ScenarioTable")]
pub struct Scenario {
    /// The name of the scenario; rules with the same name share the state.
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

schema_of_table!(Scenario, ScenarioTable);
