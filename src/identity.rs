//! The swap of client identities: dmtap enrolls its own key with the server, and gives the device a certificate of
//! dmtap's CA for the device's key.
//!
//! ```text
//! device                                dmtap                                  server
//!   CSR for the device's key ─────────►  csr: a copy for dmtap's key ─────────►
//!                                        document: its certificate ◄─────────── provisioning document
//!   ◄─── the changed document ◄────────  issue: a certificate for the device's key
//! ```
//!
//! Keys and randomness are arguments. Requests and certificates are parsed and rebuilt from their bytes: parts that are
//! not named here stay as received, even if a strict parser would refuse them.

pub mod certificate_pairs;
pub mod cms;
pub mod csr;
mod der_bytes;
pub mod document;
pub mod enrollment;
pub mod hosts;
pub mod issue;
pub mod message_signature;
pub mod renewal;
pub mod signature;

use std::fmt;

pub use cms::SignedData;
pub use csr::{CertificationRequest, Strings};
pub use document::NoSwap;
pub use issue::{CertificateParts, Issuer};
pub use renewal::SignedRequest;
pub use signature::{Digest, KeyKind, SignError, Signer, SigningScheme};

/// The reason why a certificate, a request or a signed message cannot be read or created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CertificateError(String);

impl CertificateError {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }

    /// Returns a function that prefixes an error with its subject.
    pub(crate) fn about<E: fmt::Display>(what: &'static str) -> impl Fn(E) -> Self + Copy {
        move |error| Self(format!("{what}: {error}"))
    }
}

impl From<der::Error> for CertificateError {
    fn from(error: der::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<SignError> for CertificateError {
    fn from(error: SignError) -> Self {
        Self(error.to_string())
    }
}
