//! The state of a session so far, and the message that is checked.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::LintMessage;
use super::items::{ItemAnswers, are_several};
use super::large::Object;
use crate::dm::{AlertCode, Command, CommandKind, Message, Refs, Status, asked_kind};
use crate::flow::session::are_counted;
use crate::flow::{AnswerLink, AnswerTarget, Session, SessionTag, Side, Timestamp};
use crate::markup::{Document, Element, NodeId};

/// The state of a session, from the messages that were seen.
#[derive(Debug, Default)]
pub(super) struct LintSession {
    /// The session that links messages if the proxy did not link them.
    links: Session,
    /// The time of the newest message.
    pub(super) at: Timestamp,
    /// The bytes that the linter counted for the session.
    pub(super) counted: usize,
    /// Whether the device's newest message has no answer yet.
    awaits_server: bool,
    /// Whether the device sent its newest message again. The answer then has the MsgID of the answer that was lost.
    pub(super) is_retried: bool,
    /// Whether dmtap changed the conversation, or a message is missing. The peers then know different conversations.
    pub(super) is_disturbed: bool,
    /// Whether the session was seen from its first message on.
    pub(super) is_whole: bool,
    pub(super) is_windows: bool,
    pub(super) device: LintSide,
    pub(super) server: LintSide,
    /// The LoginStatus that the device sent.
    pub(super) login: Option<String>,
    /// DevInfo nodes of package 1, by name.
    pub(super) dev_info: BTreeSet<String>,
    /// Whether the server's newest message shows that it has nothing more to ask for.
    is_over: bool,
    /// Whether package 1 is over.
    pub(super) is_opened: bool,
    /// The RespURI: the address for the device's next message.
    pub(super) resp_uri: Option<String>,
    /// The nonces that were sent.
    pub(super) nonces: BTreeSet<String>,
    /// The SessionID that the server wrote before the device changed it.
    pub(super) former_id: Option<Arc<str>>,
}

/// The state of one side of a session.
#[derive(Debug, Default)]
pub(super) struct LintSide {
    pub(super) messages: u32,
    pub(super) msg_id: Option<u32>,
    /// The newest message, as its sender wrote it.
    newest: Option<Arc<Document>>,
    pub(super) is_final: bool,
    /// Whether the side has begun a package that its newest message does not close.
    pub(super) is_in_package: bool,
    /// Whether dmtap changed or wrote the newest message that the other side got, or that message did not arrive.
    pub(super) is_altered: bool,
    pub(super) has_aborted: bool,
    pub(super) max_msg_size: Option<u64>,
    pub(super) max_obj_size: Option<u64>,
    /// Whether each message of the side had credentials, by MsgID.
    pub(super) with_cred: BTreeMap<String, bool>,
    pub(super) scheme: Option<String>,
    /// The scheme that the side asked for in a challenge, since the other side's last credentials.
    pub(super) asked_scheme: Option<String>,
    /// Whether the newest message refused the other side's header with 401 or 407.
    pub(super) has_refused: bool,
    /// The delivered commands of the side that have no Status yet.
    pub(super) pending: HashMap<Place, Pending>,
    /// The bytes of the messages that contain those commands.
    pub(super) pending_bytes: usize,
    pub(super) object: Option<Object>,
}

impl LintSide {
    fn bytes(&self) -> usize {
        let newest = self.newest.as_ref().map_or(0, |newest| newest.bytes());
        newest + self.pending_bytes + self.pending.len() * size_of::<Pending>()
    }
}

impl Pending {
    pub(super) fn command(&self) -> Option<Command<'_>> {
        Command::of(self.document.element(self.node)?)
    }
}

/// A command that waits for its Status.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) document: Arc<Document>,
    pub(super) node: NodeId,
    /// Whether the Status was 200 and the Results have not come.
    pub(super) lacks_results: bool,
    /// Whether the Status has come.
    pub(super) is_answered: bool,
    /// The answers to the Items, if the server sent several.
    pub(super) items: ItemAnswers,
}

impl LintSession {
    /// Returns the approximate bytes that the session keeps in memory. A message that is kept for two reasons counts
    /// twice.
    pub(super) fn bytes(&self) -> usize {
        let texts = self.nonces.iter().chain(&self.dev_info);
        let texts: usize = texts.map(String::len).sum();
        size_of::<Self>() + self.links.bytes() + self.device.bytes() + self.server.bytes() + texts
    }

    pub(super) fn of(&self, side: Side) -> &LintSide {
        match side {
            Side::Device => &self.device,
            Side::Server => &self.server,
        }
    }

    pub(super) fn of_mut(&mut self, side: Side) -> &mut LintSide {
        match side {
            Side::Device => &mut self.device,
            Side::Server => &mut self.server,
        }
    }

    /// Whether rules may compare this message with earlier ones.
    pub(super) fn is_comparable(&self) -> bool {
        self.is_whole && !self.is_disturbed
    }

    /// Whether the sender's newest message had the same bytes.
    pub(super) fn is_repeat(&self, linted: LintMessage<'_>) -> bool {
        let newest = self.of(linted.speaker).newest.as_ref();
        newest.is_some_and(|newest| newest.source() == linted.document.source())
    }

    /// Whether a message of the device begins another session with the same SessionID: many devices use one for all
    /// sessions.
    pub(super) fn begins_anew(&self, linted: LintMessage<'_>, message: Message<'_>) -> bool {
        let has_cred = || {
            message
                .header()
                .is_some_and(|header| header.cred().is_some())
        };
        let is_first = linted.speaker == Side::Device
            && self.device.messages > 0
            && message.is_first()
            && message.header_status().is_none()
            && (message.opens_session() || has_cred());
        is_first && (self.is_over || !self.is_repeat(linted))
    }

    /// Remembers that the device goes on under another SessionID. The server may stay at the one that it wrote last.
    pub(super) fn rename(&mut self) {
        let newest = self.server.newest.as_deref().and_then(Message::of);
        let id = newest.and_then(|newest| newest.header()?.session_id());
        self.former_id = id.map(|id| Arc::from(&*id));
    }

    /// Whether these are answers to all open commands of the server and to nothing else, with Results of their nodes.
    pub(super) fn is_answered_by(&self, answers: &Answers<'_>) -> bool {
        let open = || self.server.pending.values().filter(|it| !it.is_answered);
        let is_answered = |pending: &Pending| {
            let (asking, command) = (Message::of(&pending.document)?, pending.command()?);
            let refs = Refs {
                msg_ref: asking.msg_id(),
                cmd_ref: command.cmd_id(),
            };
            let (kind, results) = answers.get(&refs)?;
            let is_of_node = results.is_none_or(|results| are_of(results, command));
            Some(*kind == Some(command.kind()) && is_of_node)
        };
        !answers.is_empty()
            && open().all(|pending| is_answered(pending) == Some(true))
            && open().count() == answers.len()
    }

    /// Updates the state before a message is checked: Windows as a peer, repeats and missing messages.
    pub(super) fn note_peer(&mut self, linted: LintMessage<'_>, message: Message<'_>) {
        let agent = linted.head.and_then(|head| head.field("user-agent"));
        let is_windows = agent.is_some_and(|agent| agent.contains("MSFT OMA DM"));
        self.is_windows =
            self.is_windows || is_windows || message.all_commands().any(is_of_windows);
        if linted.speaker == Side::Device {
            self.is_retried = self.is_repeat(linted);
            if self.device.messages == 0 {
                self.is_whole = message.is_first();
            }
            // The answer to the device's message before this one was not seen.
            if self.awaits_server && !self.is_retried {
                self.missed();
            }
            if linted.links.is_none() {
                self.links.observe_message(message);
            }
        }
        self.awaits_server = linted.speaker == Side::Device;
        if linted.speaker == Side::Server && self.device.messages == 0 {
            // The message that this one answers was not seen.
            self.missed();
        }
        match linted.delivered {
            None => self.missed(),
            Some(_) => self.is_disturbed |= linted.is_changed,
        }
    }

    /// Enters a message that was checked.
    pub(super) fn enter(&mut self, linted: LintMessage<'_>, message: Message<'_>) {
        let side = linted.speaker;
        if let (Some(delivered), None) = (linted.delivered, linted.links) {
            let original = Some(linted.document.clone());
            self.links
                .delivered(side.other(), delivered.clone(), original);
        }
        let header = message.header();
        let meta = header.and_then(|header| header.meta());
        let refused = message.header_code();
        let asks_for_rest = side == Side::Server && self.device_goes_on();
        let is_new_package = !self.of(side).is_in_package && !asks_for_rest;
        let spoken = self.of_mut(side);
        spoken.is_in_package = !asks_for_rest && !message.is_final();
        spoken.messages += 1;
        spoken.msg_id = SessionTag::number_of(message).or(spoken.msg_id);
        spoken.newest = Some(linted.document.clone());
        spoken.is_final = message.is_final();
        spoken.is_altered = linted.is_own || linted.is_changed || linted.delivered.is_none();
        spoken.has_aborted |= message.has_alert(AlertCode::SESSION_ABORT);
        spoken.has_refused = refused.is_some_and(|code| code.is_challenge());
        let asks = message.commands().any(|it| !it.kind().is_answer());
        let is_last = spoken.is_final && !asks && !spoken.has_refused;
        if let Some(meta) = meta {
            spoken.max_msg_size = meta.max_msg_size().or(spoken.max_msg_size);
            spoken.max_obj_size = meta.max_obj_size().or(spoken.max_obj_size);
        }
        let cred = header.and_then(|header| header.cred());
        if let Some(id) = message.msg_id().filter(|id| is_short(id)) {
            let has_mac = linted
                .head
                .is_some_and(|head| head.field("x-syncml-hmac").is_some());
            let has_cred = cred.is_some() || has_mac;
            spoken.with_cred.insert(id.into_owned(), has_cred);
            while spoken.with_cred.len() > MAX_REMEMBERED_MESSAGES {
                spoken.with_cred.pop_first();
            }
        }
        // Commands of the package before are answered, or will never be.
        if is_new_package {
            spoken.pending.clear();
            spoken.pending_bytes = 0;
        }
        self.is_over = side == Side::Server && is_last && self.device.is_final;
        let spoken = self.of_mut(side);
        let Some(document) = linted.delivered else {
            return;
        };
        let Some(message) = Message::of(document) else {
            return;
        };
        let commands = || message.all_commands().filter(|it| it.expects_status());
        let all_differ = are_counted(commands());
        let mut ids: HashMap<Cow<'_, str>, usize> = HashMap::new();
        let counted = commands().filter(|_| !all_differ);
        for id in counted.filter_map(Command::cmd_id) {
            *ids.entry(id).or_default() += 1;
        }
        let before = spoken.pending.len();
        for command in commands() {
            // If commands share a CmdID, nobody knows which of them an answer means.
            let id = command.cmd_id().filter(|id| !id.is_empty());
            let is_sole = all_differ || id.is_some_and(|id| ids.get(&id) == Some(&1));
            let is_known = command.kind() != CommandKind::Unknown;
            if spoken.pending.len() < MOST_PENDING && is_sole && is_known {
                let node = command.element().id();
                let pending = Pending {
                    document: document.clone(),
                    node,
                    lacks_results: false,
                    is_answered: false,
                    items: ItemAnswers::default(),
                };
                spoken.pending.insert(place(document, node), pending);
            }
        }
        if spoken.pending.len() > before {
            spoken.pending_bytes += document.bytes();
        }
    }

    /// Enters a message that came again. The proxy's links then refer to the commands of its newest copy.
    pub(super) fn enter_again(&mut self, linted: LintMessage<'_>) {
        let (Some(document), Some(_)) = (linted.delivered, linted.links) else {
            return;
        };
        let pending = &mut self.of_mut(linted.speaker).pending;
        let renewed = pending.drain().map(|(at, mut pending)| {
            if pending.document.source() != document.source() {
                return (at, pending);
            }
            pending.document = document.clone();
            (place(document, pending.node), pending)
        });
        *pending = renewed.collect();
    }

    /// Whether the device's package goes on in its next message. The server then asks for the rest, which begins no
    /// package. A device that asks for the rest of the server's package has not begun its own.
    pub(super) fn device_goes_on(&self) -> bool {
        self.device.messages > 0 && !self.device.is_final && !self.server.is_in_package
    }

    /// Whether the server's newest message shows that its package goes on. Without such a sign Final was left out
    /// (PKG-05).
    pub(super) fn server_goes_on(&self) -> bool {
        let newest = self.server.newest.as_deref().and_then(Message::of);
        self.server.is_in_package && newest.is_some_and(explains_missing_final)
    }

    /// Notes an answer of a side for a command of the server that has several Items. Some servers name one of the device's
    /// Items in a Status about all.
    pub(super) fn note_items(
        &mut self,
        side: Side,
        place: Place,
        asked: Command<'_>,
        note: impl FnOnce(&mut ItemAnswers) -> usize,
    ) {
        if side == Side::Device
            && are_several(asked)
            && let Some(pending) = self.server.pending.get_mut(&place)
        {
            self.server.pending_bytes += note(&mut pending.items);
        }
    }

    /// Marks that a message of either side is missing.
    pub(super) fn missed(&mut self) {
        self.is_disturbed = true;
        self.links.missed(Side::Device);
        self.links.missed(Side::Server);
    }

    pub(super) fn links(&self, side: Side, message: Message<'_>) -> Vec<AnswerLink> {
        self.links.links(side, message)
    }
}

/// The answers of a message: the Cmd of the Status, and the Results.
pub(super) type Answers<'m> = HashMap<Refs<'m>, (Option<CommandKind>, Option<Command<'m>>)>;

/// Returns the answers of a message, without the Status of the SyncHdr.
pub(super) fn answers(message: Message<'_>) -> Answers<'_> {
    let mut answers = Answers::new();
    for answer in message.commands() {
        let status = answer.as_status();
        let Some(refs) = Refs::of(answer).filter(|_| !status.is_some_and(Status::is_for_header))
        else {
            continue;
        };
        let (kind, results) = answers.entry(refs).or_default();
        match status {
            Some(_) => *kind = asked_kind(answer),
            None => *results = Some(answer),
        }
    }
    answers
}

/// Whether the first Item of these Results is of a node that a command names, or of one below it.
fn are_of(results: Command<'_>, command: Command<'_>) -> bool {
    let Some(source) = results.loc_uri() else {
        return true;
    };
    let mut targets = command.items().filter_map(|item| item.target());
    targets.any(|target| {
        let path = target.split('?').next().unwrap_or_default();
        let begins = source.get(..path.len());
        begins.is_some_and(|begins| begins.eq_ignore_ascii_case(path))
    })
}

/// Whether a text of a peer is short enough to be remembered.
pub(super) fn is_short(text: &str) -> bool {
    text.len() <= MAX_TEXT_BYTES
}

/// The longest text that is remembered, in bytes.
const MAX_TEXT_BYTES: usize = 2_048;

/// The identity of a command: its document and its node there.
pub(super) type Place = (usize, NodeId);

fn place(document: &Arc<Document>, node: NodeId) -> Place {
    (Arc::as_ptr(document) as usize, node)
}

/// Whether a message of the server without Final shows that its package goes on: a large object, or Alert 1222.
pub(super) fn explains_missing_final(message: Message<'_>) -> bool {
    let mut items = message.all_commands().flat_map(Command::items);
    message.has_alert(AlertCode::NEXT_MESSAGE) || items.any(|item| item.more_data())
}

/// A message that is checked, with the links of its answers.
pub(super) struct Turn<'m> {
    pub(super) linted: LintMessage<'m>,
    pub(super) side: Side,
    pub(super) message: Message<'m>,
    pub(super) links: &'m [AnswerLink],
}

impl<'m> Turn<'m> {
    /// Returns the target of an answer of the message.
    pub(super) fn target(&self, answer: Element<'_>) -> Option<&'m AnswerTarget> {
        let at = self
            .links
            .binary_search_by_key(&answer.id(), |link| link.from);
        at.ok().map(|at| &self.links[at].to)
    }

    /// Returns the command that an answer of the message answers.
    pub(super) fn answered(&self, answer: Element<'_>) -> Option<(Place, Command<'m>)> {
        let target = self.target(answer)?;
        match target {
            AnswerTarget::Command { document, node } => {
                Some((place(document, *node), target.command()?))
            }
            _ => None,
        }
    }

    /// Returns the commands that are not answers, nested ones included.
    pub(super) fn requests(&self) -> impl Iterator<Item = Command<'m>> {
        self.message
            .all_commands()
            .filter(|command| command.expects_status())
    }

    /// Whether the message only reports that a slow command is still running.
    pub(super) fn is_keep_alive(&self) -> bool {
        let alerts = self.message.commands().filter_map(Command::as_alert);
        let mut types = alerts.filter_map(|alert| alert.alert_type());
        types.any(|name| name.ends_with("com.microsoft.mdm.requestpending"))
    }
}

/// Whether a command shows that Windows is one of the peers.
fn is_of_windows(command: Command<'_>) -> bool {
    let alert_type = command.as_alert().and_then(|alert| alert.alert_type());
    let is_alert = alert_type.is_some_and(|name| name.contains("com.microsoft"));
    let is_node = |uri: &str| uri.to_ascii_lowercase().contains("vendor/msft/");
    is_alert
        || command.kind() != CommandKind::Alert
            && command.loc_uri().is_some_and(|uri| is_node(&uri))
}

/// The most messages of a side whose credentials are remembered.
const MAX_REMEMBERED_MESSAGES: usize = 64;

/// The most commands without a Status that are remembered for a side.
const MOST_PENDING: usize = 10_000;
