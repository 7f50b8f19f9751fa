//! What dmtap itself owes the peers of a session, so that a story told by rules holds for both.
//!
//! ```text
//!  server ──── Get 3 ────► dmtap ──╳           device     a rule refuses Get 3, and promises an answer
//!  server ◄─ Status of 3 ─ dmtap ◄─ Statuses ─ device     its next message settles that
//! ```
//!
//! MsgRefs and CmdRefs of promises are the ones of the peer who spoke, as it wrote them.

pub mod gaps;
mod settle;

use std::sync::Arc;

use super::Side;
use crate::dm::StatusCode;

pub use gaps::Gaps;
pub(crate) use settle::last_place;
pub use settle::{Setting, Settled};

/// Everything owed in one session, bounded by [`MOST_PROMISES`] and [`MOST_BYTES`].
#[derive(Clone, Debug, Default)]
pub struct Account {
    promises: Vec<Promised>,
    bytes: usize,
    gaps: Gaps,
}

/// A promise, with the rule that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promised {
    /// The rule's name.
    pub rule: Arc<str>,
    /// What it promised.
    pub promise: Promise,
}

/// Something dmtap will do in a later message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Answer a command that never reached its receiver.
    Answer(Owed),
    /// Keep the answers to a command of dmtap's own from the peer that never sent it.
    Swallow(Swallow),
}

/// A Status that dmtap owes a peer for a command it sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// Who sent the command, and gets the Status.
    pub to: Side,
    /// MsgID of its message.
    pub msg_ref: Box<str>,
    /// The CmdIDs of that message in document order, which is the order of the answers.
    pub order: Arc<[Box<str>]>,
    /// Which of them it is.
    pub place: usize,
    /// The command's name.
    pub cmd: Box<str>,
    /// The items it is about, where not all of them.
    pub target_refs: Vec<Box<str>>,
    /// The code.
    pub code: StatusCode,
    /// MsgID of the message in which it was given: a transport retry of it gets it again.
    pub given_in: Option<Box<str>>,
}

/// A command that dmtap put into a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swallow {
    /// Who is to answer it.
    pub from: Side,
    /// MsgID of the message it was put into.
    pub msg_ref: Box<str>,
    /// Its CmdID.
    pub cmd_ref: Box<str>,
}

/// The account is full, and what a rule wanted to promise could not be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "dmtap owes the peers of this session {MOST_PROMISES} answers, or {MOST_BYTES} bytes, already"
)]
pub struct Full;

impl Owed {
    /// The command's CmdID.
    pub fn cmd_ref(&self) -> &str {
        self.order.get(self.place).map_or("", |id| id)
    }
}

impl Swallow {
    /// Whether nobody answers it any more once its sender's messages have come to `msg_id`.
    fn is_old(&self, msg_id: &str) -> bool {
        let number = |text: &str| text.parse::<u32>().ok();
        match (number(&self.msg_ref), number(msg_id)) {
            (Some(then), Some(now)) => then.saturating_add(LATEST_ANSWER) < now,
            _ => false,
        }
    }
}

impl Account {
    /// Whether nothing is owed, and messages keep their numbers.
    pub fn is_empty(&self) -> bool {
        self.promises.is_empty() && self.gaps.is_empty()
    }

    /// The promises, oldest first.
    pub fn promises(&self) -> &[Promised] {
        &self.promises
    }

    /// How much it holds, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes promises on, all or none of them. One about a command that there is a promise about replaces it:
    /// the message was delivered once more.
    ///
    /// # Errors
    /// [`Full`]
    pub fn promise(&mut self, promised: &[Promised]) -> Result<(), Full> {
        self.has_room_for(promised)?;
        let renewed = |old: &Promised| promised.iter().any(|new| new.promise.renews(&old.promise));
        self.promises.retain(|old| !renewed(old));
        self.promises.extend_from_slice(promised);
        self.bytes = weight(&self.promises);
        Ok(())
    }

    /// Takes notice of a message that arrives: what was settled in an earlier one of its sender is done with.
    pub fn hear(&mut self, from: Side, msg_id: &str) {
        if from == Side::Device && msg_id == "1" {
            // The session begins, or begins anew.
            *self = Self::default();
            return;
        }
        if self.is_empty() {
            return;
        }
        let done = |promised: &Promised| match &promised.promise {
            Promise::Answer(owed) if owed.to != from => owed
                .given_in
                .as_ref()
                .is_some_and(|given| **given != *msg_id),
            Promise::Swallow(swallow) if swallow.from != from => swallow.is_old(msg_id),
            _ => false,
        };
        self.promises.retain(|promised| !done(promised));
        self.bytes = weight(&self.promises);
    }

    /// Whether these promises could be taken on.
    ///
    /// # Errors
    /// [`Full`]
    pub fn has_room_for(&self, promised: &[Promised]) -> Result<(), Full> {
        let bytes = self.bytes.saturating_add(weight(promised));
        let count = self.promises.len() + promised.len();
        match bytes <= MOST_BYTES && count <= MOST_PROMISES {
            true => Ok(()),
            false => Err(Full),
        }
    }
}

impl Promised {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.rule.len() + self.promise.bytes()
    }
}

impl Promise {
    /// Whether it is about the same command.
    fn renews(&self, old: &Self) -> bool {
        match (self, old) {
            (Self::Answer(new), Self::Answer(old)) => {
                (new.to, &new.msg_ref, new.cmd_ref()) == (old.to, &old.msg_ref, old.cmd_ref())
            }
            (Self::Swallow(new), Self::Swallow(old)) => new == old,
            _ => false,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Answer(owed) => {
                let targets: usize = owed.target_refs.iter().map(|uri| uri.len()).sum();
                owed.msg_ref.len() + owed.cmd.len() + targets
            }
            Self::Swallow(swallow) => swallow.msg_ref.len() + swallow.cmd_ref.len(),
        }
    }
}

/// What promises hold, in bytes. Those of one rule about one message share their list of CmdIDs.
fn weight(promised: &[Promised]) -> usize {
    let mut last: Option<&Arc<[Box<str>]>> = None;
    let mut bytes = 0;
    for promised in promised {
        bytes += promised.bytes();
        if let Promise::Answer(owed) = &promised.promise
            && !last.is_some_and(|order| Arc::ptr_eq(order, &owed.order))
        {
            last = Some(&owed.order);
            bytes += owed
                .order
                .iter()
                .map(|id| id.len() + size_of::<Box<str>>())
                .sum::<usize>();
        }
    }
    bytes
}

/// Bytes that the account of one session holds at most.
pub const MOST_BYTES: usize = 1 << 20;
/// Promises that the account of one session holds at most.
pub const MOST_PROMISES: usize = 4096;
/// How many messages after a command its answers may come.
const LATEST_ANSWER: u32 = 32;
