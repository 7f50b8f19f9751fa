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
    /// The text with this number, if that node is one.
    pub(crate) fn of(document: &'d Document, id: NodeId) -> Option<Self> {
        let kind = document.kind(id)?;
        matches!(kind, Kind::Text | Kind::Cdata | Kind::Opaque).then_some(Self { document, id })
    }

    /// The document it stands in.
    pub fn document(self) -> &'d Document {
        self.document
    }

    /// Its number.
    pub fn id(self) -> NodeId {
        self.id
    }

    /// How it is written.
    pub fn kind(self) -> Kind {
        self.document.nodes.kind(self.id.0)
    }

    /// The bytes it stands in, with its framing.
    pub fn span(self) -> Span {
        self.document.node(self.id).span
    }

    /// Its characters. OPAQUE that is not UTF-8 is shown with replacement characters: see [`Self::octets`].
    pub fn value(self) -> Cow<'d, str> {
        self.document.value(self.id)
    }

    /// Its octets.
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
    /// The document it stands in.
    pub fn document(self) -> &'d Document {
        self.document
    }

    /// Its number.
    pub fn id(self) -> NodeId {
        self.id
    }

    /// Its name as written, with its prefix.
    pub fn name(self) -> Cow<'d, str> {
        match self.document.encoding() {
            Encoding::Xml(_) => Cow::Borrowed(xml::attribute_name(self.document, self.id)),
            Encoding::Wbxml(header) => wbxml::attribute_name(self.document, header, self.id),
        }
    }

    /// Its value.
    pub fn value(self) -> Cow<'d, str> {
        self.document.value(self.id)
    }

    /// The bytes it stands in.
    pub fn span(self) -> Span {
        self.document.node(self.id).span
    }
}
