//! Keeps the peers of a session consistent after rules hid or invented something: the obligations of dmtap.
//!
//! ```text
//!  server ──── Get 3 ────► dmtap ──╳           device     a rule refuses Get 3: dmtap owes the server a Status
//!  server ◄─ Status of 3 ─ dmtap ◄─ Statuses ─ device     and adds it to the next message of the device
//! ```
//!
//! MsgRefs and CmdRefs of obligations are those that the sender of the command wrote.

pub mod msg_id_map;
mod reconcile;

use std::sync::Arc;

use super::Side;
use crate::dm::compose::{ItemRef, StatusBuilder};
use crate::dm::{CommandKind, Message, StatusCode};
use crate::markup::Document;

pub use msg_id_map::MsgIdMap;
pub use reconcile::{ReconcileContext, Reconciled};

/// Everything owed in one session, bounded by [`MOST_OBLIGATIONS`] and [`MOST_BYTES`].
#[derive(Clone, Debug, Default)]
pub struct Reconciler {
    /// Shared, since each decision about a message holds a copy of the reconciler.
    obligations: Arc<Vec<OwedByRule>>,
    bytes: usize,
    msg_ids: MsgIdMap,
    /// The `Cred` as XML, empty for none, that the server still gets, and the rule that challenged the device.
    credentials: Option<(Arc<str>, Box<str>)>,
    /// A message of the server that waits until the device asks for the next one, and the rule that held it.
    held: Option<(Arc<str>, Arc<Document>)>,
    /// The number of the newest message that the device got.
    newest_msg_id: u32,
    /// The nonce that the device received last.
    nonce: Option<Box<str>>,
}

/// An obligation, with the rule that caused it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwedByRule {
    /// The rule's name.
    pub rule: Arc<str>,
    /// The obligation.
    pub obligation: Obligation,
}

/// Something that dmtap has to do in a later message. It is kept until that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obligation {
    /// Answer a command that never reached its receiver.
    Status(PendingStatus),
    /// Hide the answers to a command of dmtap's own from the peer that never sent it.
    Suppress(SuppressReply),
    /// The receiver got only some Items. dmtap adds their names to its answer.
    NameItems(PartlyDelivered),
    /// The receiver of one message got another MsgID; its answers are corrected.
    MsgId {
        /// Who received it.
        from: Side,
        /// The MsgID that it received.
        received: Box<str>,
        /// The one its sender wrote.
        original: Box<str>,
        /// MsgID of the message in which the receiver answered.
        answered_in: Option<Box<str>>,
    },
    /// The server received another SessionID; the device gets the answer with its own.
    SessionId {
        /// The one that it received.
        received: Box<str>,
        /// The device's.
        original: Box<str>,
    },
}

/// The effects on a session that the rules have by deciding about one message.
#[derive(Clone, Debug, Default)]
pub struct SessionEffects {
    /// The new obligations of dmtap.
    pub owed: Vec<OwedByRule>,
    /// The changes made at once, each with the rule that makes it.
    pub changes: Vec<(Arc<str>, SessionChange)>,
}

impl SessionEffects {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.owed.is_empty() && self.changes.is_empty()
    }

    /// Adds the effects of another rule.
    pub fn extend(&mut self, other: Self) {
        self.owed.extend(other.owed);
        self.changes.extend(other.changes);
    }
}

/// A change to the state of the session, made at once.
#[derive(Clone, Debug)]
pub enum SessionChange {
    /// The device got an answer of dmtap's own: the server saw neither of the two messages.
    Answered {
        /// MsgID of the device's message.
        request: u32,
        /// MsgID of dmtap's answer.
        response: u32,
    },
    /// One peer skips a MsgID. dmtap renumbers, so that the other peer does not notice.
    NumberTaken {
        /// The sender.
        from: Side,
        /// Its own MsgID of the message that gets the next number.
        msg_id: u32,
    },
    /// Until the server answers credentials, it gets these, as XML; empty for none.
    Credentials(Box<str>),
    /// The server's message waits: the device gets it when it asks for the next one.
    MessageHeld {
        /// The message.
        document: Arc<Document>,
        /// The number that dmtap's own message took from it, as the server counts.
        msg_id: u32,
    },
}

/// A Status that dmtap owes a peer for a command it sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingStatus {
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
    pub items: Vec<ItemRef>,
    /// The code.
    pub code: StatusCode,
    /// MsgID of the message in which it was given: a transport retry of it gets it again.
    pub given_in: Option<Box<str>>,
}

/// A command that dmtap put into a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuppressReply {
    /// Who is to answer it.
    pub from: Side,
    /// MsgID of the message it was put into.
    pub msg_ref: Box<str>,
    /// Its CmdID.
    pub cmd_ref: Box<str>,
    /// Its kind: an answer to a command of another kind under these numbers is a real one.
    pub cmd: CommandKind,
}

/// A command that reaches its receiver without some of its Items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartlyDelivered {
    /// Who is to answer it.
    pub from: Side,
    /// MsgID of the message it is in.
    pub msg_ref: Box<str>,
    /// Its CmdID.
    pub cmd_ref: Box<str>,
    /// The Items that its receiver gets.
    pub items: Vec<ItemRef>,
}

/// So much is owed in the session that an obligation cannot be taken on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this session has no room for more pending answers (limit: {MOST_OBLIGATIONS} answers, or {MOST_BYTES} bytes)"
)]
pub struct ObligationsFull;

impl PendingStatus {
    /// The Status.
    fn status(&self) -> StatusBuilder<'_> {
        StatusBuilder {
            msg_ref: &self.msg_ref,
            cmd_ref: self.cmd_ref().into(),
            cmd: &self.cmd,
            items: &self.items,
            chal: "",
            code: self.code,
        }
    }

    /// The command's CmdID.
    pub fn cmd_ref(&self) -> &str {
        self.order.get(self.place).map_or("", |id| id)
    }
}

/// Whether nobody answers a message any more once its sender's messages have come to `msg_id`.
fn is_old(msg_ref: &str, msg_id: &str) -> bool {
    let number = |text: &str| text.parse::<u32>().ok();
    match (number(msg_ref), number(msg_id)) {
        (Some(then), Some(now)) => then.saturating_add(MAX_ANSWER_DELAY_MESSAGES) < now,
        _ => false,
    }
}

impl Reconciler {
    /// Whether nothing is owed, and messages keep their numbers.
    pub fn is_empty(&self) -> bool {
        self.obligations.is_empty()
            && self.msg_ids.is_empty()
            && self.credentials.is_none()
            && self.held.is_none()
    }

    /// Whether the peers count messages differently.
    pub fn counts_differ(&self) -> bool {
        !self.msg_ids.is_empty()
    }

    /// The MsgID of an answer that dmtap gives the device in the server's place.
    pub fn next_msg_id(&self) -> u32 {
        self.newest_msg_id.saturating_add(1)
    }

    /// Returns the number that `side` knows for the message of `sender` that the other peer calls `number`.
    pub fn in_numbers_of(&self, sender: Side, side: Side, number: u32) -> u32 {
        self.msg_ids.to(sender, side, number).unwrap_or(number)
    }

    /// The nonce that the device received last.
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    /// Returns the obligations, oldest first.
    pub fn obligations(&self) -> &[OwedByRule] {
        &self.obligations
    }

    /// How much it holds, in bytes.
    pub fn bytes(&self) -> usize {
        let credentials = self.credentials.as_ref().map_or(0, |(_, xml)| xml.len());
        let held = self.held.as_ref().map_or(0, |(_, held)| held.bytes());
        self.bytes + credentials + held
    }

    /// Takes on what rules cause, all or nothing of it.
    ///
    /// # Errors
    /// [`ObligationsFull`]
    pub fn take_on(&mut self, effects: &SessionEffects) -> Result<(), ObligationsFull> {
        self.add_obligations(&effects.owed)?;
        for (rule, change) in &effects.changes {
            self.apply_change(rule, change);
        }
        Ok(())
    }

    /// Takes on obligations. A new obligation about a command replaces the old one: the message was delivered once more.
    fn add_obligations(&mut self, owed: &[OwedByRule]) -> Result<(), ObligationsFull> {
        if owed.is_empty() {
            return Ok(());
        }
        self.has_room_for(owed.iter())?;
        let renewed = |old: &OwedByRule| {
            let mut new = owed.iter();
            new.any(|new| new.obligation.renews(&old.obligation))
        };
        let obligations = Arc::make_mut(&mut self.obligations);
        obligations.retain(|old| !renewed(old));
        obligations.extend_from_slice(owed);
        self.bytes = weight(obligations.iter());
        Ok(())
    }

    fn apply_change(&mut self, rule: &Arc<str>, change: &SessionChange) {
        match change {
            SessionChange::Answered { request, response } => {
                self.note_answered(*request, *response, rule);
            }
            SessionChange::NumberTaken { from, msg_id } => {
                self.skip_number(*from, from.other(), *msg_id, rule);
            }
            SessionChange::Credentials(xml) => self.credentials = Some((rule.clone(), xml.clone())),
            SessionChange::MessageHeld { document, msg_id } => {
                self.skip_number(Side::Server, Side::Device, *msg_id, rule);
                self.held = Some((rule.clone(), document.clone()));
            }
        }
    }

    /// Reserves a MsgID of `sender` that only `side` sees. `msg_id` is the number as the other peer counts.
    fn skip_number(&mut self, sender: Side, side: Side, msg_id: u32, rule: &Arc<str>) {
        if let Some(number) = self.msg_ids.to(sender, side, msg_id) {
            self.msg_ids.take(sender, side, number, rule);
        }
    }

    /// dmtap answered a message of the device.
    fn note_answered(&mut self, request: u32, response: u32, rule: &Arc<str>) {
        for (sender, number) in [(Side::Device, request), (Side::Server, response)] {
            self.msg_ids.take(sender, Side::Device, number, rule);
        }
    }

    /// Notes a message that the device got.
    pub(super) fn note_delivered(&mut self, message: Message<'_>) {
        let number = message.msg_id().and_then(|id| id.parse().ok());
        self.newest_msg_id = number.unwrap_or(self.newest_msg_id);
        let chal = message.header_status().and_then(|status| status.chal());
        let nonce = chal.and_then(|chal| chal.next_nonce());
        if let Some(nonce) = nonce.filter(|nonce| nonce.len() <= MAX_NONCE_BYTES) {
            self.nonce = Some(nonce.as_ref().into());
        }
    }

    /// Notes a message that arrives: what was done in an earlier one of its sender is over.
    pub fn note_received(&mut self, from: Side, message: Message<'_>) {
        if from == Side::Device && message.is_first() {
            // The session begins, or begins anew.
            *self = Self::default();
            return;
        }
        let Some(msg_id) = message.msg_id() else {
            return;
        };
        let is_done = |owed: &OwedByRule| owed.obligation.is_done(from, &msg_id);
        if self.obligations.iter().any(is_done) {
            let obligations = Arc::make_mut(&mut self.obligations);
            obligations.retain(|owed| !is_done(owed));
            self.bytes = weight(obligations.iter());
        }
    }

    /// Whether these obligations could be taken on.
    ///
    /// # Errors
    /// [`ObligationsFull`]
    pub fn has_room_for<'a>(
        &self,
        owed: impl Iterator<Item = &'a OwedByRule> + Clone,
    ) -> Result<(), ObligationsFull> {
        let count = self.obligations.len() + owed.clone().count();
        let bytes = self.bytes.saturating_add(weight(owed));
        match bytes <= MOST_BYTES && count <= MOST_OBLIGATIONS {
            true => Ok(()),
            false => Err(ObligationsFull),
        }
    }
}

impl Obligation {
    /// Whether it is over when `from` sends its message `msg_id`.
    fn is_done(&self, from: Side, msg_id: &str) -> bool {
        let was_before =
            |done_in: &Option<Box<str>>| done_in.as_ref().is_some_and(|id| **id != *msg_id);
        match self {
            Self::Status(owed) => owed.to != from && was_before(&owed.given_in),
            Self::Suppress(reply) => reply.from != from && is_old(&reply.msg_ref, msg_id),
            Self::NameItems(status) => status.from != from && is_old(&status.msg_ref, msg_id),
            Self::SessionId { .. } => from == Side::Device,
            Self::MsgId {
                from: receiver,
                answered_in,
                ..
            } => *receiver == from && was_before(answered_in),
        }
    }

    /// Whether it is about the same command.
    fn renews(&self, old: &Self) -> bool {
        match (self, old) {
            (Self::Status(new), Self::Status(old)) => {
                (new.to, &new.msg_ref, new.cmd_ref(), &new.items)
                    == (old.to, &old.msg_ref, old.cmd_ref(), &old.items)
            }
            (Self::Suppress(new), Self::Suppress(old)) => new == old,
            (Self::NameItems(new), Self::NameItems(old)) => {
                (new.from, &new.msg_ref, &new.cmd_ref) == (old.from, &old.msg_ref, &old.cmd_ref)
            }
            (Self::SessionId { .. }, Self::SessionId { .. }) => true,
            (
                Self::MsgId { from, original, .. },
                Self::MsgId {
                    from: before,
                    original: old,
                    ..
                },
            ) => (from, original) == (before, old),
            _ => false,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Status(owed) => owed.msg_ref.len() + owed.cmd.len() + weight_of(&owed.items),
            Self::Suppress(reply) => reply.msg_ref.len() + reply.cmd_ref.len(),
            Self::NameItems(status) => {
                status.msg_ref.len() + status.cmd_ref.len() + weight_of(&status.items)
            }
            Self::MsgId {
                received, original, ..
            }
            | Self::SessionId { received, original } => received.len() + original.len(),
        }
    }
}

/// Returns the memory of references, in bytes.
fn weight_of(items: &[ItemRef]) -> usize {
    let bytes = items.iter().map(|item| size_of::<ItemRef>() + item.bytes());
    bytes.sum()
}

/// Returns the memory of obligations, in bytes. Those of one rule about one message share their list of CmdIDs.
fn weight<'a>(obligations: impl Iterator<Item = &'a OwedByRule>) -> usize {
    let mut last: Option<&Arc<[Box<str>]>> = None;
    let mut bytes = 0;
    for owed in obligations {
        bytes += size_of::<OwedByRule>() + owed.rule.len() + owed.obligation.bytes();
        if let Obligation::Status(owed) = &owed.obligation
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

/// Bytes that the obligations of one session hold at most.
pub const MOST_BYTES: usize = 1 << 20;
/// Obligations of one session at most.
pub const MOST_OBLIGATIONS: usize = 4096;
/// How many messages after a command its answers may come.
const MAX_ANSWER_DELAY_MESSAGES: u32 = 32;
/// Bytes of a nonce that is remembered.
const MAX_NONCE_BYTES: usize = 256;
