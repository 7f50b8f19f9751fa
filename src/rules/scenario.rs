//! Scenarios, as in WireMock: a rule may require a state, and may set another one when it acts.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error};

use super::Per;
use super::mistake::{KEY, Mistake};

/// The state of a scenario before any rule set one.
pub const STARTED: &str = "started";

/// The scenario that the rule takes part in; without it, the rule acts in every state.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(
    rename = "a scenario",
    deny_unknown_fields,
    expecting = "scenario = { name = \"two-acts\", becomes = \"refused\" }: rules of one name share its state"
)]
#[schemars(rename = "scenario", extend("anyOf" = [{"required": ["requires"]}, {"required": ["becomes"]}]))]
pub struct Scenario {
    /// The name of the scenario: rules with the same name share a state.
    #[serde(deserialize_with = "state_name")]
    #[schemars(regex(pattern = "\\S"), extend("examples" = ["two-acts"]))]
    pub name: String,
    /// The rule acts only in this state; every scenario begins in `"started"`.
    #[serde(default, deserialize_with = "state_name")]
    #[schemars(regex(pattern = "\\S"), extend("examples" = ["started"]))]
    pub requires: Option<String>,
    /// The state that the rule sets when it acts.
    #[serde(default, deserialize_with = "state_name")]
    #[schemars(regex(pattern = "\\S"), extend("examples" = ["refused"]))]
    pub becomes: Option<String>,
    /// The scope of the state: each session (the default), device or connection has its own, or the whole run of dmtap has one. All rules of the scenario must have the same `per`.
    #[serde(default)]
    pub per: Per,
}

/// Reads the name of a scenario or of one of its states; it may not be empty.
fn state_name<'de, D: Deserializer<'de>, T: From<String>>(deserializer: D) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.trim() {
        "" => Err(D::Error::custom(Mistake::new(format!("`{KEY}` is empty")))),
        text => Ok(text.to_owned().into()),
    }
}

impl Scenario {
    /// Whether the rule acts in this state; `None` is the state before any change.
    pub(super) fn suits(&self, state: Option<&str>) -> bool {
        let required = self.requires.as_deref();
        required.is_none_or(|required| required == state.unwrap_or(STARTED))
    }
}
