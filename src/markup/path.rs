//! A place in a document, written the same for XML and WBXML: `/SyncML/SyncBody/Replace[2]/Item/Data`.

use std::fmt;

use super::Element;

/// The names from the root to an element, each with its number among siblings of that name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path(String);

impl Path {
    /// The path of `element`. `[n]` counts from 1 and stands only where there are several of the name.
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

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn step(element: Element<'_>) -> String {
    let name = element.local();
    let Some(parent) = element.parent() else {
        return name.into();
    };
    let alike = || {
        parent
            .elements()
            .filter(|sibling| sibling.name() == element.name())
    };
    if alike().nth(1).is_none() {
        return name.into();
    }
    let number = 1 + alike()
        .take_while(|sibling| sibling.id() != element.id())
        .count();
    format!("{name}[{number}]")
}
