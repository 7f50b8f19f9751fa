//! Steps: what a rule does.

use std::time::Duration;

use super::Answer;
use super::place::Place;
use crate::dm::StatusCode;

/// One step of a rule. The edits of a rule form one patch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
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
    /// `answer`: dmtap answers the device itself.
    Answer(Answer),
    /// `delay`: the message waits first.
    Delay(Duration),
    /// `reset`: the device's connection is reset.
    Reset,
}

impl Step {
    /// Its verb in rule files and records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SetStatus(_) => "set-status",
            Self::SetText { .. } => "set-text",
            Self::Remove { .. } => "remove",
            Self::Answer(_) => "answer",
            Self::Delay(_) => "delay",
            Self::Reset => "reset",
        }
    }

    /// Whether it changes the document, not how the message leaves.
    pub fn is_edit(&self) -> bool {
        matches!(
            self,
            Self::SetStatus(_) | Self::SetText { .. } | Self::Remove { .. }
        )
    }

    /// Whether nothing of the message is left for a later step or rule.
    pub fn ends(&self) -> bool {
        matches!(self, Self::Answer(_) | Self::Reset)
    }
}
