//! Certificates for the keys of devices, signed by dmtap's CA.

use rcgen::{CertificateParams, SigningKey as _};

use super::Authority;
use crate::identity::{CertificateError, CertificateParts, Issuer, SignError};

impl Authority {
    /// Returns the issuer that signs device certificates.
    ///
    /// # Errors
    /// The CA's key cannot sign.
    pub fn issuer(&self) -> Result<Issuer<'_>, CertificateError> {
        let key = self.issuer.key();
        // rcgen makes the AlgorithmIdentifier of a key public only in what the key signs.
        let signed = CertificateParams::default().self_signed(key);
        let signed = signed.map_err(CertificateError::about(
            "dmtap's CA cannot sign a certificate",
        ))?;
        Ok(Issuer {
            name: CertificateParts::read(&self.certificate)?
                .subject()
                .to_vec(),
            algorithm: CertificateParts::read(signed.der())?.algorithm().to_vec(),
            sign: Box::new(|message| key.sign(message).map_err(|_| SignError)),
        })
    }
}
