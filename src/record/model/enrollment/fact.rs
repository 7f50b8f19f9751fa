//! Names with values, in order: an object in JSON.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::{SmolStr, format_smolstr};

/// Names with values, in order. Each name occurs once.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema)]
#[schemars(inline, with = "BTreeMap<String, String>")]
pub struct Facts(Vec<(SmolStr, SmolStr)>);

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
        self.iter()
            .find(|(own, _)| *own == name)
            .map(|(_, value)| value)
    }

    /// Adds a value. Several values of one name are joined with commas; long values are cut.
    pub(super) fn add(&mut self, name: impl Into<SmolStr>, value: impl Into<SmolStr>) {
        let (name, value) = (name.into(), cut(value));
        let is_full = self.0.len() >= MOST;
        match self.0.iter_mut().find(|(own, _)| *own == name) {
            Some((_, known)) if known.len() < LONGEST => {
                *known = format_smolstr!("{known}, {value}");
            }
            Some(_) => {}
            None if is_full => {}
            None => self.0.push((name, value)),
        }
    }

    /// Adds a value, if there is one.
    pub(super) fn add_some(&mut self, name: &'static str, value: Option<impl Into<SmolStr>>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    pub(super) fn values(&mut self, mask: &mut impl FnMut(&mut SmolStr)) {
        self.0.iter_mut().for_each(|(_, value)| mask(value));
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

impl Serialize for Facts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Facts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Facts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut facts = Vec::new();
                while let Some(fact) = map.next_entry()? {
                    facts.push(fact);
                }
                Ok(Facts(facts))
            }
        }
        deserializer.deserialize_map(Read)
    }
}
