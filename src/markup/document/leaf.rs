//! Nodes without children: texts and attributes.

use std::borrow::Cow;

use super::{Document, Encoding, Kind, NodeId};
use crate::markup::{wbxml, xml};
use crate::patch::Span;

/// A piece of character data.
#[derive(Clone, Copy)]
pub struct Text<'d> {
    pub(super) document: &'d Document,
    pub(super) id: NodeId,
}

impl<'d> Text<'d> {
    /// Returns the text with this number, if that node is one.
    pub(crate) fn of(document: &'d Document, id: NodeId) -> Option<Self> {
        let kind = document.kind(id)?;
        matches!(kind, Kind::Text | Kind::Cdata | Kind::Opaque).then_some(Self { document, id })
    }

    /// Returns the document of the text.
    pub fn document(self) -> &'d Document {
        self.document
    }

    /// Returns the node number of the text.
    pub fn id(self) -> NodeId {
        self.id
    }

    /// Returns the kind of the text: character data, CDATA or OPAQUE.
    pub fn kind(self) -> Kind {
        self.document.nodes.kind(self.id.0)
    }

    /// Returns the span in the source, including the framing.
    pub fn span(self) -> Span {
        self.document.node(self.id).span
    }

    /// Returns the characters. OPAQUE that is not UTF-8 gets replacement characters: see [`Self::octets`].
    pub fn value(self) -> Cow<'d, str> {
        self.document.value(self.id)
    }

    /// Returns the octets.
    pub fn octets(self) -> Cow<'d, [u8]> {
        self.document.octets(self.id)
    }
}

/// An attribute of an element.
#[derive(Clone, Copy)]
pub struct Attribute<'d> {
    pub(super) document: &'d Document,
    pub(super) id: NodeId,
}

impl<'d> Attribute<'d> {
    /// Returns the document of the attribute.
    pub fn document(self) -> &'d Document {
        self.document
    }

    /// Returns the node number of the attribute.
    pub fn id(self) -> NodeId {
        self.id
    }

    /// Returns the name as written, with its prefix.
    pub fn name(self) -> Cow<'d, str> {
        match self.document.encoding() {
            Encoding::Xml(_) => Cow::Borrowed(xml::attribute_name(self.document, self.id)),
            Encoding::Wbxml(header) => wbxml::attribute_name(self.document, header, self.id),
        }
    }

    /// Returns the value, with references resolved.
    pub fn value(self) -> Cow<'d, str> {
        self.document.value(self.id)
    }

    /// Returns the span in the source.
    pub fn span(self) -> Span {
        self.document.node(self.id).span
    }
}
