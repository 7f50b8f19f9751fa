//! Signatures of requests, messages and certificates: algorithms by OID, including those that only Windows uses.

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA384, UnparsedPublicKey,
    VerificationAlgorithm,
};
use der::asn1::ObjectIdentifier;
use der::{Decode, Encode};
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use super::CertificateError;

/// A hash algorithm for signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// SHA-1; only for verification.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// A signature scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningScheme {
    /// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2).
    Pkcs1(Digest),
    /// ECDSA, in DER (RFC 3279 §2.2.3): P-256 with SHA-256, P-384 with SHA-384.
    Ecdsa(Digest),
}

/// A private key that signs, but cannot be read.
pub trait Signer: fmt::Debug + Send + Sync {
    /// Returns the public key: a SubjectPublicKeyInfo in DER.
    fn public_key(&self) -> &[u8];

    /// Signs a message.
    ///
    /// # Errors
    /// [`SignError`] if the key does not support the scheme.
    fn sign(&self, scheme: SigningScheme, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

impl SigningScheme {
    /// Returns the scheme for new signatures with a key, a SubjectPublicKeyInfo; an EC key determines the digest.
    ///
    /// # Errors
    /// [`SignError`] for kinds of keys that dmtap does not support.
    pub fn of_key(public_key: &[u8], digest: Digest) -> Result<Self, SignError> {
        match KeyKind::of(public_key).ok_or(SignError)? {
            KeyKind::Rsa(_) => Ok(Self::Pkcs1(digest.for_new())),
            KeyKind::P256 => Ok(Self::Ecdsa(Digest::Sha256)),
            KeyKind::P384 => Ok(Self::Ecdsa(Digest::Sha384)),
        }
    }

    /// Returns the digest of the scheme.
    pub fn digest(self) -> Digest {
        match self {
            Self::Pkcs1(digest) | Self::Ecdsa(digest) => digest,
        }
    }

    /// Returns the AlgorithmIdentifier of the scheme, in DER.
    pub(super) fn algorithm(self) -> der::Result<Vec<u8>> {
        match self {
            Self::Pkcs1(digest) => digest.rsa_algorithm(),
            Self::Ecdsa(digest) => {
                let oid = match digest {
                    Digest::Sha384 => SHA384_ECDSA,
                    _ => SHA256_ECDSA,
                };
                // RFC 5758 §3.2: no parameters.
                AlgorithmIdentifierRef {
                    oid,
                    parameters: None,
                }
                .to_der()
            }
        }
    }
}

/// The kinds of keys in certificate requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA, with the size of its modulus in bits.
    Rsa(usize),
    /// ECDSA on the curve P-256.
    P256,
    /// ECDSA on the curve P-384.
    P384,
}

impl KeyKind {
    /// Returns the kind of a SubjectPublicKeyInfo; `None` for an unsupported one.
    pub fn of(public_key: &[u8]) -> Option<Self> {
        let key = SubjectPublicKeyInfoRef::from_der(public_key).ok()?;
        match key.algorithm.oid {
            RSA => rsa_bits(key.subject_public_key.as_bytes()?).map(Self::Rsa),
            EC => match key.algorithm.parameters_oid().ok()? {
                P256 => Some(Self::P256),
                P384 => Some(Self::P384),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The error of a key that cannot sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key does not sign")]
pub struct SignError;

impl Digest {
    /// Returns the digest that a new signature uses instead of this one.
    #[must_use]
    pub fn for_new(self) -> Self {
        match self {
            Self::Sha1 => Self::Sha256,
            other => other,
        }
    }

    /// Returns the digest with this OID.
    pub(super) fn of_oid(oid: ObjectIdentifier) -> Option<Self> {
        let all = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];
        all.into_iter().find(|digest| digest.oid() == oid)
    }

    /// Returns the OID.
    pub(super) fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha1 => ObjectIdentifier::new_unwrap("1.3.14.3.2.26"),
            Self::Sha256 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1"),
            Self::Sha384 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2"),
            Self::Sha512 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3"),
        }
    }

    /// Returns the hash of a message.
    pub(super) fn hash(self, message: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, message).as_ref().to_vec()
    }

    /// Returns the AlgorithmIdentifier, in DER, of an RSA signature with this digest.
    pub(super) fn rsa_algorithm(self) -> der::Result<Vec<u8>> {
        with_null(match self {
            Self::Sha1 => SHA1_RSA,
            Self::Sha256 => SHA256_RSA,
            Self::Sha384 => SHA384_RSA,
            Self::Sha512 => SHA512_RSA,
        })
    }
}

/// Returns an AlgorithmIdentifier with NULL parameters.
pub(super) fn with_null(oid: ObjectIdentifier) -> der::Result<Vec<u8>> {
    let parameters = Some(der::asn1::AnyRef::NULL);
    AlgorithmIdentifierRef { oid, parameters }.to_der()
}

/// Verifies a signature by the holder of `public_key`, a SubjectPublicKeyInfo; `algorithm` is an AlgorithmIdentifier.
/// Returns the digest.
///
/// # Errors
/// The signature was made with another key, the message was changed, or the algorithm is unknown.
pub fn verify(
    algorithm: &[u8],
    public_key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<Digest, CertificateError> {
    let algorithm = AlgorithmIdentifierRef::from_der(algorithm);
    let oid = algorithm
        .map_err(|_| CertificateError::new("its signature cannot be read"))?
        .oid;
    let known = KNOWN.iter().filter(|(known, ..)| *known == oid);
    let mut known = known.peekable();
    if known.peek().is_none() {
        let why = format!("it is signed with the algorithm {oid}, which dmtap does not know");
        return Err(CertificateError::new(why));
    }
    let fits = |(_, _, verification): &&Known| {
        let key = UnparsedPublicKey::new(*verification, public_key);
        key.verify(message, signature).is_ok()
    };
    let found = known.find(fits).map(|(_, digest, _)| *digest);
    found.ok_or_else(|| CertificateError::new(WRONG))
}

/// The error for a signature by another key, or over a changed message.
pub(super) const WRONG: &str = "its signature is wrong";

/// Returns the size of the modulus of an RSAPublicKey in bits.
fn rsa_bits(key: &[u8]) -> Option<usize> {
    let mut numbers = super::der_bytes::Elements::of(key).ok()?;
    let modulus = super::der_bytes::content(numbers.next().ok()?).ok()?;
    let first = modulus.iter().position(|octet| *octet != 0)?;
    let zeros = modulus[first].leading_zeros() as usize;
    Some((modulus.len() - first) * 8 - zeros)
}

/// An OID, its digest and its verification.
type Known = (ObjectIdentifier, Digest, &'static dyn VerificationAlgorithm);

/// The known algorithms. An ECDSA OID does not determine the curve, so it has one row for each.
const KNOWN: [Known; 9] = [
    // sha1WithRSASignature of the OIW, not that of PKCS#1: Windows 10 uses it.
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
    (SHA256_ECDSA, Digest::Sha256, &ECDSA_P256_SHA256_ASN1),
    (SHA256_ECDSA, Digest::Sha256, &ECDSA_P384_SHA256_ASN1),
    (SHA384_ECDSA, Digest::Sha384, &ECDSA_P256_SHA384_ASN1),
    (SHA384_ECDSA, Digest::Sha384, &ECDSA_P384_SHA384_ASN1),
];

/// rsaEncryption.
pub(super) const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// id-ecPublicKey and its curves (RFC 5480 §2.1.1).
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const SHA256_ECDSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const SHA384_ECDSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const SHA1_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5");
const SHA256_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const SHA384_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const SHA512_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
