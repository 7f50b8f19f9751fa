//! Mistakes in a value, reported before its key and its place in the file are known.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::nearest::closest;

/// The placeholder for the key of the value.
pub(in crate::rules) const KEY: &str = "\u{1}";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Part {
    Key(String),
    Value(String),
    /// Two keys of which only one is allowed: the later one is wrong.
    OneTooMany(String, String),
}

/// A mistake in a value, and its remedies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::rules) struct Mistake(pub(in crate::rules) Box<Parts>);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::rules) struct Parts {
    pub(in crate::rules) title: String,
    /// The label at the place itself; may be empty.
    pub(in crate::rules) label: String,
    pub(in crate::rules) helps: Vec<String>,
    /// The key of the table with the mistake, if the mistake is not in the whole value.
    part: Option<Part>,
    /// The place of the mistake, if it is known.
    pub(in crate::rules) span: Option<Range<usize>>,
    /// Another place, and its label.
    pub(in crate::rules) also: Option<(Range<usize>, String)>,
}

impl Mistake {
    pub(in crate::rules) fn new(title: String) -> Self {
        Self(Box::new(Parts {
            title,
            ..Parts::default()
        }))
    }

    /// Returns the mistake of another value than `true` under a key that is written `key = true`.
    pub(in crate::rules) fn only_true(help: impl Into<String>) -> Self {
        Self::new(format!("`{KEY}` is written {KEY} = true")).help(help)
    }

    pub(in crate::rules) fn label(mut self, label: impl Into<String>) -> Self {
        self.0.label = label.into();
        self
    }

    /// Names the known word that was probably meant.
    pub(in crate::rules) fn suggest(self, word: &str, known: &[&str]) -> Self {
        self.label(match closest(word, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "not known here".into(),
        })
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

    /// Fills in the key, and the place unless it is known.
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

    /// Points at a key of the table with the mistake.
    pub(in crate::rules) fn at_key(mut self, key: &str) -> Self {
        self.0.part = Some(Part::Key(key.to_owned()));
        self
    }

    /// Points at the second of two keys of which only one is allowed.
    pub(in crate::rules) fn at_second_of(mut self, keys: [&str; 2]) -> Self {
        let [one, other] = keys.map(str::to_owned);
        self.0.part = Some(Part::OneTooMany(one, other));
        self
    }

    /// Points at the value of a key of the table with the mistake.
    pub(in crate::rules) fn at_value(mut self, key: &str) -> Self {
        self.0.part = Some(Part::Value(key.to_owned()));
        self
    }

    /// Fills in the key of a value, and the place unless it is known. If the mistake names only the right type, it adds
    /// the type found. `step` is the table of the step of which the key is the verb.
    pub(in crate::rules) fn under(
        mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        step: Option<&DeTable<'_>>,
    ) -> Self {
        let this = &mut *self.0;
        if this.title.starts_with(&format!("`{KEY}` must be "))
            && this.label.is_empty()
            && this.helps.is_empty()
        {
            this.label = format!("this is {}", kind(value.get_ref()));
        }
        let tables = [value.get_ref().as_table(), step];
        for table in tables.into_iter().flatten() {
            this.find_part(key, table);
        }
        self.in_key(key, value.span())
    }

    /// Restores a mistake from the text of a serde error, which carries nothing but text.
    pub(in crate::rules) fn from_text(text: &str) -> Self {
        let mistake = serde_json::from_str(text).map(Self);
        mistake.unwrap_or_else(|_| Self::new(text.to_owned()))
    }
}

impl Parts {
    /// Finds the place of the part in the table with the mistake; `verb` is the key for which `KEY` stands.
    fn find_part(&mut self, verb: &str, table: &DeTable<'_>) {
        if self.span.is_some() {
            return;
        }
        let key = |key: &str| table.get_key_value(key).map(|(key, _)| key.span());
        let found = match &self.part {
            Some(Part::Key(name)) if name == KEY => key(verb),
            Some(Part::Key(name)) => key(name),
            Some(Part::Value(name)) => table.get(&**name).map(Spanned::span),
            Some(Part::OneTooMany(one, other)) => {
                let mut keys: Vec<_> = [one, other]
                    .into_iter()
                    .flat_map(|name| key(name))
                    .collect();
                keys.sort_by_key(|span| span.start);
                let second = keys.pop();
                self.also = keys.pop().map(|first| (first, "the first".into()));
                second
            }
            None => None,
        };
        self.span = found;
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(&self.0);
        f.write_str(&text.map_err(|_| fmt::Error)?)
    }
}

/// Returns the kind of a value, for messages.
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

/// Joins words with commas, each in backquotes.
pub(in crate::rules) fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

/// Joins words as [`list`] does; of many words, it lists the first [`MOST_LISTED`] and counts the others.
pub(in crate::rules) fn list_first(words: &[&str]) -> String {
    match words.get(..MOST_LISTED) {
        Some(first) if words.len() > MOST_LISTED => {
            format!("{} and {} more", list(first), words.len() - MOST_LISTED)
        }
        _ => list(words),
    }
}

/// The most words that an error lists.
pub(in crate::rules) const MOST_LISTED: usize = 12;
