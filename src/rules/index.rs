//! The rules of one stage, indexed so that rules that cannot match are not evaluated one by one.
//!
//! A rule may have index keys, such as a LocURI, a device or a host. It can only match a message in which one of them
//! occurs. Rules without index keys are evaluated for each message. `cargo bench --bench proxy -- decoding` measures
//! the effect: with 1,000 rules of which none matches, the aim is 0.95 of the throughput without them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::glob::{Glob, UriGlob};
use super::locuri_set::LocUriSet;
use super::matcher::{Kinds, Matcher, TextTest};
use super::{Rule, RuleInput, Stage};
use crate::dm::Command;
use crate::flow::Side;

/// The rules of one stage, by their positions in the set.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Whether a rule of the set needs the bodies of the messages.
    pub(super) reads_bodies: bool,
    /// The rules without index keys, in order. A rule that selects commands needs a command of one of these kinds.
    keyless: Vec<(usize, Option<Kinds>)>,
    /// The rules with patterns for LocURIs.
    pub(super) uris: LocUriSet,
    /// The rules with an exact Data or CmdID of a command.
    values: HashMap<String, Vec<usize>>,
    /// The rules with exact texts, in lower case, for each of [`FIELDS`].
    texts: [HashMap<String, Vec<usize>>; FIELDS.len()],
}

/// A field by which rules are indexed: the texts that a matcher accepts, and the text of the message.
type Field = (
    fn(&Matcher) -> Option<Vec<&str>>,
    for<'f> fn(&'f RuleInput<'_>) -> Option<&'f str>,
);

const FIELDS: [Field; 6] = [
    (
        |m| exact(&m.device),
        |input| Some(&*input.session?.key.device),
    ),
    (|m| exact(&m.user), |input| input.session?.user.as_deref()),
    (|m| exact(&m.session), |input| Some(&*input.session?.key.id)),
    (
        |m| exact(&m.sni),
        |input| input.connection.tls.as_ref()?.sni.as_deref(),
    ),
    (|m| exact(&m.host), |input| input.request.uri.host()),
    (|m| exact(&m.path), |input| Some(input.request.uri.path())),
];

enum Key<'r> {
    Uri(&'r UriGlob),
    Value(&'r str),
    /// The position of the field in [`FIELDS`], and the text in lower case.
    Text(usize, String),
}

impl Index {
    /// Indexes the rules of a set that are about the messages of `speaker`.
    pub(super) fn of(rules: &[Arc<Rule>], speaker: Side) -> Self {
        let mut index = Self {
            reads_bodies: rules.iter().any(|rule| rule.reads(speaker)),
            ..Self::default()
        };
        let stage = Stage::of(speaker);
        let mut patterns = Vec::new();
        let placed = rules.iter().enumerate();
        for (position, rule) in placed.filter(|(_, rule)| rule.stage == stage) {
            let Some(keys) = keys(&rule.matcher) else {
                index.keyless.push((position, rule.matcher.kinds));
                continue;
            };
            for key in keys {
                match key {
                    Key::Uri(glob) => patterns.push((position, glob)),
                    Key::Value(text) => {
                        let rules = index.values.entry(text.to_owned()).or_default();
                        rules.push(position);
                    }
                    Key::Text(field, text) => {
                        index.texts[field].entry(text).or_default().push(position);
                    }
                }
            }
        }
        index.uris = LocUriSet::of(&patterns);
        index
    }

    /// Returns the rules without index keys that may match a message with commands of these kinds.
    pub(super) fn keyless(&self, kinds: Kinds) -> impl Iterator<Item = usize> {
        let may_match = move |asked: Option<Kinds>| asked.is_none_or(|asked| asked.meets(kinds));
        let rules = self.keyless.iter().filter(move |rule| may_match(rule.1));
        rules.map(|rule| rule.0)
    }

    /// Whether the commands of a message decide which rules may match.
    pub(super) fn asks_of_commands(&self) -> bool {
        let mut keyless = self.keyless.iter();
        !self.uris.is_empty()
            || !self.values.is_empty()
            || keyless.any(|(_, kinds)| kinds.is_some())
    }

    /// Adds the rules that have a value of the command as a key.
    pub(super) fn add_with_values_of(&self, command: Command<'_>, rules: &mut BTreeSet<usize>) {
        if self.values.is_empty() {
            return;
        }
        let data = command.items().filter_map(|item| Some(item.data()?.text()));
        for text in command.cmd_id().into_iter().chain(data) {
            rules.extend(self.values.get(text.trim_ascii()).into_iter().flatten());
        }
    }

    /// Returns the rules that have a text of the message as a key.
    pub(super) fn with_texts_of(&self, input: &RuleInput<'_>) -> BTreeSet<usize> {
        let mut rules = BTreeSet::new();
        for ((_, text_of), by_text) in FIELDS.iter().zip(&self.texts) {
            if !by_text.is_empty()
                && let Some(text) = text_of(input)
                && let Some(found) = by_text.get(&text.to_ascii_lowercase())
            {
                rules.extend(found);
            }
        }
        rules
    }
}

/// Returns index keys of which at least one occurs in each message that matches; `None` if the matcher has no such
/// keys.
fn keys(matcher: &Matcher) -> Option<Vec<Key<'_>>> {
    let of_any = || {
        let each: Option<Vec<Vec<Key<'_>>>> = matcher.any.iter().map(keys).collect();
        each.filter(|each| !each.is_empty())
            .map(|each| each.into_iter().flatten().collect())
    };
    uri_keys(matcher)
        .or_else(|| text_keys(matcher))
        .or_else(|| value_keys(matcher))
        .or_else(|| matcher.all.iter().find_map(keys))
        .or_else(of_any)
}

fn uri_keys(matcher: &Matcher) -> Option<Vec<Key<'_>>> {
    let uris = &matcher.loc_uri;
    (!uris.is_empty()).then(|| uris.iter().map(Key::Uri).collect())
}

fn text_keys(matcher: &Matcher) -> Option<Vec<Key<'_>>> {
    FIELDS.iter().enumerate().find_map(|(field, (texts, _))| {
        let key = |text: &str| Key::Text(field, text.to_ascii_lowercase());
        Some(texts(matcher)?.into_iter().map(key).collect())
    })
}

fn value_keys(matcher: &Matcher) -> Option<Vec<Key<'_>>> {
    let data: Option<Vec<&str>> = matcher.data.iter().map(TextTest::exact).collect();
    let ids = || matcher.cmd_id.iter().map(|id| &*id.0).collect();
    let texts = data.filter(|data| !data.is_empty()).unwrap_or_else(ids);
    (!texts.is_empty()).then(|| texts.into_iter().map(Key::Value).collect())
}

/// Returns the texts that the patterns match; `None` if there are no patterns, or if one has a star.
fn exact<G: AsRef<Glob>>(patterns: &[G]) -> Option<Vec<&str>> {
    let exact: Option<Vec<&str>> = patterns.iter().map(|p| p.as_ref().exact()).collect();
    exact.filter(|exact| !exact.is_empty())
}
