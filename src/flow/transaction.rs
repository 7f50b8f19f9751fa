//! Transactions: each command with the Status and Results that answer it, in whatever message they come; and the ways
//! in which a session ends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use smol_str::SmolStr;

use super::Side;
use crate::dm::{AlertCode, locuri};

/// A command with the Status and Results that answer it.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transaction {
    /// The number of the transaction in the session, from 1.
    pub number: u32,
    /// The sender of the command.
    pub from: Side,
    /// The name of the command.
    pub command: SmolStr,
    /// The place of the command; for a large object, the place of its first chunk.
    pub asked: CommandPlace,
    /// The number of the Atomic or Sequence that contains the command.
    pub parent: Option<u32>,
    /// The code of an Alert.
    pub alert: Option<u16>,
    /// The `Correlator` of an Exec or Alert.
    pub correlator: Option<SmolStr>,
    /// The first items of the command, up to [`Self::MOST_ITEMS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<TransactionItem>,
    /// The Statuses, in the order in which they came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<CommandAnswer>,
    /// The first items of the Results, up to [`Self::MOST_ITEMS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<TransactionItem>,
    /// The number of messages that carried a large object; 0 for any other command.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub chunks: u32,
    /// Whether the command reached its receiver.
    #[serde(rename = "delivery")]
    pub arrival: Arrival,
    /// The rules that acted on the command before its receiver got it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<SmolStr>,
    /// The outcome of the command.
    pub outcome: TransactionOutcome,
}

/// The place of a command in a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandPlace {
    /// The exchange.
    pub exchange: u64,
    /// The MsgID of the message.
    pub message: SmolStr,
    /// The CmdID of the command.
    pub cmd_id: SmolStr,
    /// The time, in microseconds since the Unix epoch.
    pub at_us: u64,
}

/// One item of a command or its Results.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionItem {
    /// The node that the item is about.
    pub node: Option<SmolStr>,
    /// `Meta/Format`.
    pub format: Option<SmolStr>,
    /// `Meta/Type`.
    #[serde(rename = "type")]
    pub media_type: Option<SmolStr>,
    /// The first 120 bytes of the value, masked if it is a secret.
    pub value: Option<SmolStr>,
    /// `Meta/Mark`: how important an Alert is.
    pub mark: Option<SmolStr>,
    /// The length of the whole value in bytes.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub bytes: u64,
}

/// One Status.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandAnswer {
    /// The place of the Status.
    pub place: CommandPlace,
    /// The first node that the Status names; absent if the Status is about all items.
    pub node: Option<SmolStr>,
    /// The further nodes that the Status names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_nodes: Vec<SmolStr>,
    /// The code that was sent; absent if a rule invented the Status. 0 if the Status has no valid code.
    pub sent: Option<u16>,
    /// The code that the sender of the command received; absent if the Status did not arrive. 0 if the Status has no
    /// valid code.
    pub received: Option<u16>,
    /// The text that the Status has in the place of a valid code.
    pub no_code: Option<SmolStr>,
    /// The native error of Windows, as the sender of the command received it.
    pub original_error: Option<SmolStr>,
    /// The rules that acted on the Status.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<SmolStr>,
}

/// Whether a command reached its receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrival {
    /// The receiver got the command.
    #[default]
    Delivered,
    /// A rule held the command back.
    Withheld,
    /// The message of the command did not arrive.
    Undelivered,
    /// A rule invented the command: no peer sent it.
    Injected,
}

/// The outcome of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransactionOutcome {
    /// The answer may still come.
    #[default]
    Open,
    /// The command is answered.
    Answered,
    /// The answer is 101 or 202: the command is still running.
    InProgress,
    /// The items of the command have different answers.
    Partial,
    /// The command failed, and a later command reached its goal: the node exists now, or has the wanted value.
    Remedied,
    /// The Status was due and did not come before the answering package ended.
    Unanswered,
    /// The session ended before the answer came.
    Lost,
}

/// The end of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum SessionEnd {
    /// The session goes on, or the record ends before it does.
    #[default]
    Open,
    /// The server asked for nothing more.
    Finished,
    /// A peer sent Alert 1223 (session abort).
    Aborted {
        /// The peer that sent the Alert.
        by: Side,
    },
    /// A message did not arrive.
    BrokenOff {
        /// The peer whose connection broke; absent if dmtap stopped first or answered in the server's place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Side>,
        /// The sender of the message that did not arrive.
        during: Side,
    },
    /// The device did not come back.
    Silent,
    /// The server's last message asked for nothing and had no Final.
    WithoutFinal,
    /// The answer was an HTTP error.
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// The device began another session.
    Superseded,
    /// The device went on with the session under another SessionID.
    Renamed,
}

impl Transaction {
    /// The most items that are kept of a command, and of its Results.
    pub const MOST_ITEMS: usize = 16;

    /// The Status code of a command that was not executed.
    pub const NOT_EXECUTED: u16 = 215;

    /// Returns the node that the command is about; for several nodes, the first.
    pub fn node(&self) -> Option<&str> {
        self.items.iter().find_map(|item| item.node.as_deref())
    }

    /// Returns the node that failed: the one that the failed Status names if the command has several items, else the
    /// first.
    pub fn failed_node(&self) -> Option<&str> {
        let failed = self.answers.iter().find(|answer| answer.has_failed());
        let named = failed.and_then(|answer| answer.node.as_deref());
        named
            .filter(|_| self.items.len() > 1)
            .or_else(|| self.node())
    }

    /// Returns the answer that counts: a failure if the items have different answers, else the last answer.
    pub fn answer(&self) -> Option<&CommandAnswer> {
        let failed = self.answers.iter().find(|answer| answer.has_failed());
        failed.or_else(|| self.answers.last())
    }

    /// Returns the code of [`Self::answer`].
    pub fn code(&self) -> Option<u16> {
        self.answer()?.code()
    }

    /// Whether the sender of the command received a code that reports a failure.
    pub fn has_failed(&self) -> bool {
        self.answer().is_some_and(CommandAnswer::has_failed)
    }

    /// Whether the command failed, judged among all commands of its session. 215 is a failure, too, unless an Atomic or
    /// a failed Sequence around the command explains it. A failure that was remedied later does not count.
    pub fn has_failed_among(&self, session: &[Self]) -> bool {
        if self.outcome == TransactionOutcome::Remedied {
            return false;
        }
        let mut answers = self.answers.iter();
        let is_not_executed = answers.any(|answer| answer.received == Some(Self::NOT_EXECUTED));
        if self.has_failed() || !is_not_executed {
            return self.has_failed();
        }
        let mut around = self.around(session);
        !around.any(|it| it.command == "Atomic" || it.has_failed())
    }

    /// Returns the Atomics and Sequences around the command, innermost first. `session` has all commands of the
    /// session.
    pub fn around<'s>(&self, session: &'s [Self]) -> impl Iterator<Item = &'s Self> {
        let around = |inner: &Self| {
            let number = inner.parent.filter(|number| *number < inner.number)?;
            session.get((number as usize).checked_sub(1)?)
        };
        std::iter::successors(around(self), move |inner| around(inner))
    }

    /// Whether the command did not arrive, and was sent again later. `session` has all commands of the session.
    pub fn is_sent_again_among(&self, session: &[Self]) -> bool {
        let is_it = |other: &Self| other.command == self.command && other.node() == self.node();
        let later = session.iter().skip(self.number as usize);
        let mut later = later.filter(|other| other.asked.exchange > self.asked.exchange);
        self.arrival == Arrival::Undelivered && later.any(is_it)
    }

    /// Whether the command is an Alert that leaves nothing undone without an answer: 1222 and 1223.
    pub fn leaves_nothing_open(&self) -> bool {
        let codes = [AlertCode::NEXT_MESSAGE, AlertCode::SESSION_ABORT];
        self.alert
            .is_some_and(|code| codes.contains(&AlertCode(code)))
    }

    /// Returns every rule that acted on the command or on an answer.
    pub fn all_rules(&self) -> impl Iterator<Item = &SmolStr> {
        let answers = self.answers.iter().flat_map(|answer| &answer.rules);
        self.rules.iter().chain(answers)
    }
}

impl CommandAnswer {
    /// Returns the code as received, else the code as sent.
    pub fn code(&self) -> Option<u16> {
        self.received.or(self.sent)
    }

    /// Returns the nodes that the Status names; none if it is about all items.
    pub fn nodes(&self) -> impl Iterator<Item = &SmolStr> {
        self.node.iter().chain(&self.other_nodes)
    }

    /// Whether the Status is about this node of its command.
    pub fn is_about(&self, node: &str) -> bool {
        self.node.is_none() || self.nodes().any(|name| locuri::is_within(name, node))
    }

    /// Whether the received code reports a failure: 400 and above, or not a valid code.
    pub fn has_failed(&self) -> bool {
        self.received.is_some_and(|code| code >= 400 || code == 0)
    }

    /// Whether the received code is 101 or 202: the command is still running.
    pub fn is_in_progress(&self) -> bool {
        matches!(self.received, Some(101 | 202))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_nothing(bytes: &u64) -> bool {
    *bytes == 0
}
