//! The rules of one stage, arranged so that those that do not match are passed over quickly.
//!
//! A rule stands under *keys*, of which one must occur for it to find anything: a LocURI, a value, a host.
//! Keys of a message are looked up once, whatever the number of rules; only rules without keys are asked
//! one by one.

use std::collections::HashMap;

use super::glob::{Glob, UriGlob};
use super::locuri_set::{LocUriSet, UriWalker};
use super::matcher::{AnswersMatcher, Gate, Kinds, Matcher, MessageMatcher};
use super::{Facts, Rule, Stage};
use crate::dm::CommandKind;

/// The rules of one stage.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The numbers of those without keys or gate, in file order.
    free: Vec<usize>,
    /// The numbers of those without keys that select commands, by what must be among those.
    gates: Vec<(Gate, Vec<usize>)>,
    /// The kinds of commands whose LocURIs some rule asks for.
    asked: Kinds,
    /// Whether some rule asks for the codes of Statuses or Alerts.
    codes: bool,
    /// Rules under LocURIs; `None` if there are none.
    uris: Option<LocUriSet>,
    /// Rules under LocURIs of the command that is answered.
    answered: Option<LocUriSet>,
    /// Rules under words, by what the word is.
    words: [HashMap<String, Vec<usize>>; IndexedField::COUNT],
}

/// Rules that were found, each once.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    rules: Vec<usize>,
    /// At the number of each rule, whether it is there.
    seen: Vec<bool>,
}

impl Candidates {
    /// Enters rules by their numbers.
    pub(super) fn extend(&mut self, rules: impl IntoIterator<Item = usize>) {
        for rule in rules {
            if rule >= self.seen.len() {
                self.seen.resize(rule + 1, false);
            }
            if !std::mem::replace(&mut self.seen[rule], true) {
                self.rules.push(rule);
            }
        }
    }

    /// Their numbers, in no order.
    pub(super) fn rules(&self) -> &[usize] {
        &self.rules
    }
}

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IndexedField {
    CmdId,
    Data,
    Device,
    User,
    Session,
    Sni,
    Host,
    Path,
}

impl IndexedField {
    const COUNT: usize = Self::Path as usize + 1;
}

/// The words of a message, whatever its document.
const OF_PASSAGE: [IndexedField; 6] = [
    IndexedField::Device,
    IndexedField::User,
    IndexedField::Session,
    IndexedField::Sni,
    IndexedField::Host,
    IndexedField::Path,
];

/// One of a rule's keys.
enum Key<'r> {
    Uri(&'r UriGlob),
    Answered(&'r UriGlob),
    /// Texts without regard to case are in lower case.
    Field(IndexedField, String),
}

impl Index {
    /// Arranges the rules of `stage`.
    pub(super) fn of(rules: &[Rule], stage: Stage) -> Self {
        let mut index = Self {
            asked: Kinds::NONE,
            ..Self::default()
        };
        let (mut patterns, mut answered) = (Vec::new(), Vec::new());
        let numbered = rules.iter().enumerate();
        for (number, rule) in numbered.filter(|(_, rule)| rule.stage == stage) {
            index.asked = index.asked.or(asked_about(&rule.matcher));
            index.codes |= asks_codes(&rule.matcher);
            let Some(keys) = keys(&rule.matcher) else {
                index.enter_keyless(number, &rule.matcher);
                continue;
            };
            for key in keys {
                match key {
                    Key::Uri(glob) => patterns.push((number, glob)),
                    Key::Answered(glob) => answered.push((number, glob)),
                    Key::Field(word, text) => index.enter(number, word, text),
                }
            }
        }
        index.uris = tree(patterns);
        index.answered = tree(answered);
        index
    }

    fn enter_keyless(&mut self, rule: usize, matcher: &Matcher) {
        let Some(command) = &matcher.command else {
            return self.free.push(rule);
        };
        let gate = command.gate();
        match self.gates.iter_mut().find(|(known, _)| *known == gate) {
            Some((_, rules)) => rules.push(rule),
            None => self.gates.push((gate, vec![rule])),
        }
    }

    fn enter(&mut self, rule: usize, word: IndexedField, text: String) {
        let rules = self.words[word as usize].entry(text).or_default();
        rules.push(rule);
    }

    /// Whether some rule stands under something that the commands of a document tell.
    pub(super) fn asks_commands(&self) -> bool {
        let words = self.asks(IndexedField::Data) || self.asks(IndexedField::CmdId);
        words || self.uris.is_some() || self.answered.is_some() || !self.gates.is_empty()
    }

    /// Whether some rule asks for LocURIs of commands of this kind.
    pub(super) fn asks_uris_of(&self, kind: CommandKind) -> bool {
        self.asked.has(kind)
    }

    /// Whether some rule stands under words of this sort.
    pub(super) fn asks(&self, word: IndexedField) -> bool {
        !self.words[word as usize].is_empty()
    }

    /// The numbers of the rules that stand under no key and behind no gate, in order.
    pub(super) fn free(&self) -> &[usize] {
        &self.free
    }

    /// The numbers of the rules behind the gates that are open.
    pub(super) fn behind_gates(
        &self,
        is_open: impl Fn(&Gate) -> bool,
    ) -> impl Iterator<Item = usize> {
        let open = self.gates.iter().filter(move |(gate, _)| is_open(gate));
        open.flat_map(|(_, rules)| rules.iter().copied())
    }

    /// A walk through the LocURIs of a message.
    pub(super) fn about(&self) -> Option<UriWalker<'_>> {
        self.uris.as_ref().map(LocUriSet::walk)
    }

    /// A walk through the LocURIs of the commands that are answered.
    pub(super) fn answering(&self) -> Option<UriWalker<'_>> {
        self.answered.as_ref().map(LocUriSet::walk)
    }

    /// Whether some rule asks for codes.
    pub(super) fn asks_codes(&self) -> bool {
        self.codes
    }

    /// Adds the rules that stand under a word.
    pub(super) fn find(&self, word: IndexedField, text: &str, rules: &mut Candidates) {
        let found = self.words[word as usize].get(text);
        rules.extend(found.into_iter().flatten().copied());
    }

    /// The rules that stand under a word of this message.
    pub(super) fn of_passage(&self, facts: &Facts<'_>) -> Candidates {
        let mut rules = Candidates::default();
        for word in OF_PASSAGE.into_iter().filter(|word| self.asks(*word)) {
            if let Some(text) = text_of(word, facts) {
                self.find(word, &text.to_ascii_lowercase(), &mut rules);
            }
        }
        rules
    }
}

/// The automaton of patterns, each with its rule; `None` if there are none.
fn tree(patterns: Vec<(usize, &UriGlob)>) -> Option<LocUriSet> {
    (!patterns.is_empty()).then(|| LocUriSet::of(patterns.into_iter()))
}

fn text_of<'a>(word: IndexedField, facts: &'a Facts<'_>) -> Option<&'a str> {
    match word {
        IndexedField::CmdId | IndexedField::Data => None,
        IndexedField::Device => Some(&facts.session?.key.device),
        IndexedField::User => facts.session?.user.as_deref(),
        IndexedField::Session => Some(&facts.session?.key.id),
        IndexedField::Sni => facts.connection.tls.as_ref()?.sni.as_deref(),
        IndexedField::Host => facts.request.uri.host(),
        IndexedField::Path => Some(facts.request.uri.path()),
    }
}

/// The kinds of commands whose LocURIs a matcher compares, be it inside another one.
fn asked_about(matcher: &Matcher) -> Kinds {
    let mut asked = Kinds::NONE;
    matcher.some(&mut |matcher| {
        if let Some(command) = matcher.command.as_ref().filter(|c| !c.uris.is_empty()) {
            asked = asked.or(command.kinds);
        }
        false
    });
    asked
}

/// Whether a matcher compares codes, be it inside another one.
fn asks_codes(matcher: &Matcher) -> bool {
    matcher.some(&mut |matcher| {
        let command = matcher.command.as_ref();
        command.is_some_and(|command| !command.status.is_empty() || !command.alert.is_empty())
    })
}

/// Keys of which one must occur where a matcher holds; `None` if there are no such.
fn keys(matcher: &Matcher) -> Option<Vec<Key<'_>>> {
    let own = || {
        uri_keys(matcher)
            .or_else(|| answered_keys(matcher))
            .or_else(|| data_keys(matcher))
            .or_else(|| cmd_id_keys(matcher))
    };
    let of_all = || matcher.all.iter().find_map(keys);
    let of_any = || {
        let each: Option<Vec<Vec<Key<'_>>>> = matcher.any.iter().map(keys).collect();
        each.filter(|each| !each.is_empty())
            .map(|each| each.into_iter().flatten().collect())
    };
    own()
        .or_else(|| passage_keys(&matcher.passage))
        .or_else(of_all)
        .or_else(of_any)
}

fn uri_keys(matcher: &Matcher) -> Option<Vec<Key<'_>>> {
    let uris = &matcher.command.as_ref()?.uris;
    (!uris.is_empty()).then(|| uris.iter().map(Key::Uri).collect())
}

fn answered_keys(matcher: &Matcher) -> Option<Vec<Key<'_>>> {
    let answers = &matcher.command.as_ref()?.answers;
    fn uris(answered: &AnswersMatcher) -> Option<Vec<Key<'_>>> {
        let uris = &answered.command.as_ref()?.uris;
        (!uris.is_empty()).then(|| uris.iter().map(Key::Answered).collect())
    }
    let each: Option<Vec<Vec<Key<'_>>>> = answers.iter().map(uris).collect();
    let each = each.filter(|each| !each.is_empty())?;
    Some(each.into_iter().flatten().collect())
}

fn cmd_id_keys(matcher: &Matcher) -> Option<Vec<Key<'_>>> {
    let ids = &matcher.command.as_ref()?.cmd_ids;
    let key = |id: &String| Key::Field(IndexedField::CmdId, id.clone());
    (!ids.is_empty()).then(|| ids.iter().map(key).collect())
}

fn data_keys(matcher: &Matcher) -> Option<Vec<Key<'_>>> {
    let data = &matcher.command.as_ref()?.item.data;
    let texts: Option<Vec<&str>> = data.iter().map(|test| test.exact()).collect();
    let texts = texts.filter(|texts| !texts.is_empty())?;
    let key = |text: &str| Key::Field(IndexedField::Data, text.to_owned());
    Some(texts.into_iter().map(key).collect())
}

fn passage_keys(passage: &MessageMatcher) -> Option<Vec<Key<'static>>> {
    let texts: [(IndexedField, &[Glob]); 6] = [
        (IndexedField::Device, &passage.device),
        (IndexedField::User, &passage.user),
        (IndexedField::Session, &passage.session),
        (IndexedField::Sni, &passage.sni),
        (IndexedField::Host, &passage.host),
        (IndexedField::Path, &passage.path),
    ];
    texts.into_iter().find_map(|(word, patterns)| {
        let exact: Option<Vec<&str>> = patterns.iter().map(Glob::exact).collect();
        let exact = exact.filter(|exact| !exact.is_empty())?;
        let key = |text: &str| Key::Field(word, text.to_ascii_lowercase());
        Some(exact.into_iter().map(key).collect())
    })
}
