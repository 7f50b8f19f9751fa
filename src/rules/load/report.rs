//! The errors of one rule file, and the tree they point into.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::nearest::closest;
use crate::rules::RuleError;
use crate::rules::mistake::Mistake;

/// A value of the tree, with its place.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// Reads a file that a rule file names: gets the name of the rule file and the path written there.
pub type Reader<'r> = &'r dyn Fn(&str, &str) -> Result<Bytes, String>;

pub(super) struct Report<'r> {
    file: Arc<str>,
    text: Arc<str>,
    lines: Vec<usize>,
    errors: Vec<RuleError>,
    /// About the rule that is read.
    warnings: Vec<RuleError>,
    /// The last error beyond [`MOST_ERRORS`], and how many there are.
    beyond: Option<Box<RuleError>>,
    left_out: usize,
    reader: Reader<'r>,
}

impl<'r> Report<'r> {
    pub(super) fn new(file: &str, text: &str, reader: Reader<'r>) -> Self {
        Self {
            file: file.into(),
            text: text.into(),
            lines: std::iter::once(0)
                .chain(text.match_indices('\n').map(|(at, _)| at + 1))
                .collect(),
            errors: Vec::new(),
            warnings: Vec::new(),
            beyond: None,
            left_out: 0,
            reader,
        }
    }

    pub(super) fn file_beside(&self, path: &str) -> Result<Bytes, String> {
        (self.reader)(&self.file, path)
    }

    /// Adds an error, and returns it to be completed. Beyond [`MOST_ERRORS`] only their number is kept.
    pub(super) fn wrong(&mut self, span: Range<usize>, title: impl Into<String>) -> &mut RuleError {
        let mistake = Mistake::new(title.into());
        self.add(RuleError::new(&self.file, &self.text, span, mistake))
    }

    /// Adds what is wrong with the value at `span`, under this key.
    pub(super) fn mistake(&mut self, mistake: Mistake, span: Range<usize>, key: &str) {
        let mistake = mistake.in_key(key, span.clone());
        let span = mistake.0.span.clone().unwrap_or(span);
        self.add(RuleError::new(&self.file, &self.text, span, mistake));
    }

    fn add(&mut self, error: RuleError) -> &mut RuleError {
        let at = self.errors.len();
        if at >= MOST_ERRORS {
            self.left_out += 1;
            return self.beyond.insert(Box::new(error));
        }
        self.errors.push(error);
        &mut self.errors[at]
    }

    /// Adds a warning, which keeps no rule from loading. A rule has no more than [`MOST_WARNINGS`].
    pub(super) fn warn(&mut self, span: Range<usize>, mistake: Mistake) {
        if self.warnings.len() < MOST_WARNINGS {
            let warning = RuleError::new(&self.file, &self.text, span, mistake);
            self.warnings.push(warning.into_warning());
        }
    }

    /// The warnings since the last call, in file order.
    pub(super) fn take_warnings(&mut self) -> Vec<RuleError> {
        let mut warnings = std::mem::take(&mut self.warnings);
        warnings.sort_by_key(RuleError::start);
        warnings
    }

    pub(super) fn count(&self) -> usize {
        self.errors.len() + self.left_out
    }

    pub(super) fn file(&self) -> &Arc<str> {
        &self.file
    }

    pub(super) fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The line of an offset, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset)
    }

    /// The errors in file order; the last one counts those beyond.
    pub(super) fn into_errors(mut self) -> Vec<RuleError> {
        self.errors.sort_by_key(RuleError::start);
        let last = self.beyond.map(|last| last.and_more(self.left_out));
        self.errors.extend(last);
        self.errors
    }
}

/// Where all words are listed.
pub(super) const REFERENCE: &str = "`dmtap rules schema`";

/// The most errors of one rule file that are listed one by one.
pub(super) const MOST_ERRORS: usize = 50;

/// The most warnings of one rule.
const MOST_WARNINGS: usize = 10;

/// A table of the tree, with its place.
#[derive(Clone, Copy)]
pub(super) struct Table<'t> {
    map: &'t DeTable<'t>,
    start: usize,
    end: usize,
}

impl<'t> Table<'t> {
    /// The table a value is, if it is one.
    pub(super) fn of(value: &'t Value<'t>) -> Option<Self> {
        let span = value.span();
        value.get_ref().as_table().map(|map| Self {
            map,
            start: span.start,
            end: span.end,
        })
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.start..self.end
    }

    pub(super) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    pub(super) fn value(&self, key: &str) -> Option<&'t Value<'t>> {
        self.map.get(key)
    }

    /// The one value under a key, or each of a list; none where there is no such key.
    pub(super) fn values(&self, key: &str) -> Vec<&'t Value<'t>> {
        match self.value(key) {
            None => Vec::new(),
            Some(value) => match value.get_ref() {
                DeValue::Array(values) => values.iter().collect(),
                _ => vec![value],
            },
        }
    }

    /// The table under a key, if there is one.
    pub(super) fn table(&self, key: &str) -> Option<Self> {
        self.value(key).and_then(Self::of)
    }

    /// Its keys with their places, in file order.
    pub(super) fn keys(&self) -> Vec<(&'t str, Range<usize>)> {
        let keys = self.map.keys();
        let mut keys: Vec<_> = keys.map(|key| (&**key.get_ref(), key.span())).collect();
        keys.sort_by_key(|(_, span)| span.start);
        keys
    }

    pub(super) fn key_span(&self, key: &str) -> Range<usize> {
        let found = self.map.get_key_value(key);
        found.map_or(self.span(), |(key, _)| key.span())
    }

    /// Where the value under a key stands; the whole table where there is none.
    pub(super) fn value_span(&self, key: &str) -> Range<usize> {
        self.value(key).map_or(self.span(), Spanned::span)
    }

    /// Whether a key stands here, be it as a slip that is reported anyway.
    pub(super) fn means(&self, key: &str, known: &[&str]) -> bool {
        let slip = |(written, _): &(&str, _)| closest(written, known) == Some(key);
        self.value(key).is_some() || self.keys().iter().any(slip)
    }
}

pub(super) fn integer(value: &Value<'_>) -> Option<i64> {
    let integer = value.get_ref().as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}
