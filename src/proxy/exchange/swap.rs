//! The swap of client identities in one exchange: after the rules, on the request and on its response.

use std::sync::Arc;

use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderMap, header};

use super::Exchange;
use crate::conversation::{Decision, Seal, patched};
use crate::dm::{EnrollmentMessage, Envelope};
use crate::flow::{ClientAuth, Note, ResponseHead, RuleEffect, ShownCertificate};
use crate::identity::enrollment::Asked;
use crate::identity::{Signer, hosts};
use crate::markup::Document;
use crate::proxy::client_certs::sha256_of;
use crate::proxy::client_identity::ClientIdentity;
use crate::proxy::headers;
use crate::proxy::identity::Swap;
use crate::proxy::read;
use crate::proxy::upstream::Handshake;

impl Exchange {
    /// Replaces the device's certificate request by one for dmtap's key, if this is an enrollment to swap. `leaving` is
    /// the message to send.
    pub(super) async fn swap_request(
        &mut self,
        leaving: Option<Arc<Document>>,
        decided: &mut Decision,
    ) {
        let identities = &self.device.proxy.identities;
        let swaps = identities.swaps(&self.route.server.origin().host);
        // A request that a rule answers does not reach the server.
        if !(swaps || identities.has_any()) || decided.verdict.answer.is_some() {
            return;
        }
        let Some(document) = leaving else {
            return;
        };
        let Some(asked) = Asked::of(&document) else {
            return;
        };
        // A stored identity serves the sessions of its device without the option, too, and so it is renewed.
        if !(swaps || identities.renews(&asked)) {
            return;
        }
        decided.notes.extend(asked.note_attestation());
        let server = self.route.connection.server.clone();
        let begun = identities.begin(&asked, &server).await;
        let changed = begun.and_then(|(swap, effect)| {
            let limits = read::decode_limits(self.device.proxy.settings.max_body);
            let sent = patched(&document, &effect.patch, &self.head.headers, &limits)
                .ok_or("the message could not be read any more")?;
            send(sent, effect, decided);
            Ok(swap)
        });
        match changed {
            Ok(swap) => self.swap = Some(swap),
            Err(why) => decided.notes.push(not_swapped(&asked.device_id, &why)),
        }
    }

    /// Replaces the server's certificate by one for the device's key, if every step succeeds. `received` is the
    /// response of the server.
    pub(super) async fn swap_response(
        &mut self,
        received: Option<&Arc<Document>>,
        head: &ResponseHead,
        decided: &mut Decision,
    ) {
        self.learn(received.map(|received| &**received), &head.headers);
        let Some(swap) = self.swap.take() else {
            return;
        };
        let leaving = decided.verdict.leaving(received).cloned();
        let hosts = received.map_or_else(Vec::new, |received| hosts::in_document(received));
        let swapped = match decided.verdict.answer {
            Some(_) => Err("a rule answers in place of the server".to_owned()),
            None => {
                // The future is on the heap, like everything large and rare: otherwise the future of each exchange
                // would grow by it.
                Box::pin(self.swapped(&swap, leaving.clone(), hosts, head, decided)).await
            }
        };
        let note = swapped.unwrap_or_else(|mut why| {
            let is_granted = leaving.is_some_and(|leaving| grants(&leaving));
            if !is_granted && swap.has_illegal_strings {
                why += "; the subject of the request has characters that its PrintableString does not allow, which strict \
                        servers refuse: --csr-strict writes it as a UTF8String";
            }
            if is_granted && decided.verdict.answer.is_none() {
                why += "; the server saw dmtap's key alone, so that the certificate in this answer is of no use to the device: enroll it again";
            }
            not_swapped(&swap.device_id, &why)
        });
        decided.notes.push(note);
    }

    /// Remembers the key length that a server demands, and the hosts that it names to a device whose identity is known.
    fn learn(&self, document: Option<&Document>, headers: &HeaderMap) {
        let proxy = &self.device.proxy;
        if proxy.identities.swaps(&self.route.server.origin().host)
            && let Some(EnrollmentMessage::GetPoliciesResponse(policies)) = document
                .and_then(Envelope::of)
                .and_then(EnrollmentMessage::of)
            && let Some(bits) = policies.minimal_key_length()
            && let Ok(bits) = bits.trim().parse()
        {
            let server = &self.route.connection.server;
            proxy.identities.want_key_bits(server, bits);
        }
        // The certificate of --client-certs goes to every server, and not each may say where an identity goes.
        if self.stored_identity().is_some()
            && let Some(hash) = sha256_of(&self.route.connection)
        {
            let location = headers.get(header::LOCATION);
            let location = location.and_then(|value| hosts::of_url(value.to_str().ok()?));
            let has_url = |document: &&Document| {
                memchr::memmem::find(document.source(), b"https://").is_some()
            };
            let named = document
                .filter(has_url)
                .map_or_else(Vec::new, hosts::in_document);
            let named = location.into_iter().chain(named).collect();
            proxy.identities.add_hosts(&hash, named);
        }
    }

    /// Finds the client identity for the server of this request. A server in clear text may get the certificate in a
    /// header field.
    pub(super) async fn find_identity(&mut self) {
        let certs = &self.device.proxy.client_certs;
        let host = self.address.host().unwrap_or_default();
        self.identity = certs.of(&self.route.connection, host).await;
    }

    /// Returns the identity that dmtap enrolled in place of the device of this request.
    pub(super) fn stored_identity(&self) -> Option<&ClientIdentity> {
        let identity = self.identity.as_ref()?;
        identity.shown.identity.is_some().then_some(identity)
    }

    /// Returns the client certificate that the server asked for and got in this handshake.
    pub(super) fn client_auth(&self, handshake: Option<Handshake>) -> Option<ClientAuth> {
        let (asked, is_shown) = match handshake? {
            Handshake::Clear => return None,
            Handshake::NotAsked => (false, false),
            Handshake::Asked { shown } => (true, shown),
        };
        let identity = self.identity.as_ref().filter(|_| is_shown);
        Some(ClientAuth {
            asked,
            shown: identity.map(|identity| Box::new(ShownCertificate::clone(&identity.shown))),
        })
    }

    /// Returns the client certificate that dmtap shows to the server, and its key.
    pub(super) fn identity(&self) -> Option<(&[u8], &dyn Signer)> {
        let identity = self.identity.as_ref()?;
        Some((identity.certificate(), identity))
    }

    /// Recomputes the signing fields of a message, if that is possible. The pair has the body to send, and whether it
    /// was changed.
    pub(super) fn seal(
        &self,
        seals: &[Seal],
        headers: &mut HeaderMap,
        (body, is_changed): (&[u8], bool),
    ) -> Vec<Note> {
        let renewed = seals.iter().filter_map(|seal| {
            let note = seal.renew(headers, body, is_changed, self.identity())?;
            Some((seal.name(), note))
        });
        let (renewed, mut notes): (Vec<_>, Vec<_>) = renewed.unzip();
        if is_changed {
            notes.extend(headers::note_signature(headers, &renewed));
        }
        notes
    }

    async fn swapped(
        &self,
        swap: &Swap,
        leaving: Option<Arc<Document>>,
        hosts: Vec<String>,
        head: &ResponseHead,
        decided: &mut Decision,
    ) -> Result<Note, String> {
        let proxy = &self.device.proxy;
        let headers = &head.headers;
        let document = leaving.ok_or_else(|| match headers.contains_key(LOCATION) {
            true => "the answer is a redirection".to_owned(),
            false if head.status.as_u16() >= 400 => {
                format!("the server answered with HTTP {}", head.status)
            }
            false => "the answer cannot be read".to_owned(),
        })?;
        let limits = read::decode_limits(proxy.settings.max_body);
        let authority = proxy.tls.authority();
        let ready = swap.answered(&proxy.identities, authority, &document, hosts, &limits)?;
        let sent = patched(&document, &ready.effect.patch, headers, &limits)
            .ok_or("the answer could not be read any more")?;
        let device = ready.identity.device_certificate.octets();
        let serial = match ready.has_own_serial {
            true => {
                "; its certificate has a random serial number, since another device has that of the server already"
            }
            false => "",
        };
        let (effect, id) = ready.store(&proxy.identities).await?;
        proxy
            .conversations
            .add_device_certificate(&device.unwrap_or_default());
        send(sent, effect, decided);
        Ok(Note::new(
            "SWAP-01",
            format!(
                "dmtap enrolled in place of device {}: identity {id}{serial}",
                swap.device_id
            ),
        ))
    }
}

/// Whether a response grants a certificate.
fn grants(document: &Document) -> bool {
    let message = Envelope::of(document).and_then(EnrollmentMessage::of);
    matches!(message, Some(EnrollmentMessage::Response(_)))
}

/// Makes a changed message the one that is sent.
fn send((body, document): (Bytes, Arc<Document>), effect: RuleEffect, decided: &mut Decision) {
    let verdict = &mut decided.verdict;
    verdict.body = Some(body);
    verdict.document = Some(document);
    verdict.applied.push(effect);
}

fn not_swapped(device_id: &str, why: &str) -> Note {
    Note::new("SWAP-02", format!("no swap for device {device_id}: {why}"))
}
