//! Which command an answer says it is about.

use std::borrow::Cow;

use super::{Command, CommandKind};

/// MsgRef and CmdRef of a Status or Results, as far as it has them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Refs<'d> {
    /// MsgID of the message that held the answered command; for Results without one it is `1`.
    pub msg_ref: Option<Cow<'d, str>>,
    /// CmdID of the answered command; `0` is the SyncHdr.
    pub cmd_ref: Option<Cow<'d, str>>,
}

impl<'d> Refs<'d> {
    /// Those of an answer; `None` for a command that is none.
    pub fn of(command: Command<'d>) -> Option<Self> {
        let (msg_ref, cmd_ref) = match (command.as_status(), command.as_results()) {
            (Some(status), _) => (status.msg_ref(), status.cmd_ref()),
            (_, Some(results)) => (Some(results.msg_ref()), results.cmd_ref()),
            _ => return None,
        };
        Some(Self { msg_ref, cmd_ref })
    }

    /// Both, empty where there is none.
    pub fn or_empty(self) -> (Cow<'d, str>, Cow<'d, str>) {
        let (msg_ref, cmd_ref) = (self.msg_ref, self.cmd_ref);
        (msg_ref.unwrap_or_default(), cmd_ref.unwrap_or_default())
    }
}

/// The kind of command that an answer says it is about: the `Cmd` of a Status; Results are those of a Get.
pub fn asked_kind(answer: Command<'_>) -> Option<CommandKind> {
    match answer.as_status() {
        Some(status) => CommandKind::named(&status.cmd()?),
        None => answer.as_results().map(|_| CommandKind::Get),
    }
}
