//! Where a step acts or a matcher looks: a place in the selected element, in the whole message, or in a document
//! inside it.
//!
//! ```text
//! .                            the selected element itself
//! Item/Data                    below it
//! /SyncML/SyncBody/Final       from the root of the message
//! Item/Data!/MgmtTree/Node     in the document that is the text of Item/Data
//! Item/Data!/data[2]/@value    the attribute of its second root of this name, which only a matcher reads
//! ```

use std::fmt;
use std::rc::Rc;

use super::place::{self, BadPlace, ElementPlace};
use crate::markup::{Document, Element, Embedded, Limits, NodeId, Path};

/// Where a step acts or a matcher looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Whether it begins at the root of the message, not at the selected element.
    from_root: bool,
    start: ElementPlace,
    /// Documents to step into, each with a place from its roots.
    inside: Vec<ElementPlace>,
    /// The attribute that is read there; the text of the element otherwise.
    attribute: Option<String>,
}

/// An element a rule acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selected {
    pub(super) node: NodeId,
    /// Those of its Items that the matcher selected; empty: all.
    pub(super) items: Vec<NodeId>,
}

/// An element that was found, in the message or in a document inside it.
#[derive(Clone, Debug)]
pub(super) struct SelectedElement {
    inside: Option<Rc<Inside>>,
    pub(super) node: NodeId,
}

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
        Self::default()
    }

    /// Where a command keeps its value.
    pub fn value() -> Self {
        Self {
            start: ElementPlace::value(),
            ..Self::default()
        }
    }

    /// Reads a place.
    ///
    /// # Errors
    /// [`BadPlace`] for an empty name or a number that is none.
    pub fn parse(text: &str) -> Result<Self, BadPlace> {
        let (path, attribute) = match place::split(text, "/@")[..] {
            [path] => (path, None),
            [path, name] if !name.is_empty() => (path, Some(name.to_owned())),
            _ => return Err(BadPlace),
        };
        let mut levels = place::split(path, Path::INTO).into_iter();
        let first = levels.next().unwrap_or_default();
        let (from_root, start) = match first.strip_prefix('/') {
            Some(place) => (true, ElementPlace::parse(place)?),
            None if first == "." => (false, ElementPlace::default()),
            None => (false, ElementPlace::parse(first)?),
        };
        // A message has one root.
        if from_root && start.begins_with_number() {
            return Err(BadPlace);
        }
        let inside = levels.map(|text| {
            let place = text.strip_prefix('/').ok_or(BadPlace)?;
            ElementPlace::parse(place)
        });
        Ok(Self {
            from_root,
            start,
            inside: inside.collect::<Result<_, _>>()?,
            attribute,
        })
    }

    /// Whether it is the selected element itself.
    pub fn is_selected(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it is the same place whatever is selected.
    pub fn is_absolute(&self) -> bool {
        self.from_root
    }

    /// The name of the root it begins at, if it does.
    pub fn root(&self) -> Option<&str> {
        self.start.first_name().filter(|_| self.from_root)
    }

    /// The name of the outermost element below the selected one.
    pub(super) fn first_name(&self) -> Option<&str> {
        self.start.first_name().filter(|_| !self.from_root)
    }

    /// Whether it names an attribute, which only a matcher reads.
    pub fn is_attribute(&self) -> bool {
        self.attribute.is_some()
    }

    /// The places it consists of, each below the one before or inside it.
    pub(super) fn places(&self) -> impl Iterator<Item = &ElementPlace> {
        std::iter::once(&self.start).chain(&self.inside)
    }

    pub(super) fn find(
        &self,
        document: &Document,
        selected: &Selected,
        limits: &Limits,
    ) -> Vec<SelectedElement> {
        let start = document
            .element(selected.node)
            .map_or_else(Vec::new, |element| self.start(element, &selected.items));
        let mut spots: Vec<SelectedElement> = start.into_iter().map(SelectedElement::of).collect();
        for level in &self.inside {
            spots = spots
                .iter()
                .flat_map(|spot| spot.step_into(level, document, limits))
                .collect();
        }
        spots
    }

    /// Whether a text there meets `test`. Items of `selected` are kept to `items`, unless that is empty.
    pub(super) fn any(
        &self,
        selected: Element<'_>,
        items: &[NodeId],
        limits: &Limits,
        test: &mut dyn FnMut(&str) -> bool,
    ) -> bool {
        let mut start = self.start(selected, items).into_iter();
        start.any(|element| self.any_inside(element, &self.inside, limits, test))
    }

    fn any_inside(
        &self,
        element: Element<'_>,
        levels: &[ElementPlace],
        limits: &Limits,
        test: &mut dyn FnMut(&str) -> bool,
    ) -> bool {
        let Some((place, deeper)) = levels.split_first() else {
            return match &self.attribute {
                Some(name) => place::attribute(element, name).is_some_and(|a| test(&a.value())),
                None => test(&element.text()),
            };
        };
        element.embedded(limits).is_some_and(|embedded| {
            let mut found = place.find_from_roots(embedded.document()).into_iter();
            found.any(|element| self.any_inside(element, deeper, embedded.limits(), test))
        })
    }

    /// The elements of the message itself where it begins.
    fn start<'d>(&self, selected: Element<'d>, items: &[NodeId]) -> Vec<Element<'d>> {
        match self.from_root {
            true => self.start.find_from_roots(selected.document()),
            false => self.start.find(selected, items),
        }
    }
}

impl SelectedElement {
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

    fn step_into(&self, level: &ElementPlace, outer: &Document, limits: &Limits) -> Vec<Self> {
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
        let found = level.find_from_roots(inside.embedded.document());
        let spot = |element: Element<'_>| Self {
            inside: Some(inside.clone()),
            node: element.id(),
        };
        found.into_iter().map(spot).collect()
    }
}

impl fmt::Display for Selector {
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
