//! The sessions of a trial.

use std::collections::{HashMap, VecDeque};

use super::Passed;
use crate::dm::Message;
use crate::flow::{ExchangeId, Session, SessionKey, Side};

/// Sessions, the longest silent one first, bounded in number and in bytes.
#[derive(Debug)]
pub(super) struct SessionTable {
    sessions: VecDeque<Session>,
    most_bytes: usize,
    begun: u64,
    /// The sessions of exchanges: only devices name theirs.
    exchanges: HashMap<ExchangeId, SessionKey>,
}

impl Default for SessionTable {
    fn default() -> Self {
        Self::within(MOST_BYTES)
    }
}

impl SessionTable {
    /// Sessions whose messages hold so many bytes together, and the newest one as many as it has.
    fn within(most_bytes: usize) -> Self {
        Self {
            sessions: VecDeque::new(),
            most_bytes,
            begun: 0,
            exchanges: HashMap::new(),
        }
    }

    /// The session of a message, which takes notice of it; `None` where it is no SyncML message.
    pub(super) fn enter(&mut self, passed: &Passed) -> Option<&mut Session> {
        let message = Message::of(passed.document.as_deref()?)?;
        let key = self.key(passed)?;
        let known = self.sessions.iter().position(|session| session.key == key);
        let is_new = known.is_none();
        match known.and_then(|at| self.sessions.remove(at)) {
            Some(session) => self.sessions.push_back(session),
            None => self.begin(key),
        }
        self.make_room();
        let session = self.sessions.back_mut()?;
        if is_new || passed.speaker == Side::Device {
            session.begin_exchange();
        }
        if passed.speaker == Side::Device {
            session.note_message(message);
        }
        if let Some(msg_id) = message.header().and_then(|header| header.msg_id()) {
            session.reconciler.note_received(passed.speaker, &msg_id);
        }
        Some(session)
    }

    /// Which session a message is of; `None` where it is no SyncML message.
    pub(super) fn key(&mut self, passed: &Passed) -> Option<SessionKey> {
        let message = Message::of(passed.document.as_deref()?)?;
        let key = match self.exchanges.get(&passed.exchange) {
            Some(key) if passed.speaker == Side::Server => key.clone(),
            _ => key_of(passed, message),
        };
        self.note(passed.exchange, &key);
        Some(key)
    }

    /// The session of an exchange that is known.
    pub(super) fn of(&mut self, exchange: ExchangeId) -> Option<&mut Session> {
        let key = self.exchanges.get(&exchange)?;
        self.sessions.iter_mut().find(|session| session.key == *key)
    }

    /// How much they hold, in bytes.
    fn bytes(&self) -> usize {
        self.sessions.iter().map(Session::bytes).sum()
    }

    /// Forgets the longest silent ones where there is too much, but not the one that has the word.
    fn make_room(&mut self) {
        let mut bytes = self.bytes();
        while bytes > self.most_bytes && self.sessions.len() > 1 {
            let gone = self.sessions.pop_front();
            bytes -= gone.map_or(0, |session| session.bytes());
        }
    }

    fn begin(&mut self, key: SessionKey) {
        if self.sessions.len() == MOST_SESSIONS {
            self.sessions.pop_front();
        }
        self.begun += 1;
        self.sessions.push_back(Session::new(self.begun, key));
    }

    /// Remembers which session an exchange is of; old ones are forgotten.
    fn note(&mut self, exchange: ExchangeId, key: &SessionKey) {
        self.exchanges.insert(exchange, key.clone());
        if self.exchanges.len() > MOST_EXCHANGES {
            let oldest = exchange.0.saturating_sub(MOST_EXCHANGES as u64 / 2);
            self.exchanges.retain(|exchange, _| exchange.0 >= oldest);
        }
    }
}

/// The session a message names; the first message may be a server's all the same.
fn key_of(passed: &Passed, message: Message<'_>) -> SessionKey {
    let header = message.header();
    let device = header.and_then(|header| match passed.speaker {
        Side::Device => header.source(),
        Side::Server => header.target(),
    });
    let id = header.and_then(|header| header.session_id());
    SessionKey {
        server: passed.connection.server.as_str().into(),
        device: device.unwrap_or_default().into(),
        id: id.unwrap_or_default().into(),
    }
}

/// Sessions that are followed at the same time.
const MOST_SESSIONS: usize = 1_000;
/// Exchanges whose sessions are remembered.
const MOST_EXCHANGES: usize = 10_000;

/// Bytes that the messages of all of them may hold together; the longest silent one makes room.
const MOST_BYTES: usize = 256 << 20;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::app::dry_run::DryRun;
    use crate::markup::{self, Hint, Limits};

    fn pass(talks: &mut SessionTable, trial: &mut DryRun, session: &str) -> u64 {
        let source = format!(
            "<SyncML><SyncHdr><SessionID>{session}</SessionID><MsgID>1</MsgID>\
             <Source><LocURI>urn:uuid:1</LocURI></Source></SyncHdr>\
             <SyncBody><Final/></SyncBody></SyncML>"
        );
        let document = markup::decode(source.into(), Hint::default(), &Limits::default());
        let document = Arc::new(document.unwrap());
        let passed = trial.message(Side::Device, document.clone());
        let session = talks.enter(&passed).unwrap();
        session.delivered(Side::Server, document);
        session.number
    }

    #[test]
    fn the_longest_silent_session_makes_room_for_more_bytes() {
        let mut trial = DryRun::new("https://localhost/".parse().unwrap());
        let mut talks = SessionTable::default();
        pass(&mut talks, &mut trial, "1");
        let one = talks.sessions[0].bytes();
        let mut talks = SessionTable::within(2 * one);
        let mut pass = |session| pass(&mut talks, &mut trial, session);
        let numbers = ["1", "2", "1", "3", "2", "2", "4", "1"].map(&mut pass);
        // The one of this message is entered before it holds the message: three hold one each for a while.
        assert_eq!(numbers, [1, 2, 1, 3, 4, 4, 5, 6]);
        assert_eq!(talks.bytes(), 2 * one);
    }
}
