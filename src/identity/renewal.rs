//! Renewals (MS-MDE2 §3.6): a request for a certificate, signed with the key of the old one.

use super::cms::{CmsError, SignedData};
use super::issue::CertificateParts;
use super::signature::{SignatureError, Signer};

/// A request that the holder of a certificate signed.
#[derive(Clone, Debug)]
pub struct SignedRequest {
    data: SignedData,
    request: Vec<u8>,
    certificate: Vec<u8>,
}

/// Why a renewal is not swapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenewalError {
    /// It is longer than any device's.
    #[error("the renewal has more than {MOST_BYTES} bytes")]
    TooLong,
    /// It is no SignedData with one signer.
    #[error("the renewal cannot be read: {0}")]
    Der(#[from] der::Error),
    /// It lacks a part.
    #[error("the renewal does not have exactly one {0}")]
    Lacks(&'static str),
    /// It proves nothing.
    #[error("the renewal: {0}")]
    Signature(#[from] SignatureError),
    /// It is not signed anew.
    #[error("the renewal cannot be signed: {0}")]
    Sign(#[from] CmsError),
}

impl SignedRequest {
    /// Reads a renewal, and checks that the holder of the certificate in it signed it. Whose certificate it is, is
    /// another question.
    ///
    /// # Errors
    /// [`RenewalError`].
    pub fn read(der: &[u8]) -> Result<Self, RenewalError> {
        if der.len() > MOST_BYTES {
            return Err(RenewalError::TooLong);
        }
        let data = SignedData::read(der)?;
        let request = data.content().ok_or(RenewalError::Lacks("request in it"))?;
        let certificate = data.certificate();
        let certificate = certificate.ok_or(RenewalError::Lacks("certificate of its signer"))?;
        let (request, certificate) = (request.to_vec(), certificate.to_vec());
        let checked = data.check(key_of(&certificate), &request);
        checked.map_err(|_| SignatureError::Wrong)?;
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
    /// [`RenewalError`].
    pub fn anew(
        &self,
        request: &[u8],
        certificate: &[u8],
        signer: &dyn Signer,
    ) -> Result<Vec<u8>, RenewalError> {
        let old = key_of(&self.certificate);
        Ok(self.data.anew(request, old, certificate, signer)?)
    }
}

fn key_of(certificate: &[u8]) -> &[u8] {
    let parts = CertificateParts::read(certificate);
    parts.map(|parts| parts.public_key()).unwrap_or_default()
}

/// The longest renewal, in bytes of DER.
const MOST_BYTES: usize = 128 << 10;
