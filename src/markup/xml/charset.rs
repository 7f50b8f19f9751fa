//! The charset of an XML source, and its characters for the tokeniser.

use std::borrow::Cow;

use crate::markup::charset::is_wide;
use crate::markup::{Charset, DecodeError, DecodeErrorKind, Flag, FlagKind, Hint};

/// Determines the charset of a source from its byte order mark, the transport and the declaration, in that order (RFC
/// 7303 §3).
pub(super) fn detect(
    source: &[u8],
    hint: Hint<'_>,
    flags: &mut Vec<Flag>,
) -> Result<Charset, DecodeError> {
    if let Some(wide) = wide_charset(source) {
        return Err(DecodeError::charset(0, wide));
    }
    let declared = declared(source);
    if source.starts_with(BOM) {
        return Ok(Charset::Utf8);
    }
    let named = match (hint.charset, declared) {
        (Some(transport), Some((at, name))) => {
            if Charset::of_name(transport) != Charset::of_name(name) {
                let why = format!("the transport says charset {transport}, the document {name}");
                flags.push(Flag {
                    at: at as u32,
                    kind: FlagKind::Other(why),
                });
            }
            Some((at, transport))
        }
        (Some(transport), None) => Some((0, transport)),
        (None, declared) => declared,
    };
    let Some((at, name)) = named else {
        return Ok(Charset::Utf8);
    };
    if let Some(charset) = Charset::of_name(name) {
        return Ok(charset);
    }
    // The label says 16 bits, but the bytes are UTF-8: the text was converted without changing the label.
    if is_wide(name) && std::str::from_utf8(source).is_ok() {
        flags.push(Flag {
            at: at as u32,
            kind: FlagKind::Other(format!("declared as {name}, but is UTF-8")),
        });
        return Ok(Charset::Utf8);
    }
    Err(DecodeError::charset(at, name))
}

/// Returns the characters of the source for the tokeniser, with the same offsets. In ISO-8859-1 a letter replaces each
/// byte beyond ASCII, which makes no difference to the tokeniser.
pub(super) fn shadow<'s>(
    source: &'s [u8],
    charset: Charset,
    flags: &mut Vec<Flag>,
) -> Result<Cow<'s, str>, DecodeError> {
    let checked = std::str::from_utf8(source);
    match (charset, checked) {
        (Charset::Utf8, Ok(text)) => Ok(Cow::Borrowed(text)),
        (Charset::Ascii, Ok(text)) => {
            if let Some(at) = source.iter().position(|byte| !byte.is_ascii()) {
                let why = "declared as US-ASCII, but is UTF-8".into();
                flags.push(Flag {
                    at: at as u32,
                    kind: FlagKind::Other(why),
                });
            }
            Ok(Cow::Borrowed(text))
        }
        (Charset::Latin1, Ok(text)) if source.is_ascii() => Ok(Cow::Borrowed(text)),
        (Charset::Latin1, _) => Ok(source
            .iter()
            .map(|&b| if b.is_ascii() { char::from(b) } else { 'x' })
            .collect()),
        (_, Err(error)) => {
            let kind = DecodeErrorKind::Xml("this is not valid UTF-8".into());
            Err(DecodeError {
                at: error.valid_up_to() as u32,
                kind,
            })
        }
    }
}

/// Finds the first character that XML 1.0 forbids everywhere (§2.2).
pub(super) fn forbidden(source: &[u8], charset: Charset) -> Option<DecodeError> {
    let control = |byte: u8| byte < 0x20 && byte != b'\t' && byte != b'\n' && byte != b'\r';
    for (at, block) in source.chunks(256).enumerate() {
        if block
            .iter()
            .fold(false, |found, &byte| found | control(byte))
        {
            let at = at * 256 + block.iter().position(|&byte| control(byte))?;
            return Some(forbidden_at(at, u32::from(source[at])));
        }
    }
    if charset == Charset::Latin1 || source.is_ascii() {
        return None;
    }
    memchr::memmem::find_iter(source, b"\xEF\xBF").find_map(|at| match source.get(at + 2) {
        Some(0xBE) => Some(forbidden_at(at, 0xFFFE)),
        Some(0xBF) => Some(forbidden_at(at, 0xFFFF)),
        _ => None,
    })
}

pub(super) const BOM: &[u8] = b"\xEF\xBB\xBF";

fn forbidden_at(at: usize, code: u32) -> DecodeError {
    let why = format!("the character U+{code:04X} is not allowed in XML");
    DecodeError {
        at: at as u32,
        kind: DecodeErrorKind::Xml(why),
    }
}

/// Returns the charset of a source in UTF-16 or UTF-32, which its first bytes show.
fn wide_charset(source: &[u8]) -> Option<&'static str> {
    match source {
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => Some("UTF-32"),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [b'<', 0, ..] | [0, b'<', ..] => Some("UTF-16"),
        _ => None,
    }
}

/// Returns the encoding in the XML declaration, with its offset.
fn declared(source: &[u8]) -> Option<(usize, &str)> {
    let start = source.iter().position(|&byte| byte == b'<')?;
    let declaration = source.get(start..)?.strip_prefix(b"<?xml")?;
    let end = memchr::memmem::find(declaration, b"?>")?;
    let declaration = declaration.get(..end)?;
    let from = memchr::memmem::find(declaration, b"encoding")?;
    let open = from
        + declaration
            .get(from..)?
            .iter()
            .position(|&b| b == b'"' || b == b'\'')?;
    let name = declaration.get(open + 1..)?;
    let name = name.get(..memchr::memchr(declaration[open], name)?)?;
    Some((
        start + "<?xml".len() + open + 1,
        std::str::from_utf8(name).ok()?,
    ))
}
