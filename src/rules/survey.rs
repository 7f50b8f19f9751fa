//! A survey of one document: its commands, and the rules that may find something among them.
//!
//! It is made once for all rules, so that a rule that does not match costs next to nothing.

use super::answers::Answers;
use super::index::{Index, Word};
use super::matcher::{About, Kinds, Look, Matcher, Seen, abouts};
use crate::dm::{Command, CommandKind, Message};
use crate::markup::{Document, NodeId};

/// An element a rule acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selected {
    /// The element.
    pub(super) node: NodeId,
    /// Those of its Items that the matcher selected; empty: all.
    pub(super) items: Vec<NodeId>,
}

/// What the rules need to know of a document.
#[derive(Debug, Default)]
pub(super) struct Survey {
    commands: Vec<Entry>,
    kinds: Kinds,
    /// What the commands are about, one after the other.
    abouts: Vec<About>,
    /// The numbers of the rules one of whose keys occurs in the document, in order.
    hits: Vec<usize>,
}

#[derive(Debug)]
struct Entry {
    node: NodeId,
    kind: CommandKind,
    code: Option<u16>,
    /// Its part of the abouts.
    abouts: std::ops::Range<usize>,
}

impl Survey {
    /// Looks at every command once.
    pub(super) fn of(document: &Document, answers: &Answers<'_>, index: &Index) -> Self {
        let mut survey = Self {
            kinds: Kinds::NONE,
            ..Self::default()
        };
        let commands = Message::of(document).into_iter();
        for command in commands.flat_map(Message::all_commands) {
            survey.enter(command, answers, index);
        }
        survey.hits.sort_unstable();
        survey.hits.dedup();
        survey
    }

    fn enter(&mut self, command: Command<'_>, answers: &Answers<'_>, index: &Index) {
        let kind = command.kind();
        self.kinds = self.kinds.or(Kinds::of(kind));
        let first = self.abouts.len();
        if index.asks_uris_of(kind) {
            self.abouts.extend(abouts(command, answers));
            for about in &self.abouts[first..] {
                index.about(&about.uri, &mut self.hits);
            }
        }
        if index.asks(Word::Data) {
            for data in command.items().filter_map(|item| item.data()) {
                index.find(Word::Data, data.text().trim_ascii(), &mut self.hits);
            }
        }
        self.commands.push(Entry {
            node: command.element().id(),
            kind,
            code: code(command),
            abouts: first..self.abouts.len(),
        });
    }

    /// The first rule from number `from` on, one of whose keys occurs in the document.
    pub(super) fn next_hit(&self, from: usize) -> Option<usize> {
        let at = self.hits.partition_point(|hit| *hit < from);
        self.hits.get(at).copied()
    }

    /// The commands a matcher selects, in document order.
    pub(super) fn select(
        &self,
        kinds: Kinds,
        matcher: &Matcher,
        document: &Document,
        look: &Look<'_>,
    ) -> Vec<Selected> {
        if !self.kinds.meets(kinds) {
            return Vec::new();
        }
        let of_kind = self.commands.iter().filter(|entry| kinds.has(entry.kind));
        let select = |entry: &Entry| {
            let seen = Seen {
                command: Command::of(document.element(entry.node)?)?,
                kind: entry.kind,
                code: entry.code,
                about: self.abouts.get(entry.abouts.clone())?,
            };
            let items = matcher.items_of(look, &seen)?;
            Some(Selected {
                node: entry.node,
                items: items.nodes().to_vec(),
            })
        };
        of_kind.filter_map(select).collect()
    }
}

/// The code of a Status or an Alert.
fn code(command: Command<'_>) -> Option<u16> {
    let status = || Some(command.as_status()?.code()?.0);
    let alert = || Some(command.as_alert()?.code()?.0);
    status().or_else(alert)
}
