//! Protocol steps, which keep both peers consistent.

use super::Neighbour;
use crate::dm::StatusCode;

/// A protocol step. Obligations repair in later messages what it hides from a peer or invents for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolStep {
    /// `refuse`: the selected commands never reach their receiver; their sender gets this code.
    Refuse(StatusCode),
    /// `hide-status`: the selected Status goes, and the Results to the same command.
    HideStatus,
    /// `inject-command`: a command is put in; its sender in name never hears of its Status and Results.
    InjectCommand {
        /// The command as XML.
        xml: String,
        /// Where it stands; `None`: last in the message.
        to: Option<Neighbour>,
    },
    /// `atomic-rollback`: the selected Atomics fail at one of their commands.
    AtomicRollback(AtomicFailure),
    /// `challenge`: the message is answered with 401 or 407 and a Chal.
    Challenge(Challenge),
    /// `busy`: the message is refused for now.
    Busy(Busy),
    /// `session-abort`: the speaker ends the session with Alert 1223.
    SessionAbort,
    /// `next-message`: Alert 1222; in a response, the server's commands come one message later.
    NextMessage,
    /// `duplicate-message`: the server gets the request twice, as after a transport retry.
    DuplicateMessage(WhichResponse),
    /// `unknown-cmdref`: the selected Status refers to a command that nobody sent.
    UnknownCmdRef,
    /// `break-msgid`: the MsgID is not the one that is due.
    BreakMsgId(MsgIdBreak),
    /// `drop-final`: the message does not close its package.
    DropFinal,
    /// A field of the header is set, and put in where it is not there.
    Header(Field),
    /// `wrong-size`: `Size` of the selected commands is off by so many bytes.
    WrongSize(i64),
}

/// How an Atomic fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtomicFailure {
    /// The code of the command that fails.
    pub code: StatusCode,
    /// Which one of the commands in it fails, from 1; `None`: the last one.
    pub child: Option<usize>,
    /// The code of those that were carried out before: 216, or 516 where they could not be undone.
    pub undone: StatusCode,
}

/// A challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// 401 or 407.
    pub code: StatusCode,
    /// The scheme asked for.
    pub scheme: Scheme,
    /// The nonce given with it; Basic has none.
    pub nonce: Nonce,
}

/// An authentication scheme (OMA-TS-DM_Security-V1_2_1 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the scheme it names")]
pub enum Scheme {
    Basic,
    Md5,
    Mac,
}

impl Scheme {
    /// Its name on the wire.
    pub fn uri(self) -> &'static str {
        match self {
            Self::Basic => "syncml:auth-basic",
            Self::Md5 => "syncml:auth-md5",
            Self::Mac => "syncml:auth-MAC",
        }
    }
}

/// The nonce of a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nonce {
    /// A new one for each message: a function of rule, device, session and MsgID.
    Fresh,
    /// The one that the device was given last: a stale nonce.
    Used,
    /// This one, base64.
    Given(String),
}

/// What a busy server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Busy {
    /// 503 or 429 of HTTP, or 417 of SyncML.
    pub code: u16,
    /// `Retry-After`: seconds, or a date of HTTP.
    pub retry_after: Option<String>,
}

/// Which of the server's two responses the device gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WhichResponse {
    /// The one to the first request.
    First,
    /// The one to the second.
    #[default]
    Second,
}

/// What is wrong with a MsgID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MsgIdBreak {
    /// One number is left out, for good.
    Skip,
    /// The number of the message before.
    Repeat,
    /// 0.
    Zero,
    /// No number.
    Text,
}

/// A field of the header with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// `max-msg-size`: `Meta/MaxMsgSize`, in bytes.
    MaxMsgSize(u32),
    /// `max-obj-size`: `Meta/MaxObjSize`, in bytes.
    MaxObjSize(u32),
    /// `resp-uri`: where the next message is to go.
    RespUri(String),
    /// `wrong-session`: the SessionID.
    SessionId(String),
    /// `wrong-version`: VerDTD.
    VerDtd(String),
    /// `wrong-version`: VerProto.
    VerProto(String),
    /// `wrong-version`: the namespace of the root; XML only.
    Namespace(String),
}

impl ProtocolStep {
    /// Its verb in rule files and records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Refuse(_) => "refuse",
            Self::HideStatus => "hide-status",
            Self::InjectCommand { .. } => "inject-command",
            Self::AtomicRollback(_) => "atomic-rollback",
            Self::Challenge(_) => "challenge",
            Self::Busy(_) => "busy",
            Self::SessionAbort => "session-abort",
            Self::NextMessage => "next-message",
            Self::DuplicateMessage(_) => "duplicate-message",
            Self::UnknownCmdRef => "unknown-cmdref",
            Self::BreakMsgId(_) => "break-msgid",
            Self::DropFinal => "drop-final",
            Self::Header(field) => field.verb(),
            Self::WrongSize(_) => "wrong-size",
        }
    }

    /// Whether it acts on selected commands one by one, not once on the message.
    pub fn is_about_commands(&self) -> bool {
        matches!(
            self,
            Self::Refuse(_) | Self::HideStatus | Self::UnknownCmdRef | Self::WrongSize(_)
        )
    }

    /// Whether it promises something for a later message, so that it needs the session.
    pub fn promises(&self) -> bool {
        match self {
            Self::HideStatus
            | Self::UnknownCmdRef
            | Self::DropFinal
            | Self::Header(_)
            | Self::WrongSize(_)
            | Self::DuplicateMessage(_) => false,
            Self::Busy(busy) => busy.is_syncml(),
            _ => true,
        }
    }
}

impl Busy {
    /// Whether it answers in SyncML, not in HTTP.
    pub fn is_syncml(&self) -> bool {
        self.code == 417
    }
}

impl Field {
    /// Its verb in rule files and records.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::MaxMsgSize(_) => "max-msg-size",
            Self::MaxObjSize(_) => "max-obj-size",
            Self::RespUri(_) => "resp-uri",
            Self::SessionId(_) => "wrong-session",
            Self::VerDtd(_) | Self::VerProto(_) | Self::Namespace(_) => "wrong-version",
        }
    }
}
