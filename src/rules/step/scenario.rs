//! Steps about the scenario of their rule.

use schemars::JsonSchema;
use serde::Deserialize;
use strum::{IntoStaticStr, VariantNames};

/// A step about the scenario.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, IntoStaticStr, VariantNames,
)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum ScenarioStep {
    /// Changes nothing in the message; the rule only sets its scenario to the state in `becomes`.
    AdvanceScenario,
}
