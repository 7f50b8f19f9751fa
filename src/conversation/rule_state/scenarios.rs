//! The states of scenarios.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// States by scenario and scope, bounded in number; the one that was asked for least recently makes room, and
/// begins anew.
#[derive(Debug, Default)]
pub(super) struct States {
    states: HashMap<Key, State>,
    /// The keys by turn, the one that was silent for longest first.
    order: BTreeMap<u64, Key>,
    turns: u64,
}

/// A scenario and a scope.
type Key = (Arc<str>, Arc<str>);

#[derive(Debug)]
struct State {
    name: Arc<str>,
    turn: u64,
}

impl States {
    /// The state of a scenario within `scope`; `None` before any change.
    pub(super) fn state(&mut self, scenario: &str, scope: &str) -> Option<Arc<str>> {
        let key = (Arc::from(scenario), Arc::from(scope));
        let state = self.states.get_mut(&key)?;
        self.turns += 1;
        self.order.remove(&state.turn);
        self.order.insert(self.turns, key);
        state.turn = self.turns;
        Some(state.name.clone())
    }

    /// Brings a scenario from one state to another; `false`, and no change, if it is not in the first one.
    pub(super) fn advance(
        &mut self,
        scenario: &str,
        scope: &str,
        from: Option<&str>,
        to: &str,
        most: usize,
    ) -> bool {
        if self.state(scenario, scope).as_deref() != from {
            return false;
        }
        let key: Key = (Arc::from(scenario), Arc::from(scope));
        if let Some(state) = self.states.get_mut(&key) {
            state.name = to.into();
            return true;
        }
        if self.states.len() >= most
            && let Some((_, silent)) = self.order.pop_first()
        {
            self.states.remove(&silent);
        }
        self.turns += 1;
        let state = State {
            name: to.into(),
            turn: self.turns,
        };
        self.order.insert(self.turns, key.clone());
        self.states.insert(key, state);
        true
    }
}

/// States kept at a time.
pub(super) const STATES: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_changes_once_from_where_it_is() {
        let mut states = States::default();
        assert_eq!(states.state("scenario", "a"), None);
        assert!(states.advance("scenario", "a", None, "refused", 9));
        assert!(!states.advance("scenario", "a", None, "again", 9));
        assert_eq!(states.state("scenario", "a").as_deref(), Some("refused"));
        assert_eq!(states.state("scenario", "b"), None);
        assert_eq!(states.state("other", "a"), None);
        assert!(states.advance("scenario", "a", Some("refused"), "over", 9));
        assert_eq!(states.state("scenario", "a").as_deref(), Some("over"));
    }

    #[test]
    fn the_state_that_was_silent_for_longest_makes_room() {
        let mut states = States::default();
        assert!(states.advance("s", "a", None, "1", 2));
        assert!(states.advance("s", "b", None, "1", 2));
        assert!(states.state("s", "a").is_some());
        assert!(states.advance("s", "c", None, "1", 2));
        let known = ["a", "b", "c"].map(|scope| states.state("s", scope).is_some());
        assert_eq!(known, [true, false, true]);
        assert_eq!(states.states.len(), states.order.len());
    }
}
