//! What dmtap does with one message, without a socket: the proxy, `dmtap rules try` and the tests of rules use it.
//!
//! ```text
//!              Conversations                     every session under way, within SessionLimits
//!                    │ request(input, rules, state, now)
//!                    ▼
//!   SessionHandle ◄──┴──► Decision               what leaves, with what was found and done
//!        │ response(input, rules, state) ──► Decision
//!        │ delivered, answered                                 what its receiver got
//! ```
//!
//! A message is decided in this order: its session is found, its answers are linked to the commands they answer, the
//! rules decide, and what dmtap owes the peers is done in what the rules left. Time is an argument.

mod credentials;
mod decide;
mod handle;
mod pairs;
mod rule_state;
mod seal;
mod signers;
mod source_check;
mod stay;
mod table;
mod view;

use bytes::Bytes;
use http::HeaderMap;
use parking_lot::Mutex;
use std::borrow::Cow;
use std::sync::Arc;

use crate::dm::Message;
use crate::flow::origin::NamedHost;
use crate::flow::{
    AnswerLink, Connection, ExchangeId, KeyTooLong, Note, RequestHead, ResponseHead, SessionKey,
    SessionTag, Side, Timestamp,
};
use crate::identity::Signer;
use crate::identity::session::Pairs;
use crate::markup::utf16::Utf16;
use crate::markup::{Document, Limits};
use crate::rules::{RuleSet, RuleState, Verdict};

use self::credentials::Known;
pub use self::handle::SessionHandle;
pub use self::rule_state::InMemoryState;
pub use self::seal::Seal;
use self::seal::sealed;
pub use self::stay::{StayContext, patched};
pub use self::table::SessionLimits;
pub use self::view::SessionView;

use self::stay::Rewritten;
use self::table::{Sessions, SharedSession};

/// The sessions of all devices.
#[derive(Debug)]
pub struct Conversations {
    sessions: Sessions,
    /// What credentials and signatures are held against. Exchanges of all connections share it.
    known: Arc<Mutex<Known>>,
}

/// A message as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct MessageInput<'a> {
    /// The device's connection.
    pub connection: &'a Connection,
    /// Its exchange.
    pub exchange: ExchangeId,
    /// The head of the request.
    pub request: &'a RequestHead,
    /// The head of the response; `None`: the message is the request.
    pub response: Option<&'a ResponseHead>,
    /// The body decoded, where it decodes.
    pub document: Option<&'a Arc<Document>>,
    /// The body without content coding, where it was read; XML in UTF-16 is in UTF-8.
    pub body: Option<&'a Bytes>,
    /// How the text of the body was written, where `body` is in UTF-8 in its place.
    pub utf16: Option<Utf16>,
    /// What bounds the decoding of a body that is changed.
    pub limits: &'a Limits,
    /// What keeps the device on the proxy, where something does.
    pub stay: Option<StayContext<'a>>,
    /// The certificates that stand for each other, where there are any.
    pub pairs: Option<&'a Pairs>,
    /// The client certificate, DER, that the server is shown with this request, and its key.
    pub identity: Option<(&'a [u8], &'a dyn Signer)>,
}

/// The bytes that the sender of a body signed, which is in UTF-8 where it came in UTF-16.
pub fn as_signed(body: &Bytes, utf16: Option<Utf16>) -> Cow<'_, [u8]> {
    match utf16.and_then(|utf16| utf16.from_utf8(body)) {
        Some(written) => Cow::Owned(written),
        None => Cow::Borrowed(body),
    }
}

/// A message decided: what was found in it, and what leaves.
#[derive(Debug, Default)]
pub struct Decision {
    /// Its place in a session.
    pub session: Option<SessionTag>,
    /// For each Status and Results of the document as it arrived, the command it answers.
    pub links: Vec<AnswerLink>,
    /// Remarks about it.
    pub notes: Vec<Note>,
    /// What leaves instead of it, and how; with what rules promised already taken on.
    pub verdict: Verdict,
    /// Hosts in no pair of the origin map that it names, and that get a path.
    pub learned: Vec<NamedHost>,
    /// The fields that vouch for its bytes and that dmtap can make anew.
    pub seals: Vec<Seal>,
}

impl Conversations {
    /// No session yet.
    pub fn new(limits: SessionLimits) -> Self {
        Self {
            sessions: Sessions::new(limits),
            known: Arc::default(),
        }
    }

    /// Adds accounts that devices have; those that a server grants are known anyway.
    pub fn with_accounts<'a>(self, accounts: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut known = self.known.lock();
        accounts.for_each(|(user, password)| known.credentials.add(user, password));
        drop(known);
        self
    }

    /// Adds the certificate of a device, DER, by whose key its messages may be signed.
    pub fn know_signer(&self, certificate: &[u8]) {
        self.known.lock().signers.add(certificate);
    }

    /// Whether some session that goes on is owed something: then bodies are read, whatever rules are in force.
    pub fn have_obligations(&self, now: Timestamp) -> bool {
        self.sessions.have_obligations(now)
    }

    /// Decides on a request; gives the handle that its response needs.
    pub fn request(
        &self,
        request: &MessageInput<'_>,
        rules: &RuleSet,
        state: &mut dyn RuleState,
        now: Timestamp,
    ) -> (SessionHandle, Decision) {
        let (session, note) = match self.enter(request, now) {
            Ok(session) => (session, None),
            Err(error) => (None, Some(note_no_session(error))),
        };
        let mut handle = self.handle(session);
        let (checked, seals) = handle.check_credentials(request);
        let sealed = sealed(request, &seals);
        let (rewritten, notes) = match &request.stay {
            Some(stay) => stay.request(request, sealed),
            None => (None, Vec::new()),
        };
        let seen = MessageInput {
            document: rewritten
                .as_ref()
                .map(|it| &it.document)
                .or(request.document),
            body: rewritten.as_ref().map(|it| &it.body).or(request.body),
            ..*request
        };
        let (paired, note_paired) = seen.paired_request(sealed);
        let seen = MessageInput {
            document: paired.as_ref().map(|it| &it.document).or(seen.document),
            body: paired.as_ref().map(|it| &it.body).or(seen.body),
            ..seen
        };
        let mut decided = handle.decide(&seen, rules, state, seals);
        if let (Some(stay), Some(answer)) = (&request.stay, &mut decided.verdict.answer) {
            stay.answer(&seen, answer);
        }
        decided.notes.extend(checked);
        decided.notes.extend(note);
        decided.notes.extend(notes);
        decided.notes.extend(note_paired);
        if let Some(rewritten) = Rewritten::both(rewritten, paired) {
            rewritten.enter(&mut decided);
        }
        (handle, decided)
    }

    /// The handle of an exchange whose request is not known: its response may name the session, too.
    pub fn without_request(&self, response: &MessageInput<'_>, now: Timestamp) -> SessionHandle {
        let session = self.enter(response, now).ok().flatten();
        if let Some(session) = &session {
            // What the request said, and what it answered, was not seen.
            session.missed(Side::Device);
            session.missed(Side::Server);
        }
        self.handle(session)
    }

    fn handle(&self, session: Option<SharedSession>) -> SessionHandle {
        SessionHandle::of(session, self.known.clone())
    }

    /// The session that a message names, if any.
    fn enter(
        &self,
        input: &MessageInput<'_>,
        now: Timestamp,
    ) -> Result<Option<SharedSession>, KeyTooLong> {
        let Some(message) = input.message() else {
            return Ok(None);
        };
        let speaker = input.speaker();
        let key = SessionKey::of(&input.connection.server, speaker, message)?;
        Ok(key.map(|key| self.sessions.enter(key, speaker, message, now)))
    }
}

impl<'a> MessageInput<'a> {
    /// Who sent it.
    pub fn speaker(&self) -> Side {
        match self.response {
            Some(_) => Side::Server,
            None => Side::Device,
        }
    }

    /// Its header fields.
    pub fn headers(&self) -> &'a HeaderMap {
        match self.response {
            Some(response) => &response.headers,
            None => &self.request.headers,
        }
    }

    /// Its SyncML, where it is that.
    fn message(&self) -> Option<Message<'a>> {
        Message::of(self.document?)
    }
}

fn note_no_session(error: KeyTooLong) -> Note {
    Note::new("SES-01", error.to_string())
}

#[cfg(test)]
mod tests;
