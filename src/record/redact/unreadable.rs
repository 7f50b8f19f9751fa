//! Bodies that cannot be examined: broken WBXML, and bytes that are neither markup nor text in UTF-8 (UTF-16, compressed
//! bytes, images). Their content is not shown.

use super::source_mapped_text::number;
use crate::markup::wbxml::token::{
    ENTITY, EXT_I_0, EXT_I_2, EXT_T_0, LITERAL, LITERAL_A, LITERAL_AC, LITERAL_C, OPAQUE, STR_I,
};
use crate::markup::{self, Hint, Limits, wbxml};

/// Returns whether secrets cannot be found by their looks in this body.
pub(super) fn is_unreadable(body: &[u8]) -> bool {
    !is_text(body) || wbxml::looks_like(body)
}

/// Whether a body is markup in whatever bytes, or text in UTF-8, of which the last character may be cut. Compressed bytes
/// of a short text may be UTF-8, too, but then they have control characters, and they do not begin as markup.
fn is_text(body: &[u8]) -> bool {
    let start = body.trim_ascii_start();
    let start = &start[..start.len().min(MARKUP_START)];
    let is_printable = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    if start.starts_with(b"<") && start.len() == MARKUP_START && start.iter().all(is_printable) {
        return true;
    }
    let is_utf8 = std::str::from_utf8(body).map_or_else(|end| end.error_len().is_none(), |_| true);
    let is_control = |byte: &u8| byte.is_ascii_control() && !b"\t\n\r\x0C".contains(byte);
    is_utf8 && !body.iter().any(is_control)
}

/// Masks all that may be a secret in a body. In WBXML these are the strings and octets up to the error, and everything
/// after it; in any other body it is everything.
pub(super) fn hidden(body: &[u8]) -> Vec<u8> {
    let mut hidden = body.to_vec();
    let from = match wbxml::looks_like(body) {
        true => strings(&mut hidden),
        false => 0,
    };
    if let Some(rest) = hidden.get_mut(from..) {
        rest.fill(b'*');
    }
    hidden
}

/// Masks strings and octets. Returns the offset up to which the body can be read.
fn strings(body: &mut [u8]) -> usize {
    let source = bytes::Bytes::copy_from_slice(body);
    let readable = match markup::decode(source, Hint::default(), &Limits::default()) {
        Err(error) => (error.at as usize).min(body.len()),
        Ok(_) => body.len(),
    };
    let Some(start) = header(body).filter(|start| *start <= readable) else {
        return SHORTEST_HEADER.min(readable);
    };
    let mut at = start;
    while at < readable {
        let (from, end) = match body[at] {
            // STR_I and EXT_I end at a NUL (WBXML 1.3 §5.8.4).
            STR_I | EXT_I_0..=EXT_I_2 => {
                let len = memchr::memchr(0, &body[at + 1..]);
                let Some(end) = len.map(|len| at + 1 + len) else {
                    return at;
                };
                (at + 1, end)
            }
            OPAQUE => {
                let (len, from) = number(body, at + 1);
                (from, from.saturating_add(len))
            }
            ENTITY | LITERAL | LITERAL_C | EXT_T_0..=LITERAL_A | LITERAL_AC => {
                at = number(body, at + 1).1;
                continue;
            }
            _ => {
                at += 1;
                continue;
            }
        };
        let end = end.min(body.len());
        let Some(octets) = body.get_mut(from..end) else {
            return at;
        };
        octets.fill(b'*');
        at = end;
    }
    readable.max(at)
}

/// The number of bytes that distinguish markup from compressed bytes.
const MARKUP_START: usize = 24;

/// The length of version, public identifier and charset, which stay if nothing more can be read.
const SHORTEST_HEADER: usize = 3;

/// Masks the string table, because strings of the body may be in it, and returns its end.
fn header(body: &mut [u8]) -> Option<usize> {
    let (public_id, mut at) = number(body, 1);
    if public_id == 0 {
        at = number(body, at).1;
    }
    if *body.first()? > 0 {
        at = number(body, at).1;
    }
    let (len, from) = number(body, at);
    let end = from.checked_add(len).filter(|end| *end <= body.len())?;
    for byte in &mut body[from..end] {
        // The NULs between the strings stay.
        if *byte != 0 {
            *byte = b'*';
        }
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_examined_is_not_shown() {
        let check = |body: &[u8], shown: &[u8]| {
            assert!(is_unreadable(body), "{body:?}");
            let hidden = hidden(body);
            assert_eq!(hidden.len(), body.len());
            assert!(
                memchr::memmem::find(&hidden, b"SECRET").is_none(),
                "{hidden:?}"
            );
            assert!(hidden.starts_with(shown), "{hidden:?}");
        };
        let torn =
            b"\x02\xA4\x01\x6A\0\x6D\x6C\x4E\x5A\0\x01\x53\x03SECRET\0\x01\x4F\x03SECRET\0\x01";
        let shown =
            b"\x02\xA4\x01\x6A\0\x6D\x6C\x4E\x5A\0\x01\x53\x03******\0\x01\x4F\x03******\0\x01";
        check(torn, shown);
        for len in torn.len() - 9..torn.len() {
            check(&torn[..len], &shown[..17]);
        }
        check(
            b"\x02\xA4\x01\x6A\0\x6D\x4F\xC3\x06SECRET\x01",
            b"\x02\xA4\x01\x6A\0\x6D\x4F\xC3\x06******",
        );
        check(
            b"\x02\xA4\x01\x6A\0\x6D\x4F\xC3\x02SECRET\x01",
            b"\x02\xA4\x01\x6A\0\x6D\x4F",
        );
        check(
            b"\x02\xA4\x01\x6A\x07SECRET\0\x6D\x4F\x83\0",
            b"\x02\xA4\x01\x6A\x07******\0",
        );
        check(b"\x02\xFFSECRET", b"\x02");
        check(b"\x1F\x8BSECRET", b"**");
        check(b"\xFF\xFE<\0S\0SECRET", b"**");
        // zlib, raw deflate and Brotli that store the text as it is, and zlib that compresses it.
        check(b"\x78\x01\x01\x06\0\xF9\xFFSECRET\x06\xF6\x01\xC6", b"**");
        check(b"\x01\x06\0\xF9\xFFSECRET", b"");
        check(b"\x0B\x02\x80SECRET\x03", b"**");
        check(b"\x78\x5E\x0B\x01SECRET", b"**");
    }

    #[test]
    fn text_is_examined_even_if_its_last_character_is_cut() {
        let text = "<a>\r\n\té</a>é".as_bytes();
        assert!(!is_unreadable(text) && !is_unreadable(&text[..text.len() - 1]));
    }

    #[test]
    fn markup_is_examined_whatever_bytes_are_in_it() {
        let markup = b"<SyncML><SyncBody><Data>caf\xE9 \x01</Data>";
        assert!(!is_unreadable(markup));
        assert!(is_unreadable(
            b"<\x01\xE9><SyncBody><Data>caf\xE9 \x01</Data>"
        ));
    }
}
