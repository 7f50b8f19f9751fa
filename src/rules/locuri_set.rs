//! Many LocURI globs as one automaton, so that a LocURI is matched with all of them in one walk.
//!
//! ```text
//! ./Vendor/*/Wifi     0 ─vendor─► 1 ─*─► 2 ─wifi─► 3 (rule 0)
//! ./Vendor/MSFT/**                └─msft─► 4 ┄┄► 5 ⟲ (rule 1)      ┄ takes no segment, ⟲ any
//! ```

use std::collections::HashMap;

use super::glob::{Glob, Segment, UriGlob};
use super::index::Candidates;
use crate::dm::locuri;
use crate::markup::Element;

/// The automaton. Its work for one LocURI is bounded by segments times states reached at once.
#[derive(Debug)]
pub(super) struct LocUriSet(Vec<State>);

#[derive(Debug, Default)]
struct State {
    exact: HashMap<String, usize>,
    like: Vec<(Glob, usize)>,
    /// The state behind a `**`, reached without a segment.
    deep: Option<usize>,
    /// Behind a `**`: any segment leads back here.
    loops: bool,
    /// Rules whose pattern ends here, with the pattern.
    ends: Vec<(usize, UriGlob)>,
}

impl LocUriSet {
    /// The automaton of these patterns, each with its rule.
    pub(super) fn of<'p>(patterns: impl Iterator<Item = (usize, &'p UriGlob)>) -> Self {
        let mut tree = Self(vec![State::default()]);
        for (rule, pattern) in patterns {
            let end = pattern
                .segments()
                .iter()
                .fold(0, |state, segment| tree.child(state, segment));
            tree.0[end].ends.push((rule, pattern.clone()));
        }
        tree
    }

    /// The state behind `segment`, made where there is none.
    fn child(&mut self, at: usize, segment: &Segment) -> usize {
        let fresh = self.0.len();
        let state = &mut self.0[at];
        let child = match segment {
            Segment::Is(text) => *state.exact.entry(text.clone()).or_insert(fresh),
            Segment::Deep if state.loops => at,
            Segment::Deep => *state.deep.get_or_insert(fresh),
            Segment::Like(wild) => match state.like.iter().find(|(known, _)| known == wild) {
                Some((_, known)) => *known,
                None => {
                    state.like.push((wild.clone(), fresh));
                    fresh
                }
            },
        };
        if child == fresh {
            self.0.push(State {
                loops: *segment == Segment::Deep,
                ..State::default()
            });
        }
        child
    }

    /// A walk through it, LocURI by LocURI.
    pub(super) fn walk(&self) -> UriWalker<'_> {
        UriWalker {
            tree: self,
            path: String::with_capacity(128),
            marks: Vec::with_capacity(8),
            states: Vec::with_capacity(32),
            lower: String::with_capacity(32),
            dead: Vec::with_capacity(128),
        }
    }

    fn follow(&self, at: usize, segment: &str, next: &mut Vec<usize>, from: usize) {
        let state = &self.0[at];
        if state.loops {
            self.enter(at, next, from);
        }
        if let Some(&child) = state.exact.get(segment) {
            self.enter(child, next, from);
        }
        for (wild, child) in &state.like {
            if wild.matches(segment) {
                self.enter(*child, next, from);
            }
        }
    }

    /// Adds a state, and the one that a `**` reaches from there without a segment, to those behind `from`.
    fn enter(&self, at: usize, states: &mut Vec<usize>, from: usize) {
        let reached = [Some(at), self.0[at].deep];
        for state in reached.into_iter().flatten() {
            if !states[from..].contains(&state) {
                states.push(state);
            }
        }
    }
}

/// A walk for many LocURIs. The nodes of a message are close to each other: what one LocURI shares with the one before
/// it is not walked again.
#[derive(Debug)]
pub(super) struct UriWalker<'t> {
    tree: &'t LocUriSet,
    /// The LocURI before, as far as it was walked.
    path: String,
    /// One for each of its segments that has another one behind it, and one in front of them.
    marks: Vec<Mark>,
    /// The states behind each segment, one after the other.
    states: Vec<usize>,
    lower: String,
    /// How a LocURI began, as it is written, that led to no state: none that begins so leads to one.
    dead: Vec<u8>,
}

/// A place in the path between two segments.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// Where the next segment begins.
    at: usize,
    /// Where the states here begin; they reach to the end, or to those of the next mark.
    states: usize,
}

impl UriWalker<'_> {
    /// Adds the rules one of whose patterns matches the LocURI that is an element's text.
    pub(super) fn rules_of(&mut self, element: Element<'_>, rules: &mut Candidates) {
        let written = element.only_text();
        let is_dead = |written: &[u8]| !self.dead.is_empty() && written.starts_with(&self.dead);
        if written.is_some_and(is_dead) {
            return;
        }
        let text = element.text();
        self.rules_about(&text, rules);
        if let Some(written) = written.filter(|_| self.is_lost()) {
            self.pass_over(written, locuri::segments(&text));
        }
    }

    /// From now on passes over what begins like this LocURI, whose path is read from what is written.
    fn pass_over(&mut self, written: &[u8], path: &str) {
        // Where the path stands there as it is read, that is where it stands: a search could find it too early.
        let at = path.as_ptr().addr().wrapping_sub(written.as_ptr().addr());
        let end = at.saturating_add(self.path.len());
        let dead = written.get(..end).filter(|dead| {
            // The documents a walk sees may be written in different ways, which agree on ASCII only.
            dead.ends_with(self.path.as_bytes()) && dead.is_ascii()
        });
        if let Some(dead) = dead {
            self.dead.clear();
            self.dead.extend_from_slice(dead);
        }
    }

    /// Whether what was walked leads to no state, whatever follows.
    fn is_lost(&self) -> bool {
        let last = self.marks.last();
        last.is_some_and(|mark| mark.states == self.states.len())
    }

    /// Adds the rules one of whose patterns matches a LocURI; a rule may come twice.
    pub(super) fn rules_about(&mut self, uri: &str, rules: &mut Candidates) {
        let path = locuri::segments(uri);
        self.go_back(path);
        while let Some(mark) = self.marks.last().copied() {
            if mark.states == self.states.len() {
                return;
            }
            let rest = &path[mark.at..];
            let Some(length) = memchr::memchr(b'/', rest.as_bytes()) else {
                return self.end(mark, path, rules);
            };
            let states = self.step(mark, &rest[..length]);
            self.path.push_str(&rest[..=length]);
            let at = self.path.len();
            self.marks.push(Mark { at, states });
        }
    }

    /// Back to the last mark that this path passes, too.
    fn go_back(&mut self, path: &str) {
        while let Some(mark) = self.marks.last() {
            if path
                .as_bytes()
                .starts_with(&self.path.as_bytes()[..mark.at])
            {
                self.path.truncate(mark.at);
                return;
            }
            self.states.truncate(mark.states);
            self.marks.pop();
        }
        self.path.clear();
        self.states.clear();
        self.tree.enter(0, &mut self.states, 0);
        self.marks.push(Mark { at: 0, states: 0 });
    }

    /// Adds the states behind one more segment, and gives where they begin.
    fn step(&mut self, mark: Mark, segment: &str) -> usize {
        self.lower.clear();
        self.lower.push_str(segment);
        self.lower.make_ascii_lowercase();
        let from = self.states.len();
        for at in mark.states..from {
            let state = self.states[at];
            self.tree.follow(state, &self.lower, &mut self.states, from);
        }
        from
    }

    /// The last segment.
    fn end(&mut self, mark: Mark, path: &str, rules: &mut Candidates) {
        let from = self.step(mark, &path[mark.at..]);
        let tree = self.tree;
        let mut ends = self.states[from..]
            .iter()
            .flat_map(|&at| &tree.0[at].ends)
            .peekable();
        if ends.peek().is_some() {
            let canonical = path.to_ascii_lowercase();
            let reached = ends.filter(|(_, pattern)| pattern.reaches(&canonical));
            rules.extend(reached.map(|(rule, _)| *rule));
        }
        self.states.truncate(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::{Hint, Limits, decode, tag};

    #[test]
    fn a_walk_finds_what_each_pattern_alone_finds_whatever_came_before() {
        let patterns = [
            "./A/*/C",
            "./A/**",
            "./A/B",
            "./**/C",
            "./User/**",
            "./A/B/*",
            "*",
        ];
        let globs = patterns.map(|pattern| UriGlob::new(pattern).unwrap());
        let tree = LocUriSet::of(globs.iter().enumerate());
        let mut walk = tree.walk();
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
            let mut hits = Candidates::default();
            walk.rules_about(&uri, &mut hits);
            let mut found = hits.rules().to_vec();
            found.sort_unstable();
            let canonical = locuri::canonical(&uri);
            let alone: Vec<usize> = (0..globs.len())
                .filter(|&rule| globs[rule].matches(&canonical))
                .collect();
            assert_eq!(found, alone, "{uri}");
        }
    }

    #[test]
    fn what_begins_like_a_locuri_that_led_nowhere_is_passed_over_and_nothing_else() {
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
        // The path that was walked stands in front of where it was read, too.
        let nodes = ["./Device/Device/X", "./Device/Vendor/Y"];
        check(&["./Vendor/**"], &nodes, &[0]);
        check(&["./A/*"], &["././A/B", "./A/B"], &[0]);
        check(&["./A/*"], &["./Device//A", "./A/B"], &[0]);
        check(&["./A/*"], &[" ./C/A ", "./C/", "./C/A/B", "/A/B"], &[0]);
    }

    fn check(patterns: &[&str], uris: &[&str], expected: &[usize]) {
        let globs: Vec<_> = patterns.iter().map(|p| UriGlob::new(p).unwrap()).collect();
        let tree = LocUriSet::of(globs.iter().enumerate());
        let nodes: String = uris
            .iter()
            .map(|uri| format!("<LocURI>{uri}</LocURI>"))
            .collect();
        let text = format!("<SyncML xmlns=\"SYNCML:SYNCML1.2\">{nodes}</SyncML>");
        let document = decode(text.into(), Hint::default(), &Limits::default()).unwrap();
        let (mut walk, mut rules) = (tree.walk(), Candidates::default());
        for element in document.elements().filter(|e| e.is(tag::LOC_URI)) {
            walk.rules_of(element, &mut rules);
        }
        assert_eq!(rules.rules(), expected, "{patterns:?} {uris:?}");
    }
}
