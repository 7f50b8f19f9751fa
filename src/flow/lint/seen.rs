//! What a session has shown so far, and the message that is judged.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::LintMessage;
use super::large::Object;
use crate::dm::{AlertCode, Command, CommandKind, Message};
use crate::flow::session::are_counted;
use crate::flow::{AnswerLink, AnswerTarget, Session, SessionTag, Side, Timestamp};
use crate::markup::{Document, Element, NodeId};

/// A session, as far as it was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Links messages that nobody linked before.
    links: Session,
    /// When its newest message came.
    pub(super) at: Timestamp,
    /// What it was counted with, in bytes.
    pub(super) counted: usize,
    /// Whether the device's newest message has no answer yet.
    awaits_server: bool,
    /// Whether the device's newest message came again: its answer has the number of the one that was lost.
    pub(super) is_retried: bool,
    /// Whether dmtap stood between the peers, or a message is missing: they do not know the same conversation.
    pub(super) is_disturbed: bool,
    /// Whether the session was seen from its first message on.
    pub(super) is_whole: bool,
    pub(super) is_windows: bool,
    pub(super) device: Spoken,
    pub(super) server: Spoken,
    /// LoginStatus of the device.
    pub(super) login: Option<String>,
    /// DevInfo nodes of package 1, by name.
    pub(super) dev_info: BTreeSet<String>,
    /// Whether the server has nothing more to ask for, as its newest message shows.
    is_over: bool,
    /// Whether package 1 is over.
    pub(super) is_opened: bool,
    /// Where the device is to send its next message.
    pub(super) resp_uri: Option<String>,
    /// Nonces that were sent.
    pub(super) nonces: BTreeSet<String>,
}

/// What one side has said.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    pub(super) messages: u32,
    pub(super) msg_id: Option<u32>,
    /// Its newest message, as written.
    newest: Option<Arc<Document>>,
    pub(super) is_final: bool,
    /// Whether the other side got its newest message as dmtap made it, or not at all.
    pub(super) is_altered: bool,
    pub(super) has_aborted: bool,
    pub(super) max_msg_size: Option<u64>,
    pub(super) max_obj_size: Option<u64>,
    /// Which of its messages had credentials.
    pub(super) with_cred: BTreeMap<String, bool>,
    pub(super) scheme: Option<String>,
    /// The scheme that it asked the other side for, since that side's last credentials.
    pub(super) asked_scheme: Option<String>,
    /// Whether its newest message refused the other side's header with 401 or 407.
    pub(super) has_refused: bool,
    /// Its commands that were delivered and have no Status yet, with the message that they stand in.
    pub(super) pending: HashMap<Place, Pending>,
    /// Bytes of the messages that those stand in.
    pub(super) pending_bytes: usize,
    pub(super) object: Option<Object>,
}

impl Spoken {
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

/// A command without its Status.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) document: Arc<Document>,
    pub(super) node: NodeId,
    /// Whether its Status 200 came and its Results did not.
    pub(super) lacks_results: bool,
    /// Whether its Status came.
    pub(super) is_answered: bool,
}

impl Seen {
    /// About how many bytes it keeps in memory. A message that is kept for two reasons counts twice.
    pub(super) fn bytes(&self) -> usize {
        let texts = self.nonces.iter().chain(&self.dev_info);
        let texts: usize = texts.map(String::len).sum();
        size_of::<Self>() + self.links.bytes() + self.device.bytes() + self.server.bytes() + texts
    }

    pub(super) fn of(&self, side: Side) -> &Spoken {
        match side {
            Side::Device => &self.device,
            Side::Server => &self.server,
        }
    }

    pub(super) fn of_mut(&mut self, side: Side) -> &mut Spoken {
        match side {
            Side::Device => &mut self.device,
            Side::Server => &mut self.server,
        }
    }

    /// Whether rules may compare this message with those before.
    pub(super) fn is_comparable(&self) -> bool {
        self.is_whole && !self.is_disturbed
    }

    /// Whether the sender's newest message was the same, byte for byte.
    pub(super) fn is_repeat(&self, linted: LintMessage<'_>) -> bool {
        let newest = self.of(linted.speaker).newest.as_ref();
        newest.is_some_and(|newest| newest.source() == linted.document.source())
    }

    /// Whether a message of the device begins another session, though SessionID is the same: many devices have one for all.
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
            && (opens(message) || has_cred());
        is_first && (self.is_over || !self.is_repeat(linted))
    }

    /// Takes in what shows who speaks.
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
            // The answer to the message before was not seen.
            if self.awaits_server && !self.is_retried {
                self.missed();
            }
            if linted.links.is_none() {
                self.links.note_message(message);
            }
        }
        self.awaits_server = linted.speaker == Side::Device;
        if linted.speaker == Side::Server && self.device.messages == 0 {
            // What it answers was not seen.
            self.missed();
        }
        match linted.delivered {
            None => self.missed(),
            Some(_) => self.is_disturbed |= linted.is_changed,
        }
    }

    /// Takes in a message that was judged.
    pub(super) fn enter(&mut self, linted: LintMessage<'_>, message: Message<'_>) {
        let side = linted.speaker;
        if let (Some(delivered), None) = (linted.delivered, linted.links) {
            let original = Some(linted.document.clone());
            self.links
                .delivered(side.other(), delivered.clone(), original);
        }
        let header = message.header();
        let meta = header.and_then(|header| header.meta());
        let refused = message.header_status().and_then(|status| status.code());
        let is_new_package = self.of(side).is_final || self.of(side).messages == 0;
        let spoken = self.of_mut(side);
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
            spoken.with_cred.insert(id.into_owned(), cred.is_some());
            while spoken.with_cred.len() > MAX_REMEMBERED_MESSAGES {
                spoken.with_cred.pop_first();
            }
        }
        // Commands of the package before are answered or will never be.
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
            // Of commands that share a CmdID nobody knows which one an answer means.
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
                };
                spoken.pending.insert(place(document, node), pending);
            }
        }
        if spoken.pending.len() > before {
            spoken.pending_bytes += document.bytes();
        }
    }

    /// A message of either side is missing.
    pub(super) fn missed(&mut self) {
        self.is_disturbed = true;
        self.links.missed(Side::Device);
        self.links.missed(Side::Server);
    }

    pub(super) fn links(&self, side: Side, message: Message<'_>) -> Vec<AnswerLink> {
        self.links.links(side, message)
    }
}

/// Whether a text of a peer is short enough to be remembered.
pub(super) fn is_short(text: &str) -> bool {
    text.len() <= MAX_TEXT_BYTES
}

/// Bytes of a text that is remembered.
const MAX_TEXT_BYTES: usize = 2_048;

/// Which command of which document it is.
pub(super) type Place = (usize, NodeId);

fn place(document: &Arc<Document>, node: NodeId) -> Place {
    (Arc::as_ptr(document) as usize, node)
}

/// Whether a message has the Alert that begins a session.
pub(super) fn opens(message: Message<'_>) -> bool {
    message.has_alert(AlertCode(1200)) || message.has_alert(AlertCode(1201))
}

/// A message that is judged, with what its answers answer.
pub(super) struct Turn<'m> {
    pub(super) linted: LintMessage<'m>,
    pub(super) side: Side,
    pub(super) message: Message<'m>,
    pub(super) links: &'m [AnswerLink],
}

impl<'m> Turn<'m> {
    /// What an answer of the message answers.
    pub(super) fn target(&self, answer: Element<'_>) -> Option<&'m AnswerTarget> {
        let at = self
            .links
            .binary_search_by_key(&answer.id(), |link| link.from);
        at.ok().map(|at| &self.links[at].to)
    }

    /// The command that an answer of the message answers.
    pub(super) fn answered(&self, answer: Element<'_>) -> Option<(Place, Command<'m>)> {
        let target = self.target(answer)?;
        match target {
            AnswerTarget::Command { document, node } => {
                Some((place(document, *node), target.command()?))
            }
            _ => None,
        }
    }

    /// The commands that are no answers, nested ones included.
    pub(super) fn requests(&self) -> impl Iterator<Item = Command<'m>> {
        self.message
            .all_commands()
            .filter(|command| command.expects_status())
    }

    /// Whether it only says that a slow command still runs.
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

/// Messages of a side whose credentials are remembered.
const MAX_REMEMBERED_MESSAGES: usize = 64;

/// Commands without a Status that are remembered for a side.
const MOST_PENDING: usize = 10_000;
