//! Text as XML writes it: escaped, or in CDATA sections.

use super::reference::is_allowed;
use super::{CDATA_CLOSE, CDATA_OPEN, Charset};

/// Writes `text` as character data. A carriage return becomes a reference, for readers turn a bare one into a
/// line feed (XML 1.0 §2.11).
///
/// # Errors
/// The first character that XML cannot hold.
pub(crate) fn text(out: &mut Vec<u8>, text: &str, charset: Charset) -> Result<(), char> {
    escaped(out, text, charset, |c| match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '\r' => Some("&#13;"),
        _ => None,
    })
}

/// Writes `value` as it stands between two `quote`s, white space other than blanks by reference
/// (XML 1.0 §3.3.3).
///
/// # Errors
/// The first character that XML cannot hold.
pub(crate) fn attribute(
    out: &mut Vec<u8>,
    value: &str,
    quote: u8,
    charset: Charset,
) -> Result<(), char> {
    escaped(out, value, charset, |c| match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '"' if quote == b'"' => Some("&quot;"),
        '\'' if quote == b'\'' => Some("&apos;"),
        '\r' => Some("&#13;"),
        '\n' => Some("&#10;"),
        '\t' => Some("&#9;"),
        _ => None,
    })
}

/// Writes `text` in CDATA sections, a new one in the middle of each `]]>`; escaped where CDATA cannot hold it,
/// which has no references.
///
/// # Errors
/// The first character that XML cannot hold.
pub(crate) fn cdata(out: &mut Vec<u8>, characters: &str, charset: Charset) -> Result<(), char> {
    if characters.chars().any(|c| c == '\r' || !charset.holds(c)) {
        return text(out, characters, charset);
    }
    out.extend_from_slice(CDATA_OPEN.as_bytes());
    let split = characters.replace(CDATA_CLOSE, "]]]]><![CDATA[>");
    escaped(out, &split, charset, |_| None)?;
    out.extend_from_slice(CDATA_CLOSE.as_bytes());
    Ok(())
}

fn escaped(
    out: &mut Vec<u8>,
    text: &str,
    charset: Charset,
    reference: impl Fn(char) -> Option<&'static str>,
) -> Result<(), char> {
    out.reserve(text.len());
    for character in text.chars() {
        if !is_allowed(character) {
            return Err(character);
        }
        match reference(character) {
            Some(reference) => out.extend_from_slice(reference.as_bytes()),
            None if charset.holds(character) => charset.write(out, character),
            None => {
                let number = format!("&#x{:X};", u32::from(character));
                out.extend_from_slice(number.as_bytes());
            }
        }
    }
    Ok(())
}
