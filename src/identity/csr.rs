//! Certificate requests (PKCS#10, RFC 2986): the device's, and its copy for another key.

use der::Tag;

use super::CertificateError;
use super::der_bytes::{self, Elements};
use super::signature::{self, Digest, KeyKind, Signer, SigningScheme};
use crate::dm::certificate::is_printable_string;

/// A request with a valid signature by its own key.
#[derive(Clone, Copy, Debug)]
pub struct CertificationRequest<'d> {
    version: &'d [u8],
    subject: &'d [u8],
    public_key: &'d [u8],
    /// The attributes with their tag, unchanged; empty if there are none.
    attributes: &'d [u8],
    digest: Digest,
}

/// The encoding of a subject's strings in the request for another key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strings {
    /// As in the device's request.
    #[default]
    Kept,
    /// UTF8String instead of PrintableString for strings with characters that PrintableString does not allow, such as
    /// `!` and NUL: strict servers refuse those.
    Strict,
}

impl<'d> CertificationRequest<'d> {
    /// Parses a request and verifies its signature. Names and attributes are not checked.
    ///
    /// # Errors
    /// The request is too long, is not PKCS#10, or is signed with another key.
    pub fn read(der: &'d [u8]) -> Result<Self, CertificateError> {
        if der.len() > MOST_BYTES {
            let why = format!("the certificate request has more than {MOST_BYTES} bytes");
            return Err(CertificateError::new(why));
        }
        let parts = || {
            let mut request = Elements::of(der)?;
            let info = request.next()?;
            let algorithm = request.next()?;
            let signature = der_bytes::bits(request.next()?)?;
            let mut inside = Elements::of(info)?;
            let [version, subject, public_key] = [inside.next()?, inside.next()?, inside.next()?];
            let read = Self {
                version,
                subject,
                public_key,
                attributes: inside.rest(),
                digest: Digest::Sha256,
            };
            Ok::<_, der::Error>((read, info, algorithm, signature))
        };
        let unreadable = CertificateError::about("the certificate request cannot be read");
        let (read, info, algorithm, signature) = parts().map_err(unreadable)?;
        // Checked first: for an unsupported key the signature would seem wrong.
        read.key_kind()?;
        let digest = signature::verify(algorithm, read.public_key, info, signature);
        Ok(Self {
            digest: digest.map_err(CertificateError::about("the certificate request"))?,
            ..read
        })
    }

    /// Returns the key of the request: a SubjectPublicKeyInfo in DER.
    pub fn public_key(&self) -> &'d [u8] {
        self.public_key
    }

    /// Returns the subject: a Name in DER.
    pub fn subject(&self) -> &'d [u8] {
        self.subject
    }

    /// Returns the attributes, with their tag.
    pub fn attributes(&self) -> &'d [u8] {
        self.attributes
    }

    /// Returns the kind of the key.
    ///
    /// # Errors
    /// The key is neither RSA nor ECDSA on P-256 or P-384.
    pub fn key_kind(&self) -> Result<KeyKind, CertificateError> {
        KeyKind::of(self.public_key).ok_or_else(|| {
            CertificateError::new(
                "the certificate request is for a key that is neither RSA nor ECDSA on P-256 or P-384",
            )
        })
    }

    /// Copies the request for the key of `signer` and signs it. Subject and attributes stay byte for byte, and so does
    /// the digest, but SHA-256 replaces SHA-1.
    ///
    /// # Errors
    /// The key cannot sign, or the request becomes too long for DER.
    pub fn with_key(
        &self,
        signer: &dyn Signer,
        strings: Strings,
    ) -> Result<Vec<u8>, CertificateError> {
        let signed = self.signed(signer, strings);
        signed.map_err(CertificateError::about(
            "dmtap's own certificate request cannot be signed",
        ))
    }

    fn signed(&self, signer: &dyn Signer, strings: Strings) -> Result<Vec<u8>, CertificateError> {
        let public_key = signer.public_key();
        let subject = match strings {
            Strings::Kept => self.subject.to_vec(),
            Strings::Strict => strict(self.subject)?,
        };
        let parts = [self.version, &subject, public_key, self.attributes];
        let info = der_bytes::around(Tag::Sequence, &parts)?;
        let scheme = SigningScheme::of_key(public_key, self.digest)?;
        let signature = der_bytes::bit_string(&signer.sign(scheme, &info)?)?;
        let request = [&info[..], &scheme.algorithm()?, &signature];
        Ok(der_bytes::around(Tag::Sequence, &request)?)
    }
}

/// Changes illegal PrintableStrings of a Name to UTF8Strings of the same length.
fn strict(name: &[u8]) -> der::Result<Vec<u8>> {
    let mut changed = name.to_vec();
    let mut sets = Elements::of(name)?;
    while !sets.rest().is_empty() {
        let mut pairs = Elements::with_tag(sets.next()?, Tag::Set)?;
        while !pairs.rest().is_empty() {
            let mut pair = Elements::of(pairs.next()?)?;
            pair.next()?;
            let value = pair.next()?;
            if value[0] == PRINTABLE_STRING && !is_printable_string(der_bytes::content(value)?) {
                // `value` is a slice of `name`.
                let at = value.as_ptr() as usize - name.as_ptr() as usize;
                changed[at] = UTF8_STRING;
            }
        }
    }
    Ok(changed)
}

const PRINTABLE_STRING: u8 = 0x13;
const UTF8_STRING: u8 = 0x0c;
/// The longest request, in bytes of DER.
pub const MOST_BYTES: usize = 64 << 10;
