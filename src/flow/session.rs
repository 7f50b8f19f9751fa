//! A DM session: the messages that each peer received, so that each answer can be linked to its command.
//!
//! There are two ledgers, one per peer, of messages *as delivered*: a Status of the device refers to the commands that
//! the device received, whatever the server sent. Ledgers hold the decoded documents themselves and copy nothing.

mod command_index;
mod escaped;
mod ids;
mod ledger;
mod package;

use std::borrow::Cow;
use std::sync::Arc;

pub use self::command_index::{Answerable, CommandIndex, Referred};
pub use self::escaped::{begins_escaped, note_escaped_twice};
pub use self::ids::{are_counted, note_cmd_ids};
use self::ledger::{Ledger, Lookup};
use self::package::PackageTracker;
use super::reconciler::{ReconcileContext, Reconciled};
use super::{BySide, Note, Reconciler, Severity, Side};
use crate::dm::{Command, CommandKind, Message, Refs};
use crate::markup::{Document, NodeId};

/// The key of a session: the server, the device's LocURI and the SessionID. A device counts its sessions with each
/// server separately.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionKey {
    /// The server that the device's connection is for.
    pub server: Arc<str>,
    /// `Source/LocURI` of the device's messages.
    pub device: Arc<str>,
    /// `SessionID`, opaque.
    pub id: Arc<str>,
}

impl SessionKey {
    /// Returns the key of the session with `server` that a message of `speaker` belongs to; `None` if it names no
    /// session.
    ///
    /// # Errors
    /// [`KeyTooLong`] if the LocURI and the SessionID are too long. The device chooses them, and they are kept in
    /// memory.
    pub fn of(
        server: &str,
        speaker: Side,
        message: Message<'_>,
    ) -> Result<Option<Self>, KeyTooLong> {
        let parts = message.header().and_then(|header| {
            let device = match speaker {
                Side::Device => header.source(),
                Side::Server => header.target(),
            };
            Some((device?, header.session_id()?))
        });
        let Some((device, id)) = parts else {
            return Ok(None);
        };
        let bytes = device.len() + id.len();
        if bytes > MAX_KEY_BYTES {
            return Err(KeyTooLong { bytes });
        }
        Ok(Some(Self {
            server: server.into(),
            device: device.as_ref().into(),
            id: id.as_ref().into(),
        }))
    }
}

/// The error for a device's LocURI and SessionID that are too long for a session key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the device's LocURI and the SessionID have {bytes} bytes, more than {MAX_KEY_BYTES}: no session is kept"
)]
pub struct KeyTooLong {
    /// The length of both together, in bytes.
    pub bytes: usize,
}

/// The place of a message in its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionTag {
    /// The number of the session, counted from 1 in one run.
    pub number: u64,
    /// The number of the session among the sessions of its device, from 1.
    pub of_device: u64,
    /// The key of the session.
    pub key: SessionKey,
    /// The MsgID of the message, if it is a number.
    pub message: Option<u32>,
    /// The number of the exchange in the session, from 1.
    pub exchange: u32,
    /// The package of the device's message in this exchange: 1 or 3. The server's answer belongs to the next package.
    pub package: u8,
    /// The user that the device speaks for, if the device named one in the session.
    pub user: Option<Arc<str>>,
}

impl SessionTag {
    /// Returns the MsgID of a message, if it is a number.
    pub fn number_of(message: Message<'_>) -> Option<u32> {
        message.msg_id()?.parse().ok()
    }

    /// Whether a message has a MsgID that answers can name: a number, without zeros in front.
    pub fn has_canonical_msg_id(message: Message<'_>) -> bool {
        let number = Self::number_of(message);
        number.is_some_and(|number| {
            message
                .msg_id()
                .is_some_and(|it| *it == *number.to_string())
        })
    }
}

/// The link from a Status or Results to what it answers.
#[derive(Clone, Debug)]
pub struct AnswerLink {
    /// The Status or Results element.
    pub from: NodeId,
    /// The target that the answer refers to.
    pub to: AnswerTarget,
    /// The MsgID with which the answered message arrived. It is set if a rule changed the MsgID and the answer names
    /// the sender's original.
    pub arrived_as: Option<Box<str>>,
}

/// The target of an answer.
#[derive(Clone, Debug)]
pub enum AnswerTarget {
    /// The SyncHdr of a message (CmdRef 0).
    Header,
    /// A command.
    Command {
        /// The message that contains the command.
        document: Arc<Document>,
        /// The element of the command in that message.
        node: NodeId,
    },
    /// One of several commands of a kind without CmdIDs. Which one is unknown.
    WithoutId,
    /// Something in a message that dmtap did not see.
    Unseen,
    /// Nothing that was delivered.
    Nothing,
}

impl AnswerTarget {
    /// Returns the command if the target is one.
    pub fn command(&self) -> Option<Command<'_>> {
        match self {
            Self::Command { document, node } => Command::of(document.element(*node)?),
            _ => None,
        }
    }
}

/// One DM session.
#[derive(Debug, Default)]
pub struct Session {
    /// The number of the session in this run.
    pub number: u64,
    /// The number of the session among the sessions of its device, from 1.
    pub of_device: u64,
    /// The key of the session.
    pub key: SessionKey,
    /// The commands that each peer received.
    sent_to: BySide<Ledger>,
    exchanges: u32,
    package: PackageTracker,
    /// The obligations of dmtap towards both peers.
    pub reconciler: Reconciler,
}

impl Session {
    /// Creates a session that begins.
    pub fn new(number: u64, key: SessionKey) -> Self {
        Self {
            number,
            of_device: 1,
            key,
            ..Self::default()
        }
    }

    /// Counts one more exchange and returns its number, from 1.
    pub fn begin_exchange(&mut self) -> u32 {
        self.exchanges += 1;
        self.exchanges
    }

    /// Takes in a message of the device as received, and reads the user and the package from it.
    pub fn observe_message(&mut self, message: Message<'_>) {
        self.package.observe_message(message);
        if !self.package.is_whole() {
            self.missed(Side::Device);
            self.missed(Side::Server);
        }
    }

    /// Marks that a peer received something that dmtap did not see.
    pub fn missed(&mut self, by: Side) {
        self.sent_to[by].has_gaps = true;
    }

    /// Returns the tag of a message of this session.
    pub fn tag(&self, message: Message<'_>) -> SessionTag {
        SessionTag {
            number: self.number,
            of_device: self.of_device,
            key: self.key.clone(),
            message: SessionTag::number_of(message),
            exchange: self.exchanges,
            package: self.package.package(),
            user: self.package.user(),
        }
    }

    /// Returns the links from the answers in a message of `speaker` to their targets.
    pub fn links(&self, speaker: Side, message: Message<'_>) -> Vec<AnswerLink> {
        let mut lookup = Lookup::new(&self.sent_to[speaker]);
        let answers = message
            .commands()
            .filter_map(|command| lookup.link(command, message));
        answers.collect()
    }

    /// Returns the bytes that the ledgers and the reconciler hold.
    pub fn bytes(&self) -> usize {
        self.sent_to.device.bytes + self.sent_to.server.bytes + self.reconciler.bytes()
    }

    /// Enters a message as sent into the ledger of the peer that received it. If rules changed the message, `original`
    /// is the one that its sender wrote.
    pub fn delivered(
        &mut self,
        to: Side,
        document: Arc<Document>,
        original: Option<Arc<Document>>,
    ) {
        if to == Side::Device
            && let Some(message) = Message::of(&document)
        {
            self.reconciler.note_delivered(message);
        }
        self.sent_to[to].enter(document, original);
    }

    /// Reconciles a message before it is sent.
    pub fn reconcile(
        &mut self,
        document: &Arc<Document>,
        context: ReconcileContext<'_>,
    ) -> Reconciled {
        let message = Message::of(document).filter(|_| self.reconciler.counts_differ());
        let links = message.map_or_else(Vec::new, |it| self.links(context.speaker, it));
        self.reconciler.reconcile(document, context, &links)
    }
}

/// Returns notes on answers of `speaker` that refer to nothing, to a message that was renumbered, or to an unseen one
/// (STA-03).
pub fn note_dangling(speaker: Side, document: &Document, links: &[AnswerLink]) -> Vec<Note> {
    let dangling = links
        .iter()
        .filter(|link| matches!(link.to, AnswerTarget::Nothing));
    let dangling = dangling.filter_map(|link| {
        let (answer, msg_ref, cmd_ref) = answer_of(document, link)?;
        let name = answer.element().local();
        let of_status = answer.as_status().and_then(|status| status.cmd());
        let text = match &*cmd_ref {
            _ if of_status.as_deref() == Some(CommandKind::Status.name()) => format!("this Status answers Status {cmd_ref:?} of message {msg_ref:?}: a Status is not answered"),
            "" => format!("{name} has no CmdRef: nobody knows which command of message {msg_ref:?} it answers"),
            cmd_ref => format!("{name} refers to command {cmd_ref:?} of message {msg_ref:?}, which was never sent"),
        };
        Some(note_about(answer, text))
    });
    dangling
        .chain(note_renumbered(document, links))
        .chain(note_unseen(speaker, document, links))
        .collect()
}

/// Returns the answer that a link begins at, with its MsgRef and CmdRef.
fn answer_of<'d>(
    document: &'d Document,
    link: &AnswerLink,
) -> Option<(Command<'d>, Cow<'d, str>, Cow<'d, str>)> {
    let answer = Command::of(document.element(link.from)?)?;
    let (msg_ref, cmd_ref) = Refs::of(answer)?.or_empty();
    Some((answer, msg_ref, cmd_ref))
}

fn note_about(answer: Command<'_>, text: String) -> Note {
    Note::new("STA-03", text).at(answer.element().span().start)
}

/// Returns a note on the first answer that names a message by another MsgID than the one with which it arrived.
fn note_renumbered(document: &Document, links: &[AnswerLink]) -> Option<Note> {
    let mut links = links.iter();
    let (link, arrived_as) = links.find_map(|link| Some((link, link.arrived_as.as_ref()?)))?;
    let (answer, msg_ref, _) = answer_of(document, link)?;
    let text = format!(
        "{} has MsgRef {msg_ref:?}: the message that it answers arrived with MsgID {arrived_as:?}",
        answer.element().local()
    );
    Some(note_about(answer, text))
}

/// Returns one note for each answered message that was not seen. dmtap cannot know whether those answers are right.
fn note_unseen(speaker: Side, document: &Document, links: &[AnswerLink]) -> Vec<Note> {
    let answered = speaker.other().name();
    let unseen = links
        .iter()
        .filter(|link| matches!(link.to, AnswerTarget::Unseen));
    let mut known: Vec<Cow<'_, str>> = Vec::new();
    let mut notes = Vec::new();
    for (answer, msg_ref, _) in unseen.filter_map(|link| answer_of(document, link)) {
        if notes.len() == MAX_UNSEEN_NOTES || known.contains(&msg_ref) {
            continue;
        }
        let text = format!("message {msg_ref} of the {answered} was not seen or could not be read");
        notes.push(note_about(answer, text).with_severity(Severity::Info));
        known.push(msg_ref);
    }
    notes
}

/// The most unseen messages that are noted for one message.
const MAX_UNSEEN_NOTES: usize = 4;
/// The longest key of a session, in bytes.
const MAX_KEY_BYTES: usize = 1 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::{self, Hint, Limits};

    #[test]
    fn an_answer_to_nothing_is_noted_with_what_it_refers_to() {
        let check = |answer: &str, expected: &str| {
            let source = format!(
                "<SyncML><SyncHdr/><SyncBody><{answer}><CmdID>1</CmdID><MsgRef>1</MsgRef>\
                 <CmdRef>7</CmdRef></{answer}></SyncBody></SyncML>"
            );
            let document = markup::decode(source.into(), Hint::default(), &Limits::default());
            let document = document.unwrap();
            let key = SessionKey {
                server: "s".into(),
                device: "d".into(),
                id: "1".into(),
            };
            let session = Session::new(1, key);
            let links = session.links(Side::Device, Message::of(&document).unwrap());
            let notes = note_dangling(Side::Device, &document, &links);
            assert_eq!(notes[0].text, expected);
        };
        check(
            "Status",
            "Status refers to command \"7\" of message \"1\", which was never sent",
        );
        check(
            "Results",
            "Results refers to command \"7\" of message \"1\", which was never sent",
        );
    }
}
