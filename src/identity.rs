//! The swap of client identities: dmtap enrolls a key of its own with the server, and gives the device a certificate
//! of dmtap's CA for the device's key.
//!
//! ```text
//! device                                dmtap                                  server
//!   CSR for the device's key ─────────►  csr: the same for dmtap's key ───────►
//!                                        document: the certificate for it ◄──── provisioning document
//!   ◄─── the document with that ◄──────  issue: a certificate for the device's key
//! ```
//!
//! Keys and randomness are arguments. Requests and certificates are taken apart and put together by their bytes:
//! what is not named here stays as it came, whether a strict reader would take it or not.

pub mod cms;
pub mod csr;
pub mod document;
pub mod enrollment;
pub mod hosts;
pub mod issue;
pub mod message_signature;
mod raw;
pub mod renewal;
pub mod session;
pub mod signature;

pub use cms::SignedData;
pub use csr::{CertificationRequest, Strings};
pub use document::{NoSwap, Replacement};
pub use issue::{CertificateParts, Issuer};
pub use renewal::SignedRequest;
pub use signature::{Digest, KeyKind, Scheme, SignError, Signer, sign_rsa};
