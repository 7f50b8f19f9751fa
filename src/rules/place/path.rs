//! Paths of elements in one document: `Item/Data`, `Item[2]/Meta/Type`, `parm[@name='ADDR']`.

use std::fmt;

use crate::markup::{Attribute, Document, Element};
use crate::rules::items::Items;

/// A path of child element names. A name without a predicate means every child of that name; an empty path means the
/// element itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ElementPath(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    name: String,
    /// The predicates, applied in order as in XPath: each filters the children that the ones before it kept.
    predicates: Vec<Predicate>,
}

/// A condition in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Predicate {
    /// `[2]`: the second element.
    Number(usize),
    /// `[@name]`, `[@name='ADDR']`: the elements with this attribute, or with this value of the attribute.
    Attribute { name: String, value: Option<String> },
}

/// The error of an invalid place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "names of elements with slashes between them, such as Item/Data, Item[2]/Data or parm[@name='ADDR']; \
     /SyncML/SyncHdr from the root; Item/Data!/MgmtTree inside an embedded document; . for the selected element; \
     for a matcher Data/@name is an attribute"
)]
pub struct BadPlace;

impl ElementPath {
    /// Parses `Item/Data`, `Item[2]/Data` or `parm[@name='ADDR']`; numbers count from 1.
    ///
    /// # Errors
    /// [`BadPlace`] for an empty or invalid name, for the number 0, or for anything else in brackets.
    pub fn parse(text: &str) -> Result<Self, BadPlace> {
        let segments = split(text, "/").into_iter().map(Segment::parse);
        segments.collect::<Result<_, _>>().map(Self)
    }

    pub(in crate::rules) fn first_name(&self) -> Option<&str> {
        self.0.first().map(|segment| &*segment.name)
    }

    /// Whether the outermost element is chosen by a number.
    pub(in crate::rules) fn begins_with_number(&self) -> bool {
        let numbers = |p: &Predicate| matches!(p, Predicate::Number(_));
        let first = self.0.first();
        first.is_some_and(|segment| segment.predicates.iter().any(numbers))
    }

    /// Finds the elements at the place, in document order. If the place begins with `Item`, only these Items
    /// count.
    pub(in crate::rules) fn find<'d>(&self, from: Element<'d>, items: &Items) -> Vec<Element<'d>> {
        let Some((first, below)) = self.0.split_first() else {
            return vec![from];
        };
        let mut found = first.among(from.elements());
        if first.name == "Item" {
            found.retain(|item| items.has(item.id()));
        }
        find_below(below, found)
    }

    /// Finds the elements at the place, where the outermost name is that of a root of the document.
    pub(in crate::rules) fn find_from_roots<'d>(&self, document: &'d Document) -> Vec<Element<'d>> {
        let first = self.0.split_first();
        first.map_or_else(Vec::new, |(first, below)| {
            find_below(below, first.among(document.roots()))
        })
    }

    /// Returns each attribute that a predicate names, with the name of its element: `(element, attribute)`.
    pub(in crate::rules) fn asked_attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|segment| {
            let predicates = segment.predicates.iter();
            predicates.filter_map(|predicate| match predicate {
                Predicate::Number(_) => None,
                Predicate::Attribute { name, .. } => Some((&*segment.name, &**name)),
            })
        })
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, BadPlace> {
        let (name, brackets) = match text.find('[') {
            None => (text, ""),
            Some(at) => text.split_at(at),
        };
        if !is_name(name) {
            return Err(BadPlace);
        }
        let mut pieces = split(brackets, "]");
        // The segment must end with a closing bracket.
        if pieces.pop() != Some("") {
            return Err(BadPlace);
        }
        let predicate = |piece: &str| Predicate::parse(piece.strip_prefix('[').ok_or(BadPlace)?);
        Ok(Self {
            name: name.into(),
            predicates: pieces
                .into_iter()
                .map(predicate)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Returns the siblings that the segment selects.
    fn among<'d>(&self, siblings: impl Iterator<Item = Element<'d>>) -> Vec<Element<'d>> {
        let mut found = siblings
            .filter(|element| element.local() == self.name)
            .collect();
        for predicate in &self.predicates {
            predicate.keep(&mut found);
        }
        found
    }
}

fn find_below<'d>(segments: &[Segment], mut found: Vec<Element<'d>>) -> Vec<Element<'d>> {
    for segment in segments {
        let children = found.iter().flat_map(|e| segment.among(e.elements()));
        found = children.collect();
    }
    found
}

impl Predicate {
    fn parse(text: &str) -> Result<Self, BadPlace> {
        let text = text.trim_ascii();
        let Some(text) = text.strip_prefix('@') else {
            let number = text.parse().ok().filter(|number| *number > 0);
            return number.map(Self::Number).ok_or(BadPlace);
        };
        let (name, value) = match text.split_once('=') {
            None => (text, None),
            Some((name, value)) => (name.trim_ascii_end(), Some(unquoted(value)?.to_owned())),
        };
        let is_name = name.split(':').all(is_name) && name.matches(':').count() < 2;
        is_name.then_some(()).ok_or(BadPlace)?;
        Ok(Self::Attribute {
            name: name.into(),
            value,
        })
    }

    fn keep(&self, elements: &mut Vec<Element<'_>>) {
        match self {
            Self::Number(number) => {
                elements.truncate(*number);
                elements.drain(..elements.len().min(number - 1));
            }
            Self::Attribute { name, value } => elements.retain(|element| {
                let found = attribute(*element, name);
                found.is_some_and(|found| {
                    value
                        .as_ref()
                        .is_none_or(|value| found.value() == value.as_str())
                })
            }),
        }
    }
}

/// Returns the attribute of this name. A name without a prefix also matches an attribute with any prefix.
pub(in crate::rules) fn attribute<'d>(element: Element<'d>, name: &str) -> Option<Attribute<'d>> {
    element.attribute(name).or_else(|| {
        let is_local = |written: &str| written.rsplit_once(':').is_some_and(|(_, own)| own == name);
        element.attributes().find(|found| is_local(&found.name()))
    })
}

/// Splits a text at a separator, except inside quotes.
pub(in crate::rules) fn split<'t>(text: &'t str, separator: &str) -> Vec<&'t str> {
    let mut pieces = Vec::new();
    let (mut start, mut quote) = (0, None);
    for (at, character) in text.char_indices() {
        match quote {
            Some(open) if open == character => quote = None,
            Some(_) => {}
            None if matches!(character, '\'' | '"') => quote = Some(character),
            None if at >= start && text[at..].starts_with(separator) => {
                pieces.push(&text[start..at]);
                start = at + separator.len();
            }
            None => {}
        }
    }
    pieces.push(&text[start..]);
    pieces
}

fn unquoted(text: &str) -> Result<&str, BadPlace> {
    let text = text.trim_ascii();
    let within = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    let within = |quote: char| within(quote).filter(|inner| !inner.contains(quote));
    within('\'').or_else(|| within('"')).ok_or(BadPlace)
}

fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    // A name does not begin with a dot; a LocURI does.
    !name.is_empty() && !name.starts_with('.') && name.chars().all(fits)
}

impl fmt::Display for ElementPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(".");
        }
        for (at, segment) in self.0.iter().enumerate() {
            let slash = if at == 0 { "" } else { "/" };
            write!(f, "{slash}{}", segment.name)?;
            let mut predicates = segment.predicates.iter();
            predicates.try_for_each(|predicate| predicate.fmt(f))?;
        }
        Ok(())
    }
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "[{number}]"),
            Self::Attribute { name, value: None } => write!(f, "[@{name}]"),
            Self::Attribute {
                name,
                value: Some(value),
            } => {
                let quote = if value.contains('\'') { '"' } else { '\'' };
                write!(f, "[@{name}={quote}{value}{quote}]")
            }
        }
    }
}
