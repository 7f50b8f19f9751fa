//! Detached signatures over whole messages: `MDM-Signature` and `MS-Signature` (CMS SignedData in base64; the DMClient
//! CSP, MS-MDM §2.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::cms::SignedData;

/// The error for a header field without a valid signature structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not a detached CMS signature in base64")]
pub struct Unreadable;

/// Parses the value of a header field.
///
/// # Errors
/// [`Unreadable`].
pub fn read(field: &str) -> Result<SignedData, Unreadable> {
    let text: Vec<u8> = field.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    if text.len() > MAX_FIELD_BYTES {
        return Err(Unreadable);
    }
    let cms = BASE64.decode(text).map_err(|_| Unreadable)?;
    SignedData::read(&cms).map_err(|_| Unreadable)
}

/// The longest header field to parse, in bytes.
const MAX_FIELD_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::CertificateParts;
    use crate::identity::cms::{Mismatch, name_of};

    const BODY: &[u8] = include_bytes!("../../tests/data/signature/message.xml");
    const CERTIFICATE: &str = include_str!("../../tests/data/signature/certificate.txt");
    /// Made with openssl cms.
    const SIGNATURES: [&str; 3] = [
        include_str!("../../tests/data/signature/signature.txt"),
        include_str!("../../tests/data/signature/with-certificate.txt"),
        include_str!("../../tests/data/signature/without-attributes.txt"),
    ];

    #[test]
    fn a_signature_fits_its_body_and_its_key_alone() {
        let certificate = BASE64.decode(CERTIFICATE).unwrap();
        let parts = CertificateParts::read(&certificate).unwrap();
        let other = rcgen::KeyPair::generate().unwrap();
        let other = rcgen::PublicKeyData::subject_public_key_info(&other);
        for (number, text) in SIGNATURES.iter().enumerate() {
            let signature = read(&format!(" {text}\n")).unwrap();
            assert_eq!(signature.signer(), name_of(&certificate).unwrap());
            assert_eq!(signature.certificate().is_some(), number == 1);
            assert_eq!(signature.check(parts.public_key(), BODY), Ok(()));
            let changed = [BODY, b" "].concat();
            let expected = match number {
                2 => Mismatch::Key,
                _ => Mismatch::Body,
            };
            assert_eq!(signature.check(parts.public_key(), &changed), Err(expected));
            assert_eq!(signature.check(&other, BODY), Err(Mismatch::Key));
        }
    }

    #[test]
    fn broken_signatures_are_unreadable_at_every_byte() {
        let cms = BASE64.decode(SIGNATURES[0]).unwrap();
        for end in 0..cms.len() {
            let torn = BASE64.encode(&cms[..end]);
            assert_eq!(read(&torn), Err(Unreadable), "{end}");
        }
        for field in ["", "?", "AAAA", "MAA="] {
            assert_eq!(read(field), Err(Unreadable), "{field}");
        }
        // No single byte makes it panic.
        for at in 0..cms.len() {
            let mut other = cms.clone();
            other[at] ^= 0x81;
            let _ = read(&BASE64.encode(other));
        }
    }
}
