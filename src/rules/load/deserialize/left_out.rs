//! The parts that are left out of a rule because they are wrong.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::rules::load::report::Value;

/// The offsets at which wrong or unknown keys and elements begin.
#[derive(Default)]
pub(in crate::rules::load) struct LeftOut(pub(in crate::rules::load) HashSet<usize>);

impl LeftOut {
    /// Whether the key or element at this place is left out.
    pub(super) fn has(&self, place: &Range<usize>) -> bool {
        self.0.contains(&place.start)
    }

    /// Whether something inside a value is left out.
    pub(in crate::rules::load) fn touches(&self, value: &Value<'_>) -> bool {
        let is_out = |value: &Value<'_>| self.has(&value.span()) || self.touches(value);
        match value.get_ref() {
            _ if self.0.is_empty() => false,
            DeValue::Table(table) => table
                .iter()
                .any(|(key, value)| self.has(&key.span()) || is_out(value)),
            DeValue::Array(values) => values.iter().any(is_out),
            _ => false,
        }
    }

    /// Returns the rest of a value; `None` if nothing is left of a list or table.
    pub(in crate::rules::load) fn rest<'v, 't>(
        &self,
        value: &'v Value<'t>,
    ) -> Option<Cow<'v, Value<'t>>> {
        match self.0.is_empty() {
            true => Some(Cow::Borrowed(value)),
            false => self.pruned(value).map(Cow::Owned),
        }
    }

    fn pruned<'t>(&self, value: &Value<'t>) -> Option<Value<'t>> {
        let stays = |value: &Value<'t>| match self.has(&value.span()) {
            true => None,
            false => self.pruned(value),
        };
        let rest = match value.get_ref() {
            DeValue::Table(table) if !table.is_empty() => {
                let entries = table.iter().filter(|(key, _)| !self.has(&key.span()));
                let rest = entries.filter_map(|(key, value)| Some((key.clone(), stays(value)?)));
                let rest: DeTable<'t> = rest.collect();
                DeValue::Table((!rest.is_empty()).then_some(rest)?)
            }
            DeValue::Array(values) if !values.is_empty() => {
                let mut rest = DeArray::new();
                let elements = values.iter().filter_map(stays);
                elements.for_each(|value| rest.push(value));
                DeValue::Array((!rest.is_empty()).then_some(rest)?)
            }
            other => other.clone(),
        };
        Some(Spanned::new(value.span(), rest))
    }
}
