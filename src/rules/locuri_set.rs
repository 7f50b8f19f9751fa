//! A set of many LocURI patterns by their exact beginnings, so that a LocURI is compared with few patterns.

use std::collections::{BTreeSet, HashMap};

use super::glob::{UriGlob, segments};
use crate::dm::locuri;
use crate::markup::Element;

/// A set of patterns, each with the position of its rule in the set.
#[derive(Debug, Default)]
pub(super) struct LocUriSet {
    /// The patterns by their beginning: the leading segments without a star. Each part of a beginning is a key, too.
    by_beginning: HashMap<String, Patterns>,
}

/// The patterns with the same beginning.
#[derive(Debug, Default)]
struct Patterns {
    patterns: Vec<(usize, UriGlob)>,
    /// Whether one of them has a star behind the beginning.
    has_star: bool,
}

impl LocUriSet {
    pub(super) fn of(patterns: &[(usize, &UriGlob)]) -> Self {
        let mut set = Self::default();
        for (rule, pattern) in patterns {
            let mut beginning = String::new();
            set.by_beginning.entry(String::new()).or_default();
            for segment in pattern.exact_beginning() {
                if !beginning.is_empty() {
                    beginning.push('/');
                }
                beginning.push_str(segment);
                set.by_beginning.entry(beginning.clone()).or_default();
            }
            let same = set.by_beginning.entry(beginning).or_default();
            same.has_star |= pattern.has_star();
            same.patterns.push((*rule, (*pattern).clone()));
        }
        set
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_beginning.is_empty()
    }

    pub(super) fn search(&self) -> UriSearch<'_> {
        UriSearch {
            set: self,
            lost: Vec::new(),
        }
    }
}

/// A search for the LocURIs of one message. It remembers a beginning that no pattern has, because most LocURIs of a
/// message begin alike. Without that, 1,000 rules cost more than the 5 % that are the aim of
/// `cargo bench --bench proxy -- decoding`.
#[derive(Debug)]
pub(super) struct UriSearch<'s> {
    set: &'s LocUriSet,
    /// The beginning of an earlier LocURI, as written in the document, that rules out every pattern.
    lost: Vec<u8>,
}

impl UriSearch<'_> {
    /// Adds the rules with a pattern that matches the LocURI in the text of an element.
    pub(super) fn find(&mut self, uri: Element<'_>, rules: &mut BTreeSet<usize>) {
        let written = uri.raw_only_text().unwrap_or_default();
        if !self.lost.is_empty() && written.starts_with(&self.lost) {
            return;
        }
        let canonical = locuri::canonical(&uri.text());
        let slashes = canonical.match_indices('/').map(|(slash, _)| slash);
        let (mut begin_so, mut has_star) = (Vec::new(), false);
        for end in [0].into_iter().chain(slashes).chain([canonical.len()]) {
            let Some(same) = self.set.by_beginning.get(&canonical[..end]) else {
                if let Some(beginning) = canonical.get(..=end).filter(|_| !has_star) {
                    self.lost = written_beginning(written, beginning).to_vec();
                }
                break;
            };
            has_star |= same.has_star;
            begin_so.extend(&same.patterns);
        }
        if begin_so.is_empty() {
            return;
        }
        let segments = segments(&canonical);
        let matching = begin_so.into_iter();
        let matching = matching.filter(|(_, pattern)| pattern.matches_segments(&segments));
        rules.extend(matching.map(|(rule, _)| *rule));
    }
}

/// Returns the beginning of this LocURI, as written in the document, that stands for the beginning of its canonical
/// form: every LocURI written so has the same canonical beginning. Empty if that is not certain. Documents have
/// different charsets, which agree on ASCII only.
fn written_beginning<'w>(written: &'w [u8], canonical: &str) -> &'w [u8] {
    // The canonical form leaves out prefixes and slashes in more than one way.
    let is_plain = canonical.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !canonical.starts_with("device/")
        && !canonical.contains("//");
    if !is_plain || !canonical.is_ascii() {
        return &[];
    }
    let fronts = ["./device/", "./", ""];
    let beginnings = fronts.iter().filter_map(|front| {
        let start = written.get(..front.len() + canonical.len())?;
        let (before, path) = start.split_at(front.len());
        let is_it = before.eq_ignore_ascii_case(front.as_bytes())
            && path.eq_ignore_ascii_case(canonical.as_bytes());
        is_it.then_some(start)
    });
    beginnings.into_iter().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::wbxml::encode::{WbxmlOptions, encode};
    use crate::markup::{Hint, Limits, decode, tag};

    /// Returns the rules that a search finds for each of these LocURIs, one after the other.
    fn search(patterns: &[&str], uris: &[String]) -> Vec<Vec<usize>> {
        let globs: Vec<_> = patterns.iter().map(|p| UriGlob::new(p).unwrap()).collect();
        let numbered: Vec<_> = globs.iter().enumerate().collect();
        let set = LocUriSet::of(&numbered);
        let nodes = uris.iter().map(|uri| format!("<LocURI>{uri}</LocURI>"));
        let nodes: String = nodes.collect();
        let text = format!("<SyncML xmlns=\"SYNCML:SYNCML1.2\">{nodes}</SyncML>");
        let document = decode(text.into(), Hint::default(), &Limits::default()).unwrap();
        let mut search = set.search();
        let elements = document.elements().filter(|e| e.is(tag::LOC_URI));
        let found = elements.map(|uri| {
            let mut rules = BTreeSet::new();
            search.find(uri, &mut rules);
            rules.into_iter().collect()
        });
        found.collect()
    }

    #[test]
    fn a_search_finds_what_each_pattern_alone_finds_whatever_came_before() {
        let all = [
            "./A/*/C",
            "./A/**",
            "./A/B",
            "./A/B/C/user",
            "./A/B/*",
            "./User/**",
            "./**/C",
            "./Device/**",
            "*",
        ];
        let segments = ["a", "B", "C", "user", "Device", ""];
        let uris = (0..6_usize.pow(4)).map(|number| {
            // Neighbours mostly share beginnings; every seventh one does not.
            let number = if number % 7 == 0 {
                1295 - number
            } else {
                number
            };
            let parts = [216, 36, 6, 1].map(|place| segments[number / place % 6]);
            let uri = format!("./{}", parts[..1 + number % 4].join("/"));
            match number % 5 {
                0 => uri.replace('B', "%42"),
                _ => uri,
            }
        });
        let uris: Vec<String> = uris.collect();
        // Without the last patterns, which may begin with anything, the search skips most LocURIs.
        for patterns in [&all[..], &all[..6], &all[2..4]] {
            for (uri, found) in uris.iter().zip(search(patterns, &uris)) {
                let canonical = locuri::canonical(uri);
                let alone = (0..patterns.len())
                    .filter(|&rule| UriGlob::new(patterns[rule]).unwrap().matches(&canonical));
                assert_eq!(found, alone.collect::<Vec<_>>(), "{uri} {patterns:?}");
            }
        }
    }

    #[test]
    fn xml_and_wbxml_remember_the_same_beginning_that_led_nowhere() {
        let glob = UriGlob::new("./Vendor/MSFT/Policy/Config/*").unwrap();
        let set = LocUriSet::of(&[(0, &glob)]);
        let text = "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><LocURI>./Vendor/MSFT/Policy/Result/A</LocURI></SyncML>";
        let xml = decode(text.into(), Hint::default(), &Limits::default()).unwrap();
        let wbxml = encode(&xml, &WbxmlOptions::default()).unwrap().into();
        let wbxml = decode(wbxml, Hint::default(), &Limits::default()).unwrap();
        for document in [xml, wbxml] {
            let mut search = set.search();
            let uri = document.elements().find(|e| e.is(tag::LOC_URI)).unwrap();
            search.find(uri, &mut BTreeSet::new());
            assert_eq!(search.lost, b"./Vendor/MSFT/Policy/Result/");
        }
    }

    #[test]
    fn what_begins_like_a_locuri_that_led_nowhere_is_passed_over_and_nothing_else() {
        let check = |patterns: &[&str], uris: &[&str], expected: &[usize]| {
            let uris: Vec<String> = uris.iter().map(|uri| (*uri).to_owned()).collect();
            let found = search(patterns, &uris).concat();
            assert_eq!(found, expected, "{patterns:?} {uris:?}");
        };
        check(
            &["./A/**", "./C/D", "./**/Z"],
            &["./C/B/Q", "./C/B/R", "./C/&#66;/R", "./C/B/Z", "./C/D"],
            &[2, 1],
        );
        check(
            &["./A/**"],
            &["./Ä/Z/Q", "<![CDATA[./A/B]]>", "./Ä/Z"],
            &[0],
        );
        // The canonical path also occurs at the start of the written LocURI, before the part that it comes from.
        let nodes = ["./Device/Device/X", "./Device/Vendor/Y"];
        check(&["./Vendor/**"], &nodes, &[0]);
        let nodes = ["Device/Device/X", "Device/Vendor/Y"];
        check(&["./Vendor/**"], &nodes, &[0]);
        check(&["./A/*"], &["././A/B", "./A/B"], &[0]);
        check(&["./A/*"], &["./Device//A", "./A/B"], &[0]);
        check(&["./A/*"], &[" ./C/A ", "./C/", "./C/A/B", "/A/B"], &[0]);
        check(&["./A/B"], &["./A/C/D", "./A/c/E", "./A/B"], &[0]);
        // Percent-encoded characters, and the characters themselves.
        let nodes = ["./A/x/%7BB%2fC%7D", "./A/x/{B%2FC}", "./%41/{B%2FC}"];
        let patterns = ["./A/*/%7Bb%2fc%7d", "./A/%7Bb*", "./A/**/%7B*"];
        check(&patterns, &nodes, &[0, 2, 0, 2, 1, 2]);
    }
}
