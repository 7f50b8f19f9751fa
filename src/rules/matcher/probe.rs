//! A place that must be there, or whose text must be so: `Item/Data`, `Data/@msft:originalerror`,
//! `Item/Data!/MgmtTree/Node`.

use std::fmt;

use super::TextTest;
use crate::markup::{Element, Limits, NodeId, Path};
use crate::rules::place::{self, ElementPlace};

/// A place below an element, in the documents inside it, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    place: ElementPlace,
    /// Of each document stepped into: the name of its root, and the place below that.
    inside: Vec<(String, Option<ElementPlace>)>,
    attribute: Option<String>,
    written: String,
}

/// A place that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "names of elements with slashes between them, such as Item/Data or parm[@name='ADDR']; ! steps into a document (Item/Data!/MgmtTree/Node), and @ stands before an attribute (Data/@name)"
)]
pub struct BadProbe;

/// A place whose text must be so. Of several elements there one is enough.
#[derive(Clone, Debug)]
pub struct ValueTest {
    /// The place.
    pub at: Probe,
    /// What must hold of the text there.
    pub test: TextTest,
}

impl Probe {
    /// Reads a place.
    ///
    /// # Errors
    /// [`BadProbe`] for a text that names none.
    pub fn parse(text: &str) -> Result<Self, BadProbe> {
        let (path, attribute) = match place::split(text, "/@")[..] {
            [path] => (path, None),
            [_, ""] => return Err(BadProbe),
            [path, name] => (path, Some(name.to_owned())),
            _ => return Err(BadProbe),
        };
        let mut levels = place::split(path, Path::INTO).into_iter();
        let place = levels.next().ok_or(BadProbe)?;
        Ok(Self {
            place: ElementPlace::parse(place).map_err(|_| BadProbe)?,
            inside: levels.map(level).collect::<Result<_, _>>()?,
            attribute,
            written: text.to_owned(),
        })
    }

    /// The name of the outermost element.
    pub(in crate::rules) fn first_name(&self) -> &str {
        let end = self.written.find(['/', '[', '!']);
        &self.written[..end.unwrap_or(self.written.len())]
    }

    /// The places it consists of, each below the one before or inside it.
    pub(in crate::rules) fn places(&self) -> impl Iterator<Item = &ElementPlace> {
        let inside = self.inside.iter().filter_map(|(_, place)| place.as_ref());
        std::iter::once(&self.place).chain(inside)
    }

    /// Whether a text there meets `test`. Items of `from` are kept to `items`, unless that is empty.
    pub(super) fn any(
        &self,
        from: Element<'_>,
        items: &[NodeId],
        limits: &Limits,
        test: &mut dyn FnMut(&str) -> bool,
    ) -> bool {
        let found = self.place.find(from, items);
        let mut found = found.into_iter();
        found.any(|element| self.any_inside(element, &self.inside, limits, test))
    }

    fn any_inside(
        &self,
        element: Element<'_>,
        levels: &[(String, Option<ElementPlace>)],
        limits: &Limits,
        test: &mut dyn FnMut(&str) -> bool,
    ) -> bool {
        let Some(((root_name, place), deeper)) = levels.split_first() else {
            return match &self.attribute {
                Some(name) => place::attribute(element, name).is_some_and(|a| test(&a.value())),
                None => test(&element.text()),
            };
        };
        let Some(embedded) = element.embedded(limits) else {
            return false;
        };
        let root = embedded.document().root();
        if root.local() != root_name {
            return false;
        }
        let found = match place {
            Some(place) => place.find(root, &[]),
            None => vec![root],
        };
        let mut found = found.into_iter();
        found.any(|element| self.any_inside(element, deeper, embedded.limits(), test))
    }
}

/// `/Root` or `/Root/place`.
fn level(text: &str) -> Result<(String, Option<ElementPlace>), BadProbe> {
    let text = text.strip_prefix('/').ok_or(BadProbe)?;
    let (root, place) = match text.split_once('/') {
        Some((root, place)) => (root, Some(place)),
        None => (text, None),
    };
    let place = place.map(ElementPlace::parse).transpose();
    // A root has no siblings; its name is read as any other.
    ElementPlace::parse(root).map_err(|_| BadProbe)?;
    Ok((root.to_owned(), place.map_err(|_| BadProbe)?))
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl ValueTest {
    pub(super) fn holds(&self, from: Element<'_>, items: &[NodeId], limits: &Limits) -> bool {
        let mut test = |text: &str| self.test.holds(text);
        self.at.any(from, items, limits, &mut test)
    }
}
