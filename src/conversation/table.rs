//! The DM sessions under way.

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

/// What bounds the sessions that are followed at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// How many they are.
    pub count: usize,
    /// Bytes their messages may hold together; the session that was silent longest makes room.
    pub bytes: usize,
    /// How long a silent session is remembered.
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

/// The sessions under way, within [`SessionLimits`]. Exchanges of many connections share them: the table is locked to
/// find a session, and the session to work on it.
#[derive(Debug)]
pub(super) struct Sessions {
    table: Arc<Mutex<Table>>,
    /// How many sessions are owed something, so that bodies are read though the rules in force need none.
    owed: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Table {
    /// The longest silent one first.
    sessions: LinkedHashMap<SessionKey, TableEntry>,
    begun: u64,
    /// How many sessions each device began, as far as it is remembered; as many devices as there may be sessions.
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

/// A session as one exchange of it uses it.
#[derive(Clone, Debug)]
pub(super) struct SharedSession {
    table: Arc<Mutex<Table>>,
    owed: Arc<AtomicUsize>,
    session: Arc<Mutex<SessionEntry>>,
    /// The tag of the request.
    tag: SessionTag,
}

impl Sessions {
    pub(super) fn new(limits: SessionLimits) -> Self {
        let table = Table {
            sessions: LinkedHashMap::new(),
            begun: 0,
            begun_by: LinkedHashMap::new(),
            bytes: 0,
            limits,
        };
        Self {
            table: Arc::new(Mutex::new(table)),
            owed: Arc::default(),
        }
    }

    /// Whether some session that goes on is owed something, whatever rules are in force now.
    pub(super) fn have_obligations(&self, now: Timestamp) -> bool {
        let owes = || self.owed.load(Ordering::Relaxed) > 0;
        // The table is looked at only where that may save reading bodies.
        if owes() {
            self.table.lock().forget_silent(now);
        }
        owes()
    }

    /// The session of this key, at the beginning of an exchange that has this message of `speaker`.
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
            entry.session.note_message(message);
        }
        entry.recount(&self.owed, true);
        let tag = entry.session.tag(message);
        drop(entry);
        SharedSession {
            table: self.table.clone(),
            owed: self.owed.clone(),
            session,
            tag,
        }
    }
}

impl Table {
    /// The session of this key, which becomes the last one to be forgotten.
    fn session(
        &mut self,
        key: SessionKey,
        may_begin: bool,
        now: Timestamp,
    ) -> Arc<Mutex<SessionEntry>> {
        self.forget_silent(now);
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
            counted: None,
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

    /// Counts one more session of a device and gives its number, from 1.
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

    /// Forgets the session of this key if it is over: nobody locks the table while holding one.
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

    /// Takes notice of what a session holds now, and makes room for it.
    fn weigh(&mut self, tag: &SessionTag, bytes: usize) {
        // It may be forgotten, and another one be there under its key.
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
            entry.recount(&self.owed, true);
        }
        // That of this exchange, though another one may have begun since.
        view.tag = Some(self.tag(speaker, document.and_then(Message::of)));
        view
    }

    /// Takes on what rules cause in the session.
    pub(super) fn take_on(&self, effects: &SessionEffects) -> Result<(), ObligationsFull> {
        if effects.is_empty() {
            return Ok(());
        }
        let mut entry = self.session.lock();
        let taken = entry.session.reconciler.take_on(effects);
        entry.recount(&self.owed, true);
        taken
    }

    /// Does in a message what is owed about it.
    pub(super) fn reconcile(
        &self,
        document: &Arc<Document>,
        context: ReconcileContext<'_>,
    ) -> Reconciled {
        let mut entry = self.session.lock();
        let reconciled = entry.session.reconcile(document, context);
        entry.recount(&self.owed, true);
        reconciled
    }

    /// Remembers a message as it was delivered. Of one that rules changed, `original` is what its sender wrote.
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
            entry.recount(&self.owed, false);
        }
        let bytes = entry.session.bytes();
        drop(entry);
        self.table.lock().weigh(&self.tag, bytes);
    }

    /// Takes notice that a peer got something of this session that was not read.
    pub(super) fn missed(&self, by: Side) {
        self.session.lock().session.missed(by);
    }

    /// Takes the session for ended: the device got something that is no message.
    pub(super) fn ended(&self) {
        let mut entry = self.session.lock();
        // A device whose first message came to nothing sends it once more, and that is no other session.
        entry.is_over = self.tag.message != Some(1);
        entry.recount(&self.owed, false);
    }

    /// The tag of what `speaker` says in this exchange, which may be no message.
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

/// A session, and whether it counts among those that are owed something.
#[derive(Debug)]
struct SessionEntry {
    session: Session,
    counted: Option<ObligationCount>,
    /// Whether a message with MsgID 1 would be the first one of another session.
    is_over: bool,
}

impl SessionEntry {
    /// Looks again whether the session is owed something. After its last message only a repetition of that one is:
    /// such a session does not continue.
    fn recount(&mut self, owed: &Arc<AtomicUsize>, continues: bool) {
        let owes = continues && !self.session.reconciler.is_empty();
        match (owes, &self.counted) {
            (true, None) => self.counted = Some(ObligationCount::new(owed)),
            (false, Some(_)) => self.counted = None,
            _ => {}
        }
    }
}

/// Counts for one as long as it lives; it goes with a session that is forgotten.
#[derive(Debug)]
struct ObligationCount(Arc<AtomicUsize>);

impl ObligationCount {
    fn new(owed: &Arc<AtomicUsize>) -> Self {
        owed.fetch_add(1, Ordering::Relaxed);
        Self(owed.clone())
    }
}

impl Drop for ObligationCount {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether a message to the device ends the session: with Alert 1223, or since it asks for nothing, and not for
/// credentials either.
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
