//! The rule book in force, and what its limits counted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::rules::engine::{RuleSet, Tally};

/// The rules in force. They can be exchanged while the proxy runs; an exchange keeps those it began with.
#[derive(Debug)]
pub struct RuleBook {
    rules: RwLock<Arc<RuleSet>>,
    counts: Mutex<Counts>,
}

impl RuleBook {
    /// A book that begins with these rules.
    pub fn new(rules: Arc<RuleSet>) -> Self {
        Self {
            rules: RwLock::new(rules),
            counts: Mutex::default(),
        }
    }

    /// The rules for an exchange that begins now.
    pub fn current(&self) -> Arc<RuleSet> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        rules.clone()
    }

    /// Puts other rules in force, for exchanges to come. Their counts begin anew.
    pub fn replace(&self, rules: Arc<RuleSet>) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
        *self.counts() = Counts::default();
    }

    /// A tally that takes the lock for each count.
    pub(super) fn tally(&self) -> impl Tally {
        SharedTally(self)
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Counts {
    scopes: HashMap<(usize, Box<str>), u64>,
}

struct SharedTally<'a>(&'a RuleBook);

impl Tally for SharedTally<'_> {
    fn count(&mut self, rule: usize, scope: &str) -> u64 {
        let mut counts = self.0.counts();
        let scopes = &mut counts.scopes;
        if scopes.len() >= SCOPES {
            scopes.clear();
        }
        let count = scopes.entry((rule, scope.into())).or_default();
        *count += 1;
        *count
    }
}

/// Scopes (rule and session) counted at a time; beyond that, counting begins anew.
const SCOPES: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_and_scope_has_a_count_of_its_own() {
        let book = RuleBook::new(Arc::default());
        let mut tally = book.tally();
        let counted = [(0, "a"), (0, "a"), (0, "b"), (1, "a"), (0, "a")]
            .map(|(rule, scope)| tally.count(rule, scope));
        assert_eq!(counted, [1, 2, 1, 1, 3]);
    }
}
