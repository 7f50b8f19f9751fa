//! Addresses in pages, and the ways in which their characters are written.

use std::borrow::Cow;

use memchr::memchr;

use crate::flow::origin::Scheme;

/// An address in a page.
pub(super) struct Address<'p> {
    /// The offset of the address in the page.
    pub(super) start: usize,
    /// The URL.
    pub(super) url: Cow<'p, str>,
    /// Where what each byte of the URL is written as ends, from the start; empty if the URL is written as it is.
    pub(super) ends: Vec<usize>,
}

impl Address<'_> {
    /// Returns the length in the page of the first bytes of the URL.
    pub(super) fn written(&self, length: usize) -> usize {
        let last = length.checked_sub(1);
        let end = last.and_then(|last| self.ends.get(last));
        end.copied().unwrap_or(length)
    }
}

/// Returns a URL that is written without its scheme, or with character references or escapes of JavaScript, and where
/// what each of its bytes is written as ends.
pub(super) fn respelled(text: &[u8], scheme: Scheme) -> Option<(String, Vec<usize>)> {
    let (first, _) = spelled(text);
    if !matches!(first, b'h' | b'H' | b'/') {
        return None;
    }
    let (mut url, mut ends, mut at) = (String::new(), Vec::new(), 0);
    while at < text.len().min(LONGEST_ORIGIN) {
        let (byte, length) = spelled(&text[at..]);
        if ends_url(byte) {
            break;
        }
        at += length;
        url.push(char::from(byte));
        ends.push(at);
    }
    let is_relative = url.starts_with("//");
    if !is_relative && at == url.len() {
        return None;
    }
    if is_relative {
        let scheme = format!("{}:", scheme.name());
        url.insert_str(0, &scheme);
        ends.splice(0..0, scheme.bytes().map(|_| 0));
    }
    Some((url, ends))
}

/// Returns the byte that a text begins with, and the length of what it is written as: `&#x2f;` in HTML, `\/` in
/// JavaScript.
fn spelled(text: &[u8]) -> (u8, usize) {
    let plain = (text.first().copied().unwrap_or_default(), 1);
    if text.starts_with(b"\\/") {
        return (b'/', 2);
    }
    let name = text.strip_prefix(b"&").unwrap_or_default();
    let name = &name[..name.len().min(LONGEST_REFERENCE)];
    let end = memchr(b';', name).unwrap_or_default();
    let Ok(name) = std::str::from_utf8(&name[..end]) else {
        return plain;
    };
    let byte = match name {
        "sol" => Some(b'/'),
        "colon" => Some(b':'),
        "period" => Some(b'.'),
        _ => match name.strip_prefix("#x").or(name.strip_prefix("#X")) {
            Some(hex) => u8::from_str_radix(hex, 16).ok(),
            None => name
                .strip_prefix('#')
                .and_then(|number| number.parse().ok()),
        },
    };
    byte.map_or(plain, |byte| (byte, name.len() + 2))
}

/// Whether a byte cannot be a part of a URL in a page.
pub(super) fn ends_url(byte: u8) -> bool {
    !byte.is_ascii_graphic() || b"\"'<>()\\".contains(&byte)
}

/// The most bytes of an origin that is written otherwise: scheme, name and port, with each byte as a reference.
const LONGEST_ORIGIN: usize = 512;
/// The most bytes of a character reference behind its `&`.
const LONGEST_REFERENCE: usize = 8;
