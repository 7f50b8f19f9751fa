//! The node of `dmtap why --about`.

use crate::dm::locuri;
use crate::flow::Transaction;

/// A node that is asked about, and those below it.
pub struct About {
    pub(super) given: String,
    node: String,
}

impl About {
    /// The node with this address, in any spelling.
    pub fn new(given: &str) -> Self {
        Self {
            given: given.to_owned(),
            node: locuri::canonical(given),
        }
    }

    pub(super) fn covers(&self, node: &str) -> bool {
        let node = locuri::canonical(node);
        let rest = node.strip_prefix(&self.node);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || self.node.is_empty())
    }

    pub(super) fn is_of(&self, transaction: &Transaction) -> bool {
        let items = transaction
            .items
            .iter()
            .filter_map(|item| item.node.as_deref());
        { items }.any(|node| self.covers(node))
    }
}
