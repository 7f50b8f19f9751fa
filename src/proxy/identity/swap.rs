//! The swap of one enrollment: it begins with the device's request and ends with the server's answer. The answer
//! changes only after every step that may fail has succeeded.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::identities::Identities;
use super::key::{KeyError, OwnKey};
use super::store::{IdentityStore, identity_pem};
use super::stored::{CertificateDetails, IdentityId, StoredIdentity, sha256};
use crate::dm::token::TokenKind;
use crate::flow::RuleEffect;
use crate::identity::KeyKind;
use crate::identity::certificate_pairs::CertificatePairs;
use crate::identity::enrollment::{self, Asked};
use crate::identity::{CertificateParts, CertificationRequest, SignedRequest, Signer};
use crate::markup::{Document, Limits};
use crate::proxy::ca::Authority;
use crate::proxy::client_identity::ClientIdentity;

/// An enrollment in progress. It belongs to one exchange: the MessageIDs of Windows are constants and identify nothing.
#[derive(Debug)]
pub(in crate::proxy) struct Swap {
    key: OwnKey,
    /// The device's key, as a SubjectPublicKeyInfo.
    device_key: Vec<u8>,
    /// The name that the device gives itself.
    pub(in crate::proxy) device_id: String,
    server: String,
    begun: Instant,
    /// The identity that the enrollment renews.
    renews: Option<IdentityId>,
    /// Whether the subject in the request has strings that strict servers refuse.
    pub(in crate::proxy) has_illegal_strings: bool,
    _permit: OwnedSemaphorePermit,
}

impl Identities {
    /// Begins a swap: makes the certificate request for a key of dmtap's own, and returns the effect that puts it in
    /// place of the device's. A renewal is signed with the old key.
    ///
    /// # Errors
    /// The reason why there is no swap, as text.
    pub(in crate::proxy) async fn begin(
        &self,
        asked: &Asked<'_>,
        server: &str,
    ) -> Result<(Swap, RuleEffect), String> {
        let renewal = match asked.kind {
            TokenKind::Pkcs10 => None,
            TokenKind::Pkcs7 => Some(self.renewal(&asked.octets)?),
            _ => return Err("the message holds neither PKCS#10 nor PKCS#7".into()),
        };
        let octets = match &renewal {
            Some(renewal) => renewal.signed.request(),
            None => &asked.octets,
        };
        let read = CertificationRequest::read(octets).map_err(|error| error.to_string())?;
        let kind = match read.key_kind().map_err(|error| error.to_string())? {
            KeyKind::Rsa(bits) => KeyKind::Rsa(self.key_bits(server, bits)),
            other => other,
        };
        let permit = self.permit()?;
        let begun = Instant::now();
        let key = tokio::task::spawn_blocking(move || OwnKey::generate(kind)).await;
        let key = key
            .unwrap_or(Err(KeyError::Make))
            .map_err(|error| error.to_string())?;
        let request = read
            .with_key(&key, self.strings)
            .map_err(|error| error.to_string())?;
        let facts = crate::dm::CertificateRequest::read(&request);
        let has_illegal_strings = facts.as_ref().is_some_and(|it| it.has_illegal_strings);
        let text = facts.map_or_else(
            || "a request for dmtap's key".into(),
            |facts| {
                format!(
                    "a request for dmtap's key, {}, {}",
                    facts.key, facts.signature
                )
            },
        );
        let token = match &renewal {
            // dmtap signs with the key that it has for the server.
            Some(Renewal { signed, old, .. }) => signed
                .anew(&request, old.certificate(), old)
                .map_err(|error| error.to_string())?,
            None => request,
        };
        let effect = asked.with_token(&token, text);
        let effect = effect.map_err(|error| error.to_string())?;
        let swap = Swap {
            key,
            device_key: read.public_key().to_vec(),
            device_id: asked.device_id.clone(),
            server: server.to_owned(),
            begun,
            renews: renewal.map(|renewal| renewal.id),
            has_illegal_strings,
            _permit: permit,
        };
        Ok((swap, effect))
    }

    /// Whether a request renews an identity that is stored here.
    pub(in crate::proxy) fn renews(&self, asked: &Asked<'_>) -> bool {
        asked.kind == TokenKind::Pkcs7 && self.renewal(&asked.octets).is_ok()
    }

    /// Reads a renewal, and finds the identity that it renews.
    ///
    /// # Errors
    /// The reason why there is no swap, as text.
    fn renewal(&self, octets: &[u8]) -> Result<Renewal, String> {
        let signed = SignedRequest::read(octets).map_err(|error| error.to_string())?;
        let hash = sha256(signed.certificate());
        let old = self.held(&hash).ok_or_else(|| {
            let thumbprint = crate::dm::certificate::thumbprint(signed.certificate());
            format!("the renewal is signed with the certificate {thumbprint}, of which dmtap has no identity")
        })?;
        let id = IdentityId::of_hash(&hash);
        Ok(Renewal { signed, id, old })
    }
}

/// A renewal that the owner of an identity's device certificate signed.
struct Renewal {
    signed: SignedRequest,
    id: IdentityId,
    old: ClientIdentity,
}

/// A swap that is finished except for storing the identity.
pub(in crate::proxy) struct Ready {
    pub(in crate::proxy) effect: RuleEffect,
    pub(in crate::proxy) identity: StoredIdentity,
    /// Whether the serial number of the device's certificate differs from that of the server's.
    pub(in crate::proxy) has_own_serial: bool,
    pem: String,
}

impl Swap {
    /// Makes everything for the answer to the device: the certificate for its key, and the edits.
    ///
    /// # Errors
    /// The reason why there is no swap, as text.
    pub(in crate::proxy) fn answered(
        &self,
        identities: &Identities,
        authority: &Authority,
        document: &Document,
        hosts: Vec<String>,
        limits: &Limits,
    ) -> Result<Ready, String> {
        if self.begun.elapsed() > SWAP_TIMEOUT {
            return Err(format!(
                "the answer came after more than {} minutes",
                SWAP_TIMEOUT.as_secs() / 60
            ));
        }
        let granted = enrollment::granted(document, limits, self.key.public_key())
            .map_err(|error| error.to_string())?;
        let (server, authorities) = (&granted.certificate, &granted.authorities);
        let parts = CertificateParts::read(server).map_err(|error| error.to_string())?;
        let issuer = authority.issuer().map_err(|error| error.to_string())?;
        let serial = identities.serial(parts.serial())?;
        let device = parts
            .reissued(&self.device_key, &issuer, serial)
            .map_err(|error| error.to_string())?;
        let mut pair = CertificatePairs::default();
        pair.add(&device, server);
        let effect = enrollment::with_certificate(document, limits, &pair)
            .map_err(|error| error.to_string())?;
        let facts = |der: &[u8]| CertificateDetails::of(der).ok_or("a certificate cannot be read");
        let identity = StoredIdentity {
            v: 1,
            id: IdentityId::of(&device),
            device_id: self.device_id.clone(),
            server: self.server.clone(),
            hosts,
            created: jiff::Timestamp::now().to_string(),
            server_certificate: facts(server)?,
            device_certificate: facts(&device)?,
            renews: self.renews.clone(),
        };
        let mut chain: Vec<&[u8]> = vec![server];
        chain.extend(between(authorities, server));
        let pem = identity_pem(&chain, &self.key);
        Ok(Ready {
            effect,
            identity,
            has_own_serial: serial.is_some(),
            pem,
        })
    }
}

impl Ready {
    /// Stores the identity on the disk, and adds it to those in use.
    ///
    /// # Errors
    /// The reason why there is no swap, as text.
    pub(in crate::proxy) async fn store(
        self,
        identities: &Arc<Identities>,
    ) -> Result<(RuleEffect, IdentityId), String> {
        let Self {
            effect,
            identity,
            pem,
            ..
        } = self;
        let store: IdentityStore = identities
            .store
            .clone()
            .ok_or("there is no folder to keep the identity in")?;
        let stored =
            tokio::task::spawn_blocking(move || store.add(&identity, &pem).map(|()| identity));
        let stored = stored.await.map_err(|error| error.to_string())?;
        let identity = stored.map_err(|error| error.to_string())?;
        identities.know(&identity);
        Ok((effect, identity.id))
    }
}

/// Returns the certificates between a certificate and its root, without the root.
fn between<'a>(authorities: &'a [Vec<u8>], certificate: &[u8]) -> Vec<&'a [u8]> {
    let read = |der: &[u8]| crate::dm::Certificate::read(der);
    let mut issuer = read(certificate).map(|read| read.issuer);
    let mut chain: Vec<&[u8]> = Vec::new();
    while let Some(wanted) = issuer.take() {
        let found = authorities.iter().find_map(|der| {
            let facts = read(der)?;
            (facts.subject == wanted && facts.issuer != wanted).then_some((der, facts))
        });
        if let Some((der, facts)) = found.filter(|_| chain.len() < authorities.len()) {
            chain.push(der);
            issuer = Some(facts.issuer);
        }
    }
    chain
}

/// The longest time from the request to the answer.
const SWAP_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(15 * 60);
