//! Many LocURI globs as one automaton, so that a LocURI is matched with all of them in one walk.
//!
//! ```text
//! ./Vendor/*/Wifi     0 ─vendor─► 1 ─*─► 2 ─wifi─► 3 (rule 0)
//! ./Vendor/MSFT/**                └─msft─► 4 ┄┄► 5 ⟲ (rule 1)      ┄ takes no segment, ⟲ any
//! ```

use std::collections::HashMap;

use super::glob::{Segment, UriGlob, Wild};

/// The automaton. Its work for one LocURI is bounded by segments times states reached at once.
#[derive(Debug)]
pub(super) struct UriTree(Vec<State>);

#[derive(Debug, Default)]
struct State {
    exact: HashMap<String, usize>,
    like: Vec<(Wild, usize)>,
    /// The state behind a `**`, reached without a segment.
    deep: Option<usize>,
    /// Behind a `**`: any segment leads back here.
    loops: bool,
    /// Rules whose pattern ends here, with the pattern.
    ends: Vec<(usize, UriGlob)>,
}

impl UriTree {
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

    /// The rules one of whose patterns matches a canonical LocURI; a rule may come twice.
    pub(super) fn rules_about(&self, canonical: &str) -> Vec<usize> {
        let mut here = Vec::new();
        let mut next = Vec::new();
        self.enter(0, &mut here);
        for segment in canonical.split('/') {
            for &at in &here {
                self.follow(at, segment, &mut next);
            }
            std::mem::swap(&mut here, &mut next);
            next.clear();
            if here.is_empty() {
                return Vec::new();
            }
        }
        let ends = here.iter().flat_map(|&at| &self.0[at].ends);
        let reached = ends.filter(|(_, pattern)| pattern.reaches(canonical));
        reached.map(|(rule, _)| *rule).collect()
    }

    fn follow(&self, at: usize, segment: &str, next: &mut Vec<usize>) {
        let state = &self.0[at];
        if state.loops {
            self.enter(at, next);
        }
        if let Some(&child) = state.exact.get(segment) {
            self.enter(child, next);
        }
        for (wild, child) in &state.like {
            if wild.matches(segment) {
                self.enter(*child, next);
            }
        }
    }

    /// Adds a state, and the one that a `**` reaches from there without a segment.
    fn enter(&self, at: usize, states: &mut Vec<usize>) {
        let reached = [Some(at), self.0[at].deep];
        for state in reached.into_iter().flatten() {
            if !states.contains(&state) {
                states.push(state);
            }
        }
    }
}
