//! Reading values of the tree, and reporting those that do not fit.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use bytes::Bytes;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::suggest::{REFERENCE, closest, list};
use crate::rules::RuleError;

/// A value of the tree, with its place.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// Reads a file that a rule file names: gets the name of the rule file and the path written there.
pub type Reader<'r> = &'r dyn Fn(&str, &str) -> Result<Bytes, String>;

/// The errors of one file.
pub(super) struct Report<'r> {
    file: Arc<str>,
    text: Arc<str>,
    /// Where each line begins.
    lines: Vec<usize>,
    errors: Vec<RuleError>,
    /// About the rule that is read.
    warnings: Vec<RuleError>,
    /// The last error beyond [`MOST_ERRORS`], and how many there are.
    beyond: Option<Box<RuleError>>,
    untold: usize,
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
            untold: 0,
            reader,
        }
    }

    /// The content of a file that this one names.
    pub(super) fn file_beside(&self, path: &str) -> Result<Bytes, String> {
        (self.reader)(&self.file, path)
    }

    /// Adds an error, and returns it to be completed. Beyond [`MOST_ERRORS`] only their number is kept.
    pub(super) fn wrong(&mut self, span: Range<usize>, title: impl Into<String>) -> &mut RuleError {
        let error = RuleError::new(&self.file, &self.text, span, title.into());
        let at = self.errors.len();
        if at >= MOST_ERRORS {
            self.untold += 1;
            return self.beyond.insert(Box::new(error));
        }
        self.errors.push(error);
        &mut self.errors[at]
    }

    /// Adds a warning, which keeps no rule from loading. A rule has no more than [`MOST_WARNINGS`].
    pub(super) fn warn(&mut self, span: Range<usize>, title: String, help: String) {
        if self.warnings.len() < MOST_WARNINGS {
            let mut warning = RuleError::new(&self.file, &self.text, span, title).into_warning();
            warning.help(help);
            self.warnings.push(warning);
        }
    }

    /// The warnings since the last call, in file order.
    pub(super) fn take_warnings(&mut self) -> Vec<RuleError> {
        let mut warnings = std::mem::take(&mut self.warnings);
        warnings.sort_by_key(RuleError::start);
        warnings
    }

    /// How many errors there are so far.
    pub(super) fn count(&self) -> usize {
        self.errors.len() + self.untold
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

    /// The errors in file order; the last one tells how many more there are.
    pub(super) fn into_errors(mut self) -> Vec<RuleError> {
        self.errors.sort_by_key(RuleError::start);
        let last = self.beyond.map(|last| last.and_more(self.untold));
        self.errors.extend(last);
        self.errors
    }
}

/// The most errors of one rule file that are listed one by one.
pub(super) const MOST_ERRORS: usize = 50;

/// The most warnings of one rule.
const MOST_WARNINGS: usize = 10;

/// Most keys that an error lists.
pub(super) const MOST_KEYS: usize = 12;

/// A table, with what it is in words.
#[derive(Clone, Copy)]
pub(super) struct Table<'t> {
    what: &'static str,
    map: &'t DeTable<'t>,
    start: usize,
    end: usize,
}

impl<'t> Table<'t> {
    pub(super) fn new(what: &'static str, map: &'t DeTable<'t>, span: Range<usize>) -> Self {
        Self {
            what,
            map,
            start: span.start,
            end: span.end,
        }
    }

    /// The table a value is.
    pub(super) fn of(
        what: &'static str,
        value: &'t Value<'t>,
        report: &mut Report,
    ) -> Option<Self> {
        match value.get_ref() {
            DeValue::Table(map) => Some(Self::new(what, map, value.span())),
            other => {
                report
                    .wrong(value.span(), format!("{what} is a table"))
                    .label(format!("this is {}", kind(other)));
                None
            }
        }
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.start..self.end
    }

    pub(super) fn value(&self, key: &str) -> Option<&'t Value<'t>> {
        self.map.get(key)
    }

    /// Its keys with their places, in file order.
    pub(super) fn keys(&self) -> Vec<(&'t str, Range<usize>)> {
        let mut keys: Vec<_> = self
            .map
            .keys()
            .map(|key| (&**key.get_ref(), key.span()))
            .collect();
        keys.sort_by_key(|(_, span)| span.start);
        keys
    }

    pub(super) fn key_span(&self, key: &str) -> Range<usize> {
        self.map
            .get_key_value(key)
            .map_or(self.span(), |(key, _)| key.span())
    }

    /// The table under a key; an error if something else stands there.
    pub(super) fn table(
        &self,
        key: &str,
        what: &'static str,
        report: &mut Report,
    ) -> Result<Option<Self>, ()> {
        match self.value(key) {
            None => Ok(None),
            Some(value) => Self::of(what, value, report).map(Some).ok_or(()),
        }
    }

    /// Whether a key stands here, be it as a slip that is reported anyway.
    pub(super) fn means(&self, key: &str, known: &[&str]) -> bool {
        let slip = |(written, _): &(&str, _)| closest(written, known) == Some(key);
        self.value(key).is_some() || self.keys().iter().any(slip)
    }

    /// Reports every key but these.
    pub(super) fn refuse_other_keys(&self, known: &[&str], report: &mut Report) {
        for (key, span) in self.keys() {
            if known.contains(&key) {
                continue;
            }
            let error = report.wrong(span, format!("{} has no key `{key}`", self.what));
            error.label(match closest(key, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "not known here".into(),
            });
            error.help(match known.get(..MOST_KEYS) {
                Some(first) if known.len() > MOST_KEYS => {
                    let more = known.len() - MOST_KEYS;
                    format!("its keys are {} and {more} more: {REFERENCE}", list(first))
                }
                _ => format!("its keys are {}", list(known)),
            });
        }
    }
}

/// A text.
pub(super) fn text<'t>(value: &'t Value<'_>, key: &str, report: &mut Report) -> Option<&'t str> {
    let text = value.get_ref().as_str();
    if text.is_none() {
        not_a(value, key, "a text in quotes", report);
    }
    text
}

/// A whole number within bounds.
pub(super) fn number(
    value: &Value<'_>,
    key: &str,
    bounds: RangeInclusive<u64>,
    report: &mut Report,
) -> Option<u64> {
    let Some(number) = integer(value) else {
        not_a(value, key, "a whole number", report);
        return None;
    };
    let fits = u64::try_from(number).ok().filter(|n| bounds.contains(n));
    if fits.is_none() {
        let (least, most) = bounds.into_inner();
        report
            .wrong(value.span(), format!("`{key}` cannot be {number}"))
            .label(format!("from {least} to {most}"));
    }
    fits
}

/// The whole number a value is.
pub(super) fn integer(value: &Value<'_>) -> Option<i64> {
    let integer = value.get_ref().as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// One of several words.
pub(super) fn one_of<T: Copy>(
    value: &Value<'_>,
    key: &str,
    choices: &[(&str, T)],
    report: &mut Report,
) -> Option<T> {
    let word = text(value, key, report)?;
    if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == word) {
        return Some(*choice);
    }
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let error = report.wrong(value.span(), format!("`{key}` cannot be `{word}`"));
    match closest(word, &names) {
        Some(near) => error.label(format!("did you mean `{near}`?")),
        None => error.label("not known here"),
    };
    error.help(format!("write one of {}", list(&names)));
    None
}

/// One value, or every value of a list.
pub(super) fn one_or_many<'t>(
    value: &'t Value<'t>,
    key: &str,
    report: &mut Report,
) -> Vec<&'t Value<'t>> {
    match value.get_ref() {
        DeValue::Array(values) if values.is_empty() => {
            report
                .wrong(value.span(), format!("the list of `{key}` is empty"))
                .help(format!("leave `{key}` out to match anything"));
            Vec::new()
        }
        DeValue::Array(values) => values.iter().collect(),
        _ => vec![value],
    }
}

/// Every value under a key, read; none where there is no such key.
pub(super) fn each<'t, T>(
    table: Table<'t>,
    key: &str,
    report: &mut Report,
    mut read: impl FnMut(&'t Value<'t>, &mut Report) -> Option<T>,
) -> Vec<T> {
    let Some(value) = table.value(key) else {
        return Vec::new();
    };
    let values = one_or_many(value, key, report).into_iter();
    values.filter_map(|value| read(value, report)).collect()
}

/// Reports a value of the wrong type.
pub(super) fn not_a(value: &Value<'_>, key: &str, wanted: &str, report: &mut Report) {
    report
        .wrong(value.span(), format!("`{key}` must be {wanted}"))
        .label(format!("this is {}", kind(value.get_ref())));
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
