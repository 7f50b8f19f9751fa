//! The sessions of a trial.

use std::collections::{HashMap, VecDeque};

use super::Passed;
use crate::dm::Message;
use crate::flow::{ExchangeId, Session, SessionKey, Side};

/// Sessions, the one that began last behind the others.
#[derive(Debug, Default)]
pub(super) struct Talks {
    sessions: VecDeque<Session>,
    begun: u64,
    /// The sessions of exchanges: only devices name theirs.
    exchanges: HashMap<ExchangeId, SessionKey>,
}

impl Talks {
    /// The session of a message, which takes notice of it; `None` where it is no SyncML message.
    pub(super) fn enter(&mut self, passed: &Passed) -> Option<&mut Session> {
        let message = Message::of(passed.document.as_deref()?)?;
        let key = match self.exchanges.get(&passed.exchange) {
            Some(key) if passed.speaker == Side::Server => key.clone(),
            _ => key_of(passed.speaker, message),
        };
        self.note(passed.exchange, &key);
        let known = self.sessions.iter().position(|session| session.key == key);
        let is_new = known.is_none();
        let at = known.unwrap_or_else(|| self.begin(key));
        let session = self.sessions.get_mut(at)?;
        if is_new || passed.speaker == Side::Device {
            session.begin_exchange();
        }
        if passed.speaker == Side::Device {
            session.hear(message);
        }
        if let Some(msg_id) = message.header().and_then(|header| header.msg_id()) {
            session.account.hear(passed.speaker, &msg_id);
        }
        Some(session)
    }

    /// The session of an exchange that is known.
    pub(super) fn of(&mut self, exchange: ExchangeId) -> Option<&mut Session> {
        let key = self.exchanges.get(&exchange)?;
        self.sessions.iter_mut().find(|session| session.key == *key)
    }

    fn begin(&mut self, key: SessionKey) -> usize {
        if self.sessions.len() == MOST_SESSIONS {
            self.sessions.pop_front();
        }
        self.begun += 1;
        self.sessions.push_back(Session::new(self.begun, key));
        self.sessions.len() - 1
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
fn key_of(speaker: Side, message: Message<'_>) -> SessionKey {
    let header = message.header();
    let device = header.and_then(|header| match speaker {
        Side::Device => header.source(),
        Side::Server => header.target(),
    });
    let id = header.and_then(|header| header.session_id());
    SessionKey {
        device: device.unwrap_or_default().into(),
        id: id.unwrap_or_default().into(),
    }
}

/// Sessions that are followed at the same time.
const MOST_SESSIONS: usize = 1_000;
/// Exchanges whose sessions are remembered.
const MOST_EXCHANGES: usize = 10_000;
