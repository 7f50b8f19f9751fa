//! Secrets without a name: private keys, tokens, product and recovery keys, signed URIs, and base64 that contains a
//! secret.

use std::ops::Range;

use base64::Engine as _;
use memchr::memmem;

use super::head;
use crate::dm::token::LENIENT;

/// Adds the places of such secrets in a text. `inner` finds secrets in the decoded base64 of the text.
pub(super) fn places(
    text: &[u8],
    inner: impl Fn(&[u8]) -> Vec<Range<usize>>,
    places: &mut Vec<Range<usize>>,
) {
    private_keys(text, places);
    activation_codes(text, places);
    printed_keys(text, places);
    addresses(text, places);
    encoded(text, inner, places);
}

/// Finds `-----BEGIN … PRIVATE KEY-----` up to its end line.
fn private_keys(text: &[u8], places: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(at) = memmem::find(&text[from..], b"PRIVATE KEY-----") {
        let start = from + at + b"PRIVATE KEY-----".len();
        let end = memmem::find(&text[start..], b"-----END").map_or(text.len(), |len| start + len);
        places.push(start..end);
        from = memmem::find(&text[end..], b"KEY-----").map_or(text.len(), |len| end + len + 8);
    }
}

/// Finds the matching id in `LPA:1$server$matching-id` of an eSIM (GSMA SGP.22 §4.1).
fn activation_codes(text: &[u8], places: &mut Vec<Range<usize>>) {
    for dollar in memchr::memchr_iter(b'$', text) {
        let server = dollar + 1;
        if !text[..server].ends_with(b"LPA:1$") {
            continue;
        }
        let Some(len) = memchr::memchr(b'$', &text[server..]) else {
            continue;
        };
        let start = server + len + 1;
        let ends = |byte: &u8| matches!(byte, b'$' | b'"' | b'<' | b'&' | 0..=b' ');
        let len = text[start..].iter().position(ends);
        places.push(start..len.map_or(text.len(), |len| start + len));
    }
}

/// Finds product keys (five groups of five) and BitLocker recovery keys (eight groups of six digits).
fn printed_keys(text: &[u8], places: &mut Vec<Range<usize>>) {
    let mut done = 0;
    for dash in memchr::memchr_iter(b'-', text) {
        for (groups, length) in [(5, 5), (8, 6)] {
            let (Some(start), len) = (dash.checked_sub(length), groups * (length + 1) - 1) else {
                continue;
            };
            if start >= done && is_printed_key(text, start, len, length) {
                done = start + len;
                places.push(start..done);
            }
        }
    }
}

fn is_printed_key(text: &[u8], start: usize, len: usize, length: usize) -> bool {
    let part = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'-');
    let before = start.checked_sub(1).and_then(|at| text.get(at));
    let Some(key) = text.get(start..start + len) else {
        return false;
    };
    let is_right = |(at, byte): (usize, &u8)| match at % (length + 1) {
        place if place == length => *byte == b'-',
        _ if length == 6 => byte.is_ascii_digit(),
        _ => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
    };
    !part(before) && !part(text.get(start + len)) && key.iter().enumerate().all(is_right)
}

/// Finds values that sign a URI or name a session in its query or path: long values, and values with such a name.
fn addresses(text: &[u8], places: &mut Vec<Range<usize>>) {
    let colons = memchr::memchr_iter(b':', text);
    for scheme in colons.filter(|at| text[*at..].starts_with(b"://")) {
        let rest = &text[scheme..text.len().min(scheme + LONGEST_ADDRESS)];
        let ends = |byte: &u8| matches!(byte, b'"' | b'\'' | b'<' | b'>' | 0..=b' ');
        let len = rest.iter().position(ends).unwrap_or(rest.len());
        let address = &rest[..len];
        for place in head::signatures(address) {
            places.push(scheme + place.start..scheme + place.end);
        }
    }
}

/// How many bytes of a URI are searched.
const LONGEST_ADDRESS: usize = 4096;

/// Finds JSON web tokens, and base64 of a text that contains a secret.
fn encoded(
    text: &[u8],
    inner: impl Fn(&[u8]) -> Vec<Range<usize>>,
    places: &mut Vec<Range<usize>>,
) {
    let mut at = 0;
    // Consecutive lines of base64, and the end of the last one.
    let (mut lines, mut end): (Vec<Range<usize>>, usize) = (Vec::new(), 0);
    while at < text.len() {
        let run = text[at..]
            .iter()
            .take_while(|byte| in_base64(**byte))
            .count();
        let line = at..at + run;
        if run >= SHORTEST {
            let written = &text[line.clone()];
            if is_token(written) || holds_secret(written, &inner) {
                places.push(line.clone());
            }
        }
        if run > 0 {
            let gap = &text[end..at];
            let goes_on = gap.contains(&b'\n') && gap.iter().all(u8::is_ascii_whitespace);
            let is_full = |last: &Range<usize>| last.len() >= LINE.max(lines[0].len());
            if !goes_on || !lines.last().is_some_and(is_full) {
                in_lines(text, &lines, &inner, places);
                lines.clear();
            }
            end = line.end;
            lines.push(line);
        }
        at += run + 1;
    }
    in_lines(text, &lines, &inner, places);
}

/// Finds the same secrets in base64 that is split into lines (RFC 2045 §6.8).
fn in_lines(
    text: &[u8],
    lines: &[Range<usize>],
    inner: impl Fn(&[u8]) -> Vec<Range<usize>>,
    places: &mut Vec<Range<usize>>,
) {
    // The last line may be unrelated text below the base64.
    for lines in [lines, &lines[..lines.len().saturating_sub(1)]] {
        let [first, .., last] = lines else {
            return;
        };
        let written = lines.iter().map(|line| &text[line.clone()]);
        let written: Vec<u8> = written.flatten().copied().collect();
        if is_token(&written) || holds_secret(&written, &inner) {
            return places.push(first.start..last.end);
        }
    }
}

/// The shortest line of base64 that the next line can continue, in characters.
const LINE: usize = 32;

/// The shortest run that can hold a name and a value, in characters.
pub(super) const SHORTEST: usize = 16;

pub(super) fn in_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_' | b'.')
}

/// Returns whether a run is `header.body.signature` with a header that is base64 of `{"` (RFC 7519 §3), or the
/// encrypted form.
fn is_token(run: &[u8]) -> bool {
    // `name=token` is one run.
    let from = run
        .iter()
        .rposition(|byte| *byte == b'=')
        .map_or(0, |at| at + 1);
    let mut parts = run[from..].split(|byte| *byte == b'.');
    let header = parts.next().unwrap_or_default();
    header.starts_with(b"eyJ") && header.len() > 8 && parts.next().is_some_and(|p| p.len() > 1)
}

fn holds_secret(run: &[u8], inner: impl Fn(&[u8]) -> Vec<Range<usize>>) -> bool {
    let trimmed = run.strip_suffix(b".").unwrap_or(run);
    let standard = |bytes: &[u8]| -> Vec<u8> {
        let digits = bytes.iter().map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            byte => *byte,
        });
        digits.collect()
    };
    let is_text = |bytes: &[u8]| {
        let odd = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r' | 0);
        !bytes.iter().any(odd)
    };
    // The first bytes show whether this can be text.
    let first = standard(trimmed.get(..SHORTEST).unwrap_or_default());
    if !LENIENT.decode(first).is_ok_and(|bytes| is_text(&bytes)) {
        return false;
    }
    let plain = standard(trimmed);
    let Ok(mut decoded) = LENIENT.decode(&plain) else {
        return false;
    };
    // UTF-16 of ASCII letters, the usual form of encoded scripts.
    decoded.retain(|byte| *byte != 0);
    std::str::from_utf8(&decoded).is_ok() && is_text(&decoded) && !inner(&decoded).is_empty()
}
