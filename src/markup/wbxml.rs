//! WAP Binary XML (WAP-192, WBXML 1.1 to 1.3) as OMA DM uses it.

pub mod decode;

use std::borrow::Cow;

use super::{Document, NodeId};

/// What stands in front of the body of a WBXML document.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Header {}

/// Whether the bytes begin as WBXML does: a version byte of 0x00 to 0x03, which begins no XML text.
pub fn looks_like(source: &[u8]) -> bool {
    matches!(source.first(), Some(0x00..=0x03))
}

pub(crate) fn value<'d>(document: &'d Document, _: &Header, id: NodeId) -> Cow<'d, str> {
    String::from_utf8_lossy(document.node(id).span.of(&document.source))
}

pub(crate) fn attribute_name<'d>(_: &'d Document, _: &Header, _: NodeId) -> Cow<'d, str> {
    Cow::Borrowed("")
}

pub(crate) fn opaque_octets(document: &Document, id: NodeId) -> &[u8] {
    document.node(id).span.of(&document.source)
}
