//! What is wrong with one value, before it is known where it stands.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use toml::de::{DeTable, DeValue};

use super::RuleError;

/// Stands for the key that the value stands under.
pub(in crate::rules) const KEY: &str = "\u{1}";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Part {
    Key(String),
    Value(String),
    /// Two keys of which one may stand: the later one is wrong.
    OneTooMany(String, String),
}

/// What is wrong with a value, and how it is put right.
#[derive(Clone, Debug, Default)]
pub(in crate::rules) struct Mistake(Box<Parts>);

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Parts {
    title: String,
    label: String,
    helps: Vec<String>,
    /// The key of the table at which it stands, where it is not the whole value.
    part: Option<Part>,
    span: Option<Range<usize>>,
    also: Option<(Range<usize>, String)>,
}

impl Mistake {
    pub(in crate::rules) fn new(title: String) -> Self {
        Self(Box::new(Parts {
            title,
            ..Parts::default()
        }))
    }

    pub(in crate::rules) fn label(mut self, label: impl Into<String>) -> Self {
        self.0.label = label.into();
        self
    }

    pub(in crate::rules) fn help(mut self, help: impl Into<String>) -> Self {
        self.0.helps.push(help.into());
        self
    }

    pub(in crate::rules) fn at(mut self, span: Range<usize>) -> Self {
        self.0.span = Some(span);
        self
    }

    pub(in crate::rules) fn also(mut self, span: Range<usize>, label: &str) -> Self {
        self.0.also = Some((span, label.to_owned()));
        self
    }

    /// Names the key and the place, unless they are known.
    pub(in crate::rules) fn in_key(mut self, key: &str, span: Range<usize>) -> Self {
        self.0.span.get_or_insert(span);
        let Parts {
            title,
            label,
            helps,
            ..
        } = &mut *self.0;
        for text in [title, label].into_iter().chain(helps) {
            *text = text.replace(KEY, key);
        }
        self
    }

    /// Points at a key of the table that is wrong.
    pub(in crate::rules) fn at_key(mut self, key: &str) -> Self {
        self.0.part = Some(Part::Key(key.to_owned()));
        self
    }

    /// Points at the second of two keys of which one may stand.
    pub(in crate::rules) fn at_second_of(mut self, keys: [&str; 2]) -> Self {
        let [one, other] = keys.map(str::to_owned);
        self.0.part = Some(Part::OneTooMany(one, other));
        self
    }

    /// Points at what stands under a key of the table that is wrong.
    pub(in crate::rules) fn at_value(mut self, key: &str) -> Self {
        self.0.part = Some(Part::Value(key.to_owned()));
        self
    }

    /// A key that is pointed at may be the one that the value stands under.
    pub(in crate::rules) fn named(mut self, key: &str) -> Self {
        if self.0.part == Some(Part::Key(KEY.into())) {
            self.0.part = Some(Part::Key(key.into()));
        }
        self
    }

    /// Finds the key it points at in the table that is wrong.
    pub(in crate::rules) fn inside(mut self, table: &DeTable<'_>) -> Self {
        let found = |key: &str| table.get_key_value(key);
        let key = |key: &str| found(key).map(|(key, _)| key.span());
        if self.0.span.is_some() {
            return self;
        }
        self.0.span = match &self.0.part {
            Some(Part::Key(name)) => key(name),
            Some(Part::Value(name)) => found(name).map(|(_, value)| value.span()),
            Some(Part::OneTooMany(one, other)) => {
                let mut keys: Vec<_> = [one, other]
                    .into_iter()
                    .filter_map(|name| key(name))
                    .collect();
                keys.sort_by_key(|span| span.start);
                let second = keys.pop();
                self.0.also = keys.pop().map(|first| (first, "the first".into()));
                second
            }
            None => None,
        };
        self
    }

    /// A mistake out of the text of a serde error, which is all that one carries.
    pub(in crate::rules) fn from_text(text: &str) -> Self {
        let mistake = serde_json::from_str(text).map(Self);
        mistake.unwrap_or_else(|_| Self::new(text.to_owned()))
    }

    /// Says of what type the value is, where only the right one is named.
    pub(in crate::rules) fn with_kind(mut self, value: &DeValue<'_>) -> Self {
        if self.0.label.is_empty()
            && self.0.title.starts_with(&format!("`{KEY}` must be "))
            && self.0.helps.is_empty()
        {
            self.0.label = format!("this is {}", kind(value));
        }
        self
    }

    /// The error of a file: of the value at `span`, under this key.
    pub(in crate::rules) fn into_error(
        self,
        file: &Arc<str>,
        text: &Arc<str>,
        span: Range<usize>,
        key: &str,
    ) -> RuleError {
        let mistake = *self.in_key(key, span.clone()).0;
        let mut error = RuleError::new(file, text, mistake.span.unwrap_or(span), mistake.title);
        error.label(mistake.label);
        if let Some((span, label)) = mistake.also {
            error.also(span, label);
        }
        for help in mistake.helps {
            error.help(help);
        }
        error
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(&self.0);
        f.write_str(&text.map_err(|_| fmt::Error)?)
    }
}

/// What a value is.
pub(in crate::rules) fn kind(value: &DeValue<'_>) -> &'static str {
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

/// `a`, `b` and `c`, each in backquotes.
pub(in crate::rules) fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}
