//! The reference DM server: answers what it must, then works through its plan.

mod session;

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use super::compose::{Composer, Header};
use super::large::Sizes;
use super::plan::Plan;
use crate::dm::{AlertCode, Message, StatusCode, SyncHdr};
use crate::markup::Document;

pub use session::ServerSession;

/// A server with one plan for every device.
#[derive(Debug)]
pub struct Server {
    plan: Plan,
    sessions: HashMap<Key, ServerSession>,
    order: VecDeque<Key>,
    log: Option<Vec<(Bytes, String)>>,
}

type Key = (String, String);

impl Server {
    /// A server at the start of its work. It calls itself what devices call it.
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            sessions: HashMap::new(),
            order: VecDeque::new(),
            log: None,
        }
    }

    /// A server that remembers every message it heard and what it said to that, for tests.
    pub fn remembering(plan: Plan) -> Self {
        Self {
            log: Some(Vec::new()),
            ..Self::new(plan)
        }
    }

    /// What a server that remembers heard, as bytes, and said, as XML.
    pub fn log(&self) -> &[(Bytes, String)] {
        self.log.as_deref().unwrap_or_default()
    }

    /// The session of a device.
    pub fn session(&self, device: &str, session_id: &str) -> Option<&ServerSession> {
        self.sessions
            .get(&(device.to_owned(), session_id.to_owned()))
    }

    /// The answer to a device's message, as XML; `None` where it is no SyncML message with a header.
    pub fn answer(&mut self, document: &Document) -> Option<String> {
        let reply = self.reply(document)?;
        if let Some(log) = &mut self.log {
            log.push((document.source().clone(), reply.clone()));
        }
        Some(reply)
    }

    fn reply(&mut self, document: &Document) -> Option<String> {
        let message = Message::of(document)?;
        let header = message.header()?;
        let key = (
            header.source()?.into_owned(),
            header.session_id()?.into_owned(),
        );
        let msg_ref = header.msg_id()?.into_owned();
        let known = self.sessions.get(&key).and_then(|talk| talk.last.as_ref());
        if let Some((_, reply)) = known.filter(|(request, _)| request == document.source()) {
            return Some(reply.clone());
        }
        if msg_ref != "1" && !self.sessions.contains_key(&key) {
            return Some(turn_away(message, &key));
        }
        self.remember(&key, &msg_ref);
        let own_uri = header.target().unwrap_or_default();
        let plan = &self.plan;
        let talk = self.sessions.get_mut(&key)?;
        talk.begin(header);
        let head = Header {
            session_id: &key.1,
            msg_id: talk.msg_id,
            target: &key.0,
            source: &own_uri,
            cred: None,
            sizes: plan.sizes(),
        };
        let reply = talk.answer(message, &msg_ref, &head, plan);
        talk.last = Some((document.source().clone(), reply.clone()));
        Some(reply)
    }

    /// Makes room for a session; message 1 begins it anew.
    fn remember(&mut self, key: &Key, msg_ref: &str) {
        if msg_ref == "1" || !self.sessions.contains_key(key) {
            self.order.retain(|known| known != key);
            self.order.push_back(key.clone());
            self.sessions.insert(key.clone(), ServerSession::default());
        }
        while self.order.len() > MOST_SESSIONS {
            let oldest = self.order.pop_front();
            oldest.map(|key| self.sessions.remove(&key));
        }
    }
}

/// A session does not begin in the middle: a device that tries gets an abort (PRO 8.1).
fn turn_away(message: Message<'_>, (device, session_id): &Key) -> String {
    let header = message.header();
    let own_uri = header.and_then(|h| h.target()).unwrap_or_default();
    let head = Header {
        session_id,
        msg_id: 1,
        target: device,
        source: &own_uri,
        cred: None,
        sizes: Sizes::default(),
    };
    let mut reply = Composer::new(&head, 1);
    let msg_ref = header.and_then(|h| h.msg_id()).unwrap_or_default();
    ServerSession::default().acknowledge(&mut reply, message, &msg_ref, None);
    reply.alert(AlertCode(1223));
    reply.finish()
}

/// Whether an Alert of a message has this code.
pub(super) fn alerts(message: Message<'_>, code: u16) -> bool {
    message
        .commands()
        .filter_map(|c| c.as_alert())
        .any(|alert| alert.code().is_some_and(|c| c.0 == code))
}

/// The code for a version that neither peer speaks.
pub(super) fn wrong_version(header: SyncHdr<'_>) -> Option<StatusCode> {
    let dtd = header
        .ver_dtd()
        .is_none_or(|v| ["1.2", "1.1"].contains(&&*v));
    let proto = header
        .ver_proto()
        .is_none_or(|v| ["DM/1.2", "DM/1.1"].contains(&&*v));
    match (dtd, proto) {
        (false, _) => Some(StatusCode(505)),
        (_, false) => Some(StatusCode(513)),
        _ => None,
    }
}

/// Sessions a server remembers; the oldest is forgotten.
const MOST_SESSIONS: usize = 1024;
