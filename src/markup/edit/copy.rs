//! Copies of elements: the same bytes, except for texts that change.

use super::{Edit, EditError, overlap, plan};
use crate::markup::{Document, NodeId};
use crate::patch::{Patch, Span, Splice};

/// Returns the bytes of `node`, with new texts in some of its elements.
///
/// # Errors
/// [`EditError`] for texts that cannot be set.
pub(crate) fn bytes(
    document: &Document,
    node: NodeId,
    texts: &[(NodeId, String)],
) -> Result<Vec<u8>, EditError> {
    let around = document.node(node).span;
    let source = document
        .source
        .slice(around.start as usize..around.end as usize);
    if texts.is_empty() {
        return Ok(source.into());
    }
    let set = |(element, text): &(NodeId, String)| Edit::SetText {
        element: *element,
        text: text.clone(),
    };
    let edits: Vec<Edit> = texts.iter().map(set).collect();
    let patch = plan(document, &edits)?;
    // Splices behind the element may switch WBXML pages for what follows the original.
    let inside = |splice: &&Splice| {
        let span = splice.span;
        around.covers(span) && span.start < around.end
    };
    let moved = |splice: &Splice| Splice {
        span: Span::new(
            splice.span.start - around.start,
            splice.span.end - around.start,
        ),
        with: splice.with.clone(),
    };
    let splices = patch.splices().iter().filter(inside).map(moved).collect();
    let patch = Patch::new(splices).map_err(|_| EditError::Overlap {
        path: overlap::path(document, node),
    })?;
    Ok(patch.apply(&source).into())
}
