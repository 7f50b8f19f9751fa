//! The handle of one exchange on its session, which records what the receivers got.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, header};
use parking_lot::Mutex;

use super::credentials::KnownCredentials;
use super::table::SharedSession;
use super::{Decision, MessageInput};
use crate::dm::Message;
use crate::flow::{SessionTag, Side, media};
use crate::markup::utf16::in_utf8;
use crate::markup::{self, Document, Limits};
use crate::rules::{RuleSet, RuleState};

/// One exchange: its session, if it has one, and the message that is about to be sent.
#[derive(Debug, Default)]
pub struct SessionHandle {
    pub(super) session: Option<SharedSession>,
    pub(super) leaving: LeavingMessage,
    pub(super) known: Arc<Mutex<KnownCredentials>>,
}

/// The thing that the receiver of a message gets.
#[derive(Debug, Default)]
pub(super) enum LeavingMessage {
    /// Nothing: dmtap answers in its place or cuts it, or the device is asked to send its message again later.
    #[default]
    Nothing,
    /// A document, and the sender's original if rules changed it.
    Message(Arc<Document>, Option<Arc<Document>>),
    /// A body that was not read, or does not decode.
    Unread,
    /// A response without content for DM, empty or an error, that ends the session.
    End,
}

impl SessionHandle {
    /// Decides on the response of the exchange.
    pub fn decide_response(
        &mut self,
        response: &MessageInput<'_>,
        rules: &RuleSet,
        state: &mut dyn RuleState,
    ) -> Decision {
        let (credential_notes, seals) = self.check_credentials(response);
        let mut decided = self.decide(response, rules, state, seals);
        decided.notes.extend(credential_notes);
        decided
    }

    /// Sets the message that is sent if no rule changed it. A record gives it.
    pub fn sends(&mut self, document: Arc<Document>) {
        self.leaving = LeavingMessage::Message(document, None);
    }

    /// Marks the message that is sent as unread, because only its beginning could be read.
    pub fn sends_unread(&mut self) {
        self.leaving = LeavingMessage::Unread;
    }

    /// Records that a peer got the message: the server the request, the device the response.
    pub fn delivered(&mut self, to: Side) {
        let leaving = std::mem::take(&mut self.leaving);
        let Some(session) = &self.session else {
            return;
        };
        match leaving {
            LeavingMessage::Message(document, original) => {
                session.delivered(to, document, original);
            }
            LeavingMessage::Unread => session.missed(to),
            LeavingMessage::End => session.ended(),
            LeavingMessage::Nothing => {}
        }
    }

    /// Records that the device may have got a response that is not known.
    pub fn response_unseen(&self) {
        if let Some(session) = &self.session {
            session.missed(Side::Device);
        }
    }

    /// Records an answer of dmtap itself, which the device gets in place of the server's. Returns the decoded answer if
    /// it is a message of the session.
    pub fn answered(&mut self, body: &Bytes, headers: &HeaderMap) -> Option<Arc<Document>> {
        let session = self.session.as_ref()?;
        let hint = media::hint(headers);
        let is_syncml = hint.media_type.is_some_and(|kind| kind.contains("syncml"));
        let decode = || {
            let text = in_utf8(body.clone()).ok()?;
            markup::decode(text, hint, &Limits::default()).ok()
        };
        let Some(document) = is_syncml.then(decode).flatten() else {
            // The session is over, unless the device is asked to come back.
            if !headers.contains_key(header::RETRY_AFTER) {
                session.ended();
            }
            return None;
        };
        let document = Arc::new(document);
        session.delivered(Side::Device, document.clone(), None);
        let tag = session.tag(Side::Server, Message::of(&document));
        self.learn_nonces(Side::Server, &document, &tag);
        Some(document)
    }

    /// Returns the tag of the message of `speaker` in this exchange. The body need not be a message.
    pub fn tag(&self, speaker: Side, document: Option<&Document>) -> Option<SessionTag> {
        let session = self.session.as_ref()?;
        Some(session.tag(speaker, document.and_then(Message::of)))
    }
}
