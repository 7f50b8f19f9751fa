//! A survey of one document: its commands, and the rules that may find something among them.
//!
//! It is made once for all rules, so that a rule that does not match costs next to nothing.

use super::about::{About, abouts, answered_abouts};
use super::answers::Answers;
use super::index::{Index, Word};
use super::matcher::{Codes, CommandMatcher, Kinds, Look, Matcher, Seen, any_code};
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
    /// The codes of Statuses, and of Alerts, each once.
    statuses: Vec<u16>,
    alerts: Vec<u16>,
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
        for codes in [&mut survey.statuses, &mut survey.alerts] {
            codes.sort_unstable();
            codes.dedup();
        }
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
        if index.asks_answered() && Kinds::answers().has(kind) {
            for about in answered_abouts(command, answers) {
                index.answering(&about.uri, &mut self.hits);
            }
        }
        if index.asks(Word::CmdId)
            && let Some(id) = command.cmd_id()
        {
            index.find(Word::CmdId, &id, &mut self.hits);
        }
        if index.asks(Word::Data) {
            for data in command.items().filter_map(|item| item.data()) {
                index.find(Word::Data, data.text().trim_ascii(), &mut self.hits);
            }
        }
        let code = code(command);
        match kind {
            CommandKind::Status => self.statuses.extend(code),
            _ => self.alerts.extend(code),
        }
        self.commands.push(Entry {
            node: command.element().id(),
            kind,
            code,
            abouts: first..self.abouts.len(),
        });
    }

    /// The first rule from number `from` on, one of whose keys occurs in the document.
    pub(super) fn next_hit(&self, from: usize) -> Option<usize> {
        let at = self.hits.partition_point(|hit| *hit < from);
        self.hits.get(at).copied()
    }

    /// Whether there are commands with the kinds and codes a matcher asks for: most rules that match nothing
    /// are told by that.
    pub(super) fn may_hold(&self, matcher: &CommandMatcher) -> bool {
        let has = |asked: &Codes, codes: &[u16]| {
            asked.is_empty() || codes.iter().any(|code| any_code(asked, Some(*code)))
        };
        self.kinds.meets(matcher.kinds)
            && has(&matcher.status, &self.statuses)
            && has(&matcher.alert, &self.alerts)
    }

    /// The commands a matcher selects, in document order.
    pub(super) fn select(
        &self,
        kinds: Kinds,
        matcher: &Matcher,
        document: &Document,
        look: &Look<'_>,
    ) -> Vec<Selected> {
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
