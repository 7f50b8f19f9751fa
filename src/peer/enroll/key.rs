//! The device's key.

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaEncoding};
use der::asn1::{AnyRef, OctetStringRef, UintRef};
use der::{Decode, Reader, SliceReader};
use num_bigint::BigUint;

use crate::identity::{Digest, SignError, Signer, SigningScheme};

/// An RSA key; it signs through [`Signer`].
pub struct PrivateKey {
    pair: KeyPair,
    public_key: Vec<u8>,
    pkcs8: Vec<u8>,
}

/// The error for bytes that are not an RSA key in PKCS#8.
#[derive(Debug, thiserror::Error)]
#[error("this is not an RSA key in PKCS#8")]
pub struct NotRsa;

impl PrivateKey {
    /// Reads a key: RSA of 2048 bits or more, in PKCS#8 (RFC 5208).
    ///
    /// # Errors
    /// Returns [`NotRsa`] for any other bytes.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, NotRsa> {
        let pair = KeyPair::from_pkcs8(pkcs8).map_err(|_| NotRsa)?;
        let public_key: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| NotRsa)?;
        Ok(Self {
            public_key: public_key.as_ref().to_vec(),
            pair,
            pkcs8: pkcs8.to_vec(),
        })
    }

    /// Returns the key in PKCS#8, for TLS.
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// Signs with SHA-1, which aws-lc-rs verifies but does not sign. Not in constant time: this is the key of a
    /// simulator.
    fn sign_sha1(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, message);
        let info = [SHA1_DIGEST_INFO, hash.as_ref()].concat();
        let length = self.pair.public_modulus_len();
        // RFC 8017 §9.2: 00 01 FF … FF 00 DigestInfo.
        let mut encoded = vec![0xFF; length];
        let at = length - info.len();
        (encoded[0], encoded[1], encoded[at - 1]) = (0, 1, 0);
        encoded[at..].copy_from_slice(&info);
        let (modulus, exponent) = numbers(&self.pkcs8).map_err(|_| SignError)?;
        let signed = BigUint::from_bytes_be(&encoded).modpow(&exponent, &modulus);
        let signed = signed.to_bytes_be();
        Ok([vec![0; length - signed.len()], signed].concat())
    }
}

impl Signer for PrivateKey {
    fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    fn sign(&self, scheme: SigningScheme, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let encoding: &'static dyn RsaEncoding = match scheme {
            // Windows 10 signs like this if the policy names no other hash.
            SigningScheme::Pkcs1(Digest::Sha1) => return self.sign_sha1(message),
            SigningScheme::Pkcs1(Digest::Sha256) => &RSA_PKCS1_SHA256,
            _ => return Err(SignError),
        };
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let signed = (self.pair).sign(encoding, &SystemRandom::new(), message, &mut signature);
        signed.map(|()| signature).map_err(|_| SignError)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").finish_non_exhaustive()
    }
}

/// Returns the modulus and the private exponent (RFC 8017 A.1.2, inside RFC 5208 §5).
fn numbers(pkcs8: &[u8]) -> der::Result<(BigUint, BigUint)> {
    let rsa = SliceReader::new(pkcs8)?.sequence(|outer| {
        outer.decode::<u8>()?;
        outer.decode::<AnyRef<'_>>()?;
        let rsa = outer.decode::<OctetStringRef<'_>>()?.as_bytes().to_vec();
        // Attributes may follow.
        while !outer.is_finished() {
            outer.decode::<AnyRef<'_>>()?;
        }
        Ok(rsa)
    })?;
    let key = AnyRef::from_der(&rsa)?;
    let mut inside = SliceReader::new(key.value())?;
    inside.decode::<u8>()?;
    let number = |uint: UintRef<'_>| BigUint::from_bytes_be(uint.as_bytes());
    let modulus = number(inside.decode()?);
    inside.decode::<UintRef<'_>>()?;
    Ok((modulus, number(inside.decode()?)))
}

/// The prefix of a SHA-1 hash in a signature (RFC 8017 §9.2, note 1).
const SHA1_DIGEST_INFO: &[u8] = &[
    0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14,
];

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, OnceLock};

    use super::*;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{
        RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    };

    /// Returns one of two keys, which are made once for all tests.
    pub(crate) fn key(number: usize) -> Arc<PrivateKey> {
        static KEYS: OnceLock<[Arc<PrivateKey>; 2]> = OnceLock::new();
        KEYS.get_or_init(|| [0, 1].map(|_| Arc::new(made())))[number].clone()
    }

    fn made() -> PrivateKey {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
        PrivateKey::from_pkcs8(pkcs8.as_ref()).unwrap()
    }

    #[test]
    fn signatures_of_each_scheme_verify_with_the_public_half() {
        let key = key(0);
        let all = [
            (
                SigningScheme::Pkcs1(Digest::Sha1),
                &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            ),
            (
                SigningScheme::Pkcs1(Digest::Sha256),
                &RSA_PKCS1_2048_8192_SHA256,
            ),
        ];
        for (scheme, algorithm) in all {
            let signature = key.sign(scheme, b"message").unwrap();
            let public = UnparsedPublicKey::new(algorithm, key.public_key());
            assert!(public.verify(b"message", &signature).is_ok(), "{scheme:?}");
            assert!(public.verify(b"another", &signature).is_err(), "{scheme:?}");
        }
    }

    #[test]
    fn debug_shows_no_number_of_the_key() {
        assert_eq!(format!("{:?}", key(0)), "PrivateKey { .. }");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert!(matches!(PrivateKey::from_pkcs8(b"\x30\x00"), Err(NotRsa)));
    }
}
