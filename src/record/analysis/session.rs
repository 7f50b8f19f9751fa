//! A session that goes on: its transactions and incidents.

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

use smol_str::{SmolStr, format_smolstr};

pub(super) use self::commands::NO_END_OF_DATA;
pub(super) use self::documents::{DocumentKind, FailedDocument, note_documents};
pub(super) use self::meant::WrongRef;
pub(super) use self::results::{RefusedResults, unasked, without_answer, without_results};
pub(super) use self::unknown::{CommandsAlone, alerted_failures, failure_words};
use super::exchanged::{Exchanged, of_user};
use super::incident::{Back, Incident, IncidentKind, SLOW};
use super::links::Links;
use super::no_answer::NoAnswer;
use super::refusal::{self, MissedCertificate};
use crate::flow::{
    Arrival, BySide, CommandPlace, SessionEnd, Side, Transaction, TransactionOutcome,
};
use crate::record::EventRecord;
use crate::record::model::{EventKind, NoteRecord, SessionSummary};

/// A session that goes on.
#[derive(Clone, Default)]
pub(super) struct OpenSession {
    pub(super) summary: SessionSummary,
    pub(super) transactions: Vec<Transaction>,
    pub(super) incidents: Vec<Incident>,
    /// The messages of each sender, as it sent them and as they were received.
    sent: BySide<Links>,
    received: BySide<Links>,
    /// The places of transactions whose sender still waits for an answer.
    open: Vec<usize>,
    objects: Vec<OpenObject>,
    /// The places of large objects that were not completed, each with its announced size.
    pub(super) incomplete: Vec<(usize, Option<u64>)>,
    /// The exchanges of commands that stand alone in front of their answers.
    pub(super) alone: Vec<u64>,
    /// The failures of commands that the record does not have, in words.
    pub(super) orphans: Vec<String>,
    /// The Gets that the record does not have, with their Results.
    pub(super) unasked: Vec<Transaction>,
    /// The places of transactions with an answer whose reference names another command or none.
    pub(super) misnumbered: Vec<(usize, WrongRef)>,
    /// The Results in the device's last message, each with the place of its transaction.
    given_results: Vec<(usize, CommandPlace)>,
    pub(super) refused_results: Vec<RefusedResults>,
    /// The gaps in the record: the sender of the missing messages, and their first and last MsgID.
    pub(super) missing: Vec<(Side, u32, u32)>,
    /// The documents in which the device reports a failure.
    pub(super) documents: Vec<FailedDocument>,
    /// Whether a message says that it is of data synchronization (SyncML DS): there both sides send all commands, and may
    /// refuse some.
    pub(super) is_data_sync: bool,
    /// Whether a message says that it is of device management: then another VerProto is a mistake of the sender.
    pub(super) is_dm: bool,
    /// Whether the session has something that only Windows has.
    pub(super) is_windows: bool,
    /// Whether the server answered anything; a bootstrap has no answers.
    pub(super) server_answers: bool,
    pub(super) max_msg_size_of_server: Option<u64>,
    last: BySide<LastMessage>,
    /// The rules that acted on messages of the device, by exchange.
    acted: Vec<(u64, Vec<SmolStr>)>,
    /// The rules that changed which sizes the server announces, each with the first exchange in which it did.
    pub(super) announced: Vec<(u64, SmolStr)>,
    /// The rules that changed the frame of any message.
    pub(super) frame_rules: Vec<SmolStr>,
    /// The end of the session, if a message shows it.
    pub(super) ended: Option<SessionEnd>,
    /// The connection of the last request.
    pub(super) connection: u64,
    /// Whether that connection was closed since.
    pub(super) is_closed: bool,
    /// Whether the device began another session since.
    pub(super) is_superseded: bool,
    /// Whether that other session goes on with the MsgIDs of this one: only the SessionID changed.
    pub(super) changes_id: bool,
    /// Whether the session is followed no further, to make room for others.
    pub(super) is_left: bool,
    /// Whether the record says that the session finished, and lacks the messages that show it.
    pub(super) lacks_end: bool,
    /// Whether answers may be missing that the peers gave, or would have given.
    pub(super) lacks_answers: bool,
    /// The exchange of a message that names no session, next to the part that the record lacks, and the reason.
    pub(super) nameless: Option<(u64, SmolStr)>,
    /// The answer without a body that ended the session, and its kind.
    pub(super) empty_answer: Option<(u64, SmolStr)>,
    /// Whether the session is the rest of one that had ended.
    pub(super) is_rest: bool,
    /// Whether a request waits for its response.
    is_waiting: bool,
    /// The time of the last event, by a clock that was not set back since.
    pub(super) seen_us: u64,
    /// An error noted about a command, by the place of its transaction.
    pub(super) errors: HashMap<usize, NoteRecord>,
    /// The later command that reached the goal of a failed one, both by number.
    pub(super) remedies: HashMap<u32, u32>,
}

/// A large object whose last chunk is still to come.
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
    /// Whether the message asked for nothing and had no Final, so that more may come.
    lacks_final: bool,
    /// The exchange and MsgID of the message, if rules made it unreadable.
    unreadable: Option<(u64, SmolStr)>,
    /// The note that the message leads the device away from dmtap, in words.
    leads_away: Option<SmolStr>,
    is_indented: bool,
    cred: Option<SmolStr>,
    /// The note AUTH-01 or AUTH-02 on these credentials.
    checked: Option<NoteRecord>,
    /// The rules that acted on the message as a whole.
    rules: Vec<SmolStr>,
    /// The rules that acted on any part of it.
    all_rules: Vec<SmolStr>,
    /// The rules that changed its content.
    content_rules: Vec<SmolStr>,
    /// The rules that changed its frame.
    frame_rules: Vec<SmolStr>,
    /// The places of the transactions of its commands.
    commands: Range<usize>,
    /// The places of its answers: that of the transaction, and that among its answers.
    answers: Vec<(usize, usize)>,
}

impl OpenSession {
    /// Returns the session that begins with this message.
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
        if let Some((why, cause)) = message.unread() {
            let unread = IncidentKind::Unread { from, why, cause };
            self.note(&message, message.rules(), unread);
        }
        match from {
            Side::Device => self.request(&message),
            Side::Server => self.response(&message),
        }
    }

    /// Notes that an exchange got no response.
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
        let last = &self.last[during];
        // A device that waited too long for a message that a rule held back left for that reason.
        let is_held = by == Some(Side::Device) && last.held_us > 0;
        let rules = match record.by_rule {
            true => of_user(&self.last.device.rules),
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
        let was_broken = self.broken().is_some();
        for incident in &mut self.incidents {
            if incident.what.is_without_answer() && incident.back.is_none() {
                incident.back = Some((at_us, back));
            }
        }
        let last = &self.last.server;
        let since = at_us.saturating_sub(last.at_us.saturating_add(last.held_us));
        if is_repeat && !was_broken && self.is_logged_twice(message) {
            // The server's log has the message as it came, and again as it was handled.
        } else if is_repeat && !was_broken {
            self.lost_response(message);
        } else if !was_broken && self.last.server.at_us > 0 && since > SLOW {
            let slow = IncidentKind::Slow {
                who: Side::Device,
                took_us: since,
            };
            self.note(message, Vec::new(), slow);
        }
        if !message.record.applied.is_empty() && self.acted.len() < MOST_KEPT {
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
        if record.own && !of_user(&self.last.device.rules).is_empty() {
            self.request_lost();
        }
        if record.notes.iter().any(|note| note.id == SENT_AGAIN) {
            self.note(message, Vec::new(), IncidentKind::SentAgain);
        }
        let status = message.http_status();
        let held_us = message.held_us();
        let took_us = record.took_us.unwrap_or_default().saturating_add(held_us);
        if took_us > SLOW && !record.own {
            let mut rules = match held_us {
                0 => Vec::new(),
                _ => message.rules(),
            };
            // The time began with the request, which a rule may have held back, too.
            if self.last.device.held_us > 0 {
                rules.extend(of_user(&self.last.device.rules));
            }
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

    /// Notes messages of the sender that the record lacks: they may have answers to open commands.
    fn note_missing(&mut self, message: &Exchanged<'_>) {
        let from = message.from;
        let number = |msg_id: &SmolStr| msg_id.parse::<u32>().ok();
        let next = number(&self.last[from].msg_id).and_then(|last| last.checked_add(1));
        let msg_id = message.sent.and_then(|(header, _)| header.msg.as_ref());
        let (Some(next), Some(now)) = (next, msg_id.and_then(number)) else {
            return;
        };
        // After an answer of dmtap in a peer's place the peers count differently.
        let is_seen = now <= next || !self.acted.is_empty() || message.record.own;
        if is_seen || self.missing.len() == MOST_KEPT {
            return;
        }
        self.missing.push((from, next, now - 1));
        let transactions = &self.transactions;
        self.open.retain(|at| transactions[*at].from == from);
    }

    /// Whether the last message of the sender had the same bytes and MsgID.
    fn is_repeat(&self, message: &Exchanged<'_>) -> bool {
        let last = &self.last[message.from];
        let msg_id = message.sent.and_then(|(header, _)| header.msg.as_ref());
        let is_alike = message.fingerprint.is_some() && message.fingerprint == last.fingerprint;
        msg_id == Some(&last.msg_id) && is_alike
    }

    /// Whether a request that the record has twice came only once: a server may log it as it comes and as it is handled. No
    /// device repeats a request so soon.
    fn is_logged_twice(&self, message: &Exchanged<'_>) -> bool {
        let first = self.last[message.from].at_us;
        let is_of_log = message.record.head.is_none() && first > 0;
        is_of_log && message.record.at_us.saturating_sub(first) < LOGGED_TWICE
    }

    /// Notes that the device repeated its message, because it did not get the response.
    fn lost_response(&mut self, message: &Exchanged<'_>) {
        let commands = self.last.server.commands.clone();
        for at in commands {
            if self.transactions[at].arrival == Arrival::Delivered {
                self.transactions[at].arrival = Arrival::Undelivered;
            }
        }
        let (exchange, asked_us) = (self.last.device.exchange, self.last.device.at_us);
        let broken = IncidentKind::Broken {
            by: None,
            during: Side::Server,
            how: NoAnswer::default(),
        };
        let at_us = self.last.server.at_us.max(asked_us);
        self.push(Some(exchange), at_us, Vec::new(), broken);
        if let Some(incident) = self.incidents.last_mut() {
            incident.back = Some((message.record.at_us, Back::Repeated));
        }
    }

    /// Notes that a rule answered in the server's place, so that the server did not get the request. Answers to dmtap's own
    /// commands stay as they are.
    fn request_lost(&mut self) {
        for (transaction, answer) in std::mem::take(&mut self.last.device.answers) {
            if self.transactions[transaction].arrival != Arrival::Injected {
                self.transactions[transaction].answers[answer].received = None;
                self.settle(transaction);
            }
        }
        for at in self.last.device.commands.clone() {
            self.transactions[at].arrival = Arrival::Undelivered;
        }
    }

    /// Marks the commands of `asker` that have no answer by now as unanswered. After an abort nobody owes one.
    fn due(&mut self, asker: Side) {
        let is_aborted = self.aborted_by().is_some();
        let transactions = &mut self.transactions;
        let newest = &self.last[asker];
        // A peer may not answer a message whose frame a rule changed.
        let (of_newest, frame_rules) = (&newest.commands, &newest.frame_rules);
        self.open.retain(|at| {
            let transaction = &mut transactions[*at];
            let is_due = transaction.from == asker && !is_aborted;
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

    /// Marks the session as the rest of one that had ended. It begins with this message.
    pub(super) fn go_on(&mut self, record: &EventRecord) {
        self.is_rest = true;
        let msg_id = record.session.as_ref().and_then(|session| session.msg);
        self.summary.starts_late = msg_id.is_some_and(|msg_id| msg_id > 1);
    }

    /// Whether the session is the rest of one that had ended, and shows nothing new: such as the last request once more.
    pub(super) fn adds_nothing(&self) -> bool {
        let has_asked = || self.transactions.iter().any(|it| it.from == Side::Server);
        let has_failures = !self.orphans.is_empty() || !self.unasked.is_empty();
        self.is_rest && !has_failures && self.incidents.is_empty() && !has_asked()
    }

    /// Returns the hash of the device's last message.
    pub(super) fn last_request(&self) -> Option<u64> {
        self.last.device.fingerprint
    }

    /// Whether the session has a message of the device.
    pub(super) fn has_request(&self) -> bool {
        self.last.device.exchange > 0
    }

    /// Returns the places of large objects whose last chunk is still to come, each with its announced size.
    pub(super) fn objects_under_way(&self) -> impl Iterator<Item = (usize, Option<u64>)> {
        self.objects
            .iter()
            .map(|object| (object.transaction, object.size))
    }

    /// Returns the note that the server's last message leads the device away from dmtap, in words.
    pub(super) fn leads_away(&self) -> Option<&SmolStr> {
        self.last.server.leads_away.as_ref()
    }

    fn note(&mut self, message: &Exchanged<'_>, rules: Vec<SmolStr>, what: IncidentKind) {
        self.push(Some(message.exchange), message.record.at_us, rules, what);
    }

    fn push(&mut self, exchange: Option<u64>, at_us: u64, rules: Vec<SmolStr>, what: IncidentKind) {
        if self.incidents.len() < MOST_KEPT {
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

/// The most time between two log entries about one message, in microseconds.
const LOGGED_TWICE: u64 = 1_000_000;

/// The note on a response to a request that dmtap sent twice.
pub(super) const SENT_AGAIN: &str = "HTTP-08";

/// The most entries that are kept in each list of a session.
pub(super) const MOST_KEPT: usize = 1_000;

/// Adds the rules that are not in a list yet.
fn add_rules(known: &mut Vec<SmolStr>, rules: Vec<SmolStr>) {
    for rule in rules {
        if !known.contains(&rule) {
            known.push(rule);
        }
    }
}
