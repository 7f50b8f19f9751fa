//! Security tokens: their ValueType says whether they are to be seen (WS-Security 1.0 §6.3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// What a BinarySecurityToken is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A certificate or a request for one: everybody may see it.
    Public,
    /// A provisioning document, which may have secrets in it.
    Provisioning,
    /// Who holds it gets in; or nobody knows what it is.
    Secret,
}

/// The element with such a token.
pub(super) const BINARY: &str = "BinarySecurityToken";

impl Token {
    /// What a ValueType stands for: its fragment, otherwise its last segment. An unknown one is taken for a secret.
    pub(super) fn of(value_type: &[u8]) -> Self {
        let is_end = |byte: &u8| matches!(byte, b'#' | b'/' | b':');
        let value_type = value_type.trim_ascii();
        let last = value_type.rsplit(is_end).next().unwrap_or_default();
        let is = |known: &&str| known.as_bytes().eq_ignore_ascii_case(last);
        match () {
            () if PUBLIC.iter().any(is) => Self::Public,
            () if is(&"DeviceEnrollmentProvisionDoc") => Self::Provisioning,
            () => Self::Secret,
        }
    }

    /// Whether the text of a token may be shown as it is: it has to look like what it says it is.
    pub(super) fn shows(self, text: &[u8]) -> bool {
        self == Self::Public && is_der(text)
    }
}

/// Base64, with white space, of what begins as a SEQUENCE does (X.690 §8.9).
fn is_der(text: &[u8]) -> bool {
    let fits = |byte: &u8| {
        byte.is_ascii_alphanumeric() || b"+/=".contains(byte) || byte.is_ascii_whitespace()
    };
    let mut written = text.iter().filter(|byte| !byte.is_ascii_whitespace());
    let mut first = [b'A'; 4];
    for place in &mut first {
        let Some(byte) = written.next() else {
            return false;
        };
        *place = *byte;
    }
    let mut octets = [0; 3];
    let decoded = STANDARD_NO_PAD.decode_slice(first, &mut octets).is_ok();
    // Certificates and requests have more than 127 octets: a length of one or two more (0x81, 0x82).
    decoded && octets[0] == 0x30 && octets[1] > 0x80 && text.iter().all(fits)
}

/// Requests for certificates (MS-WSTEP, MS-MDE2), and the forms of a certificate (X.509 Certificate Token Profile 1.1).
const PUBLIC: [&str; 6] = [
    "PKCS10",
    "PKCS7",
    "X509",
    "X509v1",
    "X509v3",
    "X509PKIPathv1",
];
