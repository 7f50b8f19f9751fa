//! Certificates for the keys of devices, signed by dmtap's CA.

use rcgen::SigningKey as _;

use super::Authority;
use crate::identity::{CertificateParts, Issuer, SignError};

impl Authority {
    /// Returns the issuer that signs device certificates; `None` if the algorithm of the CA's key is not in the table.
    pub fn issuer(&self) -> Option<Issuer<'_>> {
        let key = self.issuer.key();
        let algorithm = ALGORITHMS
            .iter()
            .find(|(known, _)| *known == key.algorithm());
        let (_, algorithm) = algorithm?;
        let certificate = CertificateParts::read(&self.certificate).ok()?;
        Some(Issuer {
            name: certificate.subject().to_vec(),
            algorithm,
            sign: Box::new(|message| key.sign(message).map_err(|_| SignError)),
        })
    }
}

/// AlgorithmIdentifiers in DER: RFC 5758 §3.2, RFC 4055 §5, RFC 8410 §3. rcgen does not make its own public.
const ALGORITHMS: [(&rcgen::SignatureAlgorithm, &[u8]); 6] = [
    (
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &[
            0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02,
        ],
    ),
    (
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &[
            0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03,
        ],
    ),
    (
        &rcgen::PKCS_ED25519,
        &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70],
    ),
    (
        &rcgen::PKCS_RSA_SHA256,
        &[
            0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05,
            0x00,
        ],
    ),
    (
        &rcgen::PKCS_RSA_SHA384,
        &[
            0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c, 0x05,
            0x00,
        ],
    ),
    (
        &rcgen::PKCS_RSA_SHA512,
        &[
            0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d, 0x05,
            0x00,
        ],
    ),
];
