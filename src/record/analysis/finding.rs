//! How findings are put together.

use smol_str::SmolStr;

use super::why::by_rules;
use crate::flow::Side;
use crate::record::model::SessionFinding;

impl SessionFinding {
    /// A finding of this kind, with something left to do.
    pub(super) fn new(id: &'static str) -> Self {
        Self {
            id: SmolStr::new_static(id),
            pending: true,
            ..Self::default()
        }
    }

    /// Adds what the rules behind it did, where there are any.
    pub(super) fn by_rules(&mut self, how: &str) {
        if !self.rules.is_empty() {
            self.why.push(by_rules(&self.rules, how));
        }
    }

    /// Says who did it: the rules behind it, and `how`, or else a peer.
    pub(super) fn blame(&mut self, how: &str, peer: impl Into<Option<Side>>) {
        self.by_rules(how);
        self.by = peer.into().filter(|_| self.rules.is_empty());
    }

    /// Says what to do next: where rules are behind it, to take them out, for the reason in `to`.
    pub(super) fn advise(&mut self, next: impl Into<String>, to: &str) {
        self.next = match self.rules.is_empty() {
            true => next.into(),
            false => format!("take the rule out{to}"),
        };
    }

    /// Adds a line about each of the first `most`, and how many more there are; `that` ends this last line.
    pub(super) fn list<T>(
        &mut self,
        all: &[T],
        most: usize,
        that: &str,
        line: impl Fn(&T) -> String,
    ) {
        self.why.extend(all.iter().take(most).map(line));
        self.more(all.len(), most, that);
    }

    /// Adds how many there are beyond the first `most`; `that` ends the line.
    pub(super) fn more(&mut self, all: usize, most: usize, that: &str) {
        if all > most {
            self.why.push(format!("and {} more{that}", all - most));
        }
    }
}

/// What is alike together, in the order of the first of each.
pub(super) fn grouped<T>(
    all: impl IntoIterator<Item = T>,
    is_alike: impl Fn(&T, &T) -> bool,
) -> Vec<Vec<T>> {
    let mut groups: Vec<Vec<T>> = Vec::new();
    for one in all {
        match groups.iter_mut().find(|group| is_alike(&group[0], &one)) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    groups
}
