//! The errors of one rule file, and access to its TOML tree.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::left_out::LeftOut;
use crate::nearest::closest;
use crate::rules::RuleError;
use crate::rules::mistake::Mistake;

/// A value of the TOML tree, with its place.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// A function that reads a file named in a rule file. Its arguments are the name of the rule file and the path.
pub type Reader<'r> = &'r dyn Fn(&str, &str) -> Result<Bytes, String>;

pub(super) struct Report<'r> {
    file: Arc<str>,
    text: Arc<str>,
    lines: Vec<usize>,
    errors: Vec<RuleError>,
    /// The number of errors beyond [`MOST_ERRORS`] that are only counted.
    more: usize,
    /// The warnings about the current rule.
    warnings: Vec<RuleError>,
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
            more: 0,
            warnings: Vec::new(),
            reader,
        }
    }

    pub(super) fn file_beside(&self, path: &str) -> Result<Bytes, String> {
        (self.reader)(&self.file, path)
    }

    /// Adds an error, and returns it for further details.
    pub(super) fn wrong(&mut self, span: Range<usize>, title: impl Into<String>) -> &mut RuleError {
        let mistake = Mistake::new(title.into());
        self.add(RuleError::new(&self.file, &self.text, span, mistake))
    }

    /// Adds a mistake in the value at `span`, under this key.
    pub(super) fn mistake(&mut self, mistake: Mistake, span: Range<usize>, key: &str) {
        let mistake = mistake.in_key(key, span.clone());
        let span = mistake.0.span.clone().unwrap_or(span);
        self.add(RuleError::new(&self.file, &self.text, span, mistake));
    }

    fn add(&mut self, error: RuleError) -> &mut RuleError {
        if self.errors.len() > MOST_ERRORS {
            self.errors.pop();
            self.more += 1;
        }
        let at = self.errors.len();
        self.errors.push(error);
        &mut self.errors[at]
    }

    /// Adds a warning, which does not keep the rule from loading. A rule has at most [`MOST_WARNINGS`].
    pub(super) fn warn(&mut self, span: Range<usize>, mistake: Mistake) {
        if self.warnings.len() < MOST_WARNINGS {
            let warning = RuleError::new(&self.file, &self.text, span, mistake);
            self.warnings.push(warning.into_warning());
        }
    }

    /// Returns the warnings since the last call, in file order.
    pub(super) fn take_warnings(&mut self) -> Vec<RuleError> {
        let mut warnings = std::mem::take(&mut self.warnings);
        warnings.sort_by_key(RuleError::start);
        warnings
    }

    pub(super) fn count(&self) -> usize {
        self.errors.len() + self.more
    }

    pub(super) fn file(&self) -> &Arc<str> {
        &self.file
    }

    pub(super) fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Returns the line of an offset, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset)
    }

    /// Returns the errors in file order; the last one stands for those beyond [`MOST_ERRORS`].
    pub(super) fn into_errors(mut self) -> Vec<RuleError> {
        self.errors.sort_by_key(RuleError::start);
        if self.errors.len() > MOST_ERRORS {
            let last = self.errors.pop();
            let last = last.map(|last| last.and_more(self.more + 1));
            self.errors.extend(last);
        }
        self.errors
    }
}

/// The command that lists all words.
pub(super) const REFERENCE: &str = "`dmtap rules schema`";

/// The most errors of one rule file that are listed one by one.
pub(super) const MOST_ERRORS: usize = 50;

/// The most warnings of one rule.
const MOST_WARNINGS: usize = 10;

/// A table of the TOML tree, with its place.
#[derive(Clone, Copy)]
pub(super) struct Table<'t> {
    map: &'t DeTable<'t>,
    start: usize,
    end: usize,
    /// The wrong parts, which the table does not show.
    left_out: &'t LeftOut,
}

impl<'t> Table<'t> {
    /// Returns a value as a table, if it is one.
    pub(super) fn of(value: &'t Value<'t>) -> Option<Self> {
        let span = value.span();
        value.get_ref().as_table().map(|map| Self {
            map,
            start: span.start,
            end: span.end,
            left_out: LeftOut::NONE,
        })
    }

    /// Returns the table without its wrong parts.
    pub(super) fn without(self, left_out: &'t LeftOut) -> Self {
        Self { left_out, ..self }
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.start..self.end
    }

    pub(super) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    pub(super) fn value(&self, key: &str) -> Option<&'t Value<'t>> {
        self.entry(key).map(|(_, value)| value)
    }

    fn entry(&self, key: &str) -> Option<(Range<usize>, &'t Value<'t>)> {
        let (key, value) = self.map.get_key_value(key)?;
        let is_right = !self.left_out.has(&key.span()) && self.left_out.keeps(value);
        is_right.then(|| (key.span(), value))
    }

    /// Returns the value under a key, or each element of a list; nothing if the key is missing.
    pub(super) fn values(&self, key: &str) -> Vec<&'t Value<'t>> {
        match self.value(key) {
            None => Vec::new(),
            Some(value) => match value.get_ref() {
                DeValue::Array(values) => {
                    let values = values.iter();
                    values.filter(|it| self.left_out.keeps(it)).collect()
                }
                _ => vec![value],
            },
        }
    }

    /// Returns the table under a key, if there is one.
    pub(super) fn table(&self, key: &str) -> Option<Self> {
        let table = self.value(key).and_then(Self::of)?;
        Some(table.without(self.left_out))
    }

    /// Returns the tables among the values under a key.
    pub(super) fn tables(&self, key: &str) -> impl Iterator<Item = Self> + use<'t> {
        let left_out = self.left_out;
        let tables = self.values(key).into_iter().filter_map(Self::of);
        tables.map(move |table| table.without(left_out))
    }

    /// Returns the keys with their places, in file order.
    pub(super) fn keys(&self) -> Vec<(&'t str, Range<usize>)> {
        let keys = self.map.keys();
        let mut keys: Vec<_> = keys.map(|key| (&**key.get_ref(), key.span())).collect();
        keys.sort_by_key(|(_, span)| span.start);
        keys
    }

    pub(super) fn key_span(&self, key: &str) -> Range<usize> {
        self.entry(key).map_or(self.span(), |(span, _)| span)
    }

    /// Returns the place of the value under a key; the whole table if the key is missing.
    pub(super) fn value_span(&self, key: &str) -> Range<usize> {
        self.value(key).map_or(self.span(), Spanned::span)
    }

    /// Whether the table has a key, or a misspelt form of it, which is reported anyway.
    pub(super) fn means(&self, key: &str, known: &[&str]) -> bool {
        let slip = |(written, _): &(&str, _)| closest(written, known) == Some(key);
        self.value(key).is_some() || self.keys().iter().any(slip)
    }
}

pub(super) fn integer(value: &Value<'_>) -> Option<i64> {
    let integer = value.get_ref().as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}
