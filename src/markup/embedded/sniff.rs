//! A guess from the first bytes of a text whether it is a document: almost none is.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bytes::Bytes;

use crate::markup::xml::is_white;
use crate::markup::{Kind, Text, wbxml};

/// The probable content of a text.
pub(super) enum Content {
    /// None of the others.
    Ordinary,
    /// Octets that begin like XML.
    Markup,
    /// Octets that begin with a WBXML header.
    Binary,
    /// Base64 of octets that begin like one of these.
    Base64(Bytes),
}

/// Whether a text is white space only.
pub(super) fn is_blank(text: Text<'_>) -> bool {
    match text.kind() {
        Kind::Text if !text.document().is_wbxml() => {
            written(text).iter().all(|byte| is_white(*byte))
        }
        Kind::Opaque => false,
        _ => text.value().bytes().all(is_white),
    }
}

/// Whether the first bytes rule out that a text is a document, without reading the rest.
pub(super) fn is_ordinary(text: Text<'_>) -> bool {
    let bytes = written(text);
    let start = match (text.kind(), text.document().is_wbxml()) {
        (Kind::Text, false) => return !(is_escaped_less(bytes) || begins_base64(bytes)),
        (Kind::Cdata, _) => crate::markup::xml::CDATA_OPEN.len(),
        // The content begins after the token. STR_T and ENTITY do not show theirs here; they are rare.
        (Kind::Text, true) if bytes.first() != Some(&wbxml::token::STR_I) => return false,
        (Kind::Text, true) => 1,
        _ => {
            let octets = text.octets();
            return !(begins_markup(&octets)
                || wbxml::looks_like(&octets)
                || begins_base64(&octets));
        }
    };
    let bytes = bytes.get(start..).unwrap_or_default();
    !(begins_markup(bytes) || begins_base64(bytes))
}

/// Classifies the octets of a text without decoding a document.
pub(super) fn content(octets: &Bytes) -> Content {
    if begins_markup(octets) {
        return Content::Markup;
    }
    if begins_wbxml(octets) {
        return Content::Binary;
    }
    if !begins_base64(octets) {
        return Content::Ordinary;
    }
    match unwrap_base64(octets) {
        Some(inner) if begins_markup(&inner) || begins_wbxml(&inner) => Content::Base64(inner),
        _ => Content::Ordinary,
    }
}

/// Decodes base64 in the standard alphabet, with any line breaks, with or without padding.
fn unwrap_base64(octets: &[u8]) -> Option<Bytes> {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    if !octets.iter().all(|byte| fits(byte) || is_white(*byte)) {
        return None;
    }
    let packed: Vec<u8> = octets
        .iter()
        .copied()
        .filter(|byte| !is_white(*byte))
        .collect();
    if packed.len() < LEAST_BASE64 {
        return None;
    }
    let decoded = STANDARD
        .decode(&packed)
        .or_else(|_| STANDARD_NO_PAD.decode(&packed))
        .ok()?;
    Some(decoded.into())
}

/// Whether the bytes begin with `<` and a byte that may follow it, after white space or a byte order mark.
fn begins_markup(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let start = bytes.iter().position(|byte| !is_white(*byte));
    match start.and_then(|start| bytes.get(start..start + 2)) {
        Some([b'<', next]) => {
            next.is_ascii_alphabetic() || matches!(next, b'?' | b'!' | b'_' | 0x80..)
        }
        _ => false,
    }
}

/// Whether the bytes begin with a whole WBXML header of a version that SyncML uses.
fn begins_wbxml(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(0x01..=0x03)) && wbxml::looks_like(bytes)
}

/// Whether XML text begins with a reference that may stand for `<`.
fn is_escaped_less(written: &[u8]) -> bool {
    let start = written.iter().position(|byte| !is_white(*byte));
    let rest = &written[start.unwrap_or(written.len())..];
    rest.starts_with(b"&lt;") || rest.starts_with(b"&#")
}

/// Whether the first four characters that are not white space are base64 of the beginning of XML or WBXML.
fn begins_base64(bytes: &[u8]) -> bool {
    let mut first = [0; 4];
    let mut packed = bytes.iter().filter(|byte| !is_white(**byte));
    for place in &mut first {
        let Some(byte) = packed.next() else {
            return false;
        };
        *place = *byte;
    }
    // The first characters for WBXML, a byte order mark, `<` and white space. Nearly all texts differ here.
    if !matches!(first[0], b'A' | b'7' | b'P' | b'C' | b'D' | b'I') {
        return false;
    }
    let mut octets = [0; 3];
    let decoded = STANDARD_NO_PAD.decode_slice(first, &mut octets).is_ok();
    let begins = matches!(octets, [0x01..=0x03, ..] | [0xEF, 0xBB, 0xBF]);
    decoded && (begins || octets.iter().find(|&byte| !is_white(*byte)) == Some(&b'<'))
}

fn written(text: Text<'_>) -> &[u8] {
    text.span().of(text.document().source())
}

/// The fewest base64 characters to decode: the smallest WBXML message has more.
const LEAST_BASE64: usize = 12;
