//! What limits counted, and the states of scenarios.

use std::collections::HashMap;
use std::sync::Arc;

use crate::rules::RuleState;

/// Counts of a trial, which ends with the files it was given.
#[derive(Debug, Default)]
pub(super) struct InMemoryState {
    counts: HashMap<(usize, String), u64>,
    states: HashMap<(String, String), Arc<str>>,
}

impl RuleState for InMemoryState {
    fn count(&mut self, rule: usize, scope: &str) -> u64 {
        let count = self.counts.entry((rule, scope.to_owned())).or_default();
        *count += 1;
        *count
    }

    fn state(&mut self, scenario: &str, scope: &str) -> Option<Arc<str>> {
        self.states
            .get(&(scenario.to_owned(), scope.to_owned()))
            .cloned()
    }

    fn advance(&mut self, scenario: &str, scope: &str, from: Option<&str>, to: &str) -> bool {
        if self.state(scenario, scope).as_deref() != from {
            return false;
        }
        self.states
            .insert((scenario.to_owned(), scope.to_owned()), to.into());
        true
    }
}
