//! XML as a tree: tags, texts and references with their spans of the source.

mod attribute;
mod charset;
pub mod decode;
mod escape;
pub(crate) mod lower;
mod name;
mod reference;
pub(crate) mod write;

use std::borrow::Cow;

use super::{Charset, Document, Kind, NodeId};
use crate::patch::Span;

pub(crate) use reference::is_allowed;

/// The XML declaration and other properties of an XML source.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Header {
    /// The charset of the source.
    pub charset: Charset,
    /// The XML declaration, if there is one.
    pub declaration: Option<Span>,
    /// The document type declaration, if there is one; it has external ids only.
    pub doctype: Option<Span>,
    /// The number of elements that are allowed at the top if there is no prolog.
    pub roots: Roots,
}

impl Header {
    /// Whether several elements and text are allowed at the top. A prolog marks a complete document.
    #[inline]
    pub(crate) fn is_fragment(&self) -> bool {
        self.roots == Roots::Several && self.declaration.is_none() && self.doctype.is_none()
    }
}

/// The number of elements allowed at the top of an XML source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Roots {
    /// One: the source is a document (XML 1.0 §2.1).
    #[default]
    One,
    /// Several, with text after the first: the source is embedded in the text of an element.
    Several,
}

/// Returns the characters of a text, or the value of an attribute. Predefined and numeric references are resolved; line
/// ends stay as written.
pub(crate) fn value<'d>(document: &'d Document, header: &Header, id: NodeId) -> Cow<'d, str> {
    let node = document.node(id);
    let written = node.span.of(&document.source);
    match node.kind {
        Kind::Text => reference::resolve(header.charset.text(written)),
        Kind::Cdata => header
            .charset
            .text(inner(written, CDATA_OPEN.len(), CDATA_CLOSE.len())),
        Kind::Attribute => reference::resolve(header.charset.text(attribute::quoted(written))),
        Kind::Element | Kind::Opaque => Cow::Borrowed(""),
    }
}

/// Returns the name of an attribute as written, with its prefix.
pub(crate) fn attribute_name(document: &Document, id: NodeId) -> &str {
    let written = document.node(id).span.of(&document.source);
    std::str::from_utf8(attribute::name(written)).unwrap_or_default()
}

/// Returns the name in a tag, with its prefix.
pub(crate) fn tag_name(tag: &[u8]) -> &[u8] {
    let behind = tag.get(1..).unwrap_or_default();
    let ends = |byte: &u8| is_white(*byte) || matches!(byte, b'/' | b'>');
    let end = behind.iter().position(ends).unwrap_or(behind.len());
    &behind[..end]
}

/// Returns the bytes without the first `open` and the last `close` bytes.
fn inner(written: &[u8], open: usize, close: usize) -> &[u8] {
    written
        .len()
        .checked_sub(close)
        .and_then(|end| written.get(open..end))
        .unwrap_or_default()
}

pub(crate) const CDATA_OPEN: &str = "<![CDATA[";
pub(crate) const CDATA_CLOSE: &str = "]]>";

pub(crate) const fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}
