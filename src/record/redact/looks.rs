//! Secrets in bodies that did not decode, found by their looks: what is broken cannot be read reliably.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memmem, memrchr};

use super::head;
use crate::markup::wbxml;

/// A body that did not decode, or was not tried, with what looks like a secret filled with asterisks.
pub(super) fn by_looks(body: &[u8]) -> Cow<'_, [u8]> {
    let mut masked = Cow::Borrowed(body);
    let mut fill = |range: Range<usize>| {
        if !range.is_empty() {
            masked.to_mut()[range].fill(b'*');
        }
    };
    if wbxml::looks_like(body) {
        for (holder, tag) in TOKENS {
            for at in memmem::find_iter(body, holder) {
                fill(behind_token(body, at, tag));
            }
        }
    }
    for name in NAMES {
        let openings = memmem::find_iter(body, name).filter(|at| !in_end_tag(body, *at));
        for at in openings {
            let from = at + name.len();
            fill(match name.last() {
                Some(b'=') => from..from + head::end_of_field(&body[from..]),
                _ => behind_tag(body, from),
            });
        }
    }
    masked
}

/// Names in front of a secret; one that ends in `=` is a field of a form.
const NAMES: [&[u8]; 10] = [
    b"<Cred",
    b":Cred",
    b"NextNonce",
    b"Password",
    b"BinarySecurityToken",
    b"EnrollmentData",
    b"AAUTHSECRET",
    b"AAUTHDATA",
    b"AADUserToken",
    b"wresult=",
];

/// WBXML: the tag in front of a secret, and the tag that holds it (Cred and its Data, NextNonce).
const TOKENS: [(&[u8], &[u8]); 3] = [
    (b"\x4E", b"\x4F"),
    (b"\x50", b""),
    (b"AADUserToken", b"\x4F"),
];

/// The string or opaque data behind the next `tag`.
fn behind_token(body: &[u8], at: usize, tag: &[u8]) -> Range<usize> {
    let near = &body[at + 1..body.len().min(at + NEAR)];
    let inline = [tag, b"\x03"].concat();
    let opaque = [tag, b"\xC3"].concat();
    let find = |pattern: &[u8]| match tag {
        b"" => near.starts_with(pattern).then_some(0),
        _ => memmem::find(near, pattern),
    };
    let start = |found: usize| at + 1 + found + inline.len();
    match (find(&inline), find(&opaque)) {
        (Some(found), other) if other.is_none_or(|other| found < other) => {
            let start = start(found);
            start..memchr(0, &body[start..]).map_or(body.len(), |len| start + len)
        }
        (_, Some(found)) => {
            let start = start(found);
            let len = body.get(start).map_or(0, |len| usize::from(*len));
            start + 1..(start + 1 + len).min(body.len()).max(start + 1)
        }
        _ => 0..0,
    }
}

/// The text of this tag; where it has none, that of the Data or Value, or the attribute value, that follows.
fn behind_tag(body: &[u8], from: usize) -> Range<usize> {
    let near = &body[from..body.len().min(from + NEAR)];
    let behind = |what: &[u8]| memmem::find(near, what).map(|at| at + what.len());
    let has_text = |at: &usize| near.get(*at).is_some_and(|b| !b"<\r\n\t ".contains(b));
    let tag_end = behind(b">");
    let value = behind(b"value=\"").filter(|at| tag_end.is_none_or(|end| *at < end));
    let start = value.or_else(|| tag_end.filter(has_text));
    let start = start.or_else(|| behind(b"Data>"));
    let Some(start) = start.or_else(|| behind(b"Value>")).map(|at| from + at) else {
        return 0..0;
    };
    let ends = |byte: &u8| matches!(byte, b'<' | b'"' | 0);
    let len = body[start..].iter().position(ends);
    start..len.map_or(body.len(), |len| start + len)
}

fn in_end_tag(body: &[u8], at: usize) -> bool {
    let open = memrchr(b'<', &body[..=at]);
    open.is_some_and(|open| {
        body.get(open + 1) == Some(&b'/') && memchr(b'>', &body[open..at]).is_none()
    })
}

/// How far behind its name a secret begins at most, in bytes.
const NEAR: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_filled_in_bodies_that_are_broken() {
        let check = |body: &str| {
            let masked = by_looks(body.as_bytes());
            let masked = String::from_utf8_lossy(&masked);
            assert!(!masked.contains("SECRET1"), "{body} gave {masked}");
            assert!(masked.contains("kept"), "{body} gave {masked}");
            assert_eq!(masked.len(), body.len(), "{body}");
        };
        check("<SyncML><Cred><Meta><Type>a</Type></Meta><Data>SECRET1</Data></Cred>kept");
        check("<x:Cred>\n <Data>SECRET1</Data></x:Cred><a>kept");
        check("<NextNonce>SECRET1</NextNonce></Meta></Chal><Data>kept</Data>");
        check("<wsse:Password Type=\"PasswordText\">SECRET1</wsse:Password>kept");
        check("<BinarySecurityToken ValueType=\"a\">SECRET1</BinarySecurityToken>kept");
        check("<ContextItem Name=\"EnrollmentData\"><Value>SECRET1</Value>kept");
        check("<parm name=\"AAUTHSECRET\" value=\"SECRET1\"/>kept");
        check("<Type>com.microsoft/MDM/AADUserToken</Type></Meta><Data>SECRET1</Data>kept");
        check("wresult=SECRET1&kept=1");
        check("\x02\0\0\x6A\0\x6D\x6C\x4E\x5A\0\x01\x53\x03a\0\x01\0\0\x4F\x03SECRET1\0\x01kept");
        check("\x02\0\0\x6A\0\x6D\x6C\x49\x5A\0\x01\x50\x03SECRET1\0\x01kept");
    }
}
