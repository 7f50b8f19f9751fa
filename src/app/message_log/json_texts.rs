//! The texts in a JSON value that may be messages, and the records within it.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::date::WrittenDate;
use crate::markup::wbxml;

/// The texts in a JSON value, in order.
#[derive(Default)]
pub(super) struct JsonTexts<'v> {
    pub(super) texts: Vec<&'v str>,
    /// The objects of lists in which each has its own time, as in the answers of Elasticsearch and ngrok.
    pub(super) records: Vec<&'v Value>,
}

impl<'v> JsonTexts<'v> {
    pub(super) fn of(value: &'v Value) -> Self {
        let mut found = Self::default();
        found.add(value);
        found
    }

    fn add(&mut self, value: &'v Value) {
        match value {
            Value::String(text) => self.texts.push(text),
            Value::Array(values) if values.len() > 1 && values.iter().all(is_record) => {
                self.records.extend(values);
            }
            Value::Array(values) => values.iter().for_each(|value| self.add(value)),
            // WireMock writes each body twice: as text and in base64.
            Value::Object(fields) => {
                let texts: HashSet<&str> = fields.values().filter_map(Value::as_str).collect();
                let is_copy = |field: &Value| {
                    let plain = field.as_str().and_then(|it| STANDARD.decode(it).ok());
                    let plain = plain.and_then(|it| String::from_utf8(it).ok());
                    plain.is_some_and(|plain| texts.contains(&*plain))
                };
                let fields = fields.values().filter(|field| !is_copy(field));
                fields.for_each(|field| self.add(field));
            }
            _ => {}
        }
    }
}

/// Whether a value is an object with a time of its own and a text that may be a message.
fn is_record(value: &Value) -> bool {
    let is_date = |text: &str| text.len() < LONGEST_DATE && WrittenDate::last_in(text).is_some();
    value.is_object()
        && has_text(value, &is_date)
        && has_text(value, &|text| text.len() >= LONGEST_DATE)
}

fn has_text(value: &Value, is_it: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => is_it(text),
        Value::Array(values) => values.iter().any(|value| has_text(value, is_it)),
        Value::Object(fields) => fields.values().any(|value| has_text(value, is_it)),
        _ => false,
    }
}

/// Returns the bytes of a text that has a character for each byte of WBXML or UTF-8: `\u00c3\u00bc`.
pub(super) fn in_latin_1(text: &str) -> Option<Vec<u8>> {
    if text.is_ascii() {
        return None;
    }
    let bytes = text.chars().map(|it| u8::try_from(it).ok());
    let bytes: Vec<u8> = bytes.collect::<Option<_>>()?;
    let is_it = wbxml::looks_like(&bytes) || std::str::from_utf8(&bytes).is_ok();
    is_it.then_some(bytes)
}

/// The limit of a text that is a date alone, in bytes; a message is longer.
const LONGEST_DATE: usize = 40;
