//! A selected element, and the Items of a command that a matcher selects.

use crate::dm::Command;
use crate::markup::NodeId;

/// An element that a rule selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selected {
    pub(super) node: NodeId,
    /// The Items of the command that the matcher selected.
    pub(super) items: Items,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Items {
    /// The command as a whole.
    All,
    /// These Items, in document order; at least one.
    Only(Vec<NodeId>),
}

impl Items {
    /// Selects these Items; `None` if there are none.
    pub(super) fn only(items: Vec<NodeId>) -> Option<Self> {
        (!items.is_empty()).then_some(Self::Only(items))
    }

    pub(super) fn and(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::All, items) | (items, Self::All) => Some(items),
            (Self::Only(mut items), others) => {
                items.retain(|item| others.has(*item));
                Self::only(items)
            }
        }
    }

    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Only(mut items), Self::Only(others)) => {
                items.extend(others);
                items.sort_unstable();
                items.dedup();
                Self::Only(items)
            }
            _ => Self::All,
        }
    }

    /// Returns the Items of the command that are not selected; `None` if there are none.
    pub(super) fn not(self, command: Command<'_>) -> Option<Self> {
        let all = command.items().map(|item| item.element().id());
        Self::only(all.filter(|item| !self.has(*item)).collect())
    }

    /// Whether an Item of the command is selected.
    pub(super) fn has(&self, item: NodeId) -> bool {
        match self {
            Self::All => true,
            Self::Only(items) => items.binary_search(&item).is_ok(),
        }
    }
}
