//! The place where a step acts or a matcher looks: in the selected element, in the whole message, or in an embedded
//! document.
//!
//! ```text
//! .                            the selected element itself
//! Item/Data                    below the selected element
//! /SyncML/SyncBody/Final       from the root of the message
//! Item/Data!/MgmtTree/Node     in the document that is the text of Item/Data
//! Item/Data!/data[2]/@value    an attribute of the second root `data` of that document; for matchers only
//! ```

mod path;

use std::fmt;
use std::rc::Rc;

pub use self::path::{BadPlace, ElementPath};

use super::items::{Items, Selected};
use crate::markup::{Document, Element, Embedded, Limits, NodeId, Path};

/// The place where a step acts or a matcher looks. The default is the selected element itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ElementPlace {
    /// Whether the place begins at the root of the message, not at the selected element.
    from_root: bool,
    start: ElementPath,
    /// The paths in embedded documents, outermost first, each from the roots of its document.
    inside: Vec<ElementPath>,
    /// The attribute to read; `None` for the text of the element.
    attribute: Option<String>,
}

/// An element at a place, in the message or in an embedded document.
#[derive(Clone, Debug)]
pub(super) struct FoundElement {
    inside: Option<Rc<Inside>>,
    pub(super) node: NodeId,
}

#[derive(Debug)]
struct Inside {
    embedded: Embedded,
    /// The elements whose texts are the embedded documents, outermost first.
    holders: Vec<NodeId>,
    /// The path of the innermost holder, followed by the mark `!`.
    path: String,
}

impl ElementPlace {
    /// Returns the place of a command's value, `Item/Data`.
    pub fn value() -> Self {
        Self::parse("Item/Data").unwrap_or_default()
    }

    /// Parses a place.
    ///
    /// # Errors
    /// [`BadPlace`] for a text that is not a place.
    pub fn parse(text: &str) -> Result<Self, BadPlace> {
        let (levels, attribute) = match path::split(text, "/@")[..] {
            [levels] => (levels, None),
            [levels, name] if !name.is_empty() => (levels, Some(name.to_owned())),
            _ => return Err(BadPlace),
        };
        let mut levels = path::split(levels, Path::INTO).into_iter();
        let first = levels.next().unwrap_or_default();
        let (from_root, start) = match first.strip_prefix('/') {
            Some(place) => (true, ElementPath::parse(place)?),
            None if first == "." => (false, ElementPath::default()),
            None => (false, ElementPath::parse(first)?),
        };
        // A message has only one root.
        if from_root && start.begins_with_number() {
            return Err(BadPlace);
        }
        let inside = levels.map(|text| {
            let place = text.strip_prefix('/').ok_or(BadPlace)?;
            ElementPath::parse(place)
        });
        Ok(Self {
            from_root,
            start,
            inside: inside.collect::<Result<_, _>>()?,
            attribute,
        })
    }

    /// Whether the place is the selected element itself.
    pub fn is_selected(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the place is the same whatever is selected.
    pub fn is_absolute(&self) -> bool {
        self.from_root
    }

    /// Returns the name of the root, if the place begins at the root.
    pub fn root(&self) -> Option<&str> {
        self.start.first_name().filter(|_| self.from_root)
    }

    /// Returns the name of the outermost element below the selected one.
    pub(super) fn first_name(&self) -> Option<&str> {
        self.start.first_name().filter(|_| !self.from_root)
    }

    /// Whether the place names an attribute, which only matchers read.
    pub fn is_attribute(&self) -> bool {
        self.attribute.is_some()
    }

    /// Returns the parts of the place: the one in the message, then one for each embedded document.
    pub(super) fn paths(&self) -> impl Iterator<Item = &ElementPath> {
        std::iter::once(&self.start).chain(&self.inside)
    }

    pub(super) fn find(
        &self,
        document: &Document,
        selected: &Selected,
        limits: &Limits,
    ) -> Vec<FoundElement> {
        let start = document
            .element(selected.node)
            .map_or_else(Vec::new, |element| self.start(element, &selected.items));
        let mut spots: Vec<FoundElement> = start.into_iter().map(FoundElement::of).collect();
        for level in &self.inside {
            spots = spots
                .iter()
                .flat_map(|spot| spot.step_into(level, document, limits))
                .collect();
        }
        spots
    }

    /// Whether a text at the place meets `test`. Only these Items of `selected` count.
    pub(super) fn any(
        &self,
        selected: Element<'_>,
        items: &Items,
        limits: &Limits,
        test: &mut dyn FnMut(&str) -> bool,
    ) -> bool {
        let mut start = self.start(selected, items).into_iter();
        start.any(|element| self.any_inside(element, &self.inside, limits, test))
    }

    fn any_inside(
        &self,
        element: Element<'_>,
        levels: &[ElementPath],
        limits: &Limits,
        test: &mut dyn FnMut(&str) -> bool,
    ) -> bool {
        let Some((place, deeper)) = levels.split_first() else {
            return match &self.attribute {
                Some(name) => path::attribute(element, name).is_some_and(|a| test(&a.value())),
                None => test(&element.text()),
            };
        };
        element.embedded(limits).is_some_and(|embedded| {
            let mut found = place.find_from_roots(embedded.document()).into_iter();
            found.any(|element| self.any_inside(element, deeper, embedded.limits(), test))
        })
    }

    /// Finds the elements of the message itself, before any embedded document.
    fn start<'d>(&self, selected: Element<'d>, items: &Items) -> Vec<Element<'d>> {
        match self.from_root {
            true => self.start.find_from_roots(selected.document()),
            false => self.start.find(selected, items),
        }
    }
}

impl FoundElement {
    pub(super) fn of(element: Element<'_>) -> Self {
        Self {
            inside: None,
            node: element.id(),
        }
    }

    /// Returns the element; `outer` is the message.
    pub(super) fn element<'d>(&'d self, outer: &'d Document) -> Element<'d> {
        let found = self.document(outer).element(self.node);
        found.expect("the element was found in this document")
    }

    pub(super) fn document<'d>(&'d self, outer: &'d Document) -> &'d Document {
        let inside = self.inside.as_ref();
        inside.map_or(outer, |inside| inside.embedded.document())
    }

    /// Returns the elements whose texts are the documents around the element, outermost first.
    pub(super) fn holders(&self) -> Vec<NodeId> {
        let inside = self.inside.as_ref();
        inside.map_or_else(Vec::new, |inside| inside.holders.clone())
    }

    /// Returns the path of the element from the root of the message.
    pub(super) fn path(&self, outer: &Document) -> String {
        let around = self.inside.as_ref().map_or("", |inside| &*inside.path);
        format!("{around}{}", self.element(outer).path())
    }

    fn step_into(&self, level: &ElementPath, outer: &Document, limits: &Limits) -> Vec<Self> {
        let limits = match &self.inside {
            Some(inside) => inside.embedded.limits(),
            None => limits,
        };
        let Some(embedded) = self.element(outer).embedded(limits) else {
            return Vec::new();
        };
        let mut holders = self.holders();
        holders.push(self.node);
        let inside = Rc::new(Inside {
            path: format!("{}{}", self.path(outer), Path::INTO),
            holders,
            embedded,
        });
        let found = level.find_from_roots(inside.embedded.document());
        let spot = |element: Element<'_>| Self {
            inside: Some(inside.clone()),
            node: element.id(),
        };
        found.into_iter().map(spot).collect()
    }
}

impl fmt::Display for ElementPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.from_root {
            true => write!(f, "/{}", self.start)?,
            false => self.start.fmt(f)?,
        }
        for place in &self.inside {
            write!(f, "{}/{place}", Path::INTO)?;
        }
        let attribute = self.attribute.as_ref();
        attribute.map_or(Ok(()), |name| write!(f, "/@{name}"))
    }
}
