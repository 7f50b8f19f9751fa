//! The analysis of sessions: it takes the records of events, and returns each session with its transactions and the findings
//! about them. It runs behind the traffic in the record thread, and over records.

mod enrollment;
mod exchanged;
mod finding;
mod history;
mod incident;
pub mod later;
mod links;
mod no_answer;
mod refusal;
mod refused_connection;
mod remedied;
mod session;
pub mod why;

use std::collections::{BTreeMap, HashMap};

use hashlink::LinkedHashMap;
use smol_str::{SmolStr, format_smolstr};

pub use self::enrollment::Begun;
use self::enrollment::Enrollments;
use self::exchanged::Exchanged;
use self::history::History;
use self::later::Remedied;
use self::session::{CommandsAlone, OpenSession};
use super::EventRecord;
use super::model::{EventKind, SessionSummary};
use crate::flow::{FailureCause, SessionEnd, Transaction};

/// A session that is over, or the part of one so far.
#[derive(Clone, Debug, Default)]
pub struct AnalysedSession {
    /// Its end and its findings.
    pub summary: SessionSummary,
    /// Its transactions in the order of their commands.
    pub transactions: Vec<Transaction>,
}

impl From<SessionSummary> for AnalysedSession {
    fn from(summary: SessionSummary) -> Self {
        Self {
            summary,
            transactions: Vec::new(),
        }
    }
}

/// The sessions under way.
#[derive(Default)]
pub struct Analysis {
    options: why::Options,
    /// The sessions by number, the longest silent one first.
    sessions: LinkedHashMap<u64, OpenSession>,
    /// The newest session of each device with each server.
    newest: HashMap<(SmolStr, SmolStr), u64>,
    /// The session of each exchange under way.
    exchanges: BTreeMap<u64, u64>,
    /// The sessions that are over, each with its last exchange and the hash of its last request; `None` for a session that is
    /// followed no further.
    over: LinkedHashMap<u64, Option<(u64, Option<u64>)>>,
    enrollments: Enrollments,
    history: History,
    /// The exchanges of messages that name no session, each with the reason.
    nameless: BTreeMap<u64, SmolStr>,
    alone: CommandsAlone,
    transactions: usize,
    had_exchanges: bool,
    /// The run of the newest event.
    run: u32,
    clock: EventClock,
}

impl Analysis {
    /// Returns an analysis without a session.
    pub fn new(options: why::Options) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// Takes in an event. Returns the sessions that ended with it.
    pub fn event(&mut self, record: &EventRecord) -> Vec<AnalysedSession> {
        let mut over = Vec::new();
        if record.event == EventKind::Session {
            return self.recorded_end(record).into_iter().collect();
        }
        if self.run != record.run {
            self.run = record.run;
            over = self.finish();
        }
        if self.clock.is_set_back_by(record.at_us) {
            for (_, session) in &mut self.sessions {
                session.seen_us = session.seen_us.min(self.clock.now_us);
            }
        }
        match record.event {
            EventKind::Request | EventKind::Response => self.message(record, &mut over),
            EventKind::Failed => self.failed(record),
            EventKind::Closed => self.closed(record.connection.id),
            EventKind::Refused => self.enrollments.refused(record),
            EventKind::ConnectionDecided => self.enrollments.connection_decided(record),
            _ => {}
        }
        self.end_silent(&mut over);
        over
    }

    /// Returns the sessions that go on.
    pub fn open(&self) -> impl Iterator<Item = (u64, &SessionSummary)> {
        let sessions = self.sessions.iter();
        sessions.map(|(number, session)| (*number, &session.summary))
    }

    /// Returns a function that analyses a session that goes on, as if the record ended here.
    pub fn so_far(&self, number: u64) -> Option<impl FnOnce() -> AnalysedSession + use<>> {
        let mut session = self.sessions.get(&number)?.clone();
        session.note_nameless(&self.nameless);
        let history = self.history.of_device(&session.summary.device);
        let options = self.options;
        Some(move || {
            session.end(SessionEnd::Open);
            why::conclude(session, &history, &options)
        })
    }

    /// Returns the number of enrollments and renewals that began, in all runs of the record.
    pub fn enrollments(&self) -> Begun {
        self.enrollments.attempts.begun
    }

    /// Returns the enrollments of this run that failed and that the device then repeated.
    pub fn remedied(&self) -> &[Remedied] {
        &self.enrollments.attempts.remedied
    }

    /// Takes in the end of the record. Returns all sessions that go on.
    pub fn finish(&mut self) -> Vec<AnalysedSession> {
        let numbers: Vec<u64> = self.sessions.keys().copied().collect();
        let mut over: Vec<_> = numbers
            .into_iter()
            .filter_map(|number| {
                let last = self.sessions.get(&number)?.seen_us;
                self.end(
                    number,
                    match self.clock.now_us.saturating_sub(last) < SILENCE {
                        true => SessionEnd::Open,
                        false => SessionEnd::Silent,
                    },
                )
            })
            .collect();
        let mut next = Self {
            options: self.options,
            history: std::mem::take(&mut self.history),
            run: self.run,
            ..Self::default()
        };
        next.enrollments.attempts.begun = self.enrollments();
        let ended = std::mem::replace(self, next);
        over.extend(
            ended
                .enrollments
                .finish(ended.had_exchanges, ended.clock.now_us),
        );
        over
    }

    fn message(&mut self, record: &EventRecord, over: &mut Vec<AnalysedSession>) {
        self.had_exchanges = true;
        self.enrollments.any_message(record);
        let Some(tag) = &record.session else {
            let asked = self.alone.answered_by_local_mdm(record);
            if !asked.is_empty() {
                over.push(self.local_mdm(asked, record));
                return;
            }
            self.remember_nameless(record);
            self.alone.enter(record);
            over.extend(self.enrollments.message(record));
            return;
        };
        let number = tag.number;
        if self
            .over
            .get(&number)
            .is_some_and(|last| last.is_none_or(|last| is_late(record, last)))
        {
            return;
        }
        if !self.sessions.contains_key(&number) {
            self.begin(record, number, over);
        }
        if let Some(exchange) = record.exchange {
            match record.event {
                EventKind::Request => {
                    self.exchanges.insert(exchange, number);
                    while self.exchanges.len() > MOST_SESSIONS {
                        self.exchanges.pop_first();
                    }
                }
                _ => {
                    self.exchanges.remove(&exchange);
                }
            }
        }
        let Some(session) = self.sessions.to_back(&number) else {
            return;
        };
        let before = session.transactions.len();
        session.commands_alone(self.alone.answered_by(record));
        session.message(record);
        session.seen_us = self.clock.now_us;
        self.transactions += session.transactions.len() - before;
        if session.ended.is_some() {
            over.extend(self.end(number, SessionEnd::Finished));
        }
        while self.transactions > MOST_TRANSACTIONS && self.sessions.len() > 1 {
            over.extend(self.leave_first());
        }
    }

    /// Returns what local MDM on a device answered to these commands.
    fn local_mdm(&self, asked: Vec<EventRecord>, answer: &EventRecord) -> AnalysedSession {
        let mut session = OpenSession::begin(answer);
        session.summary.device = LOCAL_MDM;
        session.is_windows = true;
        session.commands_alone(asked);
        session.message(answer);
        session.end(SessionEnd::Open);
        why::conclude(session, &History::default(), &self.options)
    }

    /// Remembers a message of management that lacks its SessionID or its Source. Commands alone name none.
    fn remember_nameless(&mut self, record: &EventRecord) {
        let mut notes = record.notes.iter().filter(|it| it.severity == "error");
        let note = notes.find(|note| matches!(&*note.id, "HDR-02" | "HDR-07"));
        if let (Some(note), Some(exchange)) = (note, record.exchange)
            && record.message.is_some()
            && self.nameless.len() < MOST_SESSIONS
        {
            let why = format_smolstr!("{} ({})", note.text, note.id);
            self.nameless.insert(exchange, why);
        }
    }

    fn begin(&mut self, record: &EventRecord, number: u64, over: &mut Vec<AnalysedSession>) {
        let mut session = OpenSession::begin(record);
        if self.over.remove(&number).is_some() {
            session.go_on(record);
        }
        if let Some(before) = self.newest.insert(peers(&session), number) {
            // A session without a broken message may still go on.
            if self
                .sessions
                .get(&before)
                .is_some_and(|before| before.broken().is_some())
            {
                over.extend(self.end(before, SessionEnd::Superseded));
            } else if let Some(before) = self.sessions.get_mut(&before) {
                before.is_superseded = true;
                before.changes_id = before.is_followed_by(record);
                session.summary.starts_late &= !before.changes_id;
            }
            let is_silent =
                |before: &OpenSession| self.clock.now_us.saturating_sub(before.seen_us) >= SILENCE;
            if self.sessions.get(&before).is_some_and(is_silent) {
                over.extend(self.end(before, SessionEnd::Superseded));
            }
        }
        while self.sessions.len() >= MOST_SESSIONS {
            over.extend(self.leave_first());
        }
        self.sessions.insert(number, session);
    }

    fn failed(&mut self, record: &EventRecord) {
        let Some(exchange) = record.exchange else {
            return;
        };
        let mut number = self.exchanges.remove(&exchange);
        if record.cause == Some(FailureCause::NotTaken) {
            // The record has the answer already.
            let mut recent = self.sessions.iter().rev().take(RECENT);
            let last = recent.find(|(_, session)| session.summary.last_exchange == exchange);
            number = last.map(|(number, _)| *number);
        }
        if let Some(session) = number.and_then(|number| self.sessions.get_mut(&number)) {
            session.failed(record);
            session.seen_us = self.clock.now_us;
        }
        self.enrollments.failed(exchange, record);
    }

    /// Ends a session that finished according to the record, though the messages in the record do not show that.
    fn recorded_end(&mut self, record: &EventRecord) -> Option<AnalysedSession> {
        let summary = record.summary.as_ref()?;
        let number = summary
            .number
            .filter(|_| summary.end == SessionEnd::Finished)?;
        self.sessions.get_mut(&number)?.lacks_end = true;
        self.end(number, SessionEnd::Finished)
    }

    fn closed(&mut self, connection: u64) {
        // The newest sessions are the last ones.
        let recent = self.sessions.iter_mut().rev().take(RECENT);
        for (_, session) in recent.filter(|(_, session)| session.connection == connection) {
            session.is_closed = true;
        }
    }

    /// Ends the sessions in which nothing happened for a long time.
    fn end_silent(&mut self, over: &mut Vec<AnalysedSession>) {
        while let Some((number, first)) = self.sessions.front() {
            if self.clock.now_us.saturating_sub(first.seen_us) < self.options.silence_us {
                return;
            }
            over.extend(self.end(*number, SessionEnd::Silent));
        }
    }

    /// Follows the longest silent session no further, because there are too many.
    fn leave_first(&mut self) -> Option<AnalysedSession> {
        let number = *self.sessions.front()?.0;
        self.sessions.get_mut(&number)?.is_left = true;
        self.end(number, SessionEnd::Open)
    }

    fn end(&mut self, number: u64, otherwise: SessionEnd) -> Option<AnalysedSession> {
        let mut session = self.sessions.remove(&number)?;
        session.note_nameless(&self.nameless);
        self.transactions -= session.transactions.len();
        let last = (session.summary.last_exchange, session.last_request());
        self.over.insert(number, (!session.is_left).then_some(last));
        if self.over.len() > MOST_SESSIONS {
            self.over.pop_front();
        }
        let peers = peers(&session);
        if self.newest.get(&peers) == Some(&number) {
            self.newest.remove(&peers);
        }
        let otherwise = match session.is_superseded && !session.is_left {
            true if session.changes_id => SessionEnd::Renamed,
            true => SessionEnd::Superseded,
            false => otherwise,
        };
        session.end(otherwise);
        if session.adds_nothing() {
            return None;
        }
        let over = why::conclude(session, &self.history, &self.options);
        // The next sessions of the device are compared with it.
        self.history.enter(&over.summary, &over.transactions);
        Some(over)
    }
}

/// The name of the enrollment that programs on a device use (mdmlocalmanagement.dll), without a server.
const LOCAL_MDM: SmolStr = SmolStr::new_static("local MDM");

/// Returns the server and the device of a session.
fn peers(session: &OpenSession) -> (SmolStr, SmolStr) {
    let summary = &session.summary;
    let server = summary.server.clone().unwrap_or_default();
    (server, summary.device.clone())
}

/// Whether a message belongs to the exchanges of a session that is over, or is its last request once more. The answer to
/// that request may differ.
fn is_late(record: &EventRecord, (last_exchange, last_request): (u64, Option<u64>)) -> bool {
    match record.event {
        EventKind::Request => {
            let fingerprint = Exchanged::of(record).fingerprint;
            fingerprint.is_some() && fingerprint == last_request
        }
        _ => record.exchange <= Some(last_exchange),
    }
}

/// The time of the newest event. Somebody may set the clock back: then the events that follow are older.
#[derive(Default)]
struct EventClock {
    now_us: u64,
    /// The time of the last event, if it was too old to be out of order.
    old_us: Option<u64>,
}

impl EventClock {
    /// Takes in the time of an event. Returns whether the clock was set back: one old event does not show that.
    fn is_set_back_by(&mut self, at_us: u64) -> bool {
        let is_old = at_us > 0 && at_us.saturating_add(OUT_OF_ORDER) < self.now_us;
        let before = std::mem::replace(&mut self.old_us, is_old.then_some(at_us));
        let is_set_back = is_old && before.is_some_and(|it| it.abs_diff(at_us) < OUT_OF_ORDER);
        match is_set_back {
            true => (self.now_us, self.old_us) = (at_us, None),
            false => self.now_us = self.now_us.max(at_us),
        }
        is_set_back
    }
}

/// The most sessions that are followed at a time; the longest silent one makes room.
const MOST_SESSIONS: usize = 10_000;

/// The most transactions that all of them have together.
const MOST_TRANSACTIONS: usize = 100_000;

/// How many recent sessions to search for that of a closed connection, or of an answer that did not arrive.
const RECENT: usize = 256;

/// The most time by which an event may be older than the one in front of it, in microseconds: an hour. A body that passes slowly
/// holds its event back, and several may end together.
const OUT_OF_ORDER: u64 = 3_600_000_000;

/// The most time in which nothing happens in a session that goes on, in microseconds, while nobody knows what will come.
const SILENCE: u64 = 300_000_000;
