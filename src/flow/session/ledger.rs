//! The messages that a peer received, and the commands in them that its answers refer to.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use super::{AnswerLink, AnswerTarget, CommandIndex, Referred, SessionTag};
use crate::dm::{Command, Item, Message, Refs, Status, asked_kind};
use crate::markup::{Document, Element, NodeId};

/// The messages that one peer received, newest last.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    messages: VecDeque<LedgerEntry>,
    pub(super) bytes: usize,
    /// Whether the peer received messages of this session that the ledger does not have.
    pub(super) has_gaps: bool,
}

#[derive(Debug)]
struct LedgerEntry {
    /// The message as the peer received it.
    received: NumberedMessage,
    /// The message as its sender wrote it, if a rule changed it. Some peers answer with the sender's MsgID, for
    /// instance because they count messages themselves.
    original: Option<NumberedMessage>,
}

#[derive(Debug)]
struct NumberedMessage {
    msg_id: Box<str>,
    document: Arc<Document>,
}

impl Ledger {
    pub(super) fn enter(&mut self, received: Arc<Document>, original: Option<Arc<Document>>) {
        let is_message = |document: &Arc<Document>| Message::of(document).is_some();
        let original = original.filter(|it| is_message(it) && !Arc::ptr_eq(it, &received));
        if original.is_none() && !is_message(&received) {
            return;
        }
        // Nobody can know which MsgRef answers it.
        self.has_gaps |=
            Message::of(&received).is_some_and(|it| !SessionTag::has_canonical_msg_id(it));
        let entry = LedgerEntry {
            received: NumberedMessage::of(received),
            original: original.map(NumberedMessage::of),
        };
        self.bytes += entry.bytes();
        self.messages.push_back(entry);
        // The newest message always stays: answers refer to it.
        while self.messages.len() > 1
            && (self.messages.len() > MAX_REMEMBERED_MESSAGES || self.bytes > MAX_LEDGER_BYTES)
        {
            let gone = self.messages.pop_front();
            self.has_gaps = true;
            self.bytes -= gone.map_or(0, |entry| entry.bytes());
        }
    }
}

impl LedgerEntry {
    fn bytes(&self) -> usize {
        self.received.bytes() + self.original.as_ref().map_or(0, NumberedMessage::bytes)
    }
}

impl NumberedMessage {
    fn of(document: Arc<Document>) -> Self {
        let msg_id = Message::of(&document).and_then(Message::msg_id);
        let msg_id = msg_id.unwrap_or_default().as_ref().into();
        Self { msg_id, document }
    }

    fn bytes(&self) -> usize {
        self.msg_id.len() + self.document.bytes()
    }
}

/// The newest messages with one MsgID.
#[derive(Clone, Copy)]
struct Named<'l> {
    as_received: Option<&'l LedgerEntry>,
    /// The newest message that rules changed and whose sender wrote this MsgID.
    as_sent: Option<&'l LedgerEntry>,
}

/// Finds commands by MsgRef and CmdRef. Each message is indexed once, however many answers refer to it.
pub(super) struct Lookup<'l> {
    ledger: &'l Ledger,
    listed: Vec<(&'l NumberedMessage, CommandIndex<NodeId>)>,
    /// The last MsgRef that was looked up: the answers of a message mostly have the same one.
    last: Option<(String, Named<'l>)>,
    /// Whether the peer uses a MsgRef in the sender's numbering, for each MsgRef that may name two messages.
    meant_as_sent: Vec<(String, bool)>,
}

impl<'l> Lookup<'l> {
    pub(super) fn new(ledger: &'l Ledger) -> Self {
        Self {
            ledger,
            listed: Vec::new(),
            last: None,
            meant_as_sent: Vec::new(),
        }
    }

    /// Returns the link from an answer in this message to its target.
    pub(super) fn link(&mut self, answer: Command<'_>, message: Message<'_>) -> Option<AnswerLink> {
        let (msg_ref, cmd_ref) = Refs::of(answer)?.or_empty();
        let Named {
            as_received,
            as_sent,
        } = self.named(&msg_ref);
        let has_gaps = self.ledger.has_gaps;
        let mut link = AnswerLink {
            from: answer.element().id(),
            to: match as_received {
                Some(entry) => self.refer(&entry.received, answer, cmd_ref.clone()),
                None if has_gaps => AnswerTarget::Unseen,
                None => AnswerTarget::Nothing,
            },
            arrived_as: None,
        };
        let Some((entry, original)) = as_sent.and_then(|it| Some((it, it.original.as_ref()?)))
        else {
            return Some(link);
        };
        let is_meant = match as_received {
            None => true,
            // A command that a rule removed from a message cannot be answered.
            Some(received) if std::ptr::eq(received, entry) => false,
            Some(received) => self.means_as_sent(&msg_ref, message, &received.received, original),
        };
        if is_meant {
            link.to = self.refer(original, answer, cmd_ref);
            let arrived_as = &entry.received.msg_id;
            let is_other = !arrived_as.is_empty() && *arrived_as != original.msg_id;
            link.arrived_as = is_other.then(|| arrived_as.clone());
        }
        Some(link)
    }

    /// Returns the messages that a MsgRef may name.
    fn named(&mut self, msg_ref: &str) -> Named<'l> {
        if let Some((_, named)) = self.last.as_ref().filter(|(last, _)| last == msg_ref) {
            return *named;
        }
        let newest_first = || self.ledger.messages.iter().rev();
        let is_sent = |entry: &&LedgerEntry| {
            let original = entry.original.as_ref();
            original.is_some_and(|it| *it.msg_id == *msg_ref)
        };
        let named = Named {
            as_received: newest_first().find(|entry| *entry.received.msg_id == *msg_ref),
            as_sent: newest_first().find(is_sent),
        };
        self.last = Some((msg_ref.to_owned(), named));
        named
    }

    /// Two messages can have this MsgID: one as sent, one as received. Returns whether more answers fit the one as sent.
    fn means_as_sent(
        &mut self,
        msg_ref: &str,
        message: Message<'_>,
        received: &'l NumberedMessage,
        original: &'l NumberedMessage,
    ) -> bool {
        let known = self.meant_as_sent.iter().find(|(id, _)| id == msg_ref);
        if let Some((_, is_meant)) = known {
            return *is_meant;
        }
        let (mut of_received, mut of_original) = (0, 0);
        for answer in message.commands() {
            let Some((of, cmd_ref)) = Refs::of(answer).map(Refs::or_empty) else {
                continue;
            };
            if of == msg_ref {
                let referred = self.refer(received, answer, cmd_ref.clone());
                of_received += usize::from(fits(&referred, answer));
                of_original += usize::from(fits(&self.refer(original, answer, cmd_ref), answer));
            }
        }
        let is_meant = of_original > of_received;
        self.meant_as_sent.push((msg_ref.to_owned(), is_meant));
        is_meant
    }

    /// Returns the target of an answer with this CmdRef in a message.
    fn refer(
        &mut self,
        message: &'l NumberedMessage,
        answer: Command<'_>,
        mut cmd_ref: Cow<'_, str>,
    ) -> AnswerTarget {
        if cmd_ref.is_empty() && answer.as_status().is_some_and(Status::is_for_header) {
            cmd_ref = Cow::Borrowed("0");
        }
        match self.listed(message).refer(&cmd_ref, asked_kind(answer)) {
            Referred::Header => AnswerTarget::Header,
            Referred::Command(node) => AnswerTarget::Command {
                document: message.document.clone(),
                node,
            },
            Referred::WithoutId => AnswerTarget::WithoutId,
            Referred::Nothing => AnswerTarget::Nothing,
        }
    }

    fn listed(&mut self, message: &'l NumberedMessage) -> &CommandIndex<NodeId> {
        let known = |(it, _): &(&NumberedMessage, _)| std::ptr::eq(*it, message);
        let at = self.listed.iter().position(known).unwrap_or_else(|| {
            let commands = CommandIndex::of(&message.document);
            self.listed.push((message, commands));
            self.listed.len() - 1
        });
        &self.listed[at].1
    }
}

/// Whether an answer names the right kind of the command that it refers to, and one of its nodes if it names any.
fn fits(target: &AnswerTarget, answer: Command<'_>) -> bool {
    let Some(command) = target.command() else {
        return false;
    };
    if asked_kind(answer) != Some(command.kind()) {
        return false;
    }
    let Some(status) = answer.as_status() else {
        return true;
    };
    let nodes = || command.items().filter_map(Item::loc_uri_element);
    let is_of_it = |node: Element<'_>| nodes().any(|it| *it.text().trim() == *node.text().trim());
    let mut named = status.ref_nodes().peekable();
    named.peek().is_none() || named.any(is_of_it)
}

/// The most messages that a ledger remembers: enough for a large object in many chunks.
const MAX_REMEMBERED_MESSAGES: usize = 32;
/// The most bytes that a ledger remembers, unless its newest message alone has more.
const MAX_LEDGER_BYTES: usize = 4 << 20;
