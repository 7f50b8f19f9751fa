//! Errors in filters, with a marker under the place.

use std::fmt;
use std::ops::Range;

use crate::printable;

/// The error of an invalid filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct FilterError {
    text: String,
    /// The byte range of the error.
    span: Range<usize>,
    what: String,
    help: String,
}

impl FilterError {
    /// Creates an error at this byte range of `text`.
    pub fn new(text: &str, span: Range<usize>, what: String, help: &str) -> Self {
        Self {
            text: text.to_owned(),
            span,
            // It may quote the filter, which may have line breaks.
            what: printable::line(&what).into_owned(),
            help: help.to_owned(),
        }
    }

    /// Returns the byte range of the error.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Returns a description of the error, in one line.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Returns a suggestion; may be empty.
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
        // Of a long filter, only the part around the place is shown.
        let from = start.saturating_sub(CHARS_BEFORE);
        let shown = self.text.chars().skip(from).take(MAX_SHOWN_CHARS);
        // A line break or a tab would misalign the marker below.
        let shown: String = shown
            .map(|c| if printable::is_hidden(c) { ' ' } else { c })
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

/// The most characters shown in front of the place, and in total.
const CHARS_BEFORE: usize = 60;
const MAX_SHOWN_CHARS: usize = 100;
