//! Names with values, in order: an object in JSON.

use std::collections::BTreeMap;

use hashlink::LinkedHashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};

/// Names with values, in order. Each name occurs once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline, with = "BTreeMap<String, String>")]
pub struct Facts(LinkedHashMap<SmolStr, SmolStr>);

impl Facts {
    /// Returns whether there are no facts.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns all names with their values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Returns the value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| &**value)
    }

    /// Adds a value. Several values of one name are joined with commas; long values are cut.
    pub(super) fn add(&mut self, name: impl Into<SmolStr>, value: impl Into<SmolStr>) {
        let (name, value) = (name.into(), cut(value));
        let is_full = self.0.len() >= MOST;
        match self.0.get_mut(&name) {
            Some(known) if known.len() < LONGEST => {
                *known = format_smolstr!("{known}, {value}");
            }
            None if !is_full => {
                self.0.insert(name, value);
            }
            _ => {}
        }
    }

    /// Adds a value, if there is one.
    pub(super) fn add_some(&mut self, name: &'static str, value: Option<impl Into<SmolStr>>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    pub(super) fn values(&mut self, mask: &mut impl FnMut(&mut SmolStr)) {
        self.0.values_mut().for_each(mask);
    }
}

/// Returns a value, cut to the longest length allowed.
pub(super) fn cut(value: impl Into<SmolStr>) -> SmolStr {
    let value = value.into();
    match value.char_indices().nth(LONGEST) {
        Some((end, _)) => format_smolstr!("{}…", &value[..end]),
        None => value,
    }
}

/// The most names that are kept.
const MOST: usize = 64;

/// The longest value, in characters.
const LONGEST: usize = 1_000;
