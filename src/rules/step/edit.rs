//! Steps that change the document.

use crate::dm::StatusCode;
use crate::rules::place::Place;

/// A change of the document, in XML and WBXML alike.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EditStep {
    /// `set-status`: the selected Status gets this code; attributes of its Data stay.
    SetStatus(StatusCode),
    /// `set-text`: the elements at this place get this text.
    SetText {
        /// The new text, unescaped.
        text: String,
        /// Where in the selected element.
        at: Place,
    },
    /// `remove`: the selected element goes, or what stands at a place in it.
    Remove {
        /// Where in the selected element; `None`: the element itself.
        at: Option<Place>,
    },
}

impl EditStep {
    /// Its verb in rule files and records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SetStatus(_) => "set-status",
            Self::SetText { .. } => "set-text",
            Self::Remove { .. } => "remove",
        }
    }
}
