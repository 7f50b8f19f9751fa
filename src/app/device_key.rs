//! The device's certificate in TLS: its key signs handshakes, and TLS does not get to see it.

use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::sign::{CertifiedKey, Signer as TlsSigner, SigningKey, SingleCertAndKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

use crate::identity::{Digest, Scheme, Signer};
use crate::peer::enroll::PrivateKey;

/// Shows this certificate, DER, to servers that ask.
pub(super) fn showing(certificate: &[u8], key: Arc<PrivateKey>) -> Arc<dyn ResolvesClientCert> {
    let chain = vec![certificate.to_vec().into()];
    let key = CertifiedKey::new(chain, Arc::new(DeviceKey(key)));
    Arc::new(SingleCertAndKey::from(key))
}

#[derive(Debug)]
struct DeviceKey(Arc<PrivateKey>);

impl SigningKey for DeviceKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn TlsSigner>> {
        let known = SCHEMES.iter().find(|(name, _)| offered.contains(name));
        known.map(|(name, scheme)| {
            let signing = Signing {
                key: self.0.clone(),
                name: *name,
                scheme: *scheme,
            };
            Box::new(signing) as Box<dyn TlsSigner>
        })
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RSA
    }
}

#[derive(Debug)]
struct Signing {
    key: Arc<PrivateKey>,
    name: SignatureScheme,
    scheme: Scheme,
}

impl TlsSigner for Signing {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signed = self.key.sign(self.scheme, message);
        signed.map_err(|error| Error::General(error.to_string()))
    }

    fn scheme(&self) -> SignatureScheme {
        self.name
    }
}

/// In the order of preference: TLS 1.3 takes PSS alone.
const SCHEMES: [(SignatureScheme, Scheme); 4] = [
    (SignatureScheme::RSA_PSS_SHA256, Scheme::Pss(Digest::Sha256)),
    (SignatureScheme::RSA_PSS_SHA384, Scheme::Pss(Digest::Sha384)),
    (
        SignatureScheme::RSA_PKCS1_SHA256,
        Scheme::Pkcs1(Digest::Sha256),
    ),
    (
        SignatureScheme::RSA_PKCS1_SHA384,
        Scheme::Pkcs1(Digest::Sha384),
    ),
];
