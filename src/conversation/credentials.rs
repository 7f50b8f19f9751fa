//! Credentials of the messages of an exchange, held against what passed before.

use super::handle::SessionHandle;
use super::seal::Seal;
use super::signers::{self, Signers};
use super::{MessageInput, as_signed};
use crate::dm::Message;
use crate::dm::auth::{Hmac, hash_of_body};
use crate::flow::credentials::Credentials;
use crate::flow::provider::in_provisioning;
use crate::flow::{Note, SessionTag, Side};
use crate::markup::Document;
use crate::rules::Verdict;

/// What credentials and signatures are held against.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) credentials: Credentials,
    pub(super) signers: Signers,
}

impl SessionHandle {
    /// What is to be said of the credentials in a message as it arrived, and of a signature over it; and which of the
    /// fields that vouch for its bytes can be made anew.
    pub(super) fn check_credentials(&self, input: &MessageInput<'_>) -> (Vec<Note>, Vec<Seal>) {
        let (mut notes, mut seals) = signers::check(input, &self.known);
        let document = input.document.map(|document| &**document);
        let tag = self.tag(input.speaker(), document);
        let (Some(message), Some(tag)) = (input.message(), tag) else {
            return (notes, seals);
        };
        let hmac = input.headers().get("x-syncml-hmac");
        let hmac = hmac.and_then(|hmac| Hmac::read(hmac.to_str().ok()?));
        // A long body is hashed before the lock, which all sessions share.
        let hash = || match input.body {
            Some(body) => hash_of_body(&as_signed(body, input.utf16)),
            None => hash_of_body(&[]),
        };
        let hmac = hmac.map(|hmac| (hmac, hash()));
        let known = &mut self.known.lock().credentials;
        let device = &tag.key.device;
        let (more, key) = known.check(input.speaker(), device, message, hmac.as_ref());
        notes.extend(more);
        seals.extend(
            key.zip(hmac)
                .map(|(key, (hmac, _))| Seal::mac(hmac.user, key)),
        );
        (notes, seals)
    }

    /// Learns the accounts that a server grants, and the nonces that the receiver of a message gets.
    pub(super) fn learn_credentials(
        &self,
        input: &MessageInput<'_>,
        verdict: &Verdict,
        tag: Option<&SessionTag>,
    ) {
        if let (Side::Server, Some(document), None) =
            (input.speaker(), input.document, input.message())
        {
            in_provisioning(document, |provisioning| {
                let mut known = self.known.lock();
                known.credentials.learn_accounts(provisioning);
                known.signers.learn(provisioning);
            });
        }
        if let (Some(leaving), Some(tag)) = (verdict.leaving(input.document), tag) {
            self.learn_nonces(input.speaker(), leaving, tag);
        }
    }

    /// Learns the nonces in a message of this speaker.
    pub(super) fn learn_nonces(&self, speaker: Side, document: &Document, tag: &SessionTag) {
        if let Some(message) = Message::of(document) {
            let known = &mut self.known.lock().credentials;
            known.learn_nonces(speaker.other(), &tag.key.device, message);
        }
    }
}
