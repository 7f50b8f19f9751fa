//! What is wrong with a filter, drawn under the place.

use std::fmt;
use std::ops::Range;

/// A filter that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct FilterError {
    text: String,
    /// The bytes that are wrong.
    span: Range<usize>,
    what: String,
    help: String,
}

impl FilterError {
    /// An error at these bytes of `text`.
    pub fn new(text: &str, span: Range<usize>, what: String, help: &str) -> Self {
        Self {
            text: text.to_owned(),
            span,
            what,
            help: help.to_owned(),
        }
    }

    /// Where it is wrong: the column, from 1.
    pub fn column(&self) -> usize {
        self.characters_to(self.span.start) + 1
    }

    /// The bytes that are wrong.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// What is wrong, in one line.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to write; may be empty.
    pub fn help(&self) -> &str {
        &self.help
    }

    fn characters_to(&self, at: usize) -> usize {
        self.text.get(..at).unwrap_or(&self.text).chars().count()
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.characters_to(self.span.start);
        let width = self.characters_to(self.span.end).saturating_sub(start);
        // A long filter is shown around the place.
        let from = start.saturating_sub(CHARS_BEFORE);
        let shown = self.text.chars().skip(from).take(MAX_SHOWN_CHARS);
        // A line break or a tab would move what stands under it.
        let shown: String = shown
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        writeln!(f, "error: {}\n  {shown}", self.what)?;
        let width = width
            .min(MAX_SHOWN_CHARS.saturating_sub(start - from))
            .max(1);
        write!(f, "  {}{}", " ".repeat(start - from), "^".repeat(width))?;
        match &*self.help {
            "" => Ok(()),
            help => write!(f, "\nhelp: {help}"),
        }
    }
}

/// Characters that are shown in front of the place, and in all.
const CHARS_BEFORE: usize = 60;
const MAX_SHOWN_CHARS: usize = 100;
