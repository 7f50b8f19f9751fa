//! dmtap's own keys, with which it enrolls in place of devices.

use std::fmt;
use std::sync::Arc;

use rcgen::{KeyPair, PublicKeyData as _, RsaKeySize};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::sign::SigningKey;

use crate::identity::{KeyKind, SignError, Signer, SigningScheme};
use crate::proxy::client_identity::sign;
use crate::proxy::tls::provider;

/// A key that signs. Only the store may read it.
pub struct OwnKey {
    pair: KeyPair,
    key: Arc<dyn SigningKey>,
    public_key: Vec<u8>,
}

/// The reason why there is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// dmtap makes no keys of this size.
    #[error("dmtap makes no RSA keys of {0} bits")]
    Size(usize),
    /// The system has no random numbers, or no memory.
    #[error("no key can be made")]
    Make,
}

impl OwnKey {
    /// Generates a key of this kind. An RSA key has at least this many bits, and takes about 100 ms for 2,048.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn generate(kind: KeyKind) -> Result<Self, KeyError> {
        let pair = match kind {
            KeyKind::Rsa(bits) => {
                let size = match rounded(bits).ok_or(KeyError::Size(bits))? {
                    2048 => RsaKeySize::_2048,
                    3072 => RsaKeySize::_3072,
                    _ => RsaKeySize::_4096,
                };
                KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size)
            }
            KeyKind::P256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
            KeyKind::P384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        };
        let pair = pair.map_err(|_| KeyError::Make)?;
        let pkcs8 = PrivatePkcs8KeyDer::from(pair.serialize_der());
        let key = provider().key_provider.load_private_key(pkcs8.into());
        Ok(Self {
            key: key.map_err(|_| KeyError::Make)?,
            public_key: pair.subject_public_key_info(),
            pair,
        })
    }

    /// Returns the private key as PKCS#8 in PEM, for the store.
    pub(super) fn pem(&self) -> String {
        self.pair.serialize_pem()
    }
}

/// Returns the size of the key that is generated for a request of `bits`.
fn rounded(bits: usize) -> Option<usize> {
    SIZES.into_iter().find(|size| bits <= *size)
}

impl Signer for OwnKey {
    fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    fn sign(&self, scheme: SigningScheme, message: &[u8]) -> Result<Vec<u8>, SignError> {
        sign(&*self.key, scheme, message)
    }
}

impl fmt::Debug for OwnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnKey").finish_non_exhaustive()
    }
}

const SIZES: [usize; 3] = [2048, 3072, 4096];
