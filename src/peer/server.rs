//! The reference DM server: sends the answers that are due, then works through its plan.

mod session;

use bytes::Bytes;
use hashlink::LruCache;

use super::compose::Composer;
use super::large::Sizes;
use super::plan::Plan;
use crate::dm::compose::HeaderBuilder;
use crate::dm::{AlertCode, Message, StatusCode, SyncHdr};
use crate::markup::Document;

pub use session::ServerSession;

/// A server with one plan for every device.
#[derive(Debug)]
pub struct Server {
    plan: Plan,
    sessions: LruCache<Key, ServerSession>,
    log: Option<Vec<(Bytes, String)>>,
}

type Key = (String, String);

impl Server {
    /// Creates a server without sessions. It uses the name that a device addresses it with.
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            sessions: LruCache::new(MOST_SESSIONS),
            log: None,
        }
    }

    /// Creates a server that remembers every message and its answer, for tests.
    pub fn remembering(plan: Plan) -> Self {
        Self {
            log: Some(Vec::new()),
            ..Self::new(plan)
        }
    }

    /// Returns the messages that a remembering server received, as bytes, with its answers, as XML.
    pub fn log(&self) -> &[(Bytes, String)] {
        self.log.as_deref().unwrap_or_default()
    }

    /// Returns a session of a device.
    pub fn session(&self, device: &str, session_id: &str) -> Option<&ServerSession> {
        self.sessions
            .peek(&(device.to_owned(), session_id.to_owned()))
    }

    /// Returns the answer to a device's message, as XML; `None` if the message is not SyncML with a header.
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
        let known = self.sessions.get(&key);
        let known = known.and_then(|session| session.last.as_ref());
        if let Some((_, reply)) = known.filter(|(request, _)| request == document.source()) {
            return Some(reply.clone());
        }
        if !message.is_first() && !self.sessions.contains_key(&key) {
            return Some(turn_away(message, &key));
        }
        if message.is_first() {
            self.sessions.insert(key.clone(), ServerSession::default());
        }
        let own_uri = header.target().unwrap_or_default();
        let plan = &self.plan;
        let session = self.sessions.get_mut(&key)?;
        session.begin(header);
        let reply = Composer::new(header_to(&key, &own_uri, session.msg_id), plan.sizes(), 0);
        let reply = session.answer(message, &msg_ref, reply, plan);
        session.last = Some((document.source().clone(), reply.clone()));
        Some(reply)
    }
}

/// Answers a message in the middle of an unknown session with an abort (PRO 8.1).
fn turn_away(message: Message<'_>, key: &Key) -> String {
    let own_uri = message.header().and_then(|header| header.target());
    let header = header_to(key, own_uri.as_deref().unwrap_or_default(), 1);
    let mut reply = Composer::new(header, Sizes::default(), 0);
    let msg_ref = message.msg_id().unwrap_or_default();
    ServerSession::default().acknowledge(&mut reply, message, &msg_ref, None);
    reply.alert(AlertCode::SESSION_ABORT);
    reply.finish()
}

/// Returns the header of a message to a device.
fn header_to<'a>(
    (device, session_id): &'a Key,
    own_uri: &'a str,
    msg_id: u32,
) -> HeaderBuilder<'a> {
    HeaderBuilder {
        session_id,
        msg_id,
        target: device,
        source: own_uri,
        ..HeaderBuilder::default()
    }
}

/// Returns the code for a version that the simulators do not support.
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

/// The most sessions that a server remembers; the least recently used one is forgotten.
const MOST_SESSIONS: usize = 1024;
