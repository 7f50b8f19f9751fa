//! The rules of one stage, arranged so that those that cannot match are not evaluated one by one.
//!
//! A rule may have keys, of which one must occur in the message for it to match: a LocURI, a device, a host. Rules
//! without keys are evaluated for each message. `cargo bench --bench proxy -- decoding` holds what this is for: 1,000
//! rules, none of which matches, at 0.95 of no rules.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::glob::{Glob, UriGlob};
use super::locuri_set::LocUriSet;
use super::matcher::{Kinds, Matcher, TextTest};
use super::{Rule, RuleInput, Stage};
use crate::dm::Command;

/// The rules of one stage, by their numbers in the set.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Those without keys, in order, each with the kinds of commands of which it needs one, if it selects commands.
    keyless: Vec<(usize, Option<Kinds>)>,
    /// Those with patterns for LocURIs.
    uris: LocUriSet,
    /// Those with an exact Data or CmdID of a command.
    values: HashMap<String, Vec<usize>>,
    /// Those with exact texts, in lower case, for each of [`FIELDS`].
    texts: [HashMap<String, Vec<usize>>; FIELDS.len()],
}

/// What of a message is looked up: the texts that a matcher asks for, and the text of the message.
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
    /// The number of its field, and the text in lower case.
    Text(usize, String),
}

impl Index {
    pub(super) fn of(rules: &[Arc<Rule>], stage: Stage) -> Self {
        let mut index = Self::default();
        let mut patterns = Vec::new();
        let numbered = rules.iter().enumerate();
        for (number, rule) in numbered.filter(|(_, rule)| rule.stage == stage) {
            let Some(keys) = keys(&rule.matcher) else {
                index.keyless.push((number, rule.matcher.kinds));
                continue;
            };
            for key in keys {
                match key {
                    Key::Uri(glob) => patterns.push((number, glob)),
                    Key::Value(text) => {
                        let rules = index.values.entry(text.to_owned()).or_default();
                        rules.push(number);
                    }
                    Key::Text(field, text) => {
                        index.texts[field].entry(text).or_default().push(number);
                    }
                }
            }
        }
        index.uris = LocUriSet::of(&patterns);
        index
    }

    /// The rules without keys, for a message whose commands are of these kinds.
    pub(super) fn keyless(&self, kinds: Kinds) -> impl Iterator<Item = usize> {
        let may_match = move |asked: Option<Kinds>| asked.is_none_or(|asked| asked.meets(kinds));
        let rules = self.keyless.iter().filter(move |rule| may_match(rule.1));
        rules.map(|rule| rule.0)
    }

    pub(super) fn uris(&self) -> &LocUriSet {
        &self.uris
    }

    /// Whether commands decide which rules may match.
    pub(super) fn asks_of_commands(&self) -> bool {
        let mut keyless = self.keyless.iter();
        !self.uris.is_empty()
            || !self.values.is_empty()
            || keyless.any(|(_, kinds)| kinds.is_some())
    }

    /// Adds the rules one of whose values a command has.
    pub(super) fn add_with_values_of(&self, command: Command<'_>, rules: &mut BTreeSet<usize>) {
        if self.values.is_empty() {
            return;
        }
        let data = command.items().filter_map(|item| Some(item.data()?.text()));
        for text in command.cmd_id().into_iter().chain(data) {
            rules.extend(self.values.get(text.trim_ascii()).into_iter().flatten());
        }
    }

    /// The rules one of whose texts the message has.
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

/// Keys of which one must occur where a matcher holds; `None` if there are no such.
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

/// The texts that patterns match; `None` if there are no patterns, or one has a star.
fn exact<G: AsRef<Glob>>(patterns: &[G]) -> Option<Vec<&str>> {
    let exact: Option<Vec<&str>> = patterns.iter().map(|p| p.as_ref().exact()).collect();
    exact.filter(|exact| !exact.is_empty())
}
