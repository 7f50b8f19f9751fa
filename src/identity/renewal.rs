//! Renewals (MS-MDE2 §3.6): a request for a certificate, signed with the key of the old one.

use super::CertificateError;
use super::cms::SignedData;
use super::issue::CertificateParts;
use super::signature::{self, Signer};

/// A request signed by the holder of a certificate.
#[derive(Clone, Debug)]
pub struct SignedRequest {
    data: SignedData,
    request: Vec<u8>,
    certificate: Vec<u8>,
}

impl SignedRequest {
    /// Parses a renewal and verifies its signature with the certificate in it. Does not check who owns that
    /// certificate.
    ///
    /// # Errors
    /// The renewal is too long, is not a SignedData with one signer, lacks a part, or is signed with another key.
    pub fn read(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_RENEWAL_BYTES {
            let why = format!("the renewal has more than {MAX_RENEWAL_BYTES} bytes");
            return Err(CertificateError::new(why));
        }
        let unreadable = CertificateError::about("the renewal cannot be read");
        let data = SignedData::read(der).map_err(unreadable)?;
        let lacks = |what: &str| {
            CertificateError::new(format!("the renewal does not have exactly one {what}"))
        };
        let request = data.content().ok_or_else(|| lacks("request in it"))?;
        let certificate = data.certificate();
        let certificate = certificate.ok_or_else(|| lacks("certificate of its signer"))?;
        let (request, certificate) = (request.to_vec(), certificate.to_vec());
        let checked = data.check(key_of(&certificate), &request);
        let wrong = format!("the renewal: {}", signature::WRONG);
        checked.map_err(|_| CertificateError::new(wrong))?;
        Ok(Self {
            data,
            request,
            certificate,
        })
    }

    /// Returns the signer's certificate, in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Returns the request: PKCS#10 in DER.
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// Signs another request with the key of another certificate, in the same form.
    ///
    /// # Errors
    /// The new renewal cannot be signed.
    pub fn anew(
        &self,
        request: &[u8],
        certificate: &[u8],
        signer: &dyn Signer,
    ) -> Result<Vec<u8>, CertificateError> {
        let old = key_of(&self.certificate);
        let anew = self.data.anew(request, old, certificate, signer);
        anew.map_err(CertificateError::about("the renewal cannot be signed"))
    }
}

fn key_of(certificate: &[u8]) -> &[u8] {
    let parts = CertificateParts::read(certificate);
    parts.map(|parts| parts.public_key()).unwrap_or_default()
}

/// The longest renewal, in bytes of DER.
const MAX_RENEWAL_BYTES: usize = 128 << 10;
