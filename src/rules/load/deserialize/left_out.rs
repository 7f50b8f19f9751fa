//! What is left out of a rule since it is wrong.

use std::collections::HashSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::rules::load::report::Value;

/// Where the keys and elements begin that are wrong, or unknown.
#[derive(Default)]
pub(in crate::rules::load) struct LeftOut(pub(in crate::rules::load) HashSet<usize>);

impl LeftOut {
    /// Whether something inside a value is left out.
    pub(in crate::rules::load) fn touches(&self, value: &Value<'_>) -> bool {
        let is = |place: Range<usize>| self.0.contains(&place.start);
        match value.get_ref() {
            DeValue::Table(table) => table
                .iter()
                .any(|(key, value)| is(key.span()) || is(value.span()) || self.touches(value)),
            DeValue::Array(values) => values
                .iter()
                .any(|value| is(value.span()) || self.touches(value)),
            _ => false,
        }
    }

    /// What is left of a value; `None` where that is an empty list or table.
    pub(in crate::rules::load) fn rest<'t>(&self, value: &Value<'t>) -> Option<Value<'t>> {
        let stays = |place: Range<usize>| !self.0.contains(&place.start);
        let rest = match value.get_ref() {
            DeValue::Table(table) if !table.is_empty() => {
                let entries = table.iter().filter(|(key, _)| stays(key.span()));
                let rest = entries.filter(|(_, value)| stays(value.span()));
                let rest = rest.filter_map(|(key, value)| Some((key.clone(), self.rest(value)?)));
                let rest: DeTable<'t> = rest.collect();
                DeValue::Table((!rest.is_empty()).then_some(rest)?)
            }
            DeValue::Array(values) if !values.is_empty() => {
                let mut rest = DeArray::new();
                let elements = values.iter().filter(|value| stays(value.span()));
                elements
                    .filter_map(|value| self.rest(value))
                    .for_each(|value| rest.push(value));
                DeValue::Array((!rest.is_empty()).then_some(rest)?)
            }
            other => other.clone(),
        };
        Some(Spanned::new(value.span(), rest))
    }
}
