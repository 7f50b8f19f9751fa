//! The check of credentials in the messages of an exchange against what passed before.

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

/// The accounts and certificates that credentials and signatures are checked against.
#[derive(Debug, Default)]
pub(super) struct KnownCredentials {
    pub(super) credentials: Credentials,
    pub(super) signers: Signers,
}

impl SessionHandle {
    /// Checks the credentials in a message as it arrived, and the signature over it. Returns the notes, and the header
    /// fields that dmtap can recompute.
    pub(super) fn check_credentials(&self, input: &MessageInput<'_>) -> (Vec<Note>, Vec<Seal>) {
        let (mut notes, mut seals) = signers::check(input, &self.known);
        let document = input.document.map(|document| &**document);
        let tag = self.tag(input.speaker(), document);
        let (Some(message), Some(tag)) = (input.message(), tag) else {
            return (notes, seals);
        };
        let hmac = input.headers().get("x-syncml-hmac");
        let hmac = hmac.and_then(|hmac| Hmac::read(hmac.to_str().ok()?));
        // A long body is hashed before the lock is taken, because all sessions share the lock.
        let hash = || match input.body {
            Some(body) => hash_of_body(&as_signed(body, input.utf16)),
            None => hash_of_body(&[]),
        };
        let hmac = hmac.map(|hmac| (hmac, hash()));
        let known = &mut self.known.lock().credentials;
        let device = &tag.key.device;
        let (more, key) = known.check(input.speaker(), device, message, hmac.as_ref());
        notes.extend(more);
        if let Some((key, (hmac, _))) = key.zip(hmac) {
            let user = hmac.user;
            seals.push(Seal::Mac { user, key });
        }
        (notes, seals)
    }

    /// Learns the accounts that a server provisions, and the nonce that a message has for its receiver.
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

    /// Learns the nonce in a message of this speaker.
    pub(super) fn learn_nonces(&self, speaker: Side, document: &Document, tag: &SessionTag) {
        if let Some(message) = Message::of(document) {
            let known = &mut self.known.lock().credentials;
            known.learn_nonces(speaker.other(), &tag.key.device, message);
        }
    }
}
