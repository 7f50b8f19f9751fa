//! Entity and character references (XML 1.0 §4.1): `&lt;`, `&#13;`, `&#xA0;`.

use std::borrow::Cow;

/// The meaning of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// One character.
    Character(char),
    /// An entity that is not predefined, with a well-formed name.
    Undefined,
    /// Not a reference, or one to a character that XML forbids.
    Malformed,
}

/// Returns the meaning of the reference with this name: `amp`, `#13`, `#xA0`.
pub(super) fn meaning(name: &str) -> Meaning {
    let character = match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => return numeric_or_named(name),
    };
    Meaning::Character(character)
}

/// Resolves the references in a text; undefined ones stay as written.
pub(super) fn resolve(text: Cow<'_, str>) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'&', text.as_bytes()) else {
        return text;
    };
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..first]);
    let mut rest = &text[first..];
    while let Some(at) = memchr::memchr(b'&', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = memchr::memchr(b';', rest.as_bytes());
        match end.map(|end| (end, meaning(&rest[1..end]))) {
            Some((end, Meaning::Character(character))) => {
                out.push(character);
                rest = &rest[end + 1..];
            }
            _ => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Whether XML 1.0 §2.2 allows this character in a document, directly or as a reference.
pub(crate) fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

fn numeric_or_named(name: &str) -> Meaning {
    let Some(digits) = name.strip_prefix('#') else {
        let named = super::name::is_name(name) && !name.contains(':');
        return if named {
            Meaning::Undefined
        } else {
            Meaning::Malformed
        };
    };
    let code = match digits.strip_prefix('x') {
        Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
            u32::from_str_radix(hex, 16).ok()
        }
        None if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok(),
        _ => None,
    };
    match code
        .and_then(char::from_u32)
        .filter(|&character| is_allowed(character))
    {
        Some(character) => Meaning::Character(character),
        None => Meaning::Malformed,
    }
}
