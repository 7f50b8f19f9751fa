//! What limits counted: for each rule, within each scope.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Counts of rules within scopes, bounded.
#[derive(Debug, Default)]
pub(super) struct Counts {
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

impl Counts {
    /// Counts one more, and gives the number it has.
    pub(super) fn count(&mut self, rule: usize, scope: &str) -> u64 {
        self.count_within(rule, scope, SCOPES)
    }

    fn count_within(&mut self, rule: usize, scope: &str, most: usize) -> u64 {
        if scope.is_empty() {
            // Rules are as many as were loaded: these counts make no room for others.
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

    /// Forgets what rules other than these counted.
    pub(super) fn keep(&mut self, rules: &HashSet<usize>) {
        self.run.retain(|rule, _| rules.contains(rule));
        self.scopes.retain(|(rule, _), _| rules.contains(rule));
        self.order.retain(|_, (rule, _)| rules.contains(rule));
    }
}

/// Scopes (rule and session) counted at a time; the one that counted nothing for longest makes room.
const SCOPES: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_scope_makes_room_and_the_run_never_does() {
        let mut counts = Counts::default();
        let counted = ["", "a", "b", "a", "c", "", "a", "b", ""]
            .map(|scope| counts.count_within(0, scope, 2));
        assert_eq!(counted, [1, 1, 1, 2, 1, 2, 3, 1, 3]);
        assert_eq!((counts.scopes.len(), counts.order.len()), (2, 2));
    }

    #[test]
    fn rules_that_are_gone_leave_nothing_behind() {
        let mut counts = Counts::default();
        for (rule, scope) in [(1, ""), (2, ""), (1, "a"), (2, "a")] {
            counts.count(rule, scope);
        }
        counts.keep(&HashSet::from([2]));
        assert_eq!((counts.scopes.len(), counts.order.len()), (1, 1));
        let counted = [(1, ""), (2, ""), (1, "a"), (2, "a")];
        let counted = counted.map(|(rule, scope)| counts.count(rule, scope));
        assert_eq!(counted, [1, 2, 1, 2]);
    }
}
