//! XML: tags, texts and references laid over the source as a tree.

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

/// What an XML declaration says, and what was found of the form.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Header {
    /// How characters are written.
    pub charset: Charset,
    /// The XML declaration, where there is one.
    pub declaration: Option<Span>,
    /// The document type declaration, where there is one; it names external ids only.
    pub doctype: Option<Span>,
    /// How many elements may stand at its top, where it has no prolog.
    pub roots: Roots,
}

impl Header {
    /// Whether more elements and text are allowed at the top. A prolog marks a complete document.
    #[inline]
    pub(crate) fn is_fragment(&self) -> bool {
        self.roots == Roots::Several && self.declaration.is_none() && self.doctype.is_none()
    }
}

/// How many elements may stand at the top of an XML source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Roots {
    /// One: it is a document (XML 1.0 §2.1).
    #[default]
    One,
    /// Several, and text behind the first: it is the text of an element of another document.
    Several,
}

/// The characters of a text, or the value of an attribute: predefined and numeric references are resolved, line
/// ends stay as they are written.
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

/// The name of an attribute as it is written, with its prefix.
pub(crate) fn attribute_name(document: &Document, id: NodeId) -> &str {
    let written = document.node(id).span.of(&document.source);
    std::str::from_utf8(attribute::name(written)).unwrap_or_default()
}

/// What stands between the first `open` and the last `close` bytes.
fn inner(written: &[u8], open: usize, close: usize) -> &[u8] {
    written
        .len()
        .checked_sub(close)
        .and_then(|end| written.get(open..end))
        .unwrap_or_default()
}

pub(crate) const CDATA_OPEN: &str = "<![CDATA[";
pub(crate) const CDATA_CLOSE: &str = "]]>";

const fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}
