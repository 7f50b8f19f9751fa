//! Sets of kinds of commands.

use crate::dm::CommandKind;

/// A set of kinds of commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u32);

impl Kinds {
    /// No kind.
    pub const NONE: Self = Self(0);

    /// Returns the set of one kind.
    pub fn of(kind: CommandKind) -> Self {
        Self(1 << kind as u32)
    }

    /// Returns the kinds in either set.
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns the kinds in both sets.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns the kinds of this set that are not in the other one.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the sets share a kind.
    pub fn meets(self, other: Self) -> bool {
        self.and(other) != Self::NONE
    }

    /// Whether every kind of this set is in the other one.
    pub fn is_within(self, other: Self) -> bool {
        self.and(other) == self
    }

    /// Whether the kind is in the set.
    pub fn has(self, kind: CommandKind) -> bool {
        self.meets(Self::of(kind))
    }

    /// Returns the set of Status and Results.
    pub fn answers() -> Self {
        Self::of(CommandKind::Status).or(Self::of(CommandKind::Results))
    }

    /// Returns the kinds that hold values in Items and have no Data of their own.
    pub fn with_data_in_items() -> Self {
        use CommandKind::{Add, Delete, Exec, Get, Replace, Results};
        let kinds = [Add, Delete, Exec, Get, Replace, Results];
        kinds.into_iter().map(Self::of).fold(Self::NONE, Self::or)
    }

    /// Returns Atomic and Sequence, which hold commands and have no Items of their own.
    pub fn without_items() -> Self {
        Self::of(CommandKind::Atomic).or(Self::of(CommandKind::Sequence))
    }
}

impl Default for Kinds {
    fn default() -> Self {
        Self(u32::MAX)
    }
}
