//! Security tokens that may be shown (WS-Security 1.0 §6.3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::dm::token::TokenKind;

/// The element with such a token.
pub(super) const BINARY: &str = "BinarySecurityToken";

/// Whether the text of a token may be shown as it is: a certificate, or a request for one, that looks like what it says
/// it is. Who holds any other gets in, or nobody knows what it is.
pub(super) fn is_public(kind: TokenKind, text: &[u8]) -> bool {
    let is_certificate = matches!(kind, TokenKind::Pkcs10 | TokenKind::Pkcs7 | TokenKind::X509);
    is_certificate && is_der(text)
}

/// Base64, with white space, of what begins as a SEQUENCE does (X.690 §8.9).
fn is_der(text: &[u8]) -> bool {
    let fits = |byte: &u8| {
        byte.is_ascii_alphanumeric() || b"+/=".contains(byte) || byte.is_ascii_whitespace()
    };
    let written = text.iter().filter(|byte| !byte.is_ascii_whitespace());
    let first: Vec<u8> = written.take(4).copied().collect();
    // Certificates and requests have more than 127 octets: a length of one or two more (0x81, 0x82).
    let begins = STANDARD_NO_PAD.decode(first);
    begins.is_ok_and(|octets| matches!(octets[..], [0x30, length, _] if length > 0x80))
        && text.iter().all(fits)
}
