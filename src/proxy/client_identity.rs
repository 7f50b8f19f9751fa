//! A client certificate with its key, which dmtap presents to a server.

use std::fmt;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};

use super::ca::{certificates, no_key};
use super::tls::provider;
use crate::dm::{Certificate, certificate};
use crate::flow::ShownCertificate;
use crate::identity::{CertificateParts, Digest, SignError, Signer, SigningScheme};

/// A client certificate, its chain and its key. The key can sign, but cannot be read.
#[derive(Clone)]
pub struct ClientIdentity {
    /// The SHA-256 of the certificate in hex, which identifies the identity.
    pub(super) id: Arc<str>,
    /// The facts about the certificate for records.
    pub(super) shown: Arc<ShownCertificate>,
    /// The certificate and the key, in the form that TLS uses.
    pub(super) key: Arc<CertifiedKey>,
}

impl ClientIdentity {
    /// Creates an identity from a certificate with the certificates between it and its root, and its key.
    ///
    /// # Errors
    /// [`IdentityError`] if TLS does not sign with such a key, or the key belongs to another certificate.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, IdentityError> {
        let leaf = chain.first().ok_or(IdentityError::NoCertificate)?;
        let sha256 = certificate::sha256(leaf).to_ascii_lowercase();
        let id = sha256.as_str().into();
        let shown = Arc::new(match Certificate::read(leaf) {
            Some(read) => ShownCertificate {
                identity: None,
                subject: read.subject.into(),
                issuer: read.issuer.into(),
                serial: read.serial.into(),
                sha1: read.thumbprint.into(),
                sha256: sha256.into(),
            },
            None => ShownCertificate {
                sha256: sha256.into(),
                ..ShownCertificate::default()
            },
        });
        let key = CertifiedKey::from_der(chain, key, provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => IdentityError::OtherKey,
            rustls::Error::InvalidCertificate(_) => IdentityError::NotX509,
            _ => IdentityError::KindOfKey,
        })?;
        Ok(Self {
            id,
            shown,
            key: Arc::new(key),
        })
    }

    /// Reads PEM: the certificate, its chain, and the key at any place.
    ///
    /// # Errors
    /// [`IdentityError`] if a part is missing or broken.
    pub fn from_pem(pem: &[u8]) -> Result<Self, IdentityError> {
        if is_pfx(pem) {
            return Err(IdentityError::Pfx);
        }
        let chain = certificates(pem).map_err(IdentityError::Pem)?;
        if chain.is_empty() {
            return Err(IdentityError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(pem)
            .map_err(|error| IdentityError::Pem(no_key(&error)))?;
        Self::new(chain, key)
    }

    /// Returns the SHA-256 of the certificate in hex, which identifies the identity.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Sets the name of the identity in the store.
    pub(super) fn named(mut self, name: &str) -> Self {
        Arc::make_mut(&mut self.shown).identity = Some(name.into());
        self
    }

    /// Returns the certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.key.cert[0]
    }
}

impl Signer for ClientIdentity {
    fn public_key(&self) -> &[u8] {
        let parts = CertificateParts::read(self.certificate());
        parts.map(|parts| parts.public_key()).unwrap_or_default()
    }

    fn sign(&self, scheme: SigningScheme, message: &[u8]) -> Result<Vec<u8>, SignError> {
        sign(&*self.key.key, scheme, message)
    }
}

/// Signs like [`Signer::sign`], with a key of TLS.
pub(super) fn sign(
    key: &dyn SigningKey,
    scheme: SigningScheme,
    message: &[u8],
) -> Result<Vec<u8>, SignError> {
    let scheme = signature_scheme(scheme).ok_or(SignError)?;
    let signer = key.choose_scheme(&[scheme]).ok_or(SignError)?;
    signer.sign(message).map_err(|_| SignError)
}

/// Returns the TLS name of a scheme.
pub(super) fn signature_scheme(scheme: SigningScheme) -> Option<SignatureScheme> {
    use Digest::{Sha1, Sha256, Sha384, Sha512};
    Some(match scheme {
        SigningScheme::Pkcs1(Sha256) => SignatureScheme::RSA_PKCS1_SHA256,
        SigningScheme::Pkcs1(Sha384) => SignatureScheme::RSA_PKCS1_SHA384,
        SigningScheme::Pkcs1(Sha512) => SignatureScheme::RSA_PKCS1_SHA512,
        SigningScheme::Ecdsa(Sha256) => SignatureScheme::ECDSA_NISTP256_SHA256,
        SigningScheme::Ecdsa(Sha384) => SignatureScheme::ECDSA_NISTP384_SHA384,
        SigningScheme::Pkcs1(Sha1) | SigningScheme::Ecdsa(_) => return None,
    })
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl PartialEq for ClientIdentity {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for ClientIdentity {}

/// The reason why a file is not a client identity. The text does not name the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The file is a PFX (PKCS#12), which must be converted with openssl.
    #[error(
        "it is a PFX (PKCS#12), and dmtap reads PEM; convert it: openssl pkcs12 -in FILE.pfx -out FILE.pem -nodes \
         (with -legacy if openssl 3 refuses it)"
    )]
    Pfx,
    /// The file has no certificate.
    #[error("it holds no certificate in PEM form")]
    NoCertificate,
    /// The certificate is not X.509.
    #[error("its certificate cannot be read as X.509 version 3")]
    NotX509,
    /// The key belongs to another certificate.
    #[error("its private key and its first certificate do not belong together")]
    OtherKey,
    /// TLS does not sign with such a key.
    #[error("its private key is of a kind that dmtap does not use: RSA, ECDSA and Ed25519 are")]
    KindOfKey,
    /// The PEM is damaged, or the key is missing.
    #[error("{0}")]
    Pem(String),
}

/// Whether a file is PKCS#12 in DER or BER: a SEQUENCE that begins with version 3 (RFC 7292 §4).
fn is_pfx(content: &[u8]) -> bool {
    let Some((0x30, rest)) = content.split_first().map(|(tag, rest)| (*tag, rest)) else {
        return false;
    };
    let length = match rest.first() {
        Some(&long @ 0x80..=0x84) => 1 + usize::from(long & 0x7f),
        _ => 1,
    };
    rest.get(length..)
        .is_some_and(|inner| inner.starts_with(&[0x02, 0x01, 0x03]))
}

#[cfg(test)]
pub(super) mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    pub(in crate::proxy) fn pem() -> (String, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["device".into()]).expect("parameters");
        let certificate = params.self_signed(&key).expect("a certificate");
        (certificate.pem() + &key.serialize_pem(), key)
    }

    #[test]
    fn an_identity_is_read_from_pem_and_signs_and_shows_no_key() {
        let (pem, key) = pem();
        let identity = ClientIdentity::from_pem(pem.as_bytes()).expect("an identity");
        assert_eq!(identity.id().len(), 64);
        let scheme = SigningScheme::Ecdsa(Digest::Sha256);
        let signature = identity.sign(scheme, b"message").expect("a signature");
        let algorithm = &aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1;
        let public = aws_lc_rs::signature::UnparsedPublicKey::new(algorithm, key.public_key_raw());
        public.verify(b"message", &signature).expect("it verifies");
        assert!(
            identity
                .sign(SigningScheme::Pkcs1(Digest::Sha256), b"message")
                .is_err()
        );
        let shown = format!("{identity:?}");
        assert_eq!(
            shown,
            format!("ClientIdentity {{ id: {:?}, .. }}", identity.id())
        );
    }

    #[test]
    fn what_is_no_identity_is_named() {
        let (pem, _) = pem();
        let (_, other) = self::pem();
        let certificate = pem.split("-----BEGIN PRIVATE").next().unwrap_or_default();
        let check = |content: &[u8], expected: &str| {
            let error = ClientIdentity::from_pem(content).expect_err(expected);
            assert!(error.to_string().contains(expected), "{error}");
        };
        check(&[0x30, 0x82, 9, 9, 2, 1, 3, 0x30], "openssl pkcs12");
        check(&[0x30, 0x80, 2, 1, 3, 0x30], "-legacy");
        check(b"", "no certificate");
        check(certificate.as_bytes(), "no private key");
        let mixed = certificate.to_owned() + &other.serialize_pem();
        check(mixed.as_bytes(), "do not belong together");
    }
}
