//! Texts that a value is compared with.

use serde::Deserialize;

use crate::markup::{Element, Limits, NodeId};
use crate::rules::load::Comparison;
use crate::rules::load::Where;
use crate::rules::selector::Selector;
use crate::rules::value::{Pattern, schema_of_table};

/// What must hold of a text.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Comparison")]
pub enum TextTest {
    /// It is this text; white space around it does not count.
    Equals(String),
    /// It contains this text.
    Contains(String),
    /// This expression finds something in it.
    Regex(Pattern),
}

impl TextTest {
    /// Whether it holds of `text`.
    pub fn holds(&self, text: &str) -> bool {
        match self {
            Self::Equals(equal) => text == equal || text.trim_ascii() == equal.trim_ascii(),
            Self::Contains(part) => text.contains(&**part),
            Self::Regex(regex) => regex.0.is_match(text),
        }
    }

    /// The one text it holds of, without the white space around it.
    pub(in crate::rules) fn exact(&self) -> Option<&str> {
        match self {
            Self::Equals(equal) => Some(equal.trim_ascii()),
            Self::Contains(_) | Self::Regex(_) => None,
        }
    }
}

/// A place whose text must be so. Of several elements there one is enough.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Where")]
pub struct ValueTest {
    /// The place.
    pub at: Selector,
    /// What must hold of the text there.
    pub test: TextTest,
}

impl ValueTest {
    pub(super) fn holds(&self, from: Element<'_>, items: &[NodeId], limits: &Limits) -> bool {
        let mut test = |text: &str| self.test.holds(text);
        self.at.any(from, items, limits, &mut test)
    }
}

schema_of_table!(TextTest, Comparison);
schema_of_table!(ValueTest, Where);
