//! Edits inside embedded documents: lifted, level by level, to edits of the outer document.

use std::collections::BTreeMap;

use super::{Edit, EditError, overlap, plan};
use crate::markup::{Document, Limits, NodeId, Path};
use crate::patch::Patch;

/// An edit of a document, or of a document embedded in it.
#[derive(Clone, Debug)]
pub struct NestedEdit {
    /// The elements whose texts are the embedded documents on the way, outermost first; empty for an edit of the
    /// document itself. [`crate::markup::Found::holders`] has them for a path.
    pub holders: Vec<NodeId>,
    /// The edit, on the tree of the innermost document.
    pub edit: Edit,
}

/// Returns the one patch of `document`'s source that carries out all `edits`. Each change inside an embedded document
/// is one splice of the outermost; its wrapping stays.
///
/// `limits` are the limits that `document` was decoded with.
///
/// # Errors
/// [`EditError`] if edits overlap or do not fit, or if a holder does not hold a document.
pub fn plan_within(
    document: &Document,
    edits: &[NestedEdit],
    limits: &Limits,
) -> Result<Patch, EditError> {
    plan(document, &lift(document, edits, limits)?)
}

/// Lifts `edits` to edits of `document` itself, at most one for each embedded document. These can be planned together
/// with other edits, and are checked for overlaps with them.
///
/// # Errors
/// As for [`plan_within`].
pub fn lift(
    document: &Document,
    edits: &[NestedEdit],
    limits: &Limits,
) -> Result<Vec<Edit>, EditError> {
    let mut lifted = Vec::with_capacity(edits.len());
    let mut inside: BTreeMap<NodeId, Vec<NestedEdit>> = BTreeMap::new();
    for NestedEdit { holders, edit } in edits {
        match holders.split_first() {
            None => lifted.push(edit.clone()),
            Some((holder, deeper)) => inside.entry(*holder).or_default().push(NestedEdit {
                holders: deeper.to_vec(),
                edit: edit.clone(),
            }),
        }
    }
    // The recursion is as deep as documents are nested, which `Limits::embedded` bounds.
    for (holder, edits) in inside {
        let element = document.element(holder);
        let embedded = element.and_then(|element| element.embedded(limits));
        let embedded = embedded.ok_or_else(|| EditError::Unfit {
            edit: edits.first().map_or("edit", |within| within.edit.name()),
            path: format!("{}{}", overlap::path(document, holder), Path::INTO),
        })?;
        let patch = plan_within(embedded.document(), &edits, embedded.limits());
        let patch = patch.map_err(|error| outside(document, holder, error))?;
        lifted.extend(embedded.lower(&patch)?);
    }
    Ok(lifted)
}

/// Prefixes the place of an error with the path of its holder in the outer document.
fn outside(document: &Document, holder: NodeId, error: EditError) -> EditError {
    let place = |inner| format!("{}{}{inner}", overlap::path(document, holder), Path::INTO);
    match error {
        EditError::Overlap { path } => EditError::Overlap { path: place(path) },
        EditError::Unfit { edit, path } => EditError::Unfit {
            edit,
            path: place(path),
        },
        EditError::Unwritable(why) => EditError::Unwritable(why),
    }
}
