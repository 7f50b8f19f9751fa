//! The check whether a message of a record would still have been sent after rules kept a request from the server.

use std::collections::HashSet;

use super::PastMessage;
use crate::dm::Message;
use crate::flow::{ExchangeId, SessionKey, Side};

/// Whether a message of a record would still have been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applicability {
    /// It would have been sent.
    Fits,
    /// It is the first message that no longer fits its session.
    First,
    /// It is a later message of such a session, or answers a request that the server never received.
    Later,
}

/// The exchanges that never reached the server, and their sessions.
#[derive(Debug, Default)]
pub(super) struct Unasked {
    exchanges: HashSet<ExchangeId>,
    sessions: HashSet<SessionKey>,
    /// The sessions of which a message came since.
    reported: HashSet<SessionKey>,
}

impl Unasked {
    pub(super) fn enter(&mut self, exchange: ExchangeId, session: Option<SessionKey>) {
        self.exchanges.insert(exchange);
        self.sessions.extend(session);
    }

    /// Removes an exchange and its session, and returns whether the exchange was there.
    pub(super) fn forgive(&mut self, exchange: ExchangeId, session: Option<SessionKey>) -> bool {
        if !self.exchanges.remove(&exchange) {
            return false;
        }
        if let Some(session) = session {
            self.sessions.remove(&session);
        }
        true
    }

    pub(super) fn fit(&mut self, past: &PastMessage, session: Option<SessionKey>) -> Applicability {
        if past.speaker == Side::Server && self.exchanges.remove(&past.exchange) {
            return Applicability::Later;
        }
        let Some(session) = session.filter(|session| self.sessions.contains(session)) else {
            return Applicability::Fits;
        };
        // SessionIDs repeat: a first message begins a new session.
        if past.speaker == Side::Device && is_first(past) {
            self.sessions.remove(&session);
            self.reported.remove(&session);
            return Applicability::Fits;
        }
        match self.reported.insert(session) {
            true => Applicability::First,
            false => Applicability::Later,
        }
    }
}

fn is_first(past: &PastMessage) -> bool {
    let message = past.document.as_deref().and_then(Message::of);
    message.is_some_and(Message::is_first)
}
