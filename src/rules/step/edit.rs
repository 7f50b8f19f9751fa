//! Steps that change the document.

use crate::dm::StatusCode;
use crate::rules::selector::Selector;
use crate::rules::template::Template;

/// A change of the document, in XML and WBXML alike.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EditStep {
    /// `set-status`: the selected Status gets this code; attributes of its Data stay.
    SetStatus(StatusCode),
    /// `set-text`: the elements there get this text.
    SetText {
        /// The new text, unescaped.
        text: Template,
        /// Where.
        at: Selector,
    },
    /// `set-attribute`: the elements there get this attribute, or another value of it.
    SetAttribute {
        /// Its name as written, with prefix.
        name: String,
        /// Its value, unescaped.
        value: Template,
        /// Where.
        at: Selector,
    },
    /// `remove-attribute`: the elements there lose this attribute.
    RemoveAttribute {
        /// Its name as written, with prefix.
        name: String,
        /// Where.
        at: Selector,
    },
    /// `insert`: an element comes to stand somewhere.
    Insert {
        /// It, as XML.
        fragment: Template,
        /// Where.
        to: Neighbour,
    },
    /// `replace`: another element stands in place of those there.
    Replace {
        /// It, as XML.
        fragment: Template,
        /// Where.
        at: Selector,
    },
    /// `remove`: the elements there go.
    Remove {
        /// Where.
        at: Selector,
    },
    /// `copy`: copies of the elements at one place come to stand at another.
    Copy {
        /// What.
        from: Selector,
        /// Where.
        to: Neighbour,
    },
    /// `move`: the elements at one place go to another.
    Move {
        /// What.
        from: Selector,
        /// Where.
        to: Neighbour,
    },
    /// `duplicate`: a copy comes to stand behind each of the elements there.
    Duplicate {
        /// What.
        at: Selector,
        /// The CmdIDs in the copy.
        ids: Ids,
    },
    /// `reverse`: the selected commands change places, the first with the last.
    Reverse,
}

/// A place next to an element, or in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// On which side of the elements, or in them.
    pub relation: Relation,
    /// Which elements.
    pub at: Selector,
}

/// Where something stands in relation to an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// In front of it.
    Before,
    /// Behind it.
    After,
    /// Its first child.
    FirstIn,
    /// Its last child.
    LastIn,
}

impl Relation {
    /// Every one with its key in rule files.
    pub const ALL: [(&'static str, Self); 4] = [
        ("before", Self::Before),
        ("after", Self::After),
        ("first-in", Self::FirstIn),
        ("last-in", Self::LastIn),
    ];
}

/// The CmdIDs of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// Those of the original: the copy is the same byte for byte.
    Same,
    /// Those that nothing in the message has.
    Fresh,
}

impl EditStep {
    /// Its verb in rule files and records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SetStatus(_) => "set-status",
            Self::SetText { .. } => "set-text",
            Self::SetAttribute { .. } => "set-attribute",
            Self::RemoveAttribute { .. } => "remove-attribute",
            Self::Insert { .. } => "insert",
            Self::Replace { .. } => "replace",
            Self::Remove { .. } => "remove",
            Self::Copy { .. } => "copy",
            Self::Move { .. } => "move",
            Self::Duplicate { .. } => "duplicate",
            Self::Reverse => "reverse",
        }
    }

    /// Where it acts: what it changes, and where that goes.
    pub fn places(&self) -> Vec<&Selector> {
        match self {
            Self::SetStatus(_) | Self::Reverse => Vec::new(),
            Self::SetText { at, .. }
            | Self::SetAttribute { at, .. }
            | Self::RemoveAttribute { at, .. }
            | Self::Replace { at, .. }
            | Self::Remove { at }
            | Self::Duplicate { at, .. } => vec![at],
            Self::Insert { to, .. } => vec![&to.at],
            Self::Copy { from, to } | Self::Move { from, to } => vec![from, &to.at],
        }
    }

    /// The template in it.
    pub fn template(&self) -> Option<&Template> {
        match self {
            Self::SetText { text, .. } => Some(text),
            Self::SetAttribute { value, .. } => Some(value),
            Self::Insert { fragment, .. } | Self::Replace { fragment, .. } => Some(fragment),
            _ => None,
        }
    }

    /// Whether what it does to an element takes all that is in the element along.
    pub(in crate::rules) fn takes_all_in(&self) -> bool {
        let at = match self {
            Self::Replace { at, .. } | Self::Remove { at } | Self::Duplicate { at, .. } => at,
            Self::Move { from, .. } | Self::Copy { from, .. } => from,
            _ => return matches!(self, Self::Reverse),
        };
        at.is_selected()
    }

    /// Whether it does the same for every selected element, and is done once.
    pub(in crate::rules) fn is_done_once(&self) -> bool {
        match self {
            Self::SetText { at, .. }
            | Self::SetAttribute { at, .. }
            | Self::RemoveAttribute { at, .. }
            | Self::Replace { at, .. }
            | Self::Remove { at }
            | Self::Duplicate { at, .. } => at.is_absolute(),
            Self::Move { from, .. } => from.is_absolute(),
            _ => false,
        }
    }
}
