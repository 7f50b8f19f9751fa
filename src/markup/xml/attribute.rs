//! The attributes of one start tag.

use std::borrow::Cow;

use super::decode::{Decoder, clip, malformed, name_failed};
use super::name::is_name;
use super::reference::{Meaning, meaning, resolve};
use super::{Charset, is_white};
use crate::markup::error::MOST_ATTRIBUTES;
use crate::markup::{DecodeError, FlagKind, Kind};
use crate::patch::Span;

/// One attribute, as offsets into its start tag.
#[derive(Clone, Copy, Debug)]
struct Found {
    /// The offset of the name.
    start: usize,
    /// The end of the name.
    name_end: usize,
    /// The offset of the value, after the quote.
    value: usize,
    /// The end of the value, at the quote.
    value_end: usize,
}

impl Found {
    /// Returns the end of the attribute, after its closing quote.
    fn end(self) -> usize {
        self.value_end + 1
    }
}

impl<'s> Decoder<'s> {
    pub(super) fn attributes(
        &mut self,
        tag: &'s str,
        base: u32,
        mut at: usize,
    ) -> Result<(), DecodeError> {
        let first = self.nodes.len();
        let mut prefixed = false;
        while let Some(found) =
            next(tag.as_bytes(), at).map_err(|(at, why)| malformed(base + at as u32, why.into()))?
        {
            at = found.end();
            let span = Span::new(base + found.start as u32, base + found.end() as u32);
            let name = &tag[found.start..found.name_end];
            self.attribute_name(span.start, name, first)?;
            prefixed |= name.contains(':');
            self.references(
                base + found.value as u32,
                &tag[found.value..found.value_end],
            )?;
            self.push(Kind::Attribute, span)?;
            let prefix = match name.strip_prefix("xmlns") {
                Some("") => "",
                Some(prefixed) if prefixed.len() > 1 && prefixed.starts_with(':') => &prefixed[1..],
                _ => continue,
            };
            let uri = match self.header.charset {
                Charset::Latin1 => {
                    let at = |within| base as usize + within;
                    let written = &self.source[at(found.value)..at(found.value_end)];
                    Charset::Latin1.text(written)
                }
                _ => Cow::Borrowed(&tag[found.value..found.value_end]),
            };
            let uri = resolve(uri);
            self.names
                .bind(prefix, &uri, self.depth)
                .map_err(|error| name_failed(error, span.start, name))?;
        }
        if prefixed {
            self.attribute_prefixes(first);
        }
        Ok(())
    }

    /// Checks a new attribute's name against the rules of XML and against the attributes from `first` on.
    fn attribute_name(&self, at: u32, name: &str, first: usize) -> Result<(), DecodeError> {
        if !is_name(name) {
            return Err(malformed(at, format!("`{name}` is not a name")));
        }
        let real = &self.source[at as usize..at as usize + name.len()];
        if self.header.charset == Charset::Latin1 && !real.is_ascii() {
            return Err(malformed(
                at,
                "an attribute's name may only have ASCII letters here".into(),
            ));
        }
        if self.nodes.len() - first >= MOST_ATTRIBUTES {
            let at = at as usize;
            return Err(DecodeError::too_large(at, "attributes", MOST_ATTRIBUTES));
        }
        let mut earlier = self.nodes.from(first as u32);
        if earlier.any(|node| self::name(node.span.of(self.source)) == real) {
            return Err(malformed(
                at,
                format!("the attribute {name} is given twice"),
            ));
        }
        Ok(())
    }

    /// Flags undeclared prefixes; runs after all declarations of the tag are known.
    fn attribute_prefixes(&mut self, first: usize) {
        for node in first..self.nodes.len() {
            let span = self.nodes.node(node as u32).span;
            let shadow = &self.shadow[span.start as usize..span.end as usize];
            let name = &shadow[..name(shadow.as_bytes()).len()];
            if let Some((prefix, _)) = name.split_once(':')
                && !self.names.declares(prefix)
            {
                self.undeclared(span.start, name);
            }
        }
    }

    fn references(&mut self, at: u32, value: &str) -> Result<(), DecodeError> {
        for start in memchr::memchr_iter(b'&', value.as_bytes()) {
            let rest = &value[start + 1..];
            let Some(end) = memchr::memchr(b';', rest.as_bytes()) else {
                return Err(malformed(
                    at + start as u32,
                    "`&` must be written `&amp;`".into(),
                ));
            };
            self.check_reference(at + start as u32, &rest[..end])?;
        }
        Ok(())
    }

    pub(super) fn check_reference(&mut self, at: u32, name: &str) -> Result<(), DecodeError> {
        match meaning(name) {
            Meaning::Character(_) => Ok(()),
            Meaning::Undefined => {
                self.flag(at, FlagKind::UndefinedEntity(name.into()));
                Ok(())
            }
            Meaning::Malformed => Err(malformed(
                at,
                format!("`&{}` is not a reference", clip(name)),
            )),
        }
    }
}

/// Finds the next attribute at or after `at` in the content of a start tag; `None` if only white space is left.
///
/// # Errors
/// The offset and a description of what is not well-formed.
fn next(tag: &[u8], at: usize) -> Result<Option<Found>, (usize, &'static str)> {
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
        let behind = &tag[quote..];
        let is_typographic = TYPOGRAPHIC
            .iter()
            .any(|mark| behind.starts_with(mark.as_bytes()));
        return Err(match is_typographic {
            true => (
                quote,
                "a typographic quotation mark stands where \" or ' must",
            ),
            false => (quote, "the value of an attribute must stand in quotes"),
        });
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

/// Returns the name in the bytes of a whole attribute.
pub(super) fn name(written: &[u8]) -> &[u8] {
    let end = written
        .iter()
        .position(|&byte| byte == b'=' || is_white(byte));
    &written[..end.unwrap_or(written.len())]
}

/// Returns the bytes between the quotes of a whole attribute.
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
/// Quotation marks that are not valid in XML.
const TYPOGRAPHIC: [&str; 6] = [
    "\u{2018}", "\u{2019}", "\u{201a}", "\u{201c}", "\u{201d}", "\u{201e}",
];
