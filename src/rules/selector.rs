//! Where a step acts: a place in the selected element, in the whole message, or in a document inside it.
//!
//! ```text
//! .                            the selected element itself
//! Item/Data                    below it
//! /SyncML/SyncBody/Final       from the root of the message
//! Item/Data!/MgmtTree/Node     in the document that is the text of Item/Data
//! ```

use std::fmt;
use std::rc::Rc;

use super::place::{self, ElementPlace};
use super::selection::Selected;
use crate::markup::{Document, Element, Embedded, Limits, NodeId, Path};

/// Where a step acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    start: Start,
    /// Documents to step into, each with a place from its root.
    inside: Vec<FromRoot>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Start {
    /// The selected element, or a place in it.
    Selected(Option<ElementPlace>),
    /// The root of the message, or a place in it.
    Root(FromRoot),
}

/// The name of a root, and a place below it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FromRoot {
    root: String,
    place: Option<ElementPlace>,
}

/// A text that is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "names of elements with slashes between them, such as Item/Data, Item[2]/Data or parm[@name='ADDR']; \
     /SyncML/SyncHdr from the root; Item/Data!/MgmtTree inside an embedded document; . for the selected element"
)]
pub struct BadSelector;

/// An element that was found, in the message or in a document inside it.
#[derive(Clone, Debug)]
pub(super) struct SelectedElement {
    inside: Option<Rc<Inside>>,
    pub(super) node: NodeId,
}

/// A document that was stepped into.
#[derive(Debug)]
struct Inside {
    embedded: Embedded,
    /// The elements whose texts the documents are, outermost first.
    holders: Vec<NodeId>,
    /// The place of the innermost holder, with the mark behind it.
    path: String,
}

impl Selector {
    /// The selected element itself.
    pub fn selected() -> Self {
        Self {
            start: Start::Selected(None),
            inside: Vec::new(),
        }
    }

    /// Where a command keeps its value.
    pub fn value() -> Self {
        Self {
            start: Start::Selected(Some(ElementPlace::value())),
            inside: Vec::new(),
        }
    }

    /// Reads a place.
    ///
    /// # Errors
    /// [`BadAt`] for an empty name or a number that is none.
    pub fn parse(text: &str) -> Result<Self, BadSelector> {
        let mut levels = place::split(text, Path::INTO).into_iter();
        let first = levels.next().unwrap_or_default();
        // No name of an element begins with a dot; a LocURI does.
        let mut names = place::split(first, "/").into_iter();
        let dotted = first != "." && names.any(|name| name.starts_with('.'));
        let start = match first {
            _ if dotted => return Err(BadSelector),
            "." => Start::Selected(None),
            _ if first.starts_with('/') => Start::Root(FromRoot::parse(first)?),
            _ => Start::Selected(Some(ElementPlace::parse(first).map_err(|_| BadSelector)?)),
        };
        let inside = levels.map(FromRoot::parse).collect::<Result<_, _>>()?;
        Ok(Self { start, inside })
    }

    /// Whether it is the selected element itself.
    pub fn is_selected(&self) -> bool {
        self.start == Start::Selected(None) && self.inside.is_empty()
    }

    /// Whether it is the same place whatever is selected.
    pub fn is_absolute(&self) -> bool {
        matches!(self.start, Start::Root(_))
    }

    /// The name of the root it begins at, if it does.
    pub fn root(&self) -> Option<&str> {
        match &self.start {
            Start::Root(from) => Some(&from.root),
            Start::Selected(_) => None,
        }
    }

    /// The places it consists of, each below the one before or inside it.
    pub(super) fn places(&self) -> impl Iterator<Item = &ElementPlace> {
        let start = match &self.start {
            Start::Selected(place) => place.as_ref(),
            Start::Root(from) => from.place.as_ref(),
        };
        let inside = self.inside.iter().filter_map(|level| level.place.as_ref());
        start.into_iter().chain(inside)
    }

    /// The elements there, in document order.
    pub(super) fn find(
        &self,
        document: &Document,
        selected: &Selected,
        limits: &Limits,
    ) -> Vec<SelectedElement> {
        let start: Vec<Element<'_>> = match &self.start {
            Start::Root(from) => from.find(document.root()),
            Start::Selected(place) => {
                let element = document.element(selected.node).into_iter();
                match place {
                    None => element.collect(),
                    Some(place) => element
                        .flat_map(|element| place.find(element, &selected.items))
                        .collect(),
                }
            }
        };
        let mut spots: Vec<SelectedElement> = start.into_iter().map(SelectedElement::of).collect();
        for level in &self.inside {
            spots = spots
                .iter()
                .flat_map(|spot| spot.step_into(level, document, limits))
                .collect();
        }
        spots
    }
}

impl FromRoot {
    fn parse(text: &str) -> Result<Self, BadSelector> {
        let text = text.strip_prefix('/').ok_or(BadSelector)?;
        let (root, below) = match text.split_once('/') {
            None => (text, None),
            Some((root, below)) => (root, Some(below)),
        };
        // A root has no number, and otherwise the name of any element.
        if root.contains('[') {
            return Err(BadSelector);
        }
        ElementPlace::parse(root).map_err(|_| BadSelector)?;
        Ok(Self {
            root: root.into(),
            place: below
                .map(ElementPlace::parse)
                .transpose()
                .map_err(|_| BadSelector)?,
        })
    }

    fn find<'d>(&self, root: Element<'d>) -> Vec<Element<'d>> {
        if root.local() != self.root {
            return Vec::new();
        }
        match &self.place {
            None => vec![root],
            Some(place) => place.find(root, &[]),
        }
    }
}

impl SelectedElement {
    /// An element of the message itself.
    pub(super) fn of(element: Element<'_>) -> Self {
        Self {
            inside: None,
            node: element.id(),
        }
    }

    /// The element; `outer` is the message.
    pub(super) fn element<'d>(&'d self, outer: &'d Document) -> Option<Element<'d>> {
        self.document(outer).element(self.node)
    }

    /// The document the element is in.
    pub(super) fn document<'d>(&'d self, outer: &'d Document) -> &'d Document {
        let inside = self.inside.as_ref();
        inside.map_or(outer, |inside| inside.embedded.document())
    }

    /// The elements whose texts are the documents around it, outermost first.
    pub(super) fn holders(&self) -> Vec<NodeId> {
        let inside = self.inside.as_ref();
        inside.map_or_else(Vec::new, |inside| inside.holders.clone())
    }

    /// Where it stands, from the root of the message.
    pub(super) fn path(&self, outer: &Document) -> String {
        let around = self.inside.as_ref().map_or("", |inside| &*inside.path);
        let own = self.element(outer).map(|element| element.path());
        let own = own.as_ref().map_or("", |path| path.as_str());
        format!("{around}{own}")
    }

    fn step_into(&self, level: &FromRoot, outer: &Document, limits: &Limits) -> Vec<Self> {
        let limits = match &self.inside {
            Some(inside) => inside.embedded.limits(),
            None => limits,
        };
        let embedded = self.element(outer).and_then(|e| e.embedded(limits));
        let Some(embedded) = embedded else {
            return Vec::new();
        };
        let mut holders = self.holders();
        holders.push(self.node);
        let inside = Rc::new(Inside {
            path: format!("{}{}", self.path(outer), Path::INTO),
            holders,
            embedded,
        });
        let found = level.find(inside.embedded.document().root());
        let spot = |element: Element<'_>| Self {
            inside: Some(inside.clone()),
            node: element.id(),
        };
        found.into_iter().map(spot).collect()
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.start {
            Start::Selected(None) => f.write_str(".")?,
            Start::Selected(Some(place)) => place.fmt(f)?,
            Start::Root(from) => from.fmt(f)?,
        }
        self.inside
            .iter()
            .try_for_each(|level| write!(f, "{}{level}", Path::INTO))
    }
}

impl fmt::Display for FromRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.root)?;
        let below = self.place.as_ref();
        below.map_or(Ok(()), |place| write!(f, "/{place}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_print_as_they_are_written() {
        for text in [
            ".",
            "Item[2]/Data",
            "/SyncML",
            "/SyncML/SyncBody/Final",
            "Item/Data!/MgmtTree/Node[3]!/A",
            "/wap-provisioningdoc/characteristic[@type='./a!/b']/parm[@name='ADDR']",
        ] {
            assert_eq!(Selector::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "/",
            "//A",
            "Item/",
            "Data!Node",
            "Data!",
            "/SyncML[2]",
            "./A",
            "!/A",
        ] {
            assert_eq!(Selector::parse(text), Err(BadSelector), "{text}");
        }
    }
}
