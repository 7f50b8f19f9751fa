//! One exchange's hold on its session: what its receivers got.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, header};

use super::table::SharedSession;
use super::{Decided, MessageFacts};
use crate::flow::{SessionTag, Side, media};
use crate::markup::{self, Document, Limits};
use crate::rules::{RuleSet, RuleState};

/// One exchange: its session, if it has one, and the message that is on its way out.
#[derive(Debug, Default)]
pub struct SessionHandle {
    pub(super) session: Option<SharedSession>,
    pub(super) leaving: Leaving,
}

/// What the receiver of a message gets.
#[derive(Debug, Default)]
pub(super) enum Leaving {
    /// Something that was not read, or does not decode; or dmtap answers in its place.
    #[default]
    Unread,
    /// A response that says nothing: empty, or an error.
    Nothing,
    /// A document.
    Message(Arc<Document>),
}

impl SessionHandle {
    pub(super) fn of(session: Option<SharedSession>) -> Self {
        Self {
            session,
            leaving: Leaving::default(),
        }
    }

    /// Decides on the response.
    pub fn response(
        &mut self,
        response: &MessageFacts<'_>,
        rules: &RuleSet,
        state: &mut dyn RuleState,
    ) -> Decided {
        self.decide(response, rules, state)
    }

    /// Notes that the server got the request.
    pub fn request_delivered(&mut self) {
        let leaving = std::mem::take(&mut self.leaving);
        if let (Some(session), Leaving::Message(document)) = (&self.session, leaving) {
            session.delivered(Side::Server, document);
        }
    }

    /// Notes that the device got the response, with these header fields.
    pub fn response_delivered(&mut self, headers: &HeaderMap) {
        let leaving = std::mem::take(&mut self.leaving);
        let Some(session) = &self.session else {
            return;
        };
        match leaving {
            Leaving::Message(document) => session.delivered(Side::Device, document),
            Leaving::Nothing => end(session, headers),
            Leaving::Unread => session.missed(Side::Device),
        }
    }

    /// Notes an answer of dmtap's own, which the device gets in place of the server's; gives it decoded where it is a
    /// message of the session.
    pub fn answered(&mut self, body: &Bytes, headers: &HeaderMap) -> Option<Arc<Document>> {
        let session = self.session.as_ref()?;
        let hint = media::hint(headers);
        let is_syncml = hint.media_type.is_some_and(|kind| kind.contains("syncml"));
        let decode = || markup::decode(body.clone(), hint, &Limits::default()).ok();
        let Some(document) = is_syncml.then(decode).flatten() else {
            end(session, headers);
            return None;
        };
        let document = Arc::new(document);
        session.delivered(Side::Device, document.clone());
        Some(document)
    }

    /// The place in its session of what `speaker` says in this exchange, whose body may be no message.
    pub fn tag(&self, speaker: Side, document: Option<&Document>) -> Option<SessionTag> {
        let session = self.session.as_ref()?;
        Some(match speaker {
            Side::Device => session.tag.clone(),
            Side::Server => session.tag_response(document),
        })
    }
}

/// The device got a response that is no message: its session is over, unless it is asked to come back.
fn end(session: &SharedSession, headers: &HeaderMap) {
    if !headers.contains_key(header::RETRY_AFTER) {
        session.ended();
    }
}
