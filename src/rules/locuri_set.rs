//! Many LocURI patterns, each under one of its segments, so that a LocURI is compared with few of them.

use std::collections::{BTreeSet, HashMap};

use super::glob::UriGlob;
use crate::dm::locuri;

#[derive(Debug, Default)]
pub(super) struct LocUriSet {
    /// Under the segment without a star that the fewest patterns have, in lower case.
    by_segment: HashMap<String, Vec<(usize, UriGlob)>>,
    /// Those in which every segment has a star.
    others: Vec<(usize, UriGlob)>,
}

impl LocUriSet {
    pub(super) fn of(patterns: &[(usize, &UriGlob)]) -> Self {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for segment in patterns.iter().flat_map(|(_, glob)| glob.exact_segments()) {
            *counts.entry(segment).or_default() += 1;
        }
        let mut set = Self::default();
        for (rule, pattern) in patterns {
            let rarest = pattern.exact_segments().min_by_key(|s| counts.get(s));
            let patterns = match rarest {
                Some(segment) => set.by_segment.entry(segment.to_owned()).or_default(),
                None => &mut set.others,
            };
            patterns.push((*rule, (*pattern).clone()));
        }
        set
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_segment.is_empty() && self.others.is_empty()
    }

    pub(super) fn search(&self) -> UriSearch<'_> {
        UriSearch {
            set: self,
            parent: String::new(),
            under_parent: Vec::new(),
        }
    }

    fn under(&self, segment: &str) -> Option<&[(usize, UriGlob)]> {
        let patterns = self.by_segment.get(&segment.to_ascii_lowercase());
        patterns.map(Vec::as_slice)
    }
}

/// Searches for the LocURIs of one message, which share most of their segments: those of a parent are looked up once
/// (`cargo bench --bench proxy -- decoding`, 1,000 rules).
#[derive(Debug)]
pub(super) struct UriSearch<'s> {
    set: &'s LocUriSet,
    /// All segments but the last one of the LocURI before, and the patterns under them.
    parent: String,
    under_parent: Vec<&'s [(usize, UriGlob)]>,
}

impl UriSearch<'_> {
    /// Adds the rules one of whose patterns matches a LocURI.
    pub(super) fn find(&mut self, uri: &str, rules: &mut BTreeSet<usize>) {
        let path = locuri::segments(uri);
        let (parent, last) = path.rsplit_once('/').unwrap_or(("", path));
        if parent != self.parent {
            parent.clone_into(&mut self.parent);
            let segments = parent.split('/');
            self.under_parent = segments.filter_map(|s| self.set.under(s)).collect();
        }
        let last = self.set.under(last).unwrap_or_default();
        if self.under_parent.is_empty() && last.is_empty() && self.set.others.is_empty() {
            return;
        }
        let canonical = path.to_ascii_lowercase();
        let under_parent = self.under_parent.iter().copied().flatten();
        for (rule, pattern) in under_parent.chain(last).chain(&self.set.others) {
            if !rules.contains(rule) && pattern.matches(&canonical) {
                rules.insert(*rule);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_finds_what_each_pattern_alone_finds_whatever_came_before() {
        let patterns = [
            "./A/*/C",
            "./A/**",
            "./A/B",
            "./**/C",
            "./User/**",
            "./A/B/*",
            "./Device/**",
            "*",
        ];
        let globs = patterns.map(|pattern| UriGlob::new(pattern).unwrap());
        let numbered: Vec<_> = globs.iter().enumerate().collect();
        let set = LocUriSet::of(&numbered);
        let mut search = set.search();
        let segments = ["a", "B", "C", "user", "Device", ""];
        for number in 0..6_usize.pow(4) {
            // Neighbours share beginnings, and every so often they do not.
            let number = if number % 7 == 0 {
                1295 - number
            } else {
                number
            };
            let parts = [216, 36, 6, 1].map(|place| segments[number / place % 6]);
            let uri = format!("./{}", parts[..1 + number % 4].join("/"));
            let mut found = BTreeSet::new();
            search.find(&uri, &mut found);
            let canonical = locuri::canonical(&uri);
            let alone: BTreeSet<usize> = (0..globs.len())
                .filter(|&rule| globs[rule].matches(&canonical))
                .collect();
            assert_eq!(found, alone, "{uri}");
        }
    }
}
