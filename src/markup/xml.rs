//! XML: tokens of quick-xml laid over the source as a tree.

pub mod decode;

use std::borrow::Cow;

use super::{Document, NodeId};

/// What an XML declaration says, and what was found of the form.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Header {}

pub(crate) fn value<'d>(document: &'d Document, _: &Header, id: NodeId) -> Cow<'d, str> {
    String::from_utf8_lossy(document.node(id).span.of(&document.source))
}

pub(crate) fn attribute_name(document: &Document, id: NodeId) -> &str {
    let _ = (document, id);
    ""
}
