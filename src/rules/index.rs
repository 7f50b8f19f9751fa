//! The rules of one stage, arranged so that those that do not match are passed over quickly.

use super::matcher::Kinds;
use super::tree::UriTree;
use super::{CommandMatcher, Rule, Stage};
use crate::dm::CommandKind;

/// The rules of one stage.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The numbers of those that ask for no LocURI, in file order.
    free: Vec<usize>,
    /// The kinds of commands whose LocURIs the others ask for.
    asked: Kinds,
    /// The globs of the others; `None` if there are none.
    uris: Option<UriTree>,
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
        let asked = numbered.clone().filter_map(|(_, rule)| about_uris(rule));
        let free = numbered.filter(|(_, rule)| about_uris(rule).is_none());
        Self {
            asked: asked
                .map(|command| command.kinds)
                .fold(Kinds::NONE, Kinds::or),
            free: free.map(|(number, _)| number).collect(),
            uris: (!patterns.is_empty()).then(|| UriTree::of(patterns.into_iter())),
        }
    }

    /// Whether some rule asks for LocURIs.
    pub(super) fn has_uris(&self) -> bool {
        self.uris.is_some()
    }

    /// Whether some rule asks for LocURIs of commands of this kind.
    pub(super) fn asks_uris_of(&self, kind: CommandKind) -> bool {
        self.asked.has(kind)
    }

    /// The first rule from number `from` on that asks for no LocURI.
    pub(super) fn next_free(&self, from: usize) -> Option<usize> {
        let at = self.free.partition_point(|number| *number < from);
        self.free.get(at).copied()
    }

    /// The rules one of whose globs matches this canonical LocURI; a rule may come twice.
    pub(super) fn rules_about(&self, canonical: &str) -> Vec<usize> {
        let rules = |tree: &UriTree| tree.rules_about(canonical);
        self.uris.as_ref().map(rules).unwrap_or_default()
    }
}

/// The command matcher of a rule that asks for LocURIs.
fn about_uris(rule: &Rule) -> Option<&CommandMatcher> {
    let command = rule.matcher.command.as_ref();
    command.filter(|command| !command.uris.is_empty())
}
