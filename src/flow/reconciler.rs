//! Keeps the peers of a session consistent after rules hid or invented something: the obligations of dmtap.
//!
//! ```text
//!  server ──── Get 3 ────► dmtap ──╳           device     a rule refuses Get 3, and promises an answer
//!  server ◄─ Status of 3 ─ dmtap ◄─ Statuses ─ device     its next message settles that
//! ```
//!
//! MsgRefs and CmdRefs of promises are the ones of the peer who spoke, as it wrote them.

pub mod msg_id_map;
mod reconcile;

use std::sync::Arc;

use super::Side;
use super::compose::{ItemRef, StatusBuilder};
use crate::dm::{Message, StatusCode};
use crate::markup::Document;

pub use msg_id_map::{MsgIdMap, Sequence};
pub(crate) use reconcile::last_place;
pub use reconcile::{ReconcileContext, Reconciled};

/// Everything owed in one session, bounded by [`MOST_PROMISES`] and [`MOST_BYTES`].
#[derive(Clone, Debug, Default)]
pub struct Reconciler {
    /// Whoever decides about a message has a copy of the account: that is not to cost what is promised.
    promises: Arc<Vec<OwedByRule>>,
    bytes: usize,
    gaps: MsgIdMap,
    /// What the session is authenticated with, where a rule made the device try something else.
    credentials: Option<Credentials>,
    /// A message of the server that waits until the device asks for the next one.
    held: Option<Held>,
    /// The number of the newest message that the device got.
    newest: u32,
    /// The nonce that the device received last.
    nonce: Option<Box<str>>,
}

#[derive(Clone, Debug)]
struct Credentials {
    rule: Arc<str>,
    /// The `Cred` as XML; empty for none.
    xml: Box<str>,
}

#[derive(Clone, Debug)]
struct Held {
    rule: Arc<str>,
    document: Arc<Document>,
}

/// A promise, with the rule that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwedByRule {
    /// The rule's name.
    pub rule: Arc<str>,
    /// What it promised.
    pub promise: Obligation,
}

/// Something dmtap will do in a later message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obligation {
    /// Answer a command that never reached its receiver.
    Answer(PendingStatus),
    /// Keep the answers to a command of dmtap's own from the peer that never sent it.
    Swallow(SuppressReply),
    /// Say which Items an answer is about, of which its sender knows no others.
    Name(NarrowedStatus),
    /// The device got an answer of dmtap's own: the server saw nothing of the two messages.
    Spoke {
        /// MsgID of the device's message.
        request: u32,
        /// MsgID of dmtap's answer.
        response: u32,
    },
    /// A number is left out, and the peer who counts these messages never learns of it.
    Skip {
        /// Who speaks.
        from: Side,
        /// Its own MsgID of the message that gets the next number.
        msg_id: u32,
    },
    /// The receiver of one message got another MsgID; its answers are corrected.
    Alias {
        /// Who hears.
        from: Side,
        /// The MsgID that it received.
        said: Box<str>,
        /// The one its sender wrote.
        meant: Box<str>,
        /// MsgID of the message in which the hearer answered.
        heard_in: Option<Box<str>>,
    },
    /// The server received another SessionID; the device gets the answer with its own.
    Session {
        /// The one that it received.
        said: Box<str>,
        /// The device's.
        meant: Box<str>,
    },
    /// Until the server speaks of credentials, it gets these, as XML; empty for none.
    Credentials(Box<str>),
    /// The server's message waits: the device gets it when it asks for the next one.
    Hold {
        /// The message.
        document: HeldDocument,
        /// The number that dmtap's own message took from it, as the server counts.
        msg_id: u32,
    },
}

/// A document that is compared by what it is made of.
#[derive(Clone, Debug)]
pub struct HeldDocument(pub Arc<Document>);

impl PartialEq for HeldDocument {
    fn eq(&self, other: &Self) -> bool {
        self.0.source() == other.0.source()
    }
}

impl Eq for HeldDocument {}

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
}

/// A command that reaches its receiver without some of its Items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NarrowedStatus {
    /// Who is to answer it.
    pub from: Side,
    /// MsgID of the message it is in.
    pub msg_ref: Box<str>,
    /// Its CmdID.
    pub cmd_ref: Box<str>,
    /// The Items that its receiver gets.
    pub items: Vec<ItemRef>,
}

/// The account is full, and what a rule wanted to promise could not be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "dmtap owes the peers of this session {MOST_PROMISES} answers, or {MOST_BYTES} bytes, already"
)]
pub struct ObligationsFull;

impl PendingStatus {
    /// The Status.
    fn status(&self) -> StatusBuilder<'_> {
        StatusBuilder {
            msg_ref: &self.msg_ref,
            cmd_ref: self.cmd_ref(),
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
        (Some(then), Some(now)) => then.saturating_add(LATEST_ANSWER) < now,
        _ => false,
    }
}

impl Reconciler {
    /// Whether nothing is owed, and messages keep their numbers.
    pub fn is_empty(&self) -> bool {
        self.promises.is_empty()
            && self.gaps.is_empty()
            && self.credentials.is_none()
            && self.held.is_none()
    }

    /// The MsgID of an answer that dmtap gives the device in the server's place.
    pub fn next_msg_id(&self) -> u32 {
        self.newest.saturating_add(1)
    }

    /// What `side` calls the message that the other peer calls `number`.
    pub fn in_numbers_of(&self, side: Side, counted: Sequence, number: u32) -> u32 {
        self.gaps.to(side, counted, number).unwrap_or(number)
    }

    /// The nonce that the device received last.
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    /// The promises, oldest first.
    pub fn promises(&self) -> &[OwedByRule] {
        &self.promises
    }

    /// How much it holds, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes + self.held.as_ref().map_or(0, |held| held.document.bytes())
    }

    /// Takes promises on, all or none of them. One about a command that there is a promise about replaces it:
    /// the message was delivered once more.
    ///
    /// # Errors
    /// [`Full`]
    pub fn promise(&mut self, promised: &[OwedByRule]) -> Result<(), ObligationsFull> {
        self.has_room_for(promised)?;
        let renewed =
            |old: &OwedByRule| promised.iter().any(|new| new.promise.renews(&old.promise));
        if self.promises.iter().any(renewed) {
            Arc::make_mut(&mut self.promises).retain(|old| !renewed(old));
        }
        for promised in promised {
            self.take_on(promised);
        }
        self.bytes = weight(&self.promises);
        Ok(())
    }

    fn take_on(&mut self, promised: &OwedByRule) {
        let rule = &promised.rule;
        match &promised.promise {
            Obligation::Answer(_)
            | Obligation::Swallow(_)
            | Obligation::Name(_)
            | Obligation::Alias { .. }
            | Obligation::Session { .. } => {
                Arc::make_mut(&mut self.promises).push(promised.clone());
            }
            Obligation::Spoke { request, response } => self.spoke(*request, *response, rule),
            Obligation::Skip { from, msg_id } => {
                let counted = Sequence::said_by(*from);
                let hearer = from.other();
                if let Some(number) = self.gaps.to(hearer, counted, *msg_id) {
                    self.gaps.take(counted, hearer, number, rule);
                }
            }
            Obligation::Credentials(xml) => {
                let (rule, xml) = (rule.clone(), xml.clone());
                self.credentials = Some(Credentials { rule, xml });
            }
            Obligation::Hold { document, msg_id } => {
                let (rule, document) = (rule.clone(), document.0.clone());
                if let Some(own) = self.gaps.to(Side::Device, Sequence::Responses, *msg_id) {
                    self.gaps
                        .take(Sequence::Responses, Side::Device, own, &rule);
                }
                self.held = Some(Held { rule, document });
            }
        }
    }

    /// dmtap answered a message of the device.
    fn spoke(&mut self, request: u32, response: u32, rule: &Arc<str>) {
        let only = Side::Device;
        self.gaps.take(Sequence::Requests, only, request, rule);
        self.gaps.take(Sequence::Responses, only, response, rule);
    }

    /// Takes notice of a message that the device got.
    pub(super) fn delivered(&mut self, message: Message<'_>) {
        let number = message.header().and_then(|header| header.msg_id());
        self.newest = number.and_then(|n| n.parse().ok()).unwrap_or(self.newest);
        let status = message.commands().find_map(|command| command.as_status());
        let nonce = status.and_then(|status| status.chal()?.next_nonce());
        if let Some(nonce) = nonce.filter(|nonce| nonce.len() <= LONGEST_NONCE) {
            self.nonce = Some(nonce.as_ref().into());
        }
    }

    /// Takes notice of a message that arrives: what was settled in an earlier one of its sender is done with.
    pub fn note_received(&mut self, from: Side, msg_id: &str) {
        if from == Side::Device && msg_id == "1" {
            // The session begins, or begins anew.
            *self = Self::default();
            return;
        }
        if self.is_empty() {
            return;
        }
        let done = |promised: &OwedByRule| match &promised.promise {
            Obligation::Answer(owed) if owed.to != from => owed
                .given_in
                .as_ref()
                .is_some_and(|given| **given != *msg_id),
            Obligation::Swallow(swallow) if swallow.from != from => {
                is_old(&swallow.msg_ref, msg_id)
            }
            Obligation::Name(named) if named.from != from => is_old(&named.msg_ref, msg_id),
            Obligation::Session { .. } => from == Side::Device,
            Obligation::Alias {
                from: hearer,
                heard_in,
                ..
            } if *hearer == from => heard_in.as_ref().is_some_and(|heard| **heard != *msg_id),
            _ => false,
        };
        if self.promises.iter().any(done) {
            Arc::make_mut(&mut self.promises).retain(|promised| !done(promised));
            self.bytes = weight(&self.promises);
        }
    }

    /// Whether these promises could be taken on.
    ///
    /// # Errors
    /// [`Full`]
    pub fn has_room_for(&self, promised: &[OwedByRule]) -> Result<(), ObligationsFull> {
        let bytes = self.bytes.saturating_add(weight(promised));
        let count = self.promises.len() + promised.len();
        match bytes <= MOST_BYTES && count <= MOST_PROMISES {
            true => Ok(()),
            false => Err(ObligationsFull),
        }
    }
}

impl OwedByRule {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.rule.len() + self.promise.bytes()
    }
}

impl Obligation {
    /// Whether it is about the same command.
    fn renews(&self, old: &Self) -> bool {
        match (self, old) {
            (Self::Answer(new), Self::Answer(old)) => {
                (new.to, &new.msg_ref, new.cmd_ref(), &new.items)
                    == (old.to, &old.msg_ref, old.cmd_ref(), &old.items)
            }
            (Self::Swallow(new), Self::Swallow(old)) => new == old,
            (Self::Name(new), Self::Name(old)) => {
                (new.from, &new.msg_ref, &new.cmd_ref) == (old.from, &old.msg_ref, &old.cmd_ref)
            }
            (Self::Session { .. }, Self::Session { .. }) => true,
            (
                Self::Alias { from, meant, .. },
                Self::Alias {
                    from: before,
                    meant: old,
                    ..
                },
            ) => (from, meant) == (before, old),
            _ => false,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Answer(owed) => owed.msg_ref.len() + owed.cmd.len() + weight_of(&owed.items),
            Self::Swallow(swallow) => swallow.msg_ref.len() + swallow.cmd_ref.len(),
            Self::Name(named) => {
                named.msg_ref.len() + named.cmd_ref.len() + weight_of(&named.items)
            }
            Self::Alias { said, meant, .. } | Self::Session { said, meant } => {
                said.len() + meant.len()
            }
            Self::Credentials(xml) => xml.len(),
            Self::Spoke { .. } | Self::Skip { .. } | Self::Hold { .. } => 0,
        }
    }
}

/// What references hold, in bytes.
fn weight_of(items: &[ItemRef]) -> usize {
    let bytes = items.iter().map(|item| size_of::<ItemRef>() + item.bytes());
    bytes.sum()
}

/// What promises hold, in bytes. Those of one rule about one message share their list of CmdIDs.
fn weight(promised: &[OwedByRule]) -> usize {
    let mut last: Option<&Arc<[Box<str>]>> = None;
    let mut bytes = 0;
    for promised in promised {
        bytes += promised.bytes();
        if let Obligation::Answer(owed) = &promised.promise
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
/// Longest nonce that is remembered, in bytes.
const LONGEST_NONCE: usize = 256;
