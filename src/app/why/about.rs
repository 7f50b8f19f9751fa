//! The node of `dmtap why --about`.

use crate::dm::locuri;
use crate::flow::Transaction;

/// A node, with the nodes below it.
pub struct About {
    pub(super) given: String,
    node: String,
}

impl About {
    /// Creates the node with this address, in any spelling.
    pub fn new(given: &str) -> Self {
        Self {
            given: given.to_owned(),
            node: locuri::canonical(given),
        }
    }

    /// Whether an item of a transaction has this node, or one below it.
    pub(super) fn is_of(&self, transaction: &Transaction) -> bool {
        let mut nodes = transaction.items.iter().filter_map(|it| it.node.as_deref());
        nodes.any(|node| {
            let node = locuri::canonical(node);
            let below = node.strip_prefix(&self.node);
            below.is_some_and(|it| it.is_empty() || it.starts_with('/') || self.node.is_empty())
        })
    }
}
