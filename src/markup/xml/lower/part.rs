//! Patches of a text's value, as splices of its written form.

use super::unwritable;
use crate::markup::Kind;
use crate::markup::edit::EditError;
use crate::markup::xml::attribute::quoted;
use crate::markup::xml::{CDATA_CLOSE, CDATA_OPEN, Charset, escape, is_allowed, reference};
use crate::patch::{Patch, Span, Splice};

/// Returns the splices of `written` (a text, a CDATA section with its brackets or a whole attribute) that carry out
/// `patch` on its value.
///
/// New characters are escaped in text and unchanged in CDATA. If CDATA cannot hold them, the whole section is
/// rewritten; so is a text if the patch splits a reference to an undefined entity.
///
/// # Errors
/// [`EditError::Unwritable`] for octets that are not text, or characters that XML cannot hold.
pub(super) fn splices(
    kind: Kind,
    written: &[u8],
    charset: Charset,
    patch: &Patch,
) -> Result<Vec<Splice>, EditError> {
    if kind == Kind::Cdata && !fits_cdata(written, charset, patch)? {
        return anew(kind, written, charset, patch);
    }
    let mut places = Places::new(kind, written, charset);
    let mut splices = Vec::with_capacity(patch.splices().len());
    for splice in patch.splices() {
        let (Some(start), Some(end)) = (places.of(splice.span.start), places.of(splice.span.end))
        else {
            return anew(kind, written, charset, patch);
        };
        let mut with = Vec::with_capacity(splice.with.len());
        let characters = text(&splice.with)?;
        match kind {
            Kind::Cdata => charset.write(&mut with, characters),
            _ => escaped(&mut with, kind, written, characters, charset)?,
        }
        let span = Span::new(start, end);
        splices.push(Splice { span, with });
    }
    Ok(splices)
}

/// Rewrites the whole text or section with its patched value.
fn anew(
    kind: Kind,
    written: &[u8],
    charset: Charset,
    patch: &Patch,
) -> Result<Vec<Splice>, EditError> {
    let patched = patch.apply(&value(kind, written, charset).into_bytes().into());
    let mut with = Vec::new();
    let patched = text(&patched)?;
    let span = match kind {
        Kind::Cdata => {
            escape::cdata(&mut with, patched, charset).map_err(unwritable)?;
            Span::new(0, written.len() as u32)
        }
        _ => {
            escaped(&mut with, kind, written, patched, charset)?;
            inner(kind, written)
        }
    };
    Ok(vec![Splice { span, with }])
}

/// Writes characters as they appear in a text, or between the quotes of an attribute.
fn escaped(
    with: &mut Vec<u8>,
    kind: Kind,
    written: &[u8],
    characters: &str,
    charset: Charset,
) -> Result<(), EditError> {
    let escaped = match kind {
        Kind::Attribute => {
            let quote = written.last().copied().unwrap_or(b'"');
            escape::attribute(with, characters, quote, charset)
        }
        _ => escape::text(with, characters, charset),
    };
    escaped.map_err(unwritable)
}

fn text(octets: &[u8]) -> Result<&str, EditError> {
    std::str::from_utf8(octets)
        .map_err(|_| EditError::Unwritable("octets that are no text cannot stand in XML".into()))
}

fn value(kind: Kind, written: &[u8], charset: Charset) -> String {
    let inner = inner(kind, written);
    let characters = charset.text(&written[inner.start as usize..inner.end as usize]);
    match kind {
        Kind::Cdata => characters.into_owned(),
        _ => reference::resolve(characters).into_owned(),
    }
}

/// Whether a CDATA section can hold the patched value: it must not have `]]>`, nor a carriage return if the old value
/// had none.
fn fits_cdata(written: &[u8], charset: Charset, patch: &Patch) -> Result<bool, EditError> {
    let before = value(Kind::Cdata, written, charset);
    let had_returns = before.contains('\r');
    let after = patch.apply(&before.into_bytes().into());
    let fits = |c: char| is_allowed(c) && charset.has(c) && (c != '\r' || had_returns);
    let after = text(&after)?;
    Ok(!after.contains(CDATA_CLOSE) && after.chars().all(fits))
}

fn inner(kind: Kind, written: &[u8]) -> Span {
    let length = written.len() as u32;
    match kind {
        Kind::Cdata => Span::new(CDATA_OPEN.len() as u32, length - CDATA_CLOSE.len() as u32),
        Kind::Attribute => {
            let start = length - 1 - quoted(written).len() as u32;
            Span::new(start, length - 1)
        }
        _ => Span::new(0, length),
    }
}

/// A conversion of offsets in a value to offsets in its written form. Queries must be in ascending order.
struct Places<'w> {
    kind: Kind,
    written: &'w [u8],
    charset: Charset,
    value: u32,
    at: u32,
}

impl<'w> Places<'w> {
    fn new(kind: Kind, written: &'w [u8], charset: Charset) -> Self {
        let at = inner(kind, written).start;
        Self {
            kind,
            written,
            charset,
            value: 0,
            at,
        }
    }

    /// Returns the offset in the written form; `None` inside a reference.
    fn of(&mut self, wanted: u32) -> Option<u32> {
        while self.value < wanted && (self.at as usize) < self.written.len() {
            let (value, written) = self.unit();
            self.value += value;
            self.at += written;
        }
        (self.value <= wanted).then_some(self.at)
    }

    /// Returns the size of the next unit (a reference, or a byte) in the value and in the written form, in bytes.
    fn unit(&self) -> (u32, u32) {
        let rest = &self.written[self.at as usize..];
        if self.kind != Kind::Cdata
            && rest[0] == b'&'
            && let Some(end) = memchr::memchr(b';', rest)
        {
            let name = self.charset.text(&rest[1..end]);
            let value = match reference::meaning(&name) {
                reference::Meaning::Character(character) => character.len_utf8(),
                _ => name.len() + 2,
            };
            return (value as u32, end as u32 + 1);
        }
        let two = self.charset == Charset::Latin1 && !rest[0].is_ascii();
        (1 + u32::from(two), 1)
    }
}
