//! The attributes of one start tag.

use super::is_white;

/// One attribute, as offsets into the start tag it stands in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Where its name begins.
    pub(super) start: usize,
    /// Where its name ends.
    pub(super) name_end: usize,
    /// Where its value begins, behind the quote.
    pub(super) value: usize,
    /// Where its value ends, at the quote.
    pub(super) value_end: usize,
}

impl Found {
    /// Where the attribute ends, behind its closing quote.
    pub(super) fn end(self) -> usize {
        self.value_end + 1
    }
}

/// The attribute at or behind `at` in the content of a start tag; `None` where only white space is left.
///
/// # Errors
/// Offset and words of what is not well-formed.
pub(super) fn next(tag: &[u8], at: usize) -> Result<Option<Found>, (usize, &'static str)> {
    let start = skip_white(tag, at);
    if start == tag.len() {
        return Ok(None);
    }
    if start == at {
        return Err((at, "there must be white space between two attributes"));
    }
    let name_end = tag[start..]
        .iter()
        .position(|&byte| byte == b'=' || is_white(byte))
        .map_or(tag.len(), |length| start + length);
    let equals = skip_white(tag, name_end);
    if tag.get(equals) != Some(&b'=') {
        return Err((start, "this attribute has no value"));
    }
    let quote = skip_white(tag, equals + 1);
    let Some(&mark @ (b'"' | b'\'')) = tag.get(quote) else {
        return Err((quote, "the value of an attribute must stand in quotes"));
    };
    let value = quote + 1;
    let Some(length) = memchr::memchr(mark, &tag[value..]) else {
        return Err((quote, "this quote is not closed"));
    };
    if let Some(less) = memchr::memchr(b'<', &tag[value..value + length]) {
        return Err((
            value + less,
            "`<` must be written `&lt;` in the value of an attribute",
        ));
    }
    Ok(Some(Found {
        start,
        name_end,
        value,
        value_end: value + length,
    }))
}

/// The name in the bytes of a whole attribute.
pub(super) fn name(written: &[u8]) -> &[u8] {
    let end = written
        .iter()
        .position(|&byte| byte == b'=' || is_white(byte));
    &written[..end.unwrap_or(written.len())]
}

/// What stands between the quotes in the bytes of a whole attribute.
pub(super) fn quoted(written: &[u8]) -> &[u8] {
    let open = written
        .last()
        .and_then(|&quote| memchr::memchr(quote, written));
    open.map_or(&[], |open| super::inner(written, open + 1, 1))
}

fn skip_white(tag: &[u8], at: usize) -> usize {
    let rest = tag.get(at..).unwrap_or_default();
    at + rest
        .iter()
        .position(|&byte| !is_white(byte))
        .unwrap_or(rest.len())
}
