//! Steps that say how a message leaves.

use std::time::Duration;

use crate::rules::Answer;

/// How a message leaves, or what is sent in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Leave {
    /// `answer`: dmtap answers the device itself.
    Answer(Answer),
    /// `delay`: the message waits first.
    Delay(Duration),
    /// `reset`: the device's connection is reset.
    Reset,
}

impl Leave {
    /// Its verb in rule files and records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Answer(_) => "answer",
            Self::Delay(_) => "delay",
            Self::Reset => "reset",
        }
    }

    /// Whether nothing of the message is left for a later step or rule.
    pub fn ends(&self) -> bool {
        matches!(self, Self::Answer(_) | Self::Reset)
    }
}
