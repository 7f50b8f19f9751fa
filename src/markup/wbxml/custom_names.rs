//! The names of a document that are not in the tables: unknown tokens and LITERALs, each stored once.

use std::collections::BTreeMap;

use crate::markup::document::{CustomName, Names};
use crate::markup::vocabulary::{FIRST_OWN, NameId};

/// The custom names found so far, with an index to find each again.
#[derive(Default)]
pub(crate) struct CustomNames {
    pub(crate) names: Names,
    tokens: BTreeMap<(u8, u8), NameId>,
    literals: BTreeMap<(Box<str>, u16), NameId>,
    namespaces: BTreeMap<Box<str>, u16>,
}

/// The most names that a `u16` can number.
pub(crate) const MOST: usize = (u16::MAX - FIRST_OWN) as usize;

impl CustomNames {
    /// Returns the name of an unknown tag token; `None` if there are too many names.
    pub(crate) fn token(&mut self, page: u8, token: u8) -> Option<NameId> {
        if let Some(name) = self.tokens.get(&(page, token)) {
            return Some(*name);
        }
        let name = self.add(unknown(page, token).into(), 0)?;
        self.tokens.insert((page, token), name);
        Some(name)
    }

    /// Returns the number for the name of a LITERAL in a namespace; `None` if there are too many names.
    pub(crate) fn literal(&mut self, local: &str, namespace: u16) -> Option<NameId> {
        let key = (Box::from(local), namespace);
        if let Some(name) = self.literals.get(&key) {
            return Some(*name);
        }
        let name = self.add(local.into(), namespace)?;
        self.literals.insert(key, name);
        Some(name)
    }

    /// Returns the number of a namespace, 0 for none; `None` if there are too many.
    pub(crate) fn namespace(&mut self, uri: &str) -> Option<u16> {
        if uri.is_empty() {
            return Some(0);
        }
        if let Some(number) = self.namespaces.get(uri) {
            return Some(*number);
        }
        let number = u16::try_from(self.names.namespaces.len() + 1).ok()?;
        self.names.namespaces.push(uri.into());
        self.namespaces.insert(uri.into(), number);
        Some(number)
    }

    fn add(&mut self, local: Box<str>, namespace: u16) -> Option<NameId> {
        let number = u16::try_from(self.names.own.len())
            .ok()
            .filter(|n| usize::from(*n) < MOST)?;
        self.names.own.push(CustomName { local, namespace });
        Some(NameId(FIRST_OWN + number))
    }
}

/// Returns the placeholder name of a token without a name: `unknown_PP_TT`, page and token in hexadecimal.
pub(crate) fn unknown(page: u8, token: u8) -> String {
    format!("unknown_{page:02X}_{token:02X}")
}

/// Returns page and token of a name that [`unknown`] made.
pub(crate) fn token_of_unknown(name: &str) -> Option<(u8, u8)> {
    let (page, token) = name.strip_prefix("unknown_")?.split_once('_')?;
    let byte = |hex: &str| (hex.len() == 2).then(|| u8::from_str_radix(hex, 16).ok())?;
    Some((byte(page)?, byte(token)?))
}
