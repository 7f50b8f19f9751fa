//! What the rules of a run remember: what limits counted, and the states of scenarios.

mod counts;
mod scenarios;

use std::collections::HashSet;
use std::sync::Arc;

use self::counts::Counts;
use self::scenarios::{STATES, States};
use crate::rules::RuleState;

/// What rules remember, bounded, in memory.
#[derive(Debug, Default)]
pub struct InMemoryState {
    counts: Counts,
    states: States,
}

impl InMemoryState {
    /// Forgets what rules with other numbers counted; scenarios outlive their rules.
    pub fn keep(&mut self, rules: &HashSet<usize>) {
        self.counts.keep(rules);
    }
}

impl RuleState for InMemoryState {
    fn count(&mut self, rule: usize, scope: &str) -> u64 {
        self.counts.count(rule, scope)
    }

    fn state(&mut self, scenario: &str, scope: &str) -> Option<Arc<str>> {
        self.states.state(scenario, scope)
    }

    fn advance(&mut self, scenario: &str, scope: &str, from: Option<&str>, to: &str) -> bool {
        self.states.advance(scenario, scope, from, to, STATES)
    }
}
