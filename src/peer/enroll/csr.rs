//! Certificate requests (PKCS#10), byte for byte as two builds of Windows make them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use der::asn1::{Any, BitString, ObjectIdentifier, OctetString, SetOfVec};
use der::{Decode, Encode, Tag};
use x509_cert::attr::{Attribute, AttributeTypeAndValue};
use x509_cert::ext::Extension;
use x509_cert::name::{RdnSequence, RelativeDistinguishedName};
use x509_cert::request::{CertReq, CertReqInfo, Version};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use super::key::PrivateKey;
use crate::identity::{CertificateError, Digest, Signer as _, SigningScheme};

/// The version of Windows whose requests are imitated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CsrForm {
    /// Build 19043: a PrintableString with `!` and NUL, which that type does not allow; the old OIW identifier of SHA-1
    /// with RSA; base64 in one line.
    #[default]
    Windows10,
    /// Build 22598, if the policy asks for SHA-256: a UTF8String without NUL; base64 in lines of 64 characters.
    Windows11,
}

/// Makes a request for a device. `guid` is the GUID of the enrollment; it is cut after 30 characters, as in Windows.
///
/// # Errors
/// Fails if a part cannot be encoded as DER, or if the key cannot sign.
pub fn request(
    form: CsrForm,
    guid: &str,
    device_id: &str,
    key: &PrivateKey,
) -> Result<Vec<u8>, CertificateError> {
    let cut = guid.get(..GUID_CUT).unwrap_or(guid);
    let name = format!("{cut}!{device_id}");
    let mut extensions = Vec::new();
    let (tag, name, digest, algorithm) = match form {
        CsrForm::Windows10 => (
            Tag::PrintableString,
            format!("{name}\0"),
            Digest::Sha1,
            OIW_SHA1_RSA,
        ),
        CsrForm::Windows11 => {
            extensions.push(extension(EXTENDED_KEY_USAGE, EKU_CLIENT_AUTH)?);
            (Tag::Utf8String, name, Digest::Sha256, SHA256_RSA)
        }
    };
    // An extension should hold DER, but Windows writes the bare text.
    extensions.push(extension(DEVICE_ID, format!("{device_id}\0").as_bytes())?);
    let common_name = AttributeTypeAndValue {
        oid: COMMON_NAME,
        value: Any::new(tag, name.into_bytes())?,
    };
    let extension_request = Attribute {
        oid: EXTENSION_REQUEST,
        values: SetOfVec::try_from(vec![Any::encode_from(&extensions)?])?,
    };
    let info = CertReqInfo {
        version: Version::V1,
        subject: RdnSequence(vec![RelativeDistinguishedName::try_from(vec![
            common_name,
        ])?]),
        public_key: SubjectPublicKeyInfoOwned::from_der(key.public_key())?,
        attributes: SetOfVec::try_from(vec![extension_request])?,
    };
    let signature = key.sign(SigningScheme::Pkcs1(digest), &info.to_der()?)?;
    let request = CertReq {
        info,
        algorithm: AlgorithmIdentifierOwned {
            oid: algorithm,
            parameters: Some(Any::null()),
        },
        signature: BitString::from_bytes(&signature)?,
    };
    Ok(request.to_der()?)
}

/// Encodes a request for a message.
pub fn base64(form: CsrForm, der: &[u8]) -> String {
    let whole = STANDARD.encode(der);
    match form {
        CsrForm::Windows10 => whole,
        CsrForm::Windows11 => {
            let lines = whole
                .as_bytes()
                .chunks(BASE64_LINE_CHARS)
                .map(String::from_utf8_lossy);
            lines.map(|line| format!("{line}\n")).collect()
        }
    }
}

fn extension(oid: ObjectIdentifier, value: &[u8]) -> der::Result<Extension> {
    Ok(Extension {
        extn_id: oid,
        critical: false,
        extn_value: OctetString::new(value)?,
    })
}

/// How many characters of the GUID Windows uses.
const GUID_CUT: usize = 30;
/// The characters of base64 in a line.
const BASE64_LINE_CHARS: usize = 64;
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const EXTENSION_REQUEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.14");
/// Microsoft's identifier of the extension with the DeviceID.
const DEVICE_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.66.1.0");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
/// A SEQUENCE of one OID, 1.3.6.1.5.5.7.3.2.
const EKU_CLIENT_AUTH: &[u8] = &[
    0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02,
];
/// The OIW identifier of sha1WithRSASignature; PKCS#1 has another one.
const OIW_SHA1_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.29");
pub(super) const SHA256_RSA: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");

#[cfg(test)]
mod tests {
    use super::super::key::tests::key;
    use super::*;

    const GUID: &str = "4D1B3A8C-5C0E-4F6B-9A77-0123456789AB";
    const ID: &str = "0F1E2D3C4B5A69788796A5B4C3D2E1F0";

    fn made(form: CsrForm) -> Vec<u8> {
        request(form, GUID, ID, &key(0)).unwrap()
    }

    fn holds(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|window| window == part)
    }

    #[test]
    fn windows_10_puts_a_bang_and_a_nul_into_a_printable_string() {
        let der = made(CsrForm::Windows10);
        let name = format!("\x13\x40{}!{ID}\0", &GUID[..30]);
        assert!(holds(&der, name.as_bytes()), "tag 13, 64 bytes");
        // 1.3.14.3.2.29 with NULL parameters.
        assert!(holds(
            &der,
            &[0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1d, 0x05, 0x00]
        ));
        assert!(!base64(CsrForm::Windows10, &der).contains('\n'));
    }

    #[test]
    fn windows_11_writes_utf8_and_lines_of_64() {
        let der = made(CsrForm::Windows11);
        let name = format!("\x0c\x3f{}!{ID}", &GUID[..30]);
        assert!(holds(&der, name.as_bytes()), "tag 0C, 63 bytes");
        assert!(holds(&der, EKU_CLIENT_AUTH));
        let text = base64(CsrForm::Windows11, &der);
        let longest = text.lines().map(str::len).max();
        assert_eq!((longest, text.ends_with('\n')), (Some(64), true));
    }

    #[test]
    fn both_hold_the_device_id_as_bare_text() {
        for form in [CsrForm::Windows10, CsrForm::Windows11] {
            let bare = format!("\x04\x21{ID}\0");
            assert!(holds(&made(form), bare.as_bytes()), "{form:?}");
        }
    }
}
