//! The check of signatures over whole messages against the certificates that servers issued.

use hashlink::LruCache;
use parking_lot::Mutex;

use super::credentials::KnownCredentials;
use super::seal::Seal;
use super::{MessageInput, as_signed};
use crate::dm::Provisioning;
use crate::dm::certificate::thumbprint;
use crate::flow::Note;
use crate::identity::CertificateParts;
use crate::identity::cms::name_of;
use crate::identity::message_signature;

/// The keys of issued certificates, by issuer and serial number. Beyond [`MOST_SIGNERS`] the least recently used are
/// forgotten.
#[derive(Debug)]
pub(super) struct Signers(LruCache<Vec<u8>, IssuedKey>);

/// The public key in a certificate of a device.
#[derive(Clone, Debug)]
struct IssuedKey {
    public_key: Vec<u8>,
    thumbprint: String,
}

impl Default for Signers {
    fn default() -> Self {
        Self(LruCache::new(MOST_SIGNERS))
    }
}

impl Signers {
    /// Learns the device certificates in a provisioning document.
    pub(super) fn learn(&mut self, provisioning: Provisioning<'_>) {
        let stored = provisioning.certificates().take(MOST_STORED);
        for stored in stored.filter(|stored| stored.store().eq_ignore_ascii_case("My")) {
            if let Some(der) = stored.octets() {
                self.add(&der);
            }
        }
    }

    /// Adds a certificate.
    pub(super) fn add(&mut self, certificate: &[u8]) {
        if let Some((name, signer)) = IssuedKey::of(certificate) {
            self.0.insert(name, signer);
        }
    }
}

impl IssuedKey {
    fn of(certificate: &[u8]) -> Option<(Vec<u8>, Self)> {
        let parts = CertificateParts::read(certificate).ok()?;
        let signer = Self {
            public_key: parts.public_key().to_vec(),
            thumbprint: thumbprint(certificate),
        };
        Some((name_of(certificate)?, signer))
    }
}

/// Checks the signatures in the head of a message. Returns the notes, and a seal for each correct signature that dmtap
/// can recompute, because it has the key by which the server knows the device.
pub(super) fn check(
    input: &MessageInput<'_>,
    known: &Mutex<KnownCredentials>,
) -> (Vec<Note>, Vec<Seal>) {
    let headers = input.headers();
    let fields = FIELDS
        .iter()
        .filter_map(|name| Some((*name, headers.get(*name)?.to_str().ok()?)));
    let checked = fields.filter_map(|field| check_field(field, input, known));
    let (notes, seals): (Vec<_>, Vec<_>) = checked.unzip();
    (notes, seals.into_iter().flatten().collect())
}

fn check_field(
    (name, field): (&'static str, &str),
    input: &MessageInput<'_>,
    known: &Mutex<KnownCredentials>,
) -> Option<(Note, Option<Seal>)> {
    let body = as_signed(input.body?, input.utf16);
    let signature = match message_signature::read(field) {
        Ok(signature) => signature,
        Err(error) => {
            let note = wrong(format!("the signature in {name} cannot be read: {error}"));
            return Some((note, None));
        }
    };
    let granted = known.lock().signers.0.get(signature.signer()).cloned();
    let (signer, whose) = match granted {
        Some(signer) => {
            let whose = format!(
                "the certificate {} that the server issued at enrollment",
                signer.thumbprint
            );
            (signer, whose)
        }
        None => {
            let (_, signer) = signature.certificate().and_then(IssuedKey::of)?;
            let whose = format!(
                "the certificate {} that comes with it, which dmtap did not see issued",
                signer.thumbprint
            );
            (signer, whose)
        }
    };
    if let Err(mismatch) = signature.check(&signer.public_key, &body) {
        let note = wrong(format!(
            "the signature in {name} is wrong ({whose}): {mismatch}"
        ));
        return Some((note, None));
    }
    let note = Note::new(
        "SIG-02",
        format!("the signature in {name} is right: dmtap verified it with {whose}"),
    );
    let seal = input.identity.and_then(|(certificate, _)| {
        let is_own = name_of(certificate).is_some_and(|name| name == signature.signer());
        let stands_for = || {
            let server = input.pairs?.server_of(&signer.thumbprint)?;
            (server == certificate).then_some(())
        };
        let is_held = is_own || stands_for().is_some();
        is_held.then_some(Seal::Signature {
            name,
            data: signature,
            key: signer.public_key,
            is_foreign: !is_own,
        })
    });
    Some((note, seal))
}

fn wrong(text: String) -> Note {
    Note::new("SIG-03", text)
}

/// The header fields with a signature: the DMClient CSP names the first, MS-MDM the second.
const FIELDS: [&str; 2] = ["MDM-Signature", "MS-Signature"];
/// The most certificates that are remembered.
const MOST_SIGNERS: usize = 10_000;
/// The most certificates of one document that are read.
const MOST_STORED: usize = 32;
