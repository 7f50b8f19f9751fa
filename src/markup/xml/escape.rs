//! Text in XML syntax: escaped, or in CDATA sections.

use super::reference::is_allowed;
use super::{CDATA_CLOSE, CDATA_OPEN, Charset};

/// Writes `text` as character data. A carriage return becomes a reference, since readers turn a bare one into a line
/// feed (XML 1.0 §2.11).
///
/// # Errors
/// The first character that XML cannot hold.
pub(crate) fn text(out: &mut Vec<u8>, text: &str, charset: Charset) -> Result<(), char> {
    escaped(out, text, charset, &IN_TEXT)
}

/// Writes `value` as it appears between two `quote`s. White space other than blanks becomes references (XML 1.0
/// §3.3.3).
///
/// # Errors
/// The first character that XML cannot hold.
pub(crate) fn attribute(
    out: &mut Vec<u8>,
    value: &str,
    quote: u8,
    charset: Charset,
) -> Result<(), char> {
    let plain = match quote {
        b'"' => &IN_DOUBLE_QUOTES,
        _ => &IN_SINGLE_QUOTES,
    };
    escaped(out, value, charset, plain)
}

/// Writes `text` in CDATA sections, with a section break in each `]]>`. If CDATA cannot hold it, since CDATA has no
/// references, writes escaped text instead.
///
/// # Errors
/// The first character that XML cannot hold.
pub(crate) fn cdata(out: &mut Vec<u8>, characters: &str, charset: Charset) -> Result<(), char> {
    if characters.chars().any(|c| c == '\r' || !charset.has(c)) {
        return text(out, characters, charset);
    }
    out.extend_from_slice(CDATA_OPEN.as_bytes());
    let split = characters.replace(CDATA_CLOSE, "]]]]><![CDATA[>");
    escaped(out, &split, charset, &IN_CDATA)?;
    out.extend_from_slice(CDATA_CLOSE.as_bytes());
    Ok(())
}

/// Copies runs of bytes that `plain` allows, and writes the characters between them with [`special`].
fn escaped(
    out: &mut Vec<u8>,
    text: &str,
    charset: Charset,
    plain: &[bool; 256],
) -> Result<(), char> {
    out.reserve(text.len());
    let is_utf8 = charset == Charset::Utf8;
    let stands = |byte: &u8| plain[usize::from(*byte)] && (is_utf8 || byte.is_ascii());
    let mut rest = text;
    loop {
        let run = rest.bytes().position(|byte| !stands(&byte));
        let run = run.unwrap_or(rest.len());
        out.extend_from_slice(&rest.as_bytes()[..run]);
        let mut characters = rest[run..].chars();
        let Some(character) = characters.next() else {
            return Ok(());
        };
        special(out, character, charset)?;
        rest = characters.as_str();
    }
}

/// Writes a character, as a reference if necessary.
fn special(out: &mut Vec<u8>, character: char, charset: Charset) -> Result<(), char> {
    let reference = match character {
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        '"' => "&quot;",
        '\'' => "&apos;",
        '\r' => "&#13;",
        '\n' => "&#10;",
        '\t' => "&#9;",
        _ if !is_allowed(character) => return Err(character),
        _ if charset.has(character) => {
            charset.write(out, character.encode_utf8(&mut [0; 4]));
            return Ok(());
        }
        _ => &format!("&#x{:X};", u32::from(character)),
    };
    out.extend_from_slice(reference.as_bytes());
    Ok(())
}

static IN_TEXT: [bool; 256] = all_but(b"&<>\r");
static IN_DOUBLE_QUOTES: [bool; 256] = all_but(b"&<\"\r\n\t");
static IN_SINGLE_QUOTES: [bool; 256] = all_but(b"&<'\r\n\t");
static IN_CDATA: [bool; 256] = all_but(b"");

/// Returns the bytes of UTF-8 that are copied as they are: all except the given ones, control characters, and the first
/// byte of the forbidden U+FFFE and U+FFFF.
const fn all_but(special: &[u8]) -> [bool; 256] {
    let mut plain = [true; 256];
    let mut control = 0;
    while control < b' ' {
        plain[control as usize] = matches!(control, b'\t' | b'\n' | b'\r');
        control += 1;
    }
    let mut at = 0;
    while at < special.len() {
        plain[special[at] as usize] = false;
        at += 1;
    }
    plain[0xEF] = false;
    plain
}
