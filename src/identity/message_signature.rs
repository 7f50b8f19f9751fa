//! Detached signatures over whole messages: `MDM-Signature` and `MS-Signature` (CMS SignedData, RFC 5652 §5; the
//! DMClient CSP, MS-MDM §2.1).

use aws_lc_rs::digest::{self, Algorithm};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use der::asn1::ObjectIdentifier;
use der::{Decode, Tag, TagNumber};

use super::raw::{self, Elements, context};
use super::signature::{self, Digest};

/// A signature with one signer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageSignature {
    /// The issuer and the serial number of the signer's certificate: a SEQUENCE in DER.
    signer: Vec<u8>,
    digest: Digest,
    /// The signed attributes, as a SET in DER; without them the signature is over the message itself.
    attributes: Option<Vec<u8>>,
    /// An AlgorithmIdentifier in DER.
    algorithm: Vec<u8>,
    signature: Vec<u8>,
    certificates: Vec<Vec<u8>>,
}

/// A header field that holds no such signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no detached CMS signature in base64")]
pub struct Unreadable;

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The message is not the one that was signed.
    #[error("it is over another body than that of the message")]
    Body,
    /// Another key made it.
    #[error("it is not made with the key of the certificate that it names")]
    Key,
}

impl MessageSignature {
    /// Reads the value of a header field.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(field: &str) -> Result<Self, Unreadable> {
        let text: Vec<u8> = field.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        if text.len() > LONGEST {
            return Err(Unreadable);
        }
        let cms = BASE64.decode(text).map_err(|_| Unreadable)?;
        Self::of_cms(&cms).map_err(|_| Unreadable)
    }

    fn of_cms(cms: &[u8]) -> der::Result<Self> {
        let mut info = Elements::of(cms)?;
        info.next()?;
        let explicit = info.next()?;
        let mut data = Elements::of(raw::content(explicit)?)?;
        let [_version, _digests, _content] = [data.next()?, data.next()?, data.next()?];
        let mut certificates = Vec::new();
        if let Some(set) = data.next_if(context(TagNumber::N0)) {
            let mut set = Elements::with_tag(set, context(TagNumber::N0))?;
            while !set.rest().is_empty() && certificates.len() < MOST_CERTIFICATES {
                certificates.push(set.next()?.to_vec());
            }
        }
        data.next_if(context(TagNumber::N1));
        let mut signers = Elements::with_tag(data.next()?, Tag::Set)?;
        let mut signer = Elements::of(signers.next()?)?;
        let [_version, name, digest] = [signer.next()?, signer.next()?, signer.next()?];
        let attributes = signer.next_if(context(TagNumber::N0));
        let attributes = attributes.map(|attributes| {
            // They are signed with the tag of a SET (RFC 5652 §5.4).
            let mut set = attributes.to_vec();
            set[0] = SET;
            set
        });
        let [algorithm, signature] = [signer.next()?, signer.next()?];
        let digest = oid(digest)?;
        let known = DIGESTS.iter().find(|(known, ..)| *known == digest);
        let (_, digest, _) = known.ok_or_else(|| Tag::ObjectIdentifier.value_error())?;
        Ok(Self {
            signer: name.to_vec(),
            digest: *digest,
            attributes,
            algorithm: match oid(algorithm)? {
                // The key alone is named; the digest is named beside it.
                RSA => digest.rsa_algorithm()?,
                _ => algorithm.to_vec(),
            },
            signature: raw::content(signature)?.to_vec(),
            certificates,
        })
    }

    /// The issuer and the serial number of the signer's certificate: a SEQUENCE in DER.
    pub fn signer(&self) -> &[u8] {
        &self.signer
    }

    /// The signer's certificate, where it comes with the signature.
    pub fn certificate(&self) -> Option<&[u8]> {
        let mut certificates = self.certificates.iter();
        let is_signer = |der: &&Vec<u8>| name_of(der).is_some_and(|name| name == self.signer);
        certificates.find(is_signer).map(|der| &**der)
    }

    /// Whether the holder of this key, a SubjectPublicKeyInfo in DER, signed this body.
    ///
    /// # Errors
    /// [`Mismatch`].
    pub fn check(&self, public_key: &[u8], body: &[u8]) -> Result<(), Mismatch> {
        let signed = match &self.attributes {
            None => body,
            Some(attributes) => {
                let expected = message_digest(attributes).ok_or(Mismatch::Body)?;
                let algorithm = DIGESTS.iter().find(|(_, digest, _)| *digest == self.digest);
                let (.., algorithm) = algorithm.ok_or(Mismatch::Body)?;
                let found = digest::digest(algorithm, body);
                (found.as_ref() == expected)
                    .then_some(())
                    .ok_or(Mismatch::Body)?;
                attributes
            }
        };
        signature::verify(&self.algorithm, public_key, signed, &self.signature)
            .map(drop)
            .map_err(|_| Mismatch::Key)
    }
}

/// The issuer and the serial number of a certificate, as a signature names its signer.
pub fn name_of(certificate: &[u8]) -> Option<Vec<u8>> {
    let mut inside = Elements::of(Elements::of(certificate).ok()?.next().ok()?).ok()?;
    inside.next_if(context(TagNumber::N0));
    let [serial, _algorithm, issuer] = [
        inside.next().ok()?,
        inside.next().ok()?,
        inside.next().ok()?,
    ];
    raw::around(Tag::Sequence, &[issuer, serial]).ok()
}

/// The value of the attribute messageDigest.
fn message_digest(attributes: &[u8]) -> Option<&[u8]> {
    let mut set = Elements::with_tag(attributes, Tag::Set).ok()?;
    while !set.rest().is_empty() {
        let mut attribute = Elements::of(set.next().ok()?).ok()?;
        let name = ObjectIdentifier::from_der(attribute.next().ok()?).ok()?;
        if name == MESSAGE_DIGEST {
            let mut values = Elements::with_tag(attribute.next().ok()?, Tag::Set).ok()?;
            return raw::content(values.next().ok()?).ok();
        }
    }
    None
}

/// The OID of an AlgorithmIdentifier.
fn oid(algorithm: &[u8]) -> der::Result<ObjectIdentifier> {
    ObjectIdentifier::from_der(Elements::of(algorithm)?.next()?)
}

const SET: u8 = 0x31;
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");

const DIGESTS: [(ObjectIdentifier, Digest, &Algorithm); 4] = [
    (
        ObjectIdentifier::new_unwrap("1.3.14.3.2.26"),
        Digest::Sha1,
        &digest::SHA1_FOR_LEGACY_USE_ONLY,
    ),
    (
        ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1"),
        Digest::Sha256,
        &digest::SHA256,
    ),
    (
        ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2"),
        Digest::Sha384,
        &digest::SHA384,
    ),
    (
        ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3"),
        Digest::Sha512,
        &digest::SHA512,
    ),
];
/// The longest header field that is read, in bytes.
const LONGEST: usize = 64 << 10;
/// Certificates of one signature that are looked at.
const MOST_CERTIFICATES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::CertificateParts;

    const BODY: &[u8] = include_bytes!("../../tests/data/signature/message.xml");
    const CERTIFICATE: &str = include_str!("../../tests/data/signature/certificate.txt");
    /// As openssl cms makes them.
    const SIGNATURES: [&str; 3] = [
        include_str!("../../tests/data/signature/signature.txt"),
        include_str!("../../tests/data/signature/with-certificate.txt"),
        include_str!("../../tests/data/signature/without-attributes.txt"),
    ];

    #[test]
    fn a_signature_fits_its_body_and_its_key_alone() {
        let certificate = BASE64.decode(CERTIFICATE).unwrap();
        let parts = CertificateParts::read(&certificate).unwrap();
        let other = rcgen::KeyPair::generate().unwrap();
        let other = rcgen::PublicKeyData::subject_public_key_info(&other);
        for (number, text) in SIGNATURES.iter().enumerate() {
            let signature = MessageSignature::read(&format!(" {text}\n")).unwrap();
            assert_eq!(signature.signer(), name_of(&certificate).unwrap());
            assert_eq!(signature.certificate().is_some(), number == 1);
            assert_eq!(signature.check(parts.public_key(), BODY), Ok(()));
            let changed = [BODY, b" "].concat();
            let expected = match number {
                2 => Mismatch::Key,
                _ => Mismatch::Body,
            };
            assert_eq!(signature.check(parts.public_key(), &changed), Err(expected));
            assert_eq!(signature.check(&other, BODY), Err(Mismatch::Key));
        }
    }

    #[test]
    fn broken_signatures_are_unreadable_at_every_byte() {
        let cms = BASE64.decode(SIGNATURES[0]).unwrap();
        for end in 0..cms.len() {
            let torn = BASE64.encode(&cms[..end]);
            assert_eq!(MessageSignature::read(&torn), Err(Unreadable), "{end}");
        }
        for field in ["", "?", "AAAA", "MAA="] {
            assert_eq!(MessageSignature::read(field), Err(Unreadable), "{field}");
        }
        // No single byte makes it panic.
        for at in 0..cms.len() {
            let mut other = cms.clone();
            other[at] ^= 0x81;
            let _ = MessageSignature::read(&BASE64.encode(other));
        }
    }
}
