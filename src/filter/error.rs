//! What is wrong with a filter, drawn under the place.

use std::fmt;

/// A filter that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct FilterError {
    /// The filter, on one line.
    text: String,
    /// Where it is wrong, in characters from the beginning.
    column: usize,
    /// How many characters are.
    width: usize,
    what: String,
    help: String,
}

impl FilterError {
    /// An error at the bytes from `start` to `end` of `text`.
    pub(super) fn new(text: &str, (start, end): (usize, usize), what: String, help: &str) -> Self {
        let columns = |to: usize| text.get(..to).unwrap_or(text).chars().count();
        Self {
            // A line break or a tab would move what stands under it.
            text: text
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect(),
            column: columns(start),
            width: columns(end).saturating_sub(columns(start)).max(1),
            what,
            help: help.to_owned(),
        }
    }

    /// Where it is wrong: the column, from 1.
    pub fn column(&self) -> usize {
        self.column + 1
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A long filter is shown around the place.
        let from = self.column.saturating_sub(BEFORE);
        let cut: String = self.text.chars().skip(from).take(SHOWN).collect();
        writeln!(f, "error: {}\n  {cut}", self.what)?;
        let width = self
            .width
            .min(SHOWN.saturating_sub(self.column - from))
            .max(1);
        write!(
            f,
            "  {}{}",
            " ".repeat(self.column - from),
            "^".repeat(width)
        )?;
        match &*self.help {
            "" => Ok(()),
            help => write!(f, "\nhelp: {help}"),
        }
    }
}

/// Characters that are shown in front of the place, and in all.
const BEFORE: usize = 60;
const SHOWN: usize = 100;
