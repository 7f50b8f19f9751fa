//! The rule book in force, and what its limits counted.

mod state;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use self::state::{STATES, States};
use crate::rules::engine::{RuleSet, Tally};

/// The rules in force. They can be exchanged while the proxy runs; an exchange keeps those it began with.
#[derive(Debug)]
pub struct RuleBook {
    edition: RwLock<Arc<Edition>>,
}

impl RuleBook {
    /// A book that begins with these rules.
    pub fn new(rules: Arc<RuleSet>) -> Self {
        Self {
            edition: RwLock::new(Arc::new(Edition::new(rules))),
        }
    }

    /// The rules for an exchange that begins now.
    pub(super) fn current(&self) -> Arc<Edition> {
        let edition = self.edition.read().unwrap_or_else(PoisonError::into_inner);
        edition.clone()
    }

    /// Puts other rules in force, for exchanges to come. Their counts begin anew.
    pub fn replace(&self, rules: Arc<RuleSet>) {
        let edition = Arc::new(Edition::new(rules));
        *self.edition.write().unwrap_or_else(PoisonError::into_inner) = edition;
    }
}

/// Rules with their counts: an exchange that began before others came into force counts here, where it belongs.
#[derive(Debug)]
pub(super) struct Edition {
    pub(super) rules: Arc<RuleSet>,
    counts: Mutex<Counts>,
    states: Mutex<States>,
}

impl Edition {
    fn new(rules: Arc<RuleSet>) -> Self {
        Self {
            rules,
            counts: Mutex::default(),
            states: Mutex::default(),
        }
    }

    /// A tally that takes the lock for each count.
    pub(super) fn tally(&self) -> impl Tally {
        SharedTally(self)
    }
}

#[derive(Debug, Default)]
struct Counts {
    /// Of rules that count over the whole run.
    run: HashMap<usize, u64>,
    scopes: HashMap<(usize, Arc<str>), Scope>,
    /// The scopes by turn, the one that counted nothing for longest first.
    order: BTreeMap<u64, (usize, Arc<str>)>,
    turns: u64,
}

#[derive(Debug)]
struct Scope {
    count: u64,
    turn: u64,
}

struct SharedTally<'a>(&'a Edition);

impl Tally for SharedTally<'_> {
    fn count(&mut self, rule: usize, scope: &str) -> u64 {
        let counts = self.0.counts.lock();
        let mut counts = counts.unwrap_or_else(PoisonError::into_inner);
        counts.count(rule, scope, SCOPES)
    }

    fn state(&mut self, scenario: &str, scope: &str) -> Option<Arc<str>> {
        let states = self.0.states.lock();
        let mut states = states.unwrap_or_else(PoisonError::into_inner);
        states.state(scenario, scope)
    }

    fn advance(&mut self, scenario: &str, scope: &str, from: Option<&str>, to: &str) -> bool {
        let states = self.0.states.lock();
        let mut states = states.unwrap_or_else(PoisonError::into_inner);
        states.advance(scenario, scope, from, to, STATES)
    }
}

impl Counts {
    fn count(&mut self, rule: usize, scope: &str, most: usize) -> u64 {
        if scope.is_empty() {
            // Rules are as many as were loaded: these counts are never dropped.
            let count = self.run.entry(rule).or_default();
            *count += 1;
            return *count;
        }
        self.turns += 1;
        let turn = self.turns;
        let key = (rule, Arc::from(scope));
        if let Some(scope) = self.scopes.get_mut(&key) {
            self.order.remove(&scope.turn);
            self.order.insert(turn, key);
            scope.count += 1;
            scope.turn = turn;
            return scope.count;
        }
        if self.scopes.len() >= most
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.scopes.remove(&oldest);
        }
        self.order.insert(turn, key.clone());
        self.scopes.insert(key, Scope { count: 1, turn });
        1
    }
}

/// Scopes (rule and session) counted at a time; the one that counted nothing for longest makes room.
const SCOPES: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_and_scope_has_a_count_of_its_own() {
        let book = RuleBook::new(Arc::default());
        let edition = book.current();
        let mut tally = edition.tally();
        let counted = [(0, "a"), (0, "a"), (0, "b"), (1, "a"), (0, "a")]
            .map(|(rule, scope)| tally.count(rule, scope));
        assert_eq!(counted, [1, 2, 1, 1, 3]);
    }

    #[test]
    fn the_oldest_scope_makes_room_and_the_run_never_does() {
        let mut counts = Counts::default();
        let counted =
            ["", "a", "b", "a", "c", "", "a", "b", ""].map(|scope| counts.count(0, scope, 2));
        assert_eq!(counted, [1, 1, 1, 2, 1, 2, 3, 1, 3]);
        assert_eq!((counts.scopes.len(), counts.order.len()), (2, 2));
    }

    #[test]
    fn what_began_before_counts_in_its_own_edition() {
        let book = RuleBook::new(Arc::default());
        let before = book.current();
        book.replace(Arc::default());
        assert_eq!(before.tally().count(0, ""), 1);
        assert_eq!(before.tally().count(0, ""), 2);
        assert_eq!(book.current().tally().count(0, ""), 1);
    }
}
