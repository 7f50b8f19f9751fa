//! The document: source bytes, their encoding, and a flat arena of nodes in document order.
//!
//! A node is 12 bytes and holds no text: names are numbers, and text and attribute values are decoded on demand from
//! the node's span of the source. The children of a node follow it directly; `next` is the first node after its
//! subtree.

mod leaf;

pub use leaf::{Attribute, Text};

use std::borrow::Cow;

use bytes::Bytes;

use super::arena::{Arena, NO_PARENT, Node};
use super::{Flag, Path, Space, vocabulary::FIRST_OWN, vocabulary::NameId, wbxml, xml};
use crate::patch::Span;

/// A decoded message: immutable bytes and a tree of spans into them.
#[derive(Clone, Debug)]
pub struct Document {
    pub(crate) source: Bytes,
    pub(crate) encoding: Encoding,
    pub(crate) nodes: Arena,
    pub(crate) names: Names,
    pub(crate) flags: Vec<Flag>,
}

/// The encoding of the source, with the content of its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// XML text.
    Xml(xml::Header),
    /// WAP Binary XML.
    Wbxml(wbxml::Header),
}

/// The number of a node: its place in document order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u32);

/// The kind of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// An element. Its span reaches from its start tag to the end of its end tag. In WBXML it begins at the tag byte,
    /// not at a page switch in front of it.
    Element,
    /// An attribute; it precedes the children of its element. In XML: name, `=` and quoted value. In WBXML: the start
    /// token and every value token.
    Attribute,
    /// Character data: a run of text and references in XML; one STR_I, STR_T or ENTITY token in WBXML.
    Text,
    /// A CDATA section with its brackets (XML only).
    Cdata,
    /// OPAQUE with its length and octets (WBXML only).
    Opaque,
}

/// The names that are not in the standards' tables, as this document writes them, each stored once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) own: Vec<CustomName>,
    /// The namespaces of these names. They are shared, since many names have one namespace, and a hostile one may be
    /// long.
    pub(crate) namespaces: Vec<Box<str>>,
}

/// A name that is not in the standards' tables, as this document writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CustomName {
    /// The local part.
    pub(crate) local: Box<str>,
    /// The index of its namespace plus one; 0 for no namespace.
    pub(crate) namespace: u16,
}

impl Names {
    /// Returns the namespace with this number; empty for 0.
    pub(crate) fn namespace(&self, number: u16) -> &str {
        let place = usize::from(number).checked_sub(1);
        place
            .and_then(|place| self.namespaces.get(place))
            .map_or("", |uri| uri)
    }
}

impl Document {
    /// Returns the bytes as received.
    pub fn source(&self) -> &Bytes {
        &self.source
    }

    /// Returns the encoding of the bytes.
    pub fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    /// Whether the source is WBXML.
    pub fn is_wbxml(&self) -> bool {
        matches!(self.encoding, Encoding::Wbxml(_))
    }

    /// Returns the violations of the standard that the decoder let pass, in source order.
    pub fn flags(&self) -> &[Flag] {
        &self.flags
    }

    /// Returns the number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether the document has no nodes; a decoded document has at least its root.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Returns an estimate of the memory for the source and the nodes, in bytes.
    pub fn bytes(&self) -> usize {
        self.source.len() + self.nodes.bytes()
    }

    /// Returns the root element; of a fragment, the first one.
    pub fn root(&self) -> Element<'_> {
        Element {
            document: self,
            id: NodeId(0),
        }
    }

    /// Iterates over the top elements: the root, or all top elements of a fragment inside another document.
    pub fn roots(&self) -> impl Iterator<Item = Element<'_>> + Clone {
        self.top_ids().filter_map(|id| self.element(id))
    }

    /// Iterates over the numbers of the top elements and texts, in order.
    pub fn top_ids(&self) -> ChildIds<'_> {
        ChildIds {
            document: self,
            at: 0,
            end: self.nodes.len() as u32,
        }
    }

    /// Whether elements and texts may be added and removed at the top, as in the content of an element.
    pub(crate) fn is_fragment(&self) -> bool {
        matches!(&self.encoding, Encoding::Xml(header) if header.is_fragment())
    }

    /// Returns the element with this number, if that node is one.
    pub fn element(&self, id: NodeId) -> Option<Element<'_>> {
        (self.kind(id)? == Kind::Element).then_some(Element { document: self, id })
    }

    /// Iterates over all elements in document order.
    pub fn elements(&self) -> impl Iterator<Item = Element<'_>> {
        (0..self.nodes.len() as u32).filter_map(|at| self.element(NodeId(at)))
    }

    /// Returns the kind of a node.
    pub fn kind(&self, id: NodeId) -> Option<Kind> {
        ((id.0 as usize) < self.nodes.len()).then(|| self.nodes.kind(id.0))
    }

    /// Returns the span of a node in the source.
    pub fn span(&self, id: NodeId) -> Option<Span> {
        self.nodes.get(id.0).map(|n| n.span)
    }

    pub(crate) fn node(&self, id: NodeId) -> Node {
        self.nodes.node(id.0)
    }

    /// Returns the element around a node; for a root, a number that no node has.
    pub(crate) fn parent(&self, id: NodeId) -> NodeId {
        NodeId(self.nodes.parent(id.0))
    }

    fn name_text(&self, name: NameId) -> &str {
        match name.0.checked_sub(FIRST_OWN) {
            Some(own) => {
                let own = self.names.own.get(usize::from(own));
                own.map_or("", |name| &name.local)
            }
            None => name.text().unwrap_or_default(),
        }
    }

    /// Returns the characters of a text node, or the value of an attribute, with references resolved.
    fn value(&self, id: NodeId) -> Cow<'_, str> {
        match &self.encoding {
            Encoding::Xml(header) => xml::value(self, header, id),
            Encoding::Wbxml(header) => wbxml::value(self, header, id),
        }
    }

    /// Returns the octets of a text node: raw for OPAQUE, otherwise its characters in UTF-8.
    fn octets(&self, id: NodeId) -> Cow<'_, [u8]> {
        match &self.encoding {
            Encoding::Wbxml(_) if self.node(id).kind == Kind::Opaque => {
                Cow::Borrowed(wbxml::opaque_octets(self, id))
            }
            _ => match self.value(id) {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            },
        }
    }
}

/// An element of a document.
#[derive(Clone, Copy)]
pub struct Element<'d> {
    document: &'d Document,
    id: NodeId,
}

impl<'d> Element<'d> {
    /// Returns the document of the element.
    pub fn document(self) -> &'d Document {
        self.document
    }

    /// Returns the node number of the element.
    pub fn id(self) -> NodeId {
        self.id
    }

    /// Returns the number of the element's name.
    pub fn name(self) -> NameId {
        self.document.nodes.name(self.id.0)
    }

    /// Returns the name without prefix.
    pub fn local(self) -> &'d str {
        self.document.name_text(self.name())
    }

    /// Returns the name in the tag of an XML source, with its prefix; empty for WBXML.
    pub(crate) fn tag_name(self) -> &'d [u8] {
        match self.document.encoding {
            Encoding::Xml(_) => xml::tag_name(self.span().of(&self.document.source)),
            Encoding::Wbxml(_) => &[],
        }
    }

    /// Whether the element has this known name.
    pub fn is(self, name: NameId) -> bool {
        self.name() == name
    }

    /// Returns the space that the name belongs to; `None` for a name outside the tables.
    pub fn space(self) -> Option<Space> {
        self.name().token().map(|(space, _)| space)
    }

    /// Returns the namespace of a name outside the tables; `None` for a known name or one without namespace.
    pub fn foreign_namespace(self) -> Option<&'d str> {
        let own = self.name().0.checked_sub(FIRST_OWN)?;
        let names = &self.document.names;
        let namespace = names.namespace(names.own.get(usize::from(own))?.namespace);
        (!namespace.is_empty()).then_some(namespace)
    }

    /// Returns the span of the element in the source.
    pub fn span(self) -> Span {
        self.node().span
    }

    /// Returns the parent element; `None` for a root.
    pub fn parent(self) -> Option<Self> {
        let parent = self.document.nodes.parent(self.id.0);
        (parent != NO_PARENT).then_some(Self {
            id: NodeId(parent),
            ..self
        })
    }

    /// Iterates over the child elements.
    pub fn elements(self) -> impl Iterator<Item = Self> + Clone {
        self.child_ids()
            .filter(move |id| self.document.nodes.kind(id.0) == Kind::Element)
            .map(move |id| Self { id, ..self })
    }

    /// Iterates over the texts in order, without those of child elements.
    pub fn texts(self) -> impl Iterator<Item = Text<'d>> + Clone {
        self.child_ids()
            .filter(move |id| {
                matches!(
                    self.document.nodes.kind(id.0),
                    Kind::Text | Kind::Cdata | Kind::Opaque
                )
            })
            .map(move |id| Text {
                document: self.document,
                id,
            })
    }

    /// Iterates over the attributes in order: they precede all other content.
    pub fn attributes(self) -> impl Iterator<Item = Attribute<'d>> + Clone {
        self.child_ids()
            .take_while(move |id| self.document.nodes.kind(id.0) == Kind::Attribute)
            .map(move |id| Attribute {
                document: self.document,
                id,
            })
    }

    /// Iterates over the numbers of the attributes, child elements and texts, in order.
    pub fn child_ids(self) -> ChildIds<'d> {
        ChildIds {
            document: self.document,
            at: self.id.0 + 1,
            end: self.document.nodes.next(self.id.0),
        }
    }

    /// Returns the number of the first node after the element and its content.
    pub(crate) fn next_after(self) -> NodeId {
        NodeId(self.document.nodes.next(self.id.0))
    }

    /// Returns the first child element of this name.
    pub fn child(self, name: NameId) -> Option<Self> {
        let child = self.document.nodes.child(self.id.0, name)?;
        Some(Self {
            id: NodeId(child),
            ..self
        })
    }

    /// Iterates over the child elements of this name.
    pub fn children(self, name: NameId) -> impl Iterator<Item = Self> + Clone {
        self.elements().filter(move |child| child.is(name))
    }

    /// Returns the attribute of this name; a prefix is part of the name (`msft:originalerror`).
    pub fn attribute(self, name: &str) -> Option<Attribute<'d>> {
        self.attributes().find(|attribute| attribute.name() == name)
    }

    /// Returns all texts of the element, joined. Borrows from the source if they are one unchanged piece of it.
    pub fn text(self) -> Cow<'d, str> {
        if let Some(text) = self.only_child_text() {
            return self.document.value(text);
        }
        let mut texts = self.texts();
        let Some(first) = texts.next() else {
            return Cow::Borrowed("");
        };
        let mut whole = first.value();
        for more in texts {
            whole.to_mut().push_str(&more.value());
        }
        whole
    }

    /// Returns the source bytes of the text, with references and framing, if the element holds nothing but one text;
    /// for WBXML without the STR_I token. Within one document, two texts have a common beginning if their source bytes
    /// have.
    pub(crate) fn raw_only_text(self) -> Option<&'d [u8]> {
        let text = self.document.node(self.only_child_text()?);
        let source = text.span.of(&self.document.source);
        // No XML text begins with this byte: U+0003 is not an XML character.
        Some(
            source
                .strip_prefix(&[wbxml::token::STR_I])
                .unwrap_or(source),
        )
    }

    /// Returns the text if the element holds nothing else, as most elements with text. OPAQUE does not count.
    fn only_child_text(self) -> Option<NodeId> {
        let nodes = &self.document.nodes;
        let (text, behind) = (self.id.0 + 1, nodes.next(self.id.0));
        let is_text = text + 1 == behind && matches!(nodes.kind(text), Kind::Text | Kind::Cdata);
        is_text.then_some(NodeId(text))
    }

    /// Returns all texts of the element as octets: OPAQUE raw, characters in UTF-8.
    pub fn octets(self) -> Cow<'d, [u8]> {
        let mut texts = self.texts();
        let Some(first) = texts.next() else {
            return Cow::Borrowed(&[]);
        };
        let mut whole = first.octets();
        for more in texts {
            whole.to_mut().extend_from_slice(&more.octets());
        }
        whole
    }

    /// Returns the path of the element, which is written the same for XML and WBXML.
    pub fn path(self) -> Path {
        Path::to(self)
    }

    fn node(self) -> Node {
        self.document.node(self.id)
    }
}

impl std::fmt::Debug for Element<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<{}> {:?}", self.local(), self.span())
    }
}

/// The numbers of a node's children, in order.
#[derive(Clone)]
pub struct ChildIds<'d> {
    document: &'d Document,
    at: u32,
    end: u32,
}

impl Iterator for ChildIds<'_> {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        if self.at >= self.end {
            return None;
        }
        let id = NodeId(self.at);
        self.at = self.document.nodes.next(self.at);
        Some(id)
    }
}
