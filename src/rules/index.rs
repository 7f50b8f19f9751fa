//! The rules of one stage, arranged so that those that do not match are passed over quickly.

use globset::{Candidate, GlobSet, GlobSetBuilder};

use super::glob::UriGlob;
use super::{Rule, Stage};

/// The rules of one stage.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Their numbers in the book, in file order.
    pub(super) rules: Vec<usize>,
    uris: Vec<Uris>,
}

/// LocURI globs compiled together.
#[derive(Debug)]
struct Uris {
    globs: GlobSet,
    /// For each glob, its rule and pattern.
    owners: Vec<(usize, UriGlob)>,
}

impl Index {
    /// Arranges the rules of `stage`.
    pub(super) fn of(rules: &[Rule], stage: Stage) -> Self {
        let of_stage = |(_, rule): &(usize, &Rule)| rule.stage == stage;
        let numbered = rules.iter().enumerate().filter(of_stage);
        let patterns: Vec<_> = numbered
            .clone()
            .flat_map(|(number, rule)| {
                let uris = rule.matcher.command.iter().flat_map(|c| &c.uris);
                uris.map(move |uri| (number, uri))
            })
            .collect();
        Self {
            rules: numbered.map(|(number, _)| number).collect(),
            uris: patterns.chunks(TOGETHER).map(Uris::of).collect(),
        }
    }

    /// Whether some rule asks for LocURIs.
    pub(super) fn has_uris(&self) -> bool {
        !self.uris.is_empty()
    }

    /// The rules one of whose globs matches this canonical LocURI; a rule may come twice.
    pub(super) fn rules_about<'a>(
        &'a self,
        canonical: &'a str,
    ) -> impl Iterator<Item = usize> + 'a {
        let candidate = Candidate::new(canonical);
        self.uris.iter().flat_map(move |uris| {
            let mut matched = Vec::new();
            uris.globs.matches_candidate_into(&candidate, &mut matched);
            matched.into_iter().filter_map(|glob| {
                let (rule, pattern) = uris.owners.get(glob)?;
                pattern.reaches(canonical).then_some(*rule)
            })
        })
    }
}

impl Uris {
    fn of(patterns: &[(usize, &UriGlob)]) -> Self {
        let mut builder = GlobSetBuilder::new();
        let mut owners = Vec::new();
        for (number, pattern) in patterns {
            for glob in pattern.globs() {
                builder.add(glob);
                owners.push((*number, (*pattern).clone()));
            }
        }
        let globs = builder
            .build()
            .expect("a few hundred globs of bounded length stay below the limits of their engine");
        Self { globs, owners }
    }
}

/// Patterns compiled into one set.
const TOGETHER: usize = 256;
