//! A place inside a selected element: `Item/Data`, `Item[2]/Meta/Type`.

use std::fmt;

use crate::markup::Element;

/// Names of child elements, one below the other. A name without a number means every child of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElementPlace(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    name: String,
    number: Option<usize>,
}

/// A place that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("names of elements with slashes between them, such as Item/Data or Item[2]/Data")]
pub struct BadPlace;

impl ElementPlace {
    /// Where a command keeps its value.
    pub fn value() -> Self {
        let segment = |name: &str| Segment {
            name: name.into(),
            number: None,
        };
        Self(vec![segment("Item"), segment("Data")])
    }

    /// Reads `Item/Data` or `Item[2]/Data`; numbers count from 1.
    ///
    /// # Errors
    /// [`BadPlace`] for an empty name or a number that is none.
    pub fn parse(text: &str) -> Result<Self, BadPlace> {
        text.split('/')
            .map(segment)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The elements there, in document order. Items of the outermost element are kept to `items`, unless that
    /// is empty.
    pub(super) fn find<'d>(
        &self,
        from: Element<'d>,
        items: &[crate::markup::NodeId],
    ) -> Vec<Element<'d>> {
        let mut found = vec![from];
        for (depth, segment) in self.0.iter().enumerate() {
            found = found.iter().flat_map(|e| segment.children(*e)).collect();
            if depth == 0 && segment.name == "Item" && !items.is_empty() {
                // They stand in document order.
                found.retain(|item| items.binary_search(&item.id()).is_ok());
            }
        }
        found
    }
}

impl Segment {
    fn children<'d>(&self, of: Element<'d>) -> Vec<Element<'d>> {
        let mut named = of.elements().filter(|child| child.local() == self.name);
        match self.number {
            Some(number) => named.nth(number - 1).into_iter().collect(),
            None => named.collect(),
        }
    }
}

fn segment(text: &str) -> Result<Segment, BadPlace> {
    let (name, number) = match text.split_once('[') {
        None => (text, None),
        Some((name, rest)) => {
            let number = rest.strip_suffix(']').and_then(|n| n.parse().ok());
            (name, Some(number.filter(|n| *n > 0).ok_or(BadPlace)?))
        }
    };
    let fits = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || !name.chars().all(fits) {
        return Err(BadPlace);
    }
    Ok(Segment {
        name: name.into(),
        number,
    })
}

impl fmt::Display for ElementPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            let slash = if at == 0 { "" } else { "/" };
            write!(f, "{slash}{}", segment.name)?;
            if let Some(number) = segment.number {
                write!(f, "[{number}]")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_print_as_they_are_written() {
        for text in ["Item/Data", "Item[2]/Meta/Type", "Data"] {
            assert_eq!(ElementPlace::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "/Item",
            "Item//Data",
            "Item[0]",
            "Item[x]",
            "a b",
            "Item[1",
        ] {
            assert_eq!(ElementPlace::parse(text), Err(BadPlace), "{text}");
        }
    }
}
