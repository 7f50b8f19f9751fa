//! Texts that a value is compared with.

use regex::Regex;

/// What must hold of a text.
#[derive(Clone, Debug)]
pub enum TextTest {
    /// It is this text; white space around it does not count.
    Equals(String),
    /// It contains this text.
    Contains(String),
    /// This expression finds something in it.
    Regex(Regex),
}

impl TextTest {
    /// Whether it holds of `text`.
    pub fn holds(&self, text: &str) -> bool {
        match self {
            Self::Equals(equal) => text == equal || text.trim_ascii() == equal.trim_ascii(),
            Self::Contains(part) => text.contains(&**part),
            Self::Regex(regex) => regex.is_match(text),
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
