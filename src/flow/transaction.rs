//! Transactions: each command with the Status and Results that answer it, in whatever message they come; and how a
//! session of them ends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use smol_str::SmolStr;

use super::Side;

/// A command with its answers.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transaction {
    /// Its number in the session, from 1.
    pub number: u32,
    /// Who asks.
    pub from: Side,
    /// The name of the command.
    pub command: SmolStr,
    /// Where it stands; of a large object the first chunk.
    pub asked: CommandPlace,
    /// The number of the Atomic or Sequence that it stands in.
    pub parent: Option<u32>,
    /// The code of an Alert.
    pub alert: Option<u16>,
    /// Its first items, up to [`Self::MOST_ITEMS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<TransactionItem>,
    /// The Statuses, as they came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<CommandAnswer>,
    /// The first items of its Results.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<TransactionItem>,
    /// The messages that a large object took; 0 of any other command.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub chunks: u32,
    /// Whether the command reached whom it is for.
    pub delivery: CommandDelivery,
    /// The rules that acted on the command, before its receiver got it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<SmolStr>,
    /// What became of it.
    pub outcome: TransactionOutcome,
}

/// A place in a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandPlace {
    /// The exchange.
    pub exchange: u64,
    /// The MsgID of the message.
    pub message: SmolStr,
    /// The CmdID of the command.
    pub cmd_id: SmolStr,
    /// When: microseconds since the Unix epoch.
    pub at_us: u64,
}

/// One item of a command or its Results.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionItem {
    /// The node it is about.
    pub node: Option<SmolStr>,
    /// `Meta/Format`.
    pub format: Option<SmolStr>,
    /// `Meta/Type`.
    #[serde(rename = "type")]
    pub media_type: Option<SmolStr>,
    /// The first 120 bytes of its value, masked where it is a secret.
    pub value: Option<SmolStr>,
    /// `Meta/Mark`: how grave an Alert is.
    pub mark: Option<SmolStr>,
    /// Bytes of the whole value.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub bytes: u64,
}

/// One Status.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandAnswer {
    /// Where it stands.
    pub place: CommandPlace,
    /// The node it is about, where it names just one.
    pub node: Option<SmolStr>,
    /// The code that was sent; absent where a rule invented the answer. 0 where it is none.
    pub sent: Option<u16>,
    /// The code that who asked received; absent where the answer did not arrive. 0 where it is none.
    pub received: Option<u16>,
    /// What stands in the place of a code.
    pub no_code: Option<SmolStr>,
    /// Windows' native error, as who asked received it.
    pub original_error: Option<SmolStr>,
    /// The rules that acted on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<SmolStr>,
}

/// Whether a command reached whom it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CommandDelivery {
    /// It did.
    #[default]
    Delivered,
    /// A rule kept it back.
    Withheld,
    /// Its message did not arrive.
    Undelivered,
    /// A rule invented it: nobody sent it.
    Injected,
}

/// What became of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransactionOutcome {
    /// Its answer may still come.
    #[default]
    Open,
    /// It is answered.
    Answered,
    /// The answer is 101 or 202: its completion is to come.
    InProgress,
    /// Its items have different answers.
    Partial,
    /// It failed, and a later command did what it was for: the node is there now, or has that value.
    Remedied,
    /// Its Status was due, and did not come: the answering package is over.
    Unanswered,
    /// The session ended first.
    Lost,
}

/// How a session ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum SessionEnd {
    /// The record ends, or shows nothing yet, while the session goes on.
    #[default]
    Open,
    /// The server asked for nothing more.
    Finished,
    /// Somebody sent Alert 1223.
    Aborted {
        /// Who.
        by: Side,
    },
    /// A message did not arrive.
    BrokenOff {
        /// Whose connection broke; absent where dmtap stopped.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Side>,
        /// Whose message was on its way.
        during: Side,
    },
    /// The device did not come back.
    Silent,
    /// The server's last message asked for nothing, and had no Final.
    WithoutFinal,
    /// The answer was an HTTP error.
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// The device began another session.
    Superseded,
}

impl Transaction {
    /// The most items of a command, and of its Results, that are kept.
    pub const MOST_ITEMS: usize = 16;

    /// The Status of a command that was not executed.
    pub const NOT_EXECUTED: u16 = 215;

    /// The node it is about, the first of several.
    pub fn node(&self) -> Option<&str> {
        self.items.iter().find_map(|item| item.node.as_deref())
    }

    /// The node that a failure is about, where its Status names one of several; else the first.
    pub fn failed_node(&self) -> Option<&str> {
        let failed = self.answers.iter().find(|answer| answer.has_failed());
        let named = failed.and_then(|answer| answer.node.as_deref());
        named
            .filter(|_| self.items.len() > 1)
            .or_else(|| self.node())
    }

    /// The answer that counts, as who asked received it: a failure where items have different answers, else the last
    /// one. The code as sent where nothing of it arrived.
    pub fn answer(&self) -> Option<&CommandAnswer> {
        let failed = self.answers.iter().find(|answer| answer.has_failed());
        failed.or_else(|| self.answers.last())
    }

    /// The code of [`Self::answer`].
    pub fn code(&self) -> Option<u16> {
        self.answer()?.code()
    }

    /// Whether who asked received a code that reports a failure.
    pub fn has_failed(&self) -> bool {
        self.answer().is_some_and(CommandAnswer::has_failed)
    }

    /// The same among all commands of its session: 215 is a failure, too, where no Atomic or failed Sequence around the
    /// command explains it. What was remedied later is none.
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

    /// The Atomics and Sequences that it stands in, among all commands of its session, the innermost first.
    pub fn around<'s>(&self, session: &'s [Self]) -> impl Iterator<Item = &'s Self> {
        let around = |inner: &Self| {
            let number = inner.parent.filter(|number| *number < inner.number)?;
            session.get((number as usize).checked_sub(1)?)
        };
        std::iter::successors(around(self), move |inner| around(inner))
    }

    /// Every rule that acted on the command or on an answer.
    pub fn all_rules(&self) -> impl Iterator<Item = &SmolStr> {
        let answers = self.answers.iter().flat_map(|answer| &answer.rules);
        self.rules.iter().chain(answers)
    }
}

impl CommandAnswer {
    /// The code as it was received, else as it was sent.
    pub fn code(&self) -> Option<u16> {
        self.received.or(self.sent)
    }

    /// Whether it reports no success: 400 and above, and what is no code.
    pub fn has_failed(&self) -> bool {
        self.received.is_some_and(|code| code >= 400 || code == 0)
    }

    /// Whether it says that the work goes on: 101 or 202.
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
