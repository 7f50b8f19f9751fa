//! A survey of one document: its commands, and the LocURI globs of the book they match.
//!
//! It is made once for all rules, so that a rule that does not match costs next to nothing.

use std::borrow::Cow;

use super::answers::Answers;
use super::index::Index;
use super::matcher::{CommandMatcher, Kinds, any_code};
use crate::dm::{Command, CommandKind, Message, locuri};
use crate::flow::Answered;
use crate::markup::{Document, NodeId};

/// An element a rule acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selected {
    /// The element.
    pub(super) node: NodeId,
    /// Those of its Items that the LocURI glob matched; empty: all.
    pub(super) items: Vec<NodeId>,
}

/// What the rules need to know of a document.
#[derive(Debug, Default)]
pub(super) struct Survey {
    commands: Vec<(NodeId, CommandKind)>,
    kinds: Kinds,
    hits: Vec<Hit>,
}

/// A glob of a rule matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Hit {
    rule: usize,
    command: usize,
    item: Option<NodeId>,
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
            let kind = command.kind();
            survey.kinds = survey.kinds.or(Kinds::of(kind));
            if index.asks_uris_of(kind) {
                survey.note_uris(command, answers, index);
            }
            survey.commands.push((command.element().id(), kind));
        }
        survey.hits.sort_unstable();
        survey.hits.dedup();
        survey
    }

    fn note_uris(&mut self, command: Command<'_>, answers: &Answers<'_>, index: &Index) {
        let number = self.commands.len();
        for (item, uri) in uris(command, answers) {
            let canonical = locuri::canonical(&uri);
            let rules = index.rules_about(&canonical).into_iter();
            let hits = rules.map(|rule| Hit {
                rule,
                command: number,
                item,
            });
            self.hits.extend(hits);
        }
    }

    /// The first rule from number `from` on, one of whose LocURI globs matched.
    pub(super) fn next_hit(&self, from: usize) -> Option<usize> {
        let at = self.hits.partition_point(|hit| hit.rule < from);
        self.hits.get(at).map(|hit| hit.rule)
    }

    /// The commands a rule selects, in document order.
    pub(super) fn select(
        &self,
        rule: usize,
        matcher: &CommandMatcher,
        document: &Document,
        answers: &Answers<'_>,
    ) -> Vec<Selected> {
        if !self.kinds.meets(matcher.kinds) {
            return Vec::new();
        }
        let mut selection = if matcher.uris.is_empty() {
            self.every_command(matcher.kinds)
        } else {
            self.commands_about(rule, matcher.kinds)
        };
        selection.retain(|selected| {
            let element = document.element(selected.node);
            let command = element.and_then(Command::of);
            command.is_some_and(|command| answer_fits(command, matcher, answers))
        });
        selection
    }

    fn every_command(&self, kinds: Kinds) -> Vec<Selected> {
        let of_kind = self.commands.iter().filter(|(_, kind)| kinds.has(*kind));
        let selected = |(node, _): &(NodeId, CommandKind)| Selected {
            node: *node,
            items: Vec::new(),
        };
        of_kind.map(selected).collect()
    }

    fn commands_about(&self, rule: usize, kinds: Kinds) -> Vec<Selected> {
        let from = self.hits.partition_point(|hit| hit.rule < rule);
        let mut selection: Vec<Selected> = Vec::new();
        for hit in self.hits[from..].iter().take_while(|hit| hit.rule == rule) {
            let (node, kind) = self.commands[hit.command];
            if !kinds.has(kind) {
                continue;
            }
            match selection.last_mut().filter(|last| last.node == node) {
                Some(last) => last.items.extend(hit.item),
                None => selection.push(Selected {
                    node,
                    items: hit.item.into_iter().collect(),
                }),
            }
        }
        selection
    }
}

/// The LocURI a command is about: that of one of `items`, unless there are none.
pub(super) fn about(
    command: Command<'_>,
    answers: &Answers<'_>,
    items: &[NodeId],
) -> Option<String> {
    let mut uris = uris(command, answers).into_iter();
    let is_meant =
        |item: Option<NodeId>| items.is_empty() || item.is_none_or(|item| items.contains(&item));
    let (_, uri) = uris.find(|(item, _)| is_meant(*item))?;
    Some(uri.into_owned())
}

/// What a command is about: LocURIs, each with the Item that names it.
fn uris<'d>(command: Command<'d>, answers: &'d Answers<'d>) -> Vec<(Option<NodeId>, Cow<'d, str>)> {
    if let Some(status) = command.as_status() {
        if status.cmd_ref().as_deref() == Some("0") {
            return Vec::new();
        }
        let refs: Vec<_> = status.target_refs().chain(status.source_refs()).collect();
        return match refs.is_empty() {
            true => answered_uris(command, answers),
            false => refs.into_iter().map(|uri| (None, uri)).collect(),
        };
    }
    let own: Vec<_> = own_uris(command).collect();
    if own.is_empty() && command.as_results().is_some() {
        return answered_uris(command, answers);
    }
    own
}

/// `Target/LocURI` of each Item, else its Source.
fn own_uris(command: Command<'_>) -> impl Iterator<Item = (Option<NodeId>, Cow<'_, str>)> {
    command.items().filter_map(|item| {
        let uri = item.target().or_else(|| item.source())?;
        Some((Some(item.element().id()), uri))
    })
}

fn answered_uris<'d>(
    answer: Command<'d>,
    answers: &'d Answers<'d>,
) -> Vec<(Option<NodeId>, Cow<'d, str>)> {
    let command = answers.to(answer).and_then(Answered::command);
    let uris = command.into_iter().flat_map(own_uris);
    uris.map(|(_, uri)| (None, uri)).collect()
}

/// Whether code and answered command of an answer are the ones asked for.
fn answer_fits(command: Command<'_>, matcher: &CommandMatcher, answers: &Answers<'_>) -> bool {
    let code = || command.as_status()?.code().map(|code| code.0);
    if !matcher.status.is_empty() && !any_code(&matcher.status, code()) {
        return false;
    }
    matcher.answers.is_empty()
        || answered_name(command, answers)
            .is_some_and(|name| matcher.answers.iter().any(|asked| **asked == *name))
}

fn answered_name<'d>(answer: Command<'d>, answers: &Answers<'_>) -> Option<Cow<'d, str>> {
    if let Some(status) = answer.as_status() {
        return status.cmd();
    }
    answer.as_results()?;
    let command = answers.to(answer).and_then(Answered::command);
    let kind = command.map_or(CommandKind::Get, Command::kind);
    Some(Cow::Borrowed(kind.name()))
}
