//! The construction of findings.

use smol_str::SmolStr;

use super::why::by_rules;
use crate::flow::Side;
use crate::record::model::SessionFinding;

impl SessionFinding {
    /// Returns a finding of this kind, with something left to do.
    pub(super) fn new(id: &'static str) -> Self {
        Self {
            id: SmolStr::new_static(id),
            pending: true,
            ..Self::default()
        }
    }

    /// Adds the deed of the rules behind it, if there are any.
    pub(super) fn by_rules(&mut self, how: &str) {
        if !self.rules.is_empty() {
            self.why.push(by_rules(&self.rules, how));
        }
    }

    /// Names the cause: the rules behind it with their deed, or else a peer.
    pub(super) fn blame(&mut self, how: &str, peer: impl Into<Option<Side>>) {
        self.by_rules(how);
        self.by = peer.into().filter(|_| self.rules.is_empty());
    }

    /// Sets the next step; if rules are behind it, the step is to take them out, for the reason in `to`.
    pub(super) fn advise(&mut self, next: impl Into<String>, to: &str) {
        self.next = match self.rules.is_empty() {
            true => next.into(),
            false => format!("take the rule out{to}"),
        };
    }

    /// Adds a line about each of the first `most`, and the number of more; `that` ends this last line.
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

    /// Adds the number of those beyond the first `most`; `that` ends the line.
    pub(super) fn more(&mut self, all: usize, most: usize, that: &str) {
        if all > most {
            self.why.push(format!("and {} more{that}", all - most));
        }
    }
}

/// Groups what is alike, in the order of the first of each group.
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
