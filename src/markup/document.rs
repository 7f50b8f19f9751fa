//! The document: source bytes, their encoding, and a flat arena of nodes in document order.
//!
//! A node is 12 bytes and holds no text: names are numbers, text and attribute values are read from the
//! source through the node's span when somebody asks. The children of a node follow it directly; `next`
//! is the first node behind its subtree.

mod leaf;

pub use leaf::{Attribute, Text};

use std::borrow::Cow;

use bytes::Bytes;

use super::arena::{Arena, NO_PARENT, Node};
use super::{Flag, Path, Space, vocabulary::FIRST_OWN, vocabulary::NameId, wbxml, xml};
use crate::patch::Span;

/// A decoded message: immutable bytes with a tree laid over them.
#[derive(Clone, Debug)]
pub struct Document {
    pub(crate) source: Bytes,
    pub(crate) encoding: Encoding,
    pub(crate) nodes: Arena,
    pub(crate) names: Names,
    pub(crate) flags: Vec<Flag>,
}

/// How the source is written, with what its header says.
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

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// An element: its span goes from its start tag to the end of its end tag. In WBXML it begins at the
    /// tag byte, not at a page switch in front of it.
    Element,
    /// An attribute, in front of the children of its element: name, `=` and quoted value in XML; in WBXML
    /// the start token and every value token.
    Attribute,
    /// Character data: a run of text and references in XML; one STR_I, STR_T or ENTITY token in WBXML.
    Text,
    /// A CDATA section with its brackets (XML only).
    Cdata,
    /// OPAQUE with its length and bytes (WBXML only).
    Opaque,
}

/// The names that the standards' tables do not have, as this document writes them, each kept once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) own: Vec<CustomName>,
    /// The namespaces they are in. Many names are in one, and a hostile one may be long.
    pub(crate) namespaces: Vec<Box<str>>,
}

/// A name that the standards' tables do not have, as this document writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CustomName {
    /// The local part.
    pub(crate) local: Box<str>,
    /// One more than the place of its namespace; 0 for none.
    pub(crate) namespace: u16,
}

impl Names {
    /// The namespace that has this number; empty for 0.
    pub(crate) fn namespace(&self, number: u16) -> &str {
        let place = usize::from(number).checked_sub(1);
        place
            .and_then(|place| self.namespaces.get(place))
            .map_or("", |uri| uri)
    }
}

impl Document {
    /// The bytes as they came.
    pub fn source(&self) -> &Bytes {
        &self.source
    }

    /// How they are written.
    pub fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    /// Whether the source is WBXML.
    pub fn is_wbxml(&self) -> bool {
        matches!(self.encoding, Encoding::Wbxml(_))
    }

    /// What the decoder let pass though the standard forbids it, in source order.
    pub fn flags(&self) -> &[Flag] {
        &self.flags
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node; a decoded document has at least its root.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The memory it holds, in bytes: its source and its nodes.
    pub fn bytes(&self) -> usize {
        self.source.len() + self.nodes.len() * size_of::<Node>()
    }

    /// The root element; in a fragment the first of them.
    pub fn root(&self) -> Element<'_> {
        Element {
            document: self,
            id: NodeId(0),
        }
    }

    /// The elements at the top: the root, and in a fragment inside another document all of its top elements.
    pub fn roots(&self) -> impl Iterator<Item = Element<'_>> + Clone {
        self.top_ids().filter_map(|id| self.element(id))
    }

    /// The numbers of the elements and texts at the top, in order.
    pub fn top_ids(&self) -> ChildIds<'_> {
        ChildIds {
            document: self,
            at: 0,
            end: self.nodes.len() as u32,
        }
    }

    /// Whether elements and texts may come and go at the top, as in the text of an element.
    pub(crate) fn is_fragment(&self) -> bool {
        matches!(&self.encoding, Encoding::Xml(header) if header.is_fragment())
    }

    /// The element with this number, if that node is one.
    pub fn element(&self, id: NodeId) -> Option<Element<'_>> {
        (self.kind(id)? == Kind::Element).then_some(Element { document: self, id })
    }

    /// Every element in document order.
    pub fn elements(&self) -> impl Iterator<Item = Element<'_>> {
        (0..self.nodes.len() as u32).filter_map(|at| self.element(NodeId(at)))
    }

    /// The kind of a node.
    pub fn kind(&self, id: NodeId) -> Option<Kind> {
        ((id.0 as usize) < self.nodes.len()).then(|| self.nodes.kind(id.0))
    }

    /// The bytes a node stands in.
    pub fn span(&self, id: NodeId) -> Option<Span> {
        self.nodes.get(id.0).map(|n| n.span)
    }

    /// The element around a node; a root's has a number that no node has.
    pub(crate) fn holder(&self, id: NodeId) -> NodeId {
        NodeId(self.nodes.parent(id.0))
    }

    pub(crate) fn node(&self, id: NodeId) -> Node {
        self.nodes.node(id.0)
    }

    /// The element around a node; a number that no node has for a root.
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

    /// The characters of a text node, or the value of an attribute, with references resolved.
    fn value(&self, id: NodeId) -> Cow<'_, str> {
        match &self.encoding {
            Encoding::Xml(header) => xml::value(self, header, id),
            Encoding::Wbxml(header) => wbxml::value(self, header, id),
        }
    }

    /// The octets of a text node: raw for OPAQUE, the UTF-8 of its characters otherwise.
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
    /// The document it stands in.
    pub fn document(self) -> &'d Document {
        self.document
    }

    /// Its number.
    pub fn id(self) -> NodeId {
        self.id
    }

    /// The number of its name.
    pub fn name(self) -> NameId {
        self.document.nodes.name(self.id.0)
    }

    /// Its name without prefix.
    pub fn local(self) -> &'d str {
        self.document.name_text(self.name())
    }

    /// Whether it has this known name.
    pub fn is(self, name: NameId) -> bool {
        self.name() == name
    }

    /// The space its name belongs to; `None` for a name outside the tables.
    pub fn space(self) -> Option<Space> {
        self.name().token().map(|(space, _)| space)
    }

    /// The namespace of a name outside the tables; `None` for a known name or for none.
    pub fn foreign_namespace(self) -> Option<&'d str> {
        let own = self.name().0.checked_sub(FIRST_OWN)?;
        let names = &self.document.names;
        let namespace = names.namespace(names.own.get(usize::from(own))?.namespace);
        (!namespace.is_empty()).then_some(namespace)
    }

    /// The bytes it stands in.
    pub fn span(self) -> Span {
        self.node().span
    }

    /// The element around it; `None` for a root.
    pub fn parent(self) -> Option<Self> {
        let parent = self.document.nodes.parent(self.id.0);
        (parent != NO_PARENT).then_some(Self {
            id: NodeId(parent),
            ..self
        })
    }

    /// Its child elements.
    pub fn elements(self) -> impl Iterator<Item = Self> + Clone {
        self.child_ids()
            .filter(move |id| self.document.nodes.kind(id.0) == Kind::Element)
            .map(move |id| Self { id, ..self })
    }

    /// Its texts, in order, without those of child elements.
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

    /// Its attributes, in order: they stand in front of what else it holds.
    pub fn attributes(self) -> impl Iterator<Item = Attribute<'d>> + Clone {
        self.child_ids()
            .take_while(move |id| self.document.nodes.kind(id.0) == Kind::Attribute)
            .map(move |id| Attribute {
                document: self.document,
                id,
            })
    }

    /// The numbers of its attributes, child elements and texts, in order.
    pub fn child_ids(self) -> ChildIds<'d> {
        ChildIds {
            document: self.document,
            at: self.id.0 + 1,
            end: self.document.nodes.next(self.id.0),
        }
    }

    /// The number of the first node behind it and all it holds.
    pub(crate) fn behind(self) -> NodeId {
        NodeId(self.document.nodes.next(self.id.0))
    }

    /// Its first child element of this name.
    pub fn child(self, name: NameId) -> Option<Self> {
        let child = self.document.nodes.child(self.id.0, name)?;
        Some(Self {
            id: NodeId(child),
            ..self
        })
    }

    /// Every child element of this name.
    pub fn children(self, name: NameId) -> impl Iterator<Item = Self> + Clone {
        self.elements().filter(move |child| child.is(name))
    }

    /// The attribute with this name; prefixes are part of the name (`msft:originalerror`).
    pub fn attribute(self, name: &str) -> Option<Attribute<'d>> {
        self.attributes().find(|attribute| attribute.name() == name)
    }

    /// Its text: all its texts in one. Borrowed from the source where it stands there as one piece.
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

    /// The source of its text, with references and framing, where one text is all it holds; of a string in line of
    /// WBXML without its token. Equal beginnings of two of them in one document are equal beginnings of the texts.
    pub(crate) fn only_text(self) -> Option<&'d [u8]> {
        let text = self.document.node(self.only_child_text()?);
        let source = text.span.of(&self.document.source);
        // XML has no such character.
        Some(
            source
                .strip_prefix(&[wbxml::token::STR_I])
                .unwrap_or(source),
        )
    }

    /// The text that is all it holds, as in most elements with text; not of OPAQUE.
    fn only_child_text(self) -> Option<NodeId> {
        let nodes = &self.document.nodes;
        let (text, behind) = (self.id.0 + 1, nodes.next(self.id.0));
        let is_text = text + 1 == behind && matches!(nodes.kind(text), Kind::Text | Kind::Cdata);
        is_text.then_some(NodeId(text))
    }

    /// Its text as octets: OPAQUE bytes as they are, characters as UTF-8.
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

    /// Its place, written the same for XML and WBXML.
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
