//! The DM sessions in progress.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hashlink::LinkedHashMap;
use parking_lot::Mutex;

use super::view::SessionView;
use crate::dm::{AlertCode, Command, CommandKind, Message, StatusCode};
use crate::flow::reconciler::{ObligationsFull, ReconcileContext, Reconciled};
use crate::flow::{Session, SessionEffects, SessionKey, SessionTag, Side, Timestamp};
use crate::markup::Document;

/// The limits of the sessions that are followed at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// The most sessions.
    pub count: usize,
    /// The most bytes that the messages of all sessions take. Beyond it, the session that was silent for the longest
    /// time is forgotten.
    pub bytes: usize,
    /// The time after which a silent session is forgotten.
    pub silence: Duration,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            count: 10_000,
            bytes: 256 << 20,
            silence: Duration::from_secs(60 * 60),
        }
    }
}

/// The sessions in progress, within [`SessionLimits`]. Exchanges of many connections share them: the table is locked to
/// find a session, and the session is locked to work on it.
#[derive(Debug)]
pub(super) struct Sessions {
    table: Arc<Mutex<Table>>,
    /// The number of sessions with obligations. Bodies are read for them even if no rule in force needs bodies.
    owed: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Table {
    owed: Arc<AtomicUsize>,
    /// The sessions, the one that was silent for the longest time first.
    sessions: LinkedHashMap<SessionKey, TableEntry>,
    begun: u64,
    /// The number of sessions that each device began. At most as many devices are remembered as sessions.
    begun_by: LinkedHashMap<String, u64>,
    bytes: usize,
    limits: SessionLimits,
}

#[derive(Debug)]
struct TableEntry {
    session: Arc<Mutex<SessionEntry>>,
    number: u64,
    used: Timestamp,
    bytes: usize,
}

/// A session as used by one of its exchanges.
#[derive(Clone, Debug)]
pub(super) struct SharedSession {
    table: Arc<Mutex<Table>>,
    session: Arc<Mutex<SessionEntry>>,
    /// The tag of the request.
    tag: SessionTag,
}

impl Sessions {
    pub(super) fn new(limits: SessionLimits) -> Self {
        let owed = Arc::default();
        let table = Table {
            owed: Arc::clone(&owed),
            sessions: LinkedHashMap::new(),
            begun: 0,
            begun_by: LinkedHashMap::new(),
            bytes: 0,
            limits,
        };
        Self {
            table: Arc::new(Mutex::new(table)),
            owed,
        }
    }

    /// Whether a session that goes on has obligations, whatever rules are in force now.
    pub(super) fn have_obligations(&self, now: Timestamp) -> bool {
        let owes = || self.owed.load(Ordering::Relaxed) > 0;
        // The table is cleaned up only if that may save reading bodies.
        if owes() {
            self.table.lock().forget_silent(now);
        }
        owes()
    }

    /// Returns the session with this key, for an exchange that begins with this message of `speaker`.
    pub(super) fn enter(
        &self,
        key: SessionKey,
        speaker: Side,
        message: Message<'_>,
        now: Timestamp,
    ) -> SharedSession {
        let may_begin = message.is_first() && speaker == Side::Device;
        let session = self.table.lock().session(key, may_begin, now);
        let mut entry = session.lock();
        entry.is_over = false;
        entry.session.begin_exchange();
        if speaker == Side::Device {
            entry.session.observe_message(message);
        }
        entry.recount(true);
        let tag = entry.session.tag(message);
        drop(entry);
        SharedSession {
            table: self.table.clone(),
            session,
            tag,
        }
    }
}

impl Table {
    /// Returns the session with this key, and makes it the last one to be forgotten.
    fn session(
        &mut self,
        key: SessionKey,
        may_begin: bool,
        now: Timestamp,
    ) -> Arc<Mutex<SessionEntry>> {
        // A device that slept goes on with its session.
        let goes_on = |held: &TableEntry| !may_begin && !held.session.lock().is_over;
        if !self.sessions.get(&key).is_some_and(goes_on) {
            self.forget_silent(now);
        }
        if may_begin {
            self.forget_over(&key);
        }
        if let Some(held) = self.sessions.to_back(&key) {
            held.used = now;
            return held.session.clone();
        }
        while self.sessions.len() >= self.limits.count.max(1) {
            self.forget_first();
        }
        self.begun += 1;
        let mut session = Session::new(self.begun, key.clone());
        session.of_device = self.count_of_device(&key.device);
        let session = Arc::new(Mutex::new(SessionEntry {
            session,
            owed: self.owed.clone(),
            is_counted: false,
            is_over: false,
        }));
        let held = TableEntry {
            session: session.clone(),
            number: self.begun,
            used: now,
            bytes: 0,
        };
        self.sessions.insert(key, held);
        session
    }

    /// Counts one more session of a device and returns its number, from 1.
    fn count_of_device(&mut self, device: &str) -> u64 {
        if let Some(begun) = self.begun_by.to_back(device) {
            *begun += 1;
            return *begun;
        }
        while self.begun_by.len() >= self.limits.count.max(1) {
            self.begun_by.pop_front();
        }
        self.begun_by.insert(device.to_owned(), 1);
        1
    }

    /// Forgets the session with this key if it is over. The locks cannot deadlock: nobody locks the table while holding
    /// a session.
    fn forget_over(&mut self, key: &SessionKey) {
        let is_over = |held: &TableEntry| held.session.lock().is_over;
        if self.sessions.get(key).is_some_and(is_over)
            && let Some(held) = self.sessions.remove(key)
        {
            self.bytes -= held.bytes;
        }
    }

    fn forget_silent(&mut self, now: Timestamp) {
        while let Some((_, held)) = self.sessions.front() {
            if now.since(held.used) < self.limits.silence {
                return;
            }
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        let first = self.sessions.pop_front();
        self.bytes -= first.map_or(0, |(_, held)| held.bytes);
    }

    /// Updates the bytes that a session holds, and makes room for them.
    fn weigh(&mut self, tag: &SessionTag, bytes: usize) {
        // The session may be forgotten, and another one may have its key.
        let held = self.sessions.get_mut(&tag.key);
        let Some(held) = held.filter(|held| held.number == tag.number) else {
            return;
        };
        self.bytes = self.bytes - held.bytes + bytes;
        held.bytes = bytes;
        while self.bytes > self.limits.bytes && !self.sessions.is_empty() {
            self.forget_first();
        }
    }
}

impl SharedSession {
    /// Takes in a message as it arrived.
    pub(super) fn receive(&self, speaker: Side, document: Option<&Document>) -> SessionView {
        let mut view = SessionView::default();
        if let Some(document) = document {
            let mut entry = self.session.lock();
            view = SessionView::of(&mut entry.session, speaker, document);
            entry.recount(true);
        }
        // The tag is that of this exchange, even if another exchange has begun since.
        view.tag = Some(self.tag(speaker, document.and_then(Message::of)));
        view
    }

    /// Takes on the effects of rules in the session.
    pub(super) fn take_on(&self, effects: &SessionEffects) -> Result<(), ObligationsFull> {
        if effects.is_empty() {
            return Ok(());
        }
        let mut entry = self.session.lock();
        let taken = entry.session.reconciler.take_on(effects);
        entry.recount(true);
        taken
    }

    /// Reconciles a message before it is sent.
    pub(super) fn reconcile(
        &self,
        document: &Arc<Document>,
        context: ReconcileContext<'_>,
    ) -> Reconciled {
        let mut entry = self.session.lock();
        let reconciled = entry.session.reconcile(document, context);
        entry.recount(true);
        reconciled
    }

    /// Records a message as delivered. If rules changed it, `original` is the one that its sender wrote.
    pub(super) fn delivered(
        &self,
        to: Side,
        document: Arc<Document>,
        original: Option<Arc<Document>>,
    ) {
        let is_last = to == Side::Device && is_last(&document);
        let mut entry = self.session.lock();
        entry.session.delivered(to, document, original);
        if is_last {
            entry.is_over = true;
            entry.recount(false);
        }
        let bytes = entry.session.bytes();
        drop(entry);
        self.table.lock().weigh(&self.tag, bytes);
    }

    /// Records that a peer got something of this session that was not read.
    pub(super) fn missed(&self, by: Side) {
        self.session.lock().session.missed(by);
    }

    /// Marks the session as ended: the device got something that is not a message.
    pub(super) fn ended(&self) {
        let mut entry = self.session.lock();
        // A device whose first message failed sends it once more. That does not begin another session.
        entry.is_over = self.tag.message != Some(1);
        entry.recount(false);
    }

    /// Returns the tag of what `speaker` sends in this exchange, which need not be a message.
    pub(super) fn tag(&self, speaker: Side, message: Option<Message<'_>>) -> SessionTag {
        match speaker {
            Side::Device => self.tag.clone(),
            Side::Server => SessionTag {
                message: message.and_then(SessionTag::number_of),
                ..self.tag.clone()
            },
        }
    }
}

/// A session, and whether it counts as one with obligations. It stops counting when it is dropped.
#[derive(Debug)]
struct SessionEntry {
    session: Session,
    /// The number of sessions with obligations.
    owed: Arc<AtomicUsize>,
    is_counted: bool,
    /// Whether a message with MsgID 1 would begin another session.
    is_over: bool,
}

impl SessionEntry {
    /// Updates whether the session counts as one with obligations. `continues` is false after its last message: only a
    /// repetition of that message could still need them.
    fn recount(&mut self, continues: bool) {
        let owes = continues && !self.session.reconciler.is_empty();
        let before = std::mem::replace(&mut self.is_counted, owes);
        match (before, owes) {
            (false, true) => self.owed.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.owed.fetch_sub(1, Ordering::Relaxed),
            _ => 0,
        };
    }
}

impl Drop for SessionEntry {
    fn drop(&mut self) {
        self.recount(false);
    }
}

/// Whether a message to the device ends the session: it has Alert 1223, or it asks for nothing, not even for
/// credentials.
fn is_last(document: &Document) -> bool {
    let Some(message) = Message::of(document) else {
        return false;
    };
    let asks = |command: Command<'_>| match command.as_status() {
        Some(status) => status.code().is_some_and(StatusCode::is_challenge),
        None => command.kind() != CommandKind::Results,
    };
    message.is_final()
        && (message.has_alert(AlertCode::SESSION_ABORT) || !message.commands().any(asks))
}

#[cfg(test)]
mod tests;
