//! Offsets of places on the tree, found by climbing to parents instead of walking over siblings.

use crate::markup::arena::NO_PARENT;
use crate::markup::wbxml::token::WITH_CONTENT;
use crate::markup::wbxml::token_scanner::TokenScanner;
use crate::markup::wbxml::writer::Form;
use crate::markup::{Document, Encoding, Kind, NodeId};
use crate::patch::Span;

/// Whether the element has its content bit, and thus an END.
pub(super) fn is_open(document: &Document, element: NodeId) -> bool {
    let start = document.node(element).span.start as usize;
    document.source()[start] & WITH_CONTENT != 0
}

/// Returns the offset after the element's tag, its index and its attribute list.
pub(super) fn behind_tag(document: &Document, element: NodeId) -> u32 {
    let start = document.node(element).span.start as usize;
    let mut tokens = TokenScanner::new(document.source(), start);
    tokens.next();
    while tokens.in_attributes && tokens.next().is_some() {}
    tokens.at() as u32
}

/// Returns the offset after the last child; after the tag if there is none.
pub(super) fn behind_children(document: &Document, element: NodeId) -> u32 {
    match child_with(document, element, document.node(element).next - 1) {
        Some(child) => document.node(child).span.end,
        None => behind_tag(document, element),
    }
}

/// Returns the offset in front of the node and of the page switches directly before it: the end of its previous
/// sibling, or of its parent's tag.
pub(super) fn before(document: &Document, node: NodeId) -> u32 {
    let parent = document.parent(node);
    if parent.0 == NO_PARENT {
        let Encoding::Wbxml(header) = document.encoding() else {
            return 0;
        };
        return header.body;
    }
    match child_with(document, parent, node.0 - 1) {
        Some(elder) => document.node(elder).span.end,
        None => behind_tag(document, parent),
    }
}

/// Returns the span of the node with the page switches directly before it.
pub(super) fn with_switches(document: &Document, node: NodeId) -> Span {
    Span::new(before(document, node), document.node(node).span.end)
}

/// Returns the span that a new text of an open element replaces (its only text, or all content), and the form of
/// its first text.
pub(super) fn content(document: &Document, element: NodeId) -> (Span, Form) {
    let children = document
        .element(element)
        .into_iter()
        .flat_map(|e| e.child_ids());
    let kind = |id: &NodeId| document.node(*id).kind;
    let mut content = children.filter(|id| kind(id) != Kind::Attribute);
    let first_text = content.clone().find(|id| kind(id) != Kind::Element);
    let form = match first_text.map(|id| kind(&id)) {
        Some(Kind::Opaque) => Form::Opaque,
        _ => Form::String,
    };
    match (content.next(), content.next()) {
        (Some(only), None) if first_text == Some(only) => (document.node(only).span, form),
        _ => {
            let end = document.node(element).span.end - 1;
            (Span::new(behind_tag(document, element), end), form)
        }
    }
}

/// Returns the child of `element` whose subtree contains node `inner`; `None` for the element itself and its
/// attributes.
fn child_with(document: &Document, element: NodeId, inner: u32) -> Option<NodeId> {
    let mut at = NodeId(inner);
    while at != element {
        let parent = document.parent(at);
        if parent == element {
            return (document.node(at).kind != Kind::Attribute).then_some(at);
        }
        at = parent;
    }
    None
}
