//! dmtap's own keys, with which it enrolls in place of devices.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding,
};

use crate::identity::{Digest, SignError, Signer};

/// An RSA key. It signs, and only the store may read it.
pub struct OwnKey {
    pair: KeyPair,
    public_key: Vec<u8>,
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
    /// Makes a key with at least so many bits: some 100 ms of work for 2,048.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn generate(bits: usize) -> Result<Self, KeyError> {
        let size = match rounded(bits).ok_or(KeyError::Size(bits))? {
            2048 => KeySize::Rsa2048,
            3072 => KeySize::Rsa3072,
            _ => KeySize::Rsa4096,
        };
        let pair = KeyPair::generate(size).map_err(|_| KeyError::Make)?;
        let public_key: PublicKeyX509Der<'_> =
            pair.public_key().as_der().map_err(|_| KeyError::Make)?;
        let public_key = public_key.as_ref().to_vec();
        Ok(Self { pair, public_key })
    }

    /// The private key in PKCS#8, for the store.
    pub(super) fn pkcs8(&self) -> Result<Pkcs8V1Der<'static>, KeyError> {
        self.pair.as_der().map_err(|_| KeyError::Make)
    }
}

/// The size of the key that is made where one of `bits` is asked for.
pub(super) fn rounded(bits: usize) -> Option<usize> {
    SIZES.into_iter().find(|size| bits <= *size)
}

impl Signer for OwnKey {
    fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    fn sign(&self, digest: Digest, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let encoding: &'static dyn RsaEncoding = match digest {
            Digest::Sha1 => return Err(SignError),
            Digest::Sha256 => &RSA_PKCS1_SHA256,
            Digest::Sha384 => &RSA_PKCS1_SHA384,
            Digest::Sha512 => &RSA_PKCS1_SHA512,
        };
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(encoding, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| SignError)?;
        Ok(signature)
    }
}

impl fmt::Debug for OwnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnKey").finish_non_exhaustive()
    }
}

const SIZES: [usize; 3] = [2048, 3072, 4096];
