//! Credentials of the messages of an exchange, held against what passed before.

use super::MessageFacts;
use super::handle::SessionHandle;
use crate::dm::Message;
use crate::flow::{Note, SessionTag, Side};
use crate::markup::Document;
use crate::rules::Verdict;

impl SessionHandle {
    /// What is to be said of the credentials in a message as it arrived.
    pub(super) fn check_credentials(
        &self,
        facts: &MessageFacts<'_>,
        tag: Option<&SessionTag>,
    ) -> Vec<Note> {
        let (Some(message), Some(tag)) = (facts.message(), tag) else {
            return Vec::new();
        };
        let hmac = facts.headers().get("x-syncml-hmac");
        let hmac = hmac.and_then(|hmac| hmac.to_str().ok());
        let body = facts.body.map_or(&[][..], |body| body);
        let mut known = self.credentials.lock();
        known.check(facts.speaker(), &tag.key.device, message, hmac, body)
    }

    /// Learns the accounts that a server grants, and the nonces that the receiver of a message gets.
    pub(super) fn learn_credentials(
        &self,
        facts: &MessageFacts<'_>,
        verdict: &Verdict,
        tag: Option<&SessionTag>,
    ) {
        if let (Side::Server, Some(document), None) =
            (facts.speaker(), facts.document, facts.message())
        {
            self.credentials.lock().learn_accounts(document);
        }
        if let (Some(leaving), Some(tag)) = (verdict.leaving(facts.document), tag) {
            self.learn_nonces(facts.speaker(), leaving, tag);
        }
    }

    /// Learns the nonces in a message of this speaker.
    pub(super) fn learn_nonces(&self, speaker: Side, document: &Document, tag: &SessionTag) {
        if let Some(message) = Message::of(document) {
            let mut known = self.credentials.lock();
            known.learn_nonces(speaker.other(), &tag.key.device, message);
        }
    }
}
