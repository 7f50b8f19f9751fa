//! The references of an answer to its command.

use std::borrow::Cow;

use super::message::trimmed;
use super::{Command, CommandKind};
use crate::markup::tag;

/// MsgRef and CmdRef of a Status or Results, as far as present.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Refs<'d> {
    /// The MsgID of the message with the answered command; `1` for Results without one.
    pub msg_ref: Option<Cow<'d, str>>,
    /// The CmdID of the answered command; `0` is the SyncHdr.
    pub cmd_ref: Option<Cow<'d, str>>,
}

impl<'d> Refs<'d> {
    /// Returns the references of an answer; `None` for other commands.
    pub fn of(command: Command<'d>) -> Option<Self> {
        let text = |name| command.element().child(name).map(trimmed);
        let default = match command.kind() {
            CommandKind::Status => None,
            // MS-MDM 2.2.3.7
            CommandKind::Results => Some(Cow::Borrowed("1")),
            _ => return None,
        };
        Some(Self {
            msg_ref: text(tag::MSG_REF).or(default),
            cmd_ref: text(tag::CMD_REF),
        })
    }

    /// Returns both references; empty if missing.
    pub fn or_empty(self) -> (Cow<'d, str>, Cow<'d, str>) {
        let (msg_ref, cmd_ref) = (self.msg_ref, self.cmd_ref);
        (msg_ref.unwrap_or_default(), cmd_ref.unwrap_or_default())
    }
}

/// Returns the kind of the answered command: the `Cmd` of a Status; always Get for Results.
pub fn asked_kind(answer: Command<'_>) -> Option<CommandKind> {
    match answer.as_status() {
        Some(status) => CommandKind::named(&status.cmd()?),
        None => (answer.kind() == CommandKind::Results).then_some(CommandKind::Get),
    }
}
