//! Renewals (MS-MDE2 §3.6): a request for a certificate, signed with the key of the old one.

use super::CertificateError;
use super::cms::SignedData;
use super::issue::CertificateParts;
use super::signature::{self, Signer};

/// A request that the holder of a certificate signed.
#[derive(Clone, Debug)]
pub struct SignedRequest {
    data: SignedData,
    request: Vec<u8>,
    certificate: Vec<u8>,
}

impl SignedRequest {
    /// Reads a renewal, and checks that the holder of the certificate in it signed it. Whose certificate it is, is
    /// another question.
    ///
    /// # Errors
    /// Where it is too long, is no SignedData with one signer, lacks a part, or is signed with another key.
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

    /// The certificate of who signed it, in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The request in it: PKCS#10 in DER.
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// The same around another request, signed with the key of another certificate.
    ///
    /// # Errors
    /// Where it cannot be signed.
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
