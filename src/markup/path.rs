//! The path of an element, written the same for XML and WBXML: `/SyncML/SyncBody/Replace[2]/Item/Data`.
//!
//! `!` steps into the document in an element's text: `/SyncML/SyncBody/Add/Item/Data!/MgmtTree/Node`.

use std::fmt;
use std::str::FromStr;

use super::{Document, Element, Embedded, Limits, NodeId};

/// The names from the root to an element, each with its number among siblings of that name. Only an embedded document
/// may have several roots: `/SyncML/SyncBody/Replace/Item/Data!/data[2]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(String);

/// The part of a text that is not a valid step of a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a step: write /Name or /Name[2], and ! in front of the root of an embedded document"
)]
pub struct PathError(pub String);

/// The element that a path leads to.
#[derive(Clone, Debug)]
pub struct Found {
    /// The embedded documents on the way, outermost first.
    opened: Vec<Embedded>,
    element: NodeId,
}

impl Path {
    /// The separator between an element and the root of the document in its text.
    pub const INTO: &'static str = "!";

    /// Returns the path of `element` in its document. `[n]` counts from 1 and is only written if several siblings have
    /// the name.
    pub fn to(element: Element<'_>) -> Self {
        let mut steps = Vec::new();
        let mut here = Some(element);
        while let Some(element) = here {
            steps.push(step(element));
            here = element.parent();
        }
        let mut path = String::new();
        for step in steps.iter().rev() {
            path.push('/');
            path.push_str(step);
        }
        Self(path)
    }

    /// Returns the path of `inner`, a path in the document in this element's text, from the outer root.
    pub fn joined(&self, inner: &Self) -> Self {
        Self(format!("{}{}{inner}", self.0, Self::INTO))
    }

    /// Finds the element in `document` or in its embedded documents. A step without a number means the first element of
    /// that name.
    ///
    /// `limits` are the limits that `document` was decoded with.
    pub fn find(&self, document: &Document, limits: &Limits) -> Option<Found> {
        let mut opened: Vec<Embedded> = Vec::new();
        let mut levels = self.0.split(Self::INTO);
        let mut element = element_at(document, levels.next()?)?.id();
        for level in levels {
            let (around, limits) = match opened.last() {
                Some(embedded) => (embedded.document(), embedded.limits()),
                None => (document, limits),
            };
            let embedded = around.element(element)?.embedded(limits)?;
            element = element_at(embedded.document(), level)?.id();
            opened.push(embedded);
        }
        Some(Found { opened, element })
    }

    /// Returns the path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        for level in text.split(Self::INTO) {
            let steps = level
                .strip_prefix('/')
                .ok_or_else(|| PathError(level.into()))?;
            for step in steps.split('/') {
                parsed(step).ok_or_else(|| PathError(step.into()))?;
            }
        }
        Ok(Self(text.into()))
    }
}

impl Found {
    /// Returns the innermost document on the way; `outer` if the path does not enter an embedded one.
    pub fn document<'a>(&'a self, outer: &'a Document) -> &'a Document {
        self.opened.last().map_or(outer, Embedded::document)
    }

    /// Returns the element, in [`Self::document`].
    pub fn element<'a>(&'a self, outer: &'a Document) -> Option<Element<'a>> {
        self.document(outer).element(self.element)
    }

    /// Returns the number of the element in its document.
    pub fn id(&self) -> NodeId {
        self.element
    }

    /// Returns the elements whose texts are the embedded documents on the way, for [`super::edit::NestedEdit`].
    pub fn holders(&self) -> Vec<NodeId> {
        self.opened.iter().map(Embedded::holder).collect()
    }

    /// Returns the embedded documents on the way, outermost first.
    pub fn opened(&self) -> &[Embedded] {
        &self.opened
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn step(element: Element<'_>) -> String {
    let name = element.local();
    let same = |other: &Element<'_>| other.name() == element.name() || other.local() == name;
    let number = match element.parent() {
        Some(parent) => number(element, parent.elements().filter(same)),
        None => number(element, element.document().roots().filter(same)),
    };
    number.map_or_else(|| name.into(), |number| format!("{name}[{number}]"))
}

/// Returns the number of an element among those that are `alike`, if there are several.
fn number<'d>(
    element: Element<'_>,
    alike: impl Iterator<Item = Element<'d>> + Clone,
) -> Option<usize> {
    alike.clone().nth(1)?;
    let before = alike.take_while(|sibling| sibling.id() != element.id());
    Some(1 + before.count())
}

/// Splits a step into name and number (from 1).
fn parsed(step: &str) -> Option<(&str, usize)> {
    let (name, number) = match step.split_once('[') {
        None => (step, 1),
        Some((name, rest)) => (name, rest.strip_suffix(']')?.parse().ok()?),
    };
    let fits = !name.is_empty() && !name.contains([']', '[']) && number > 0;
    fits.then_some((name, number))
}

fn element_at<'d>(document: &'d Document, level: &str) -> Option<Element<'d>> {
    let mut steps = level.strip_prefix('/')?.split('/');
    let (name, number) = parsed(steps.next()?)?;
    let mut alike = document.roots().filter(|root| root.local() == name);
    let mut here = alike.nth(number - 1)?;
    for step in steps {
        let (name, number) = parsed(step)?;
        let mut alike = here.elements().filter(|child| child.local() == name);
        here = alike.nth(number - 1)?;
    }
    Some(here)
}
