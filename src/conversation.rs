//! The decision on one message, without a socket. The proxy, `dmtap rules try` and the tests of rules use it.
//!
//! ```text
//!              Conversations                     every session in progress, within SessionLimits
//!                    │ decide_request(input, rules, state, now)
//!                    ▼
//!   SessionHandle ◄──┴──► Decision               the message to send, with links, notes and effects
//!        │ decide_response(input, rules, state) ──► Decision
//!        │ delivered, answered                                 records that the receiver got a message
//! ```
//!
//! A message is decided in this order: its session is found, its answers are linked to the commands that they answer,
//! the rules decide, and the reconciler changes the result so that both peers stay consistent. Time is an argument.
//!
//! | type | made by | changed by |
//! |---|---|---|
//! | [`MessageInput`]: a message as it arrived | its caller | nobody; `after` copies it with a rewrite |
//! | `Rewritten`: a message after a rewrite | `stay`, the replacement of certificates | nobody |
//! | [`Verdict`]: the message to send | the rules | the reconciler, both rewrites, the swap |
//! | [`Decision`]: the verdict, with session, links and notes | [`Conversations`], [`SessionHandle`] | the swap |
//! | `proxy`'s `Outcome`: the body and the event of a decided message | `proxy`, from the decision | nobody |
//! | [`CapturedMessage`](crate::flow::CapturedMessage): what the event reports | `proxy` | nobody |

mod credentials;
mod decide;
mod handle;
mod pairs;
mod rewrite;
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
use crate::identity::certificate_pairs::CertificatePairs;
use crate::markup::utf16::Utf16;
use crate::markup::{Document, Limits};
use crate::rules::{RuleSet, RuleState, Verdict};
use crate::stay::StayContext;

use self::credentials::KnownCredentials;
pub use self::handle::SessionHandle;
pub use self::rewrite::patched;
pub use self::rule_state::InMemoryState;
pub use self::seal::Seal;
use self::seal::unrenewable_field;
pub use self::table::SessionLimits;
pub use self::view::SessionView;

use self::rewrite::Rewritten;
use self::table::{Sessions, SharedSession};

/// The sessions of all devices.
#[derive(Debug)]
pub struct Conversations {
    sessions: Sessions,
    /// The accounts and certificates that credentials and signatures are checked against. All connections share them.
    known: Arc<Mutex<KnownCredentials>>,
}

/// A message as it arrived, with the facts known about it.
#[derive(Clone, Copy, Debug)]
pub struct MessageInput<'a> {
    /// The device's connection.
    pub connection: &'a Connection,
    /// The number of the exchange.
    pub exchange: ExchangeId,
    /// The head of the request.
    pub request: &'a RequestHead,
    /// The head of the response; `None` if the message is the request.
    pub response: Option<&'a ResponseHead>,
    /// The decoded body, if it decodes.
    pub document: Option<&'a Arc<Document>>,
    /// The body without content coding, if it was read. XML in UTF-16 is converted to UTF-8.
    pub body: Option<&'a Bytes>,
    /// The reason why dmtap could not read the body, if it could not.
    pub why_unread: Option<&'static str>,
    /// The UTF-16 encoding in which the body arrived, if `body` has it in UTF-8.
    pub utf16: Option<Utf16>,
    /// The limits for decoding a changed body.
    pub limits: &'a Limits,
    /// The context of the rule `stay`, if it is in force.
    pub stay: Option<&'a StayContext>,
    /// The pairs of device and server certificates that stand for each other, if there are any.
    pub pairs: Option<&'a CertificatePairs>,
    /// The client certificate (DER) that dmtap shows to the server for this request, and its key.
    pub identity: Option<(&'a [u8], &'a dyn Signer)>,
}

/// Returns the bytes that the sender of a body signed: those in UTF-16 if `body` was converted from it to UTF-8.
pub fn as_signed(body: &Bytes, utf16: Option<Utf16>) -> Cow<'_, [u8]> {
    match utf16.and_then(|utf16| utf16.from_utf8(body)) {
        Some(written) => Cow::Owned(written),
        None => Cow::Borrowed(body),
    }
}

/// A decided message: the things that dmtap found in it, and the message to send.
#[derive(Debug, Default)]
pub struct Decision {
    /// The place of the message in a session.
    pub session: Option<SessionTag>,
    /// The command that each Status and Results of the document answers, as it arrived.
    pub links: Vec<AnswerLink>,
    /// The notes on the message.
    pub notes: Vec<Note>,
    /// The message to send instead, and its delivery. The session already holds the obligations from the rules.
    pub verdict: Verdict,
    /// The hosts in no pair of the origin map that the message names and that get a path.
    pub learned: Vec<NamedHost>,
    /// The header fields that sign the message's bytes and that dmtap can recompute.
    pub renewable_seals: Vec<Seal>,
}

impl Conversations {
    /// Creates conversations without a session.
    pub fn new(limits: SessionLimits) -> Self {
        Self {
            sessions: Sessions::new(limits),
            known: Arc::default(),
        }
    }

    /// Adds accounts with which devices and servers authenticate. Accounts that a server provisions are learned without this.
    pub fn with_accounts<'a>(self, accounts: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut known = self.known.lock();
        accounts.for_each(|(user, password)| known.credentials.add(user, password));
        drop(known);
        self
    }

    /// Adds the certificate (DER) of a device. The device may sign its messages with its key.
    pub fn add_device_certificate(&self, certificate: &[u8]) {
        self.known.lock().signers.add(certificate);
    }

    /// Whether a session that goes on has obligations. Then bodies must be read, whatever rules are in force.
    pub fn have_obligations(&self, now: Timestamp) -> bool {
        self.sessions.have_obligations(now)
    }

    /// Decides on a request. Returns the handle that its response needs, too.
    pub fn decide_request(
        &self,
        request: &MessageInput<'_>,
        rules: &RuleSet,
        state: &mut dyn RuleState,
        now: Timestamp,
    ) -> (SessionHandle, Decision) {
        let (session, key_note) = match self.enter(request, now) {
            Ok(session) => (session, None),
            Err(error) => (None, Some(Note::new("SES-01", error.to_string()))),
        };
        let mut handle = self.handle(session);
        let (credential_notes, seals) = handle.check_credentials(request);
        let unrenewable = unrenewable_field(request, &seals);
        let (stayed, stay_notes) = match request.stay {
            Some(stay) => stay.request(request, unrenewable),
            None => (None, Vec::new()),
        };
        let seen = request.after(stayed.as_ref());
        let (paired, pair_notes) = seen.paired_request(unrenewable);
        let seen = seen.after(paired.as_ref());
        let mut decided = handle.decide(&seen, rules, state, seals);
        if let (Some(stay), Some(answer)) = (request.stay, &mut decided.verdict.answer) {
            stay.answer(&seen, answer);
        }
        decided.notes.extend(credential_notes);
        decided.notes.extend(key_note);
        decided.notes.extend(stay_notes);
        decided.notes.extend(pair_notes);
        // The last rewrite comes first: its body has the changes of the others, too. Each effect is put before those
        // that are there already, so that the record has them in the order of the rewrites.
        for rewritten in [paired, stayed].into_iter().flatten() {
            rewritten.put_into(&mut decided.verdict);
        }
        if let Some(stay) = &request.stay {
            stay.request_fields(request, &mut decided.verdict);
        }
        (handle, decided)
    }

    /// Returns the handle of an exchange whose request is not known. The response may name the session, too.
    pub fn without_request(&self, response: &MessageInput<'_>, now: Timestamp) -> SessionHandle {
        let session = self.enter(response, now).ok().flatten();
        if let Some(session) = &session {
            // dmtap did not see the request, nor the message that it answered.
            session.missed(Side::Device);
            session.missed(Side::Server);
        }
        self.handle(session)
    }

    fn handle(&self, session: Option<SharedSession>) -> SessionHandle {
        SessionHandle {
            session,
            known: self.known.clone(),
            ..SessionHandle::default()
        }
    }

    /// Begins an exchange in the session that a message names, if it names one: creates the session if there is none,
    /// counts the exchange, and reads the package and the user from a device's message. Returns the session.
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
    /// Returns the sender of the message.
    pub fn speaker(&self) -> Side {
        match self.response {
            Some(_) => Side::Server,
            None => Side::Device,
        }
    }

    /// Returns the header fields of the message.
    pub fn headers(&self) -> &'a HeaderMap {
        match self.response {
            Some(response) => &response.headers,
            None => &self.request.headers,
        }
    }

    /// Returns the message as it is after a rewrite.
    fn after<'r>(&self, rewritten: Option<&'r Rewritten>) -> MessageInput<'r>
    where
        'a: 'r,
    {
        match rewritten {
            Some(Rewritten { document, body, .. }) => MessageInput {
                document: Some(document),
                body: Some(body),
                ..*self
            },
            None => *self,
        }
    }

    /// Returns the SyncML message, if the document is one.
    fn message(&self) -> Option<Message<'a>> {
        Message::of(self.document?)
    }
}

#[cfg(test)]
mod tests;
