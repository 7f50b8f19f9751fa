//! The parts that are left out of a rule because they are wrong.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

/// The offsets at which wrong or unknown keys and elements begin.
#[derive(Default)]
pub(super) struct LeftOut(pub(super) BTreeSet<usize>);

impl LeftOut {
    /// Nothing.
    pub(super) const NONE: &'static Self = &Self(BTreeSet::new());

    /// Whether the key or element at this place is left out.
    pub(super) fn has(&self, place: &Range<usize>) -> bool {
        self.0.contains(&place.start)
    }

    /// Whether something inside a value is left out.
    pub(super) fn touches(&self, value: &Spanned<DeValue<'_>>) -> bool {
        let is_out = |value: &Spanned<DeValue<'_>>| self.has(&value.span()) || self.touches(value);
        match value.get_ref() {
            _ if self.0.is_empty() => false,
            DeValue::Table(table) => table
                .iter()
                .any(|(key, value)| self.has(&key.span()) || is_out(value)),
            DeValue::Array(values) => values.iter().any(is_out),
            _ => false,
        }
    }

    /// Whether a value counts: it is not left out, and neither is everything in it.
    pub(super) fn keeps(&self, value: &Spanned<DeValue<'_>>) -> bool {
        !self.has(&value.span())
            && match value.get_ref() {
                DeValue::Table(table) if !table.is_empty() => table
                    .iter()
                    .any(|(key, value)| !self.has(&key.span()) && self.keeps(value)),
                DeValue::Array(values) if !values.is_empty() => {
                    values.iter().any(|value| self.keeps(value))
                }
                _ => true,
            }
    }
}
