//! The memory of the rules in one run: the counts of limits, and the states of scenarios.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use hashlink::LruCache;

use crate::rules::RuleState;

/// The memory of the rules. If it is full, the least recently used key or state makes room. A scenario that is
/// forgotten starts again.
#[derive(Debug)]
pub struct InMemoryState {
    /// The counts of limits over the whole run, by rule. There are as many as rules were loaded, so they need no bound.
    run: HashMap<usize, u64>,
    /// The counts of limits, by rule and key.
    keyed: LruCache<(usize, Arc<str>), u64>,
    /// The states of scenarios.
    states: LruCache<StateKey, Arc<str>>,
}

/// The scope and the name of a scenario, and the key of the state.
type StateKey = (Option<Arc<str>>, Arc<str>, Arc<str>);

impl Default for InMemoryState {
    fn default() -> Self {
        Self::bounded(MAX_KEYS)
    }
}

impl InMemoryState {
    fn bounded(most: usize) -> Self {
        Self {
            run: HashMap::new(),
            keyed: LruCache::new(most),
            states: LruCache::new(most),
        }
    }

    /// Forgets the counts of all other rules. Scenarios outlive their rules.
    pub fn keep(&mut self, rules: &HashSet<usize>) {
        self.run.retain(|rule, _| rules.contains(rule));
        self.keyed.retain(|(rule, _), _| rules.contains(rule));
    }

    /// Forgets the counts of these rules, and the states of the scenarios of this scope; `None`: of the rules without a
    /// scope.
    pub fn forget(&mut self, rules: &HashSet<usize>, scope: Option<&str>) {
        self.run.retain(|rule, _| !rules.contains(rule));
        self.keyed.retain(|(rule, _), _| !rules.contains(rule));
        self.states.retain(|(of, ..), _| of.as_deref() != scope);
    }
}

impl RuleState for InMemoryState {
    fn count(&mut self, rule: usize, key: &str) -> u64 {
        if key.is_empty() {
            let count = self.run.entry(rule).or_default();
            *count += 1;
            return *count;
        }
        let key = (rule, Arc::from(key));
        let count = self.keyed.get(&key).map_or(1, |count| count + 1);
        self.keyed.insert(key, count);
        count
    }

    fn state(&mut self, scenario: (Option<&str>, &str), key: &str) -> Option<Arc<str>> {
        let (scope, name) = scenario;
        let key = (scope.map(Arc::from), name.into(), key.into());
        self.states.get(&key).cloned()
    }

    fn advance(
        &mut self,
        scenario: (Option<&str>, &str),
        key: &str,
        from: Option<&str>,
        to: &str,
    ) -> bool {
        let is_there = self.state(scenario, key).as_deref() == from;
        if is_there {
            let (scope, name) = scenario;
            let key = (scope.map(Arc::from), name.into(), key.into());
            self.states.insert(key, to.into());
        }
        is_there
    }
}

/// The most keys (rule and session) that are counted at a time, and the most states that are kept at a time.
const MAX_KEYS: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_key_makes_room_and_the_run_never_does() {
        let mut counts = InMemoryState::bounded(2);
        let counted = ["", "a", "b", "a", "c", "", "a", "b", ""].map(|key| counts.count(0, key));
        assert_eq!(counted, [1, 1, 1, 2, 1, 2, 3, 1, 3]);
        assert_eq!(counts.keyed.len(), 2);
    }

    #[test]
    fn rules_that_are_gone_leave_nothing_behind() {
        let mut counts = InMemoryState::default();
        for (rule, key) in [(1, ""), (2, ""), (1, "a"), (2, "a")] {
            counts.count(rule, key);
        }
        counts.keep(&HashSet::from([2]));
        assert_eq!((counts.run.len(), counts.keyed.len()), (1, 1));
        let counted = [(1, ""), (2, ""), (1, "a"), (2, "a")];
        let counted = counted.map(|(rule, key)| counts.count(rule, key));
        assert_eq!(counted, [1, 2, 1, 2]);
    }

    #[test]
    fn a_state_changes_once_from_where_it_is() {
        let mut states = InMemoryState::default();
        let scenario = (None, "scenario");
        assert_eq!(states.state(scenario, "a"), None);
        assert!(states.advance(scenario, "a", None, "refused"));
        assert!(!states.advance(scenario, "a", None, "again"));
        assert_eq!(states.state(scenario, "a").as_deref(), Some("refused"));
        assert_eq!(states.state(scenario, "b"), None);
        assert_eq!(states.state((None, "other"), "a"), None);
        assert_eq!(states.state((Some("scope"), "scenario"), "a"), None);
        assert!(states.advance(scenario, "a", Some("refused"), "over"));
        assert_eq!(states.state(scenario, "a").as_deref(), Some("over"));
    }

    #[test]
    fn the_state_that_was_unused_for_longest_makes_room() {
        let mut states = InMemoryState::bounded(2);
        let scenario = (None, "s");
        assert!(states.advance(scenario, "a", None, "1"));
        assert!(states.advance(scenario, "b", None, "1"));
        assert!(states.state(scenario, "a").is_some());
        assert!(states.advance(scenario, "c", None, "1"));
        let known = ["a", "b", "c"].map(|key| states.state(scenario, key).is_some());
        assert_eq!(known, [true, false, true]);
    }
}
