//! A session that goes on: its transactions, and what else happened in it.

mod answers;
mod commands;
mod documents;
mod ending;
mod meant;
mod results;
mod rules;
mod unknown;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use smol_str::{SmolStr, format_smolstr};

pub(super) use self::commands::NO_END_OF_DATA;
pub(super) use self::documents::{DocumentKind, FailedDocument, note_documents};
pub(super) use self::meant::WrongRef;
pub(super) use self::results::{RefusedResults, unasked, without_answer, without_results};
pub(super) use self::unknown::{CommandsAlone, failure_words};
use super::exchanged::{Exchanged, of_user};
use super::incident::{Back, Incident, IncidentKind, MOST_INCIDENTS, SLOW};
use super::links::Links;
use super::no_answer::NoAnswer;
use super::refusal::{self, MissedCertificate};
use crate::flow::{
    CommandDelivery, CommandPlace, SessionEnd, Side, Transaction, TransactionOutcome,
};
use crate::record::EventRecord;
use crate::record::model::{CommandRecord, EventKind, NoteRecord, SessionSummary};

/// A session that goes on.
#[derive(Clone, Default)]
pub(super) struct OpenSession {
    pub(super) summary: SessionSummary,
    pub(super) transactions: Vec<Transaction>,
    pub(super) incidents: Vec<Incident>,
    /// For each sender its messages as it sent them, and as they were received.
    sent: [Links; 2],
    received: [Links; 2],
    /// The places of transactions without an answer that who asked waits for.
    open: Vec<usize>,
    objects: Vec<OpenObject>,
    /// The places of large objects that were not completed, with the announced size.
    pub(super) incomplete: Vec<(usize, Option<u64>)>,
    /// Commands before it that stand in no message with a header.
    pub(super) alone: Arc<CommandsAlone>,
    /// Failures of commands that the record does not have, in words.
    pub(super) orphans: Vec<String>,
    /// Gets that the record does not have, with their Results.
    pub(super) unasked: Vec<Transaction>,
    /// The places of transactions with an answer whose reference names another command, or none.
    pub(super) misnumbered: Vec<(usize, WrongRef)>,
    /// The Results of the device's last message, each with the place of its transaction, and those that were refused.
    given_results: Vec<(usize, CommandPlace)>,
    pub(super) refused_results: Vec<RefusedResults>,
    /// Who sent messages that the record lacks, and the first and last MsgID of those.
    pub(super) missing: Vec<(Side, u32, u32)>,
    /// Documents of declared configuration that failed.
    pub(super) documents: Vec<FailedDocument>,
    /// Whether it is of data synchronization (SyncML DS): both sides send all commands, and refuse some as they work.
    pub(super) is_data_sync: bool,
    /// Whether a message says that it is of device management: then another VerProto is a mistake of its sender.
    pub(super) is_dm: bool,
    /// Whether something in it is Windows' own.
    pub(super) is_windows: bool,
    /// Whether the server answered something: what it sent is no bootstrap.
    pub(super) server_answers: bool,
    last: [LastMessage; 2],
    /// The rules that acted on messages of the device, by exchange.
    acted: Vec<(u64, Vec<SmolStr>)>,
    /// The rules that changed which sizes the server announces, each with the first exchange in which it did.
    pub(super) announced: Vec<(u64, SmolStr)>,
    /// The rules that changed the frame of any message.
    pub(super) frame_rules: Vec<SmolStr>,
    /// How it ended, once that is certain.
    ended: Option<SessionEnd>,
    /// The connection of the last request; whether it was closed since.
    pub(super) connection: u64,
    pub(super) is_closed: bool,
    /// Whether the device began another one since.
    pub(super) is_superseded: bool,
    /// Whether it is followed no further, to make room for others.
    pub(super) is_left: bool,
    /// Whether the record says that it finished, and lacks the messages that show it.
    pub(super) lacks_end: bool,
    /// Whether answers may be missing that the peers gave, or would have given.
    pub(super) lacks_answers: bool,
    /// Whether it is the rest of one that had ended.
    pub(super) is_rest: bool,
    /// Whether a request waits for its response.
    is_waiting: bool,
    /// An error that was noted about a command, by the place of its transaction.
    pub(super) errors: HashMap<usize, NoteRecord>,
    /// By the number of a failed command, the number of the later one that did what it was for.
    pub(super) remedies: HashMap<u32, u32>,
}

/// A large object of which more chunks are to come.
#[derive(Clone)]
struct OpenObject {
    from: Side,
    node: Option<SmolStr>,
    transaction: usize,
    size: Option<u64>,
}

/// The last message of a peer.
#[derive(Clone, Default)]
struct LastMessage {
    msg_id: SmolStr,
    fingerprint: Option<u64>,
    at_us: u64,
    /// How long dmtap held it back, in microseconds.
    held_us: u64,
    exchange: u64,
    is_final: bool,
    /// Whether it asked for nothing, and yet had no Final: nobody knows whether more is to come.
    lacks_final: bool,
    /// The exchange and MsgID of the message, where rules left nothing of it to read.
    unreadable: Option<(u64, SmolStr)>,
    /// Where it leads the device away from dmtap, in words.
    leads_away: Option<SmolStr>,
    is_indented: bool,
    cred: Option<SmolStr>,
    /// The rules that acted on it as a whole, and those that acted anywhere.
    rules: Vec<SmolStr>,
    all_rules: Vec<SmolStr>,
    /// The rules that changed what it says, and those that changed its frame.
    content_rules: Vec<SmolStr>,
    frame_rules: Vec<SmolStr>,
    /// The places of its commands' transactions.
    commands: Range<usize>,
    /// The places of its answers: of a transaction, and there.
    answers: Vec<(usize, usize)>,
}

impl OpenSession {
    /// A session that begins with this message.
    pub(super) fn begin(record: &EventRecord) -> Self {
        let mut summary = SessionSummary {
            server: record.connection.server.clone(),
            first_exchange: record.exchange.unwrap_or_default(),
            began_us: record.at_us,
            ..SessionSummary::default()
        };
        if let Some(session) = &record.session {
            summary.number = Some(session.number);
            summary.device = session.device.clone();
            summary.id = session.id.clone();
            summary.starts_late = session.exchange > 1 || session.msg.is_some_and(|msg| msg > 1);
        }
        Self {
            summary,
            ..Self::default()
        }
    }

    /// How it ended, where a message said so.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether its last message did not arrive, or was refused.
    pub(super) fn is_broken(&self) -> bool {
        self.broken().is_some()
    }

    /// Takes a message in.
    pub(super) fn message(&mut self, record: &EventRecord) {
        let message = Exchanged::of(record);
        self.summary.last_exchange = message.exchange;
        self.summary.ended_us = record.at_us;
        self.summary.messages += u32::from(message.sent.is_some());
        self.connection = record.connection.id;
        self.is_closed = false;
        self.is_superseded = false;
        self.is_waiting = record.event == EventKind::Request;
        let from = message.from;
        if let Some(why) = message.unread() {
            self.note(
                &message,
                message.rules(),
                IncidentKind::Unread {
                    from,
                    why,
                    cause: message.unread_cause(),
                },
            );
        }
        match from {
            Side::Device => self.request(&message),
            Side::Server => self.response(&message),
        }
    }

    /// Takes notice that an exchange came to no response.
    pub(super) fn failed(&mut self, record: &EventRecord) {
        self.summary.ended_us = record.at_us;
        let by = match record.from.as_deref() {
            Some("device") => Some(Side::Device),
            Some("server") => Some(Side::Server),
            _ => None,
        };
        let during = match self.is_waiting {
            true => Side::Device,
            false => Side::Server,
        };
        self.is_waiting = false;
        let mut how = NoAnswer::of(record);
        let last = &self.last[side(during)];
        // Who waited too long for what a rule held back left for that reason.
        let is_held = by == Some(Side::Device) && last.held_us > 0;
        let rules = match record.by_rule {
            true => of_user(&self.last[0].rules),
            false if is_held => of_user(&last.all_rules),
            false => Vec::new(),
        };
        if !record.by_rule && !rules.is_empty() {
            how.how = format_smolstr!("held back: {}", how.how);
        }
        let by = by.filter(|_| rules.is_empty());
        let broken = IncidentKind::Broken { by, during, how };
        self.push(record.exchange, record.at_us, rules, broken);
    }

    fn request(&mut self, message: &Exchanged<'_>) {
        let at_us = message.record.at_us;
        let is_repeat = self.is_repeat(message);
        let back = match is_repeat {
            true => Back::Repeated,
            false => Back::Other,
        };
        let was_broken = self.is_broken();
        for incident in &mut self.incidents {
            if incident.what.is_without_answer() && incident.back.is_none() {
                incident.back = Some((at_us, back));
            }
        }
        let last = &self.last[1];
        let since = at_us.saturating_sub(last.at_us.saturating_add(last.held_us));
        if is_repeat && !was_broken && self.is_logged_twice(message) {
            // The server's log has it as it came, and again as it was handled.
        } else if is_repeat && !was_broken {
            self.lost_response(message);
        } else if !was_broken && self.last[1].at_us > 0 && since > SLOW {
            let slow = IncidentKind::Slow {
                who: Side::Device,
                took_us: since,
            };
            self.note(message, Vec::new(), slow);
        }
        if !message.record.applied.is_empty() && self.acted.len() < MOST_INCIDENTS {
            self.acted.push((message.exchange, message.rules()));
        }
        self.conversation(message, is_repeat);
        let is_final = message.sent.is_some_and(|(header, _)| header.is_final);
        if !is_repeat && message.arrives && is_final {
            self.due(Side::Server);
        }
    }

    fn response(&mut self, message: &Exchanged<'_>) {
        let record = message.record;
        if record.own && !of_user(&self.last[0].rules).is_empty() {
            self.request_lost();
        }
        if record.notes.iter().any(|note| note.id == SENT_AGAIN) {
            self.note(message, Vec::new(), IncidentKind::SentAgain);
        }
        let status = message.http_status();
        let held_us = message.held_us();
        let took_us = record.took_us.unwrap_or_default().saturating_add(held_us);
        if took_us > SLOW && !record.own {
            let rules = match held_us {
                0 => Vec::new(),
                _ => message.rules(),
            };
            self.note(
                message,
                rules,
                IncidentKind::Slow {
                    who: Side::Server,
                    took_us,
                },
            );
        }
        if status >= 300 || message.is_foreign() {
            let retry_after = record.header("retry-after");
            let rules = self.rules_behind_error(message);
            let what = IncidentKind::Http {
                status,
                retry_after: retry_after.and_then(|it| it.trim().parse().ok()),
                own: record.own,
                words: match record.header("location") {
                    Some(location) => Some(format_smolstr!("Location: {location}")),
                    None => refusal::own_words(record),
                }
                .filter(|_| !record.own),
                certificate: MissedCertificate::of(record).filter(|_| rules.is_empty()),
            };
            return self.note(message, rules, what);
        }
        if !message.arrives {
            let how = NoAnswer::of_cut(record);
            let broken = IncidentKind::Broken {
                by: None,
                during: Side::Server,
                how,
            };
            self.note(message, message.rules(), broken);
        }
        for rule in message.rules_of_sizes() {
            if message.arrives && !self.announced.iter().any(|(_, known)| *known == rule) {
                self.announced.push((message.exchange, rule));
            }
        }
        self.conversation(message, self.is_repeat(message));
        if !message.arrives {
            return;
        }
        if message
            .received()
            .is_some_and(|(header, _)| header.is_final)
        {
            self.due(Side::Device);
        }
        self.ended = self.closing(message);
    }

    /// Takes notice of messages of the sender that the record lacks: answers to open commands may stand in there.
    fn note_missing(&mut self, message: &Exchanged<'_>) {
        let from = message.from;
        let number = |msg_id: &SmolStr| msg_id.parse::<u32>().ok();
        let next = number(&self.last[side(from)].msg_id).and_then(|last| last.checked_add(1));
        let msg_id = message.sent.and_then(|(header, _)| header.msg.as_ref());
        let (Some(next), Some(now)) = (next, msg_id.and_then(number)) else {
            return;
        };
        // Where dmtap answers in a peer's place, the peers count differently.
        let is_seen = now <= next || !self.acted.is_empty() || message.record.own;
        if is_seen || self.missing.len() == MOST_MISSING {
            return;
        }
        self.missing.push((from, next, now - 1));
        let transactions = &self.transactions;
        self.open.retain(|at| transactions[*at].from == from);
    }

    /// Whether the sender sent these bytes with this MsgID just before.
    fn is_repeat(&self, message: &Exchanged<'_>) -> bool {
        let last = &self.last[side(message.from)];
        let msg_id = message.sent.and_then(|(header, _)| header.msg.as_ref());
        let is_alike = message.fingerprint.is_some() && message.fingerprint == last.fingerprint;
        msg_id == Some(&last.msg_id) && is_alike
    }

    /// Whether a request that is there twice came once: a server may log what came, and what it handles. No device gives
    /// up waiting so soon.
    fn is_logged_twice(&self, message: &Exchanged<'_>) -> bool {
        let first = self.last[side(message.from)].at_us;
        let is_of_log = message.record.head.is_none() && first > 0;
        is_of_log && message.record.at_us.saturating_sub(first) < LOGGED_TWICE
    }

    /// The device repeats its message: it did not get the response to it.
    fn lost_response(&mut self, message: &Exchanged<'_>) {
        let commands = self.last[1].commands.clone();
        for at in commands {
            if self.transactions[at].delivery == CommandDelivery::Delivered {
                self.transactions[at].delivery = CommandDelivery::Undelivered;
            }
        }
        let (exchange, asked_us) = (self.last[0].exchange, self.last[0].at_us);
        let broken = IncidentKind::Broken {
            by: None,
            during: Side::Server,
            how: NoAnswer::default(),
        };
        let at_us = self.last[1].at_us.max(asked_us);
        self.push(Some(exchange), at_us, Vec::new(), broken);
        if let Some(incident) = self.incidents.last_mut() {
            incident.back = Some((message.record.at_us, Back::Repeated));
        }
    }

    /// A rule answered in the server's place: the server did not get the request, but for answers to dmtap's own commands.
    fn request_lost(&mut self) {
        for (transaction, answer) in std::mem::take(&mut self.last[0].answers) {
            if self.transactions[transaction].delivery != CommandDelivery::Injected {
                self.transactions[transaction].answers[answer].received = None;
                self.settle(transaction);
            }
        }
        for at in self.last[0].commands.clone() {
            self.transactions[at].delivery = CommandDelivery::Undelivered;
        }
    }

    /// Every command of `asker` so far was to be answered by now.
    fn due(&mut self, asker: Side) {
        let transactions = &mut self.transactions;
        let newest = &self.last[side(asker)];
        // A peer may take a message with another header for none to answer.
        let (of_newest, frame_rules) = (&newest.commands, &newest.frame_rules);
        self.open.retain(|at| {
            let transaction = &mut transactions[*at];
            let is_due = transaction.from == asker;
            let is_open = transaction.outcome == TransactionOutcome::Open;
            if is_due && is_open && transaction.answers.iter().all(|it| it.received.is_none()) {
                transaction.outcome = TransactionOutcome::Unanswered;
                if of_newest.contains(at) && transaction.all_rules().next().is_none() {
                    transaction.rules.clone_from(frame_rules);
                }
            }
            !is_due
        });
    }

    /// Marks the session as the rest of one that had ended; this message begins it.
    pub(super) fn go_on(&mut self, record: &EventRecord) {
        self.is_rest = true;
        let msg_id = record.session.as_ref().and_then(|session| session.msg);
        self.summary.starts_late = msg_id.is_some_and(|msg_id| msg_id > 1);
    }

    /// Whether the session is the rest of one that had ended, and says nothing more: such as the last request once more.
    pub(super) fn adds_nothing(&self) -> bool {
        let has_asked = || self.transactions.iter().any(|it| it.from == Side::Server);
        let has_failures = !self.orphans.is_empty() || !self.unasked.is_empty();
        self.is_rest && !has_failures && self.incidents.is_empty() && !has_asked()
    }

    /// A number for the bytes of the device's last message.
    pub(super) fn last_request(&self) -> Option<u64> {
        self.last[0].fingerprint
    }

    /// Whether the device sent a message in it.
    pub(super) fn has_request(&self) -> bool {
        self.last[0].exchange > 0
    }

    /// The places of large objects of which more chunks are to come, with the announced size.
    pub(super) fn objects_under_way(&self) -> impl Iterator<Item = (usize, Option<u64>)> {
        self.objects
            .iter()
            .map(|object| (object.transaction, object.size))
    }

    /// Where the last message of the server leads the device away from dmtap, in words.
    pub(super) fn leads_away(&self) -> Option<&SmolStr> {
        self.last[1].leads_away.as_ref()
    }

    fn note(&mut self, message: &Exchanged<'_>, rules: Vec<SmolStr>, what: IncidentKind) {
        self.push(Some(message.exchange), message.record.at_us, rules, what);
    }

    fn push(&mut self, exchange: Option<u64>, at_us: u64, rules: Vec<SmolStr>, what: IncidentKind) {
        if self.incidents.len() < MOST_INCIDENTS {
            self.incidents.push(Incident {
                exchange: exchange.unwrap_or_default(),
                at_us,
                rules,
                what,
                back: None,
            });
        }
    }
}

/// How soon a log has a message once more that came once, in microseconds.
const LOGGED_TWICE: u64 = 1_000_000;

/// The note on a response to a request that dmtap sent twice.
const SENT_AGAIN: &str = "HTTP-08";

/// Gaps of one session that are kept.
const MOST_MISSING: usize = 100;

/// The place of a peer in a pair.
fn side(side: Side) -> usize {
    match side {
        Side::Device => 0,
        Side::Server => 1,
    }
}

/// Whether an Alert has this code.
fn is_alert(command: &CommandRecord, code: u16) -> bool {
    command.alert.as_ref().and_then(|alert| alert.code) == Some(code)
}
