//! Copies of elements, with the namespace declarations that they need at their new place.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::Lowering;
use crate::markup::edit::{EditError, Place, copy};
use crate::markup::{Element, NodeId};

/// Namespace declarations by the name of the attribute: `xmlns`, or `xmlns:` and a prefix.
type Declared<'d> = BTreeMap<Cow<'d, str>, Cow<'d, str>>;

impl Lowering<'_> {
    /// Returns the bytes of `node` for a copy at `place`. If other namespaces are in force there, the copy declares
    /// those of the original.
    pub(super) fn copied(
        &self,
        place: Place,
        node: NodeId,
        texts: &[(NodeId, String)],
    ) -> Result<Vec<u8>, EditError> {
        let mut with = copy::bytes(self.document, node, texts)?;
        let holder = match place {
            Place::FirstIn(element) | Place::LastIn(element) => element,
            Place::Before(node) | Place::After(node) => self.document.parent(node),
        };
        let parent = self.document.parent(node);
        if parent == holder {
            return Ok(with);
        }
        let (here, there) = (self.declared(parent), self.declared(holder));
        let written = self.charset.text(&with).into_owned();
        let mut declarations = Vec::new();
        for (name, uri) in lacking(here, &there) {
            let own = self.document.element(node);
            let own = own.is_some_and(|element| element.attribute(&name).is_some());
            let prefix = name.strip_prefix("xmlns:");
            let used = prefix.is_none_or(|prefix| written.contains(&format!("{prefix}:")));
            if own || !used {
                continue;
            }
            self.new_attribute(&mut declarations, &name, &uri)?;
        }
        let at = self.parts(node).name_end - self.document.node(node).span.start;
        with.splice(at as usize..at as usize, declarations);
        Ok(with)
    }

    /// Returns the namespaces declared in an element and its ancestors.
    fn declared(&self, element: NodeId) -> Declared<'_> {
        let innermost = self.document.element(element);
        let around: Vec<Element<'_>> =
            std::iter::successors(innermost, |element| element.parent()).collect();
        let attributes = around.iter().rev().flat_map(|e| e.attributes());
        attributes
            .map(|attribute| (attribute.name(), attribute.value()))
            .filter(|(name, _)| name == "xmlns" || name.starts_with("xmlns:"))
            .collect()
    }
}

/// Returns the declarations of `here` that are missing or different `there`.
fn lacking<'d>(mut here: Declared<'d>, there: &Declared<'d>) -> Declared<'d> {
    if there.contains_key("xmlns") {
        here.entry("xmlns".into()).or_insert("".into());
    }
    here.retain(|name, uri| there.get(name) != Some(uri));
    here
}
