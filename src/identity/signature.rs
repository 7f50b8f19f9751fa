//! Signatures of requests, messages and certificates: algorithms by their OIDs, those that only Windows writes included.

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_2048_8192_SHA384, UnparsedPublicKey, VerificationAlgorithm,
};
use der::asn1::ObjectIdentifier;
use der::{Decode, Encode};
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

/// A hash that signatures are made over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// Verified only.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// A private key that signs by RSASSA-PKCS1-v1_5 and is not seen otherwise.
pub trait Signer: fmt::Debug + Send + Sync {
    /// Its public half: a SubjectPublicKeyInfo in DER.
    fn public_key(&self) -> &[u8];

    /// A signature over a message.
    ///
    /// # Errors
    /// [`SignError`], also for [`Digest::Sha1`], with which nothing new is signed.
    fn sign(&self, digest: Digest, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// A key that does not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key does not sign")]
pub struct SignError;

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Its algorithm, or the key, is of a kind that nobody here knows.
    #[error("it is signed with the algorithm {0}, which dmtap does not know")]
    Unknown(ObjectIdentifier),
    /// Another key made it, or the message was changed.
    #[error("its signature is wrong")]
    Wrong,
    /// It cannot be read.
    #[error("its signature cannot be read")]
    Unreadable,
}

impl Digest {
    /// The digest that a new signature takes in place of this one.
    #[must_use]
    pub fn for_new(self) -> Self {
        match self {
            Self::Sha1 => Self::Sha256,
            other => other,
        }
    }

    /// The hash of a message.
    pub(super) fn hash(self, message: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, message).as_ref().to_vec()
    }

    /// The AlgorithmIdentifier, in DER, of a signature by RSA over it.
    pub(super) fn rsa_algorithm(self) -> der::Result<Vec<u8>> {
        with_null(match self {
            Self::Sha1 => SHA1_RSA,
            Self::Sha256 => SHA256_RSA,
            Self::Sha384 => SHA384_RSA,
            Self::Sha512 => SHA512_RSA,
        })
    }
}

/// An AlgorithmIdentifier with NULL as its parameters.
pub(super) fn with_null(oid: ObjectIdentifier) -> der::Result<Vec<u8>> {
    let parameters = Some(der::asn1::AnyRef::NULL);
    AlgorithmIdentifierRef { oid, parameters }.to_der()
}

/// Checks a signature by the holder of `public_key`, a SubjectPublicKeyInfo; `algorithm` is an AlgorithmIdentifier.
/// Gives the digest.
///
/// # Errors
/// [`SignatureError`].
pub fn verify(
    algorithm: &[u8],
    public_key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<Digest, SignatureError> {
    let algorithm = AlgorithmIdentifierRef::from_der(algorithm);
    let oid = algorithm.map_err(|_| SignatureError::Unreadable)?.oid;
    let known = KNOWN.iter().find(|(known, ..)| *known == oid);
    let (_, digest, verification) = known.ok_or(SignatureError::Unknown(oid))?;
    UnparsedPublicKey::new(*verification, public_key)
        .verify(message, signature)
        .map_err(|_| SignatureError::Wrong)?;
    Ok(*digest)
}

/// Bits of the modulus of a public key; `None` where it is no RSA key.
pub fn rsa_bits(public_key: &[u8]) -> Option<usize> {
    let key = SubjectPublicKeyInfoRef::from_der(public_key).ok()?;
    if key.algorithm.oid != RSA {
        return None;
    }
    let mut numbers = super::raw::Elements::of(key.subject_public_key.as_bytes()?).ok()?;
    let modulus = super::raw::content(numbers.next().ok()?).ok()?;
    let first = modulus.iter().position(|octet| *octet != 0)?;
    let zeros = modulus[first].leading_zeros() as usize;
    Some((modulus.len() - first) * 8 - zeros)
}

/// What an algorithm comes to.
type Known = (ObjectIdentifier, Digest, &'static dyn VerificationAlgorithm);

const KNOWN: [Known; 7] = [
    // sha1WithRSASignature of the OIW, of which PKCS#1 has another one: Windows 10 takes this.
    (
        ObjectIdentifier::new_unwrap("1.3.14.3.2.29"),
        Digest::Sha1,
        &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
    ),
    (
        SHA1_RSA,
        Digest::Sha1,
        &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
    ),
    (
        SHA256_RSA,
        Digest::Sha256,
        &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    ),
    (SHA384_RSA, Digest::Sha384, &RSA_PKCS1_2048_8192_SHA384),
    (
        SHA512_RSA,
        Digest::Sha512,
        &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    ),
    (
        ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2"),
        Digest::Sha256,
        &ECDSA_P256_SHA256_ASN1,
    ),
    (
        ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3"),
        Digest::Sha384,
        &ECDSA_P384_SHA384_ASN1,
    ),
];

/// rsaEncryption.
pub(super) const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const SHA1_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5");
const SHA256_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const SHA384_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const SHA512_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
