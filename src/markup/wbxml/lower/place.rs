//! Offsets of places on the tree, found by climbing to parents instead of walking over siblings.

use crate::markup::arena::NO_PARENT;
use crate::markup::wbxml::token::WITH_CONTENT;
use crate::markup::wbxml::token_scanner::TokenScanner;
use crate::markup::wbxml::writer::Form;
use crate::markup::{Document, Encoding, Kind, NodeId};
use crate::patch::Span;

/// The places of one document.
pub(super) struct Places<'d> {
    pub(super) document: &'d Document,
}

impl<'d> Places<'d> {
    pub(super) fn new(document: &'d Document) -> Self {
        Self { document }
    }

    /// Whether the element has its content bit, and thus an END.
    pub(super) fn is_open(&self, element: NodeId) -> bool {
        let start = self.document.node(element).span.start as usize;
        self.document.source()[start] & WITH_CONTENT != 0
    }

    /// Returns the offset after the element's tag, its index and its attribute list.
    pub(super) fn behind_tag(&self, element: NodeId) -> u32 {
        let start = self.document.node(element).span.start as usize;
        let mut tokens = TokenScanner::new(self.document.source(), start);
        tokens.next();
        while tokens.in_attributes && tokens.next().is_some() {}
        tokens.at() as u32
    }

    /// Returns the offset after the last child; after the tag if there is none.
    pub(super) fn behind_children(&self, element: NodeId) -> u32 {
        match self.child_with(element, self.document.node(element).next - 1) {
            Some(child) => self.document.node(child).span.end,
            None => self.behind_tag(element),
        }
    }

    /// Returns the offset in front of the node and of the page switches directly before it: the end of its previous
    /// sibling, or of its parent's tag.
    pub(super) fn before(&self, node: NodeId) -> u32 {
        let parent = self.document.parent(node);
        if parent.0 == NO_PARENT {
            let Encoding::Wbxml(header) = self.document.encoding() else {
                return 0;
            };
            return header.body;
        }
        match self.child_with(parent, node.0 - 1) {
            Some(elder) => self.document.node(elder).span.end,
            None => self.behind_tag(parent),
        }
    }

    /// Returns the span of the node with the page switches directly before it.
    pub(super) fn with_switches(&self, node: NodeId) -> Span {
        Span::new(self.before(node), self.document.node(node).span.end)
    }

    /// Returns the span that a new text of an open element replaces (its only text, or all content), and the form of
    /// its first text.
    pub(super) fn content(&self, element: NodeId) -> (Span, Form) {
        let children = self
            .document
            .element(element)
            .into_iter()
            .flat_map(|e| e.child_ids());
        let kind = |id: &NodeId| self.document.node(*id).kind;
        let mut content = children.filter(|id| kind(id) != Kind::Attribute);
        let first_text = content.clone().find(|id| kind(id) != Kind::Element);
        let form = match first_text.map(|id| kind(&id)) {
            Some(Kind::Opaque) => Form::Opaque,
            _ => Form::String,
        };
        match (content.next(), content.next()) {
            (Some(only), None) if first_text == Some(only) => (self.document.node(only).span, form),
            _ => {
                let end = self.document.node(element).span.end - 1;
                (Span::new(self.behind_tag(element), end), form)
            }
        }
    }

    /// Returns the child of `element` whose subtree contains node `inner`; `None` for the element itself and its
    /// attributes.
    fn child_with(&self, element: NodeId, inner: u32) -> Option<NodeId> {
        let mut at = NodeId(inner);
        while at != element {
            let parent = self.document.parent(at);
            if parent == element {
                return (self.document.node(at).kind != Kind::Attribute).then_some(at);
            }
            at = parent;
        }
        None
    }
}
