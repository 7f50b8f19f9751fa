//! dmtap's own keys, with which it enrolls in place of devices.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
};

use crate::identity::{Digest, KeyKind, Scheme, SignError, Signer, sign_rsa};
use crate::proxy::ca::pem_of;

/// A key that signs, and that only the store may read.
pub struct OwnKey {
    pair: Pair,
    public_key: Vec<u8>,
}

enum Pair {
    Rsa(rsa::KeyPair),
    Ecdsa(EcdsaKeyPair, Digest),
}

/// Why there is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nobody makes keys of this size.
    #[error("dmtap makes no RSA keys of {0} bits")]
    Size(usize),
    /// The system has no random numbers, or no memory.
    #[error("no key can be made")]
    Make,
}

impl OwnKey {
    /// Makes a key of this kind, an RSA key with at least so many bits: some 100 ms of work for 2,048.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn generate(kind: KeyKind) -> Result<Self, KeyError> {
        let (pair, public_key) = match kind {
            KeyKind::Rsa(bits) => {
                let size = match rounded(bits).ok_or(KeyError::Size(bits))? {
                    2048 => KeySize::Rsa2048,
                    3072 => KeySize::Rsa3072,
                    _ => KeySize::Rsa4096,
                };
                let pair = rsa::KeyPair::generate(size).map_err(|_| KeyError::Make)?;
                let public_key = spki(pair.public_key())?;
                (Pair::Rsa(pair), public_key)
            }
            KeyKind::P256 | KeyKind::P384 => {
                let (algorithm, digest) = match kind {
                    KeyKind::P384 => (&ECDSA_P384_SHA384_ASN1_SIGNING, Digest::Sha384),
                    _ => (&ECDSA_P256_SHA256_ASN1_SIGNING, Digest::Sha256),
                };
                let pair = EcdsaKeyPair::generate(algorithm).map_err(|_| KeyError::Make)?;
                let public_key = spki(pair.public_key())?;
                (Pair::Ecdsa(pair, digest), public_key)
            }
        };
        Ok(Self { pair, public_key })
    }

    /// The private key as PKCS#8 in PEM, for the store.
    pub(super) fn pem(&self) -> Result<String, KeyError> {
        let made = |_| KeyError::Make;
        Ok(match &self.pair {
            Pair::Rsa(pair) => {
                let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(made)?;
                pem_of("PRIVATE KEY", pkcs8.as_ref())
            }
            Pair::Ecdsa(pair, _) => {
                let pkcs8 = pair.to_pkcs8v1().map_err(made)?;
                pem_of("PRIVATE KEY", pkcs8.as_ref())
            }
        })
    }
}

/// A public key as certificates hold it: a SubjectPublicKeyInfo.
fn spki(key: &impl AsDer<PublicKeyX509Der<'static>>) -> Result<Vec<u8>, KeyError> {
    let der = key.as_der().map_err(|_| KeyError::Make)?;
    Ok(der.as_ref().to_vec())
}

/// The size of the key that is made where one of `bits` is asked for.
pub(super) fn rounded(bits: usize) -> Option<usize> {
    SIZES.into_iter().find(|size| bits <= *size)
}

impl Signer for OwnKey {
    fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    fn sign(&self, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, SignError> {
        match &self.pair {
            Pair::Rsa(pair) => sign_rsa(pair, scheme, message),
            Pair::Ecdsa(pair, digest) if scheme == Scheme::Ecdsa(*digest) => {
                let signature = pair.sign(&SystemRandom::new(), message);
                Ok(signature.map_err(|_| SignError)?.as_ref().to_vec())
            }
            Pair::Ecdsa(..) => Err(SignError),
        }
    }
}

impl fmt::Debug for OwnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnKey").finish_non_exhaustive()
    }
}

const SIZES: [usize; 3] = [2048, 3072, 4096];
