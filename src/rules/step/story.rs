//! Stories: steps of OMA DM that hold for both peers.

use crate::dm::StatusCode;

/// A story. What it keeps from one peer it tells the other, by promises that later messages settle.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Story {
    /// `refuse`: the selected commands never reach their receiver; their sender gets this code.
    Refuse(StatusCode),
    /// `hide-status`: the selected Status goes, and the Results to the same command.
    HideStatus,
    /// `inject-command`: a command is put in; its sender in name never hears of its Status and Results.
    InjectCommand(String),
}

impl Story {
    /// Its verb in rule files and records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Refuse(_) => "refuse",
            Self::HideStatus => "hide-status",
            Self::InjectCommand(_) => "inject-command",
        }
    }

    /// Whether it acts on selected commands one by one, not once on the message.
    pub fn is_about_commands(&self) -> bool {
        matches!(self, Self::Refuse(_) | Self::HideStatus)
    }

    /// Whether it promises something for a later message, so that it needs the session.
    pub fn promises(&self) -> bool {
        !matches!(self, Self::HideStatus)
    }
}
