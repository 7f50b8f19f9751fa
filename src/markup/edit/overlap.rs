//! Checks that edits fit their nodes and do not overlap: decided on the tree, never on offsets.

use super::{Edit, EditError, Place};
use crate::markup::arena::NO_PARENT;
use crate::markup::{Document, Kind, NodeId};

/// The part of an element or text that one edit changes. Claims sort by node, then by part, as [`check`] needs.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    node: u32,
    part: Part,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// The node with its whole content.
    Whole,
    /// The attribute of this name.
    Attribute(String),
    /// The content of the element.
    Content,
    /// A place between the children.
    Between,
}

/// Checks that each edit fits its node, and that no two edits change the same part.
///
/// A claim on a whole node or on its content covers every node inside. Covered nodes follow the covering one
/// in document order, so one walk through the sorted claims sees every collision.
pub(super) fn check(document: &Document, edits: &[Edit]) -> Result<(), EditError> {
    let mut claims = Vec::with_capacity(edits.len());
    for edit in edits {
        claims.push(claim(document, edit)?);
    }
    claims.sort_unstable();
    let mut covered_until = 0;
    let mut before: Option<&Claim> = None;
    for claim in &claims {
        let twice = matches!(claim.part, Part::Attribute(_)) && before == Some(claim);
        if claim.node < covered_until || twice {
            return Err(EditError::Overlap {
                path: path(document, NodeId(claim.node)),
            });
        }
        if matches!(claim.part, Part::Whole | Part::Content) {
            covered_until = document.node(NodeId(claim.node)).next;
        }
        before = Some(claim);
    }
    Ok(())
}

fn claim(document: &Document, edit: &Edit) -> Result<Claim, EditError> {
    let unfit = |node| EditError::Unfit {
        edit: edit.name(),
        path: path(document, node),
    };
    let is = |node, kinds: &[Kind]| match document.kind(node) {
        Some(kind) if kinds.contains(&kind) => Ok(()),
        _ => Err(unfit(node)),
    };
    let claim = |node: NodeId, part| Ok(Claim { node: node.0, part });
    match edit {
        Edit::SetText { element, .. } => {
            is(*element, &[Kind::Element])?;
            claim(*element, Part::Content)
        }
        Edit::PatchText { text, .. } if document.kind(*text) == Some(Kind::Attribute) => {
            let claim = removal(document, *text).filter(|_| !document.is_wbxml());
            claim.ok_or_else(|| unfit(*text))
        }
        Edit::PatchText { text, .. } => {
            is(*text, &[Kind::Text, Kind::Cdata, Kind::Opaque])?;
            claim(*text, Part::Whole)
        }
        Edit::SetAttribute { element, name, .. } => {
            is(*element, &[Kind::Element])?;
            claim(*element, Part::Attribute(name.clone()))
        }
        Edit::Replace { node, .. } => {
            is(*node, &[Kind::Element])?;
            claim(*node, Part::Whole)
        }
        Edit::Remove { node } => removal(document, *node).ok_or_else(|| unfit(*node)),
        Edit::Insert { place, .. } => between(document, edit, *place),
        Edit::Copy { place, node, .. } => {
            is(*node, &[Kind::Element])?;
            between(document, edit, *place)
        }
    }
}

/// Returns the claim on a place between nodes.
fn between(document: &Document, edit: &Edit, place: Place) -> Result<Claim, EditError> {
    let unfit = || EditError::Unfit {
        edit: edit.name(),
        path: path(document, place.node()),
    };
    let element = match place {
        Place::FirstIn(element) | Place::LastIn(element) => element,
        Place::Before(node) | Place::After(node) => {
            let kind = document.kind(node).filter(|kind| *kind != Kind::Attribute);
            kind.ok_or_else(unfit)?;
            document.parent(node)
        }
    };
    let is_top = element.0 == NO_PARENT && document.is_fragment();
    if document.element(element).is_none() && !is_top {
        return Err(unfit());
    }
    Ok(Claim {
        node: element.0,
        part: Part::Between,
    })
}

fn removal(document: &Document, node: NodeId) -> Option<Claim> {
    if document.kind(node)? == Kind::Attribute {
        let parent = document.parent(node);
        let mut attributes = document.element(parent)?.attributes();
        let name = attributes.find(|a| a.id() == node)?.name().into_owned();
        return Some(Claim {
            node: parent.0,
            part: Part::Attribute(name),
        });
    }
    (node.0 != 0 || document.is_fragment()).then_some(Claim {
        node: node.0,
        part: Part::Whole,
    })
}

/// Returns the path of a node for messages; for other nodes than elements, the path of the parent.
pub(super) fn path(document: &Document, node: NodeId) -> String {
    let element = document.kind(node).and_then(|_| {
        let own = document.element(node);
        own.or_else(|| document.element(document.parent(node)))
    });
    element.map_or_else(
        || format!("node {}", node.0),
        |element| element.path().to_string(),
    )
}
