//! The swap of one enrollment: begun with the device's request, ended with the server's answer. Nothing of an answer
//! changes before everything that may fail is done.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::identities::Identities;
use super::key::OwnKey;
use super::store::{IdentityStore, identity_pem};
use super::stored::{CertificateDetails, IdentityId, StoredIdentity, sha256};
use crate::dm::token::TokenKind;
use crate::flow::RuleEffect;
use crate::identity::KeyKind;
use crate::identity::enrollment::{self, Asked, Granted};
use crate::identity::{CertificateParts, CertificationRequest, Replacement, SignedRequest, Signer};
use crate::markup::{Document, Limits};
use crate::proxy::ca::Authority;
use crate::proxy::client_identity::ClientIdentity;

/// An enrollment under way. It belongs to one exchange: MessageIDs of Windows are constants and tell nothing.
#[derive(Debug)]
pub(in crate::proxy) struct Swap {
    key: OwnKey,
    /// The device's key: a SubjectPublicKeyInfo.
    device_key: Vec<u8>,
    /// The device's name for itself.
    pub(in crate::proxy) device_id: String,
    server: String,
    begun: Instant,
    /// The identity that it renews.
    renews: Option<IdentityId>,
    /// Whether the server got a subject that strict servers refuse.
    pub(in crate::proxy) has_illegal_strings: bool,
    _permit: OwnedSemaphorePermit,
}

/// A request that is ready to be swapped, without what it was read from.
#[derive(Debug)]
pub(in crate::proxy) struct Prepared {
    pub(in crate::proxy) swap: Swap,
    /// The request for dmtap's key, in DER; signed with the old key, where it renews.
    pub(in crate::proxy) token: Vec<u8>,
    /// The same for people.
    pub(in crate::proxy) text: String,
}

impl Identities {
    /// Makes the request for a key of dmtap's own.
    ///
    /// # Errors
    /// Why there is no swap, in words.
    pub(in crate::proxy) async fn begin(
        &self,
        asked: &Asked<'_>,
        server: &str,
    ) -> Result<Prepared, String> {
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
        let key = self
            .keys
            .take(kind)
            .await
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
            Some(renewal) => renewal.anew(&request)?,
            None => request,
        };
        Ok(Prepared {
            swap: Swap {
                key,
                device_key: read.public_key().to_vec(),
                device_id: asked.device_id.clone(),
                server: server.to_owned(),
                begun,
                renews: renewal.map(|renewal| renewal.id),
                has_illegal_strings,
                _permit: permit,
            },
            token,
            text,
        })
    }
}

/// A renewal that the holder of an identity's device certificate signed.
struct Renewal {
    signed: SignedRequest,
    id: IdentityId,
    old: ClientIdentity,
}

impl Identities {
    /// # Errors
    /// Why there is no swap, in words.
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

impl Renewal {
    /// The renewal around another request, signed with the key that dmtap has for the server.
    fn anew(&self, request: &[u8]) -> Result<Vec<u8>, String> {
        let old = &self.old;
        let signed = self.signed.anew(request, old.certificate(), old);
        signed.map_err(|error| error.to_string())
    }
}

/// A swap of which only the storing is left.
pub(in crate::proxy) struct Ready {
    pub(in crate::proxy) effect: RuleEffect,
    pub(in crate::proxy) identity: StoredIdentity,
    /// Whether the device's certificate has another serial number than the server's.
    pub(in crate::proxy) has_own_serial: bool,
    pem: String,
}

impl Swap {
    /// Makes everything that the answer to the device takes: the certificate for its key, and the edits.
    ///
    /// # Errors
    /// Why there is no swap, in words.
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
        let Granted {
            certificate: server,
            authorities,
        } = &granted;
        let parts = CertificateParts::read(server).map_err(|error| error.to_string())?;
        let issuer = authority
            .issuer()
            .ok_or("dmtap's CA signs in a way that certificates of devices cannot have")?;
        let serial = identities.serial(parts.serial())?;
        let device = parts
            .reissued(&self.device_key, &issuer, serial)
            .map_err(|error| error.to_string())?;
        let replacement = Replacement {
            server,
            device: &device,
        };
        let effect = enrollment::with_certificate(document, limits, replacement)
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
    /// Brings the identity to the disk, and makes it known.
    ///
    /// # Errors
    /// Why there is no swap, in words.
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

/// The certificates that lead from another to its root, without the root.
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

/// From the request to the answer.
const SWAP_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(15 * 60);
