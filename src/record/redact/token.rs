//! Security tokens that may be shown (WS-Security 1.0 §6.3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::dm::token::TokenKind;

/// The name of the element with a binary security token.
pub(super) const BINARY: &str = "BinarySecurityToken";

/// Returns whether the text of a token may be shown: a certificate, or a request for one, whose content fits its
/// declared type. Any other token may give access to its holder.
pub(super) fn is_public(kind: TokenKind, text: &[u8]) -> bool {
    let is_certificate = matches!(kind, TokenKind::Pkcs10 | TokenKind::Pkcs7 | TokenKind::X509);
    is_certificate && is_der(text)
}

/// Returns whether a text is base64, possibly with white space, of octets that begin like a SEQUENCE (X.690 §8.9).
fn is_der(text: &[u8]) -> bool {
    let fits = |byte: &u8| {
        byte.is_ascii_alphanumeric() || b"+/=".contains(byte) || byte.is_ascii_whitespace()
    };
    let written = text.iter().filter(|byte| !byte.is_ascii_whitespace());
    let first: Vec<u8> = written.take(4).copied().collect();
    // Certificates and requests have more than 127 octets, so one or two length octets follow (0x81, 0x82).
    let begins = STANDARD_NO_PAD.decode(first);
    begins.is_ok_and(|octets| matches!(octets[..], [0x30, length, _] if length > 0x80))
        && text.iter().all(fits)
}
