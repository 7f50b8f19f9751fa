//! The DM sessions under way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::dm::Message;
use crate::flow::session::note_dangling;
use crate::flow::{Link, Note, Session, SessionKey, SessionTag, Side};
use crate::markup::Document;

/// A bounded table of sessions; the longest silent one makes room.
#[derive(Debug)]
pub(super) struct Sessions {
    table: Mutex<Table>,
    limit: usize,
}

#[derive(Debug, Default)]
struct Table {
    sessions: HashMap<SessionKey, Held>,
    begun: u64,
}

#[derive(Debug)]
struct Held {
    session: Arc<Mutex<Session>>,
    used: Instant,
}

/// One exchange's place in a session.
#[derive(Clone, Debug)]
pub(super) struct Place {
    session: Arc<Mutex<Session>>,
    /// The tag of the request.
    pub(super) tag: SessionTag,
}

/// What a session knows about a message.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) links: Vec<Link>,
    pub(super) notes: Vec<Note>,
}

impl Sessions {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            table: Mutex::default(),
            limit: limit.max(1),
        }
    }

    /// The place of a device's message, where it names a session.
    pub(super) fn enter(&self, document: &Document) -> Option<Place> {
        let message = Message::of(document)?;
        let key = SessionKey::of(message)?;
        let session = self.session(key);
        let mut held = lock(&session);
        held.begin_exchange();
        let tag = held.tag(message);
        drop(held);
        Some(Place { session, tag })
    }

    fn session(&self, key: SessionKey) -> Arc<Mutex<Session>> {
        let now = Instant::now();
        let mut table = lock(&self.table);
        if let Some(held) = table.sessions.get_mut(&key) {
            held.used = now;
            return held.session.clone();
        }
        if table.sessions.len() >= self.limit {
            make_room(&mut table.sessions, now);
        }
        table.begun += 1;
        let session = Arc::new(Mutex::new(Session::new(table.begun, key.clone())));
        let held = Held {
            session: session.clone(),
            used: now,
        };
        table.sessions.insert(key, held);
        session
    }
}

impl Place {
    /// What the answers in a message of `speaker` refer to.
    pub(super) fn look(&self, speaker: Side, document: &Document) -> Known {
        let Some(message) = Message::of(document) else {
            return Known::default();
        };
        let links = lock(&self.session).links(speaker, message);
        let notes = note_dangling(document, &links);
        Known { links, notes }
    }

    /// Remembers a message as it was delivered.
    pub(super) fn delivered(&self, to: Side, document: Arc<Document>) {
        lock(&self.session).delivered(to, document);
    }

    /// The tag of the response, whose body may be no message.
    pub(super) fn tag_response(&self, document: Option<&Document>) -> SessionTag {
        let mut tag = self.tag.clone();
        if let Some(message) = document.and_then(Message::of) {
            tag.message = lock(&self.session).tag(message).message;
        }
        tag
    }
}

/// Drops silent sessions, or else the one that was silent longest.
fn make_room(sessions: &mut HashMap<SessionKey, Held>, now: Instant) {
    let before = sessions.len();
    sessions.retain(|_, held| now.duration_since(held.used) < SILENT);
    if sessions.len() < before {
        return;
    }
    let oldest = sessions.iter().min_by_key(|(_, held)| held.used);
    if let Some(key) = oldest.map(|(key, _)| key.clone()) {
        sessions.remove(&key);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves counters and ledgers that are still good enough to tell about.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A session that was silent for so long may be forgotten when room is needed.
const SILENT: Duration = Duration::from_secs(60 * 60);
