//! The values of the secrets found so far, to mask them wherever else they occur.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashSet;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use memchr::memmem::Finder;

use super::MASK;

/// The values found so far.
#[derive(Debug, Default)]
pub(super) struct KnownValues {
    known: HashSet<Box<[u8]>>,
    /// The search for all known values; built again after a new value.
    search: OnceCell<Search>,
}

#[derive(Debug)]
enum Search {
    /// The longest value is first.
    Few(Vec<Finder<'static>>),
    Many(Box<AhoCorasick>),
    /// There are too many values to search for, so any text may contain one.
    TooMany,
}

impl KnownValues {
    /// Remembers a value. Values that are too short to be distinctive, and common words, are left out.
    pub(super) fn remember(&mut self, value: &[u8]) {
        let value = value.trim_ascii();
        let is_word = || {
            let mut words = WORDS.iter();
            words.any(|word| word.as_bytes().eq_ignore_ascii_case(value))
        };
        if value.len() >= SHORTEST && !is_word() && !self.known.contains(value) {
            self.known.insert(value.into());
            self.search.take();
        }
    }

    /// Remembers a value of a head if it is long enough: short values there are often common words.
    pub(super) fn remember_long(&mut self, value: &[u8]) {
        if value.trim_ascii().len() >= SHORTEST_OF_HEAD {
            self.remember(value);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Returns whether there are too many values to search for.
    pub(super) fn are_too_many(&self) -> bool {
        matches!(self.search(), Search::TooMany)
    }

    fn search(&self) -> &Search {
        self.search.get_or_init(|| Search::of(&self.known))
    }

    /// Calls `found` with the place of each value; places may overlap.
    pub(super) fn find(&self, text: &[u8], mut found: impl FnMut(Range<usize>)) {
        match self.search() {
            Search::Few(finders) => {
                for finder in finders {
                    let len = finder.needle().len();
                    finder.find_iter(text).for_each(|at| found(at..at + len));
                }
            }
            Search::Many(all) => all.find_iter(text).for_each(|m| found(m.range())),
            Search::TooMany => found(0..text.len()),
        }
    }

    /// Returns a text with a mask in place of each value.
    pub(super) fn mask_known<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.mask_known_shortly(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(masked) => {
                let masked = String::from_utf8(masked);
                Cow::Owned(masked.unwrap_or_else(|_| MASK.to_owned()))
            }
        }
    }

    /// Returns bytes with a mask in place of each value.
    pub(super) fn mask_known_shortly<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        let mut places = Vec::new();
        self.find(bytes, |place| places.push(place));
        if places.is_empty() {
            return Cow::Borrowed(bytes);
        }
        Cow::Owned(super::with_masks(bytes, places))
    }

    /// Returns bytes with each value filled with asterisks.
    pub(super) fn mask_known_bytes<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        let mut masked = Cow::Borrowed(bytes);
        self.find(bytes, |place| masked.to_mut()[place].fill(b'*'));
        masked
    }
}

impl Search {
    fn of(known: &HashSet<Box<[u8]>>) -> Self {
        let mut values: Vec<&[u8]> = known.iter().map(|value| &**value).collect();
        values.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        match values.len() {
            0..=FEW => {
                let finders = values.into_iter().map(|v| Finder::new(v).into_owned());
                Self::Few(finders.collect())
            }
            _ if values.iter().map(|value| value.len()).sum::<usize>() > MOST_BYTES => {
                Self::TooMany
            }
            _ => {
                let mut builder = AhoCorasick::builder();
                builder.kind(Some(AhoCorasickKind::ContiguousNFA));
                builder.match_kind(MatchKind::LeftmostLongest);
                let all = builder.build(values);
                all.map_or(Self::TooMany, |all| Self::Many(Box::new(all)))
            }
        }
    }
}

/// The shortest value that is searched for elsewhere, in bytes.
const SHORTEST: usize = 4;

/// Values that are common everywhere: even if one is a secret in one place, it is not in another.
const WORDS: [&str; 12] = [
    "true",
    "false",
    "null",
    "none",
    "auto",
    "automatic",
    "manual",
    "default",
    "enabled",
    "disabled",
    "always",
    "never",
];

/// The shortest value of a head that is searched for in the body, in bytes.
const SHORTEST_OF_HEAD: usize = 6;

/// Up to so many values are searched for one after the other.
const FEW: usize = 8;

/// The most bytes of all values together that are searched for at once.
const MOST_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_looked_for_as_soon_as_it_is_known() {
        let mut values = KnownValues::default();
        assert_eq!(values.mask_known("first second"), "first second");
        values.remember(b"first");
        assert_eq!(values.mask_known("first second"), "******** second");
        values.remember(b"second");
        assert_eq!(values.mask_known("first second"), "******** ********");
    }

    #[test]
    fn where_values_are_too_many_to_look_for_nothing_is_shown() {
        let mut values = KnownValues::default();
        for number in 0..=FEW {
            values.remember(&vec![b'a' + number as u8; MOST_BYTES / FEW]);
        }
        assert!(values.are_too_many());
        assert_eq!(values.mask_known("no value"), MASK);
        assert_eq!(&*values.mask_known_bytes(b"none"), b"****");
    }
}
