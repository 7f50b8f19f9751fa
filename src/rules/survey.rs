//! A survey of one document: its commands, and the rules that may find something among them.
//!
//! It is made once for all rules, so that a rule that does not match costs next to nothing.

use super::about::{abouts, each, each_answered};
use super::answers::Answers;
use super::index::{Index, Word};
use super::matcher::{Codes, CommandMatcher, Kinds, Look, Matcher, Seen, any_code};
use super::tree::Walk;
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
    /// The numbers of the rules one of whose keys occurs in the document, in order.
    hits: Vec<usize>,
}

#[derive(Debug)]
struct Entry {
    node: NodeId,
    kind: CommandKind,
    /// Of a Status or an Alert, where some rule asks for codes.
    code: Option<u16>,
}

/// The walks through one message, and what they found.
struct Surveying<'i> {
    index: &'i Index,
    about: Option<Walk<'i>>,
    answering: Option<Walk<'i>>,
    survey: Survey,
}

impl Survey {
    /// Looks at every command once.
    pub(super) fn of(document: &Document, answers: &Answers<'_>, index: &Index) -> Self {
        let mut surveying = Surveying {
            index,
            about: index.about(),
            answering: index.answering(),
            survey: Self {
                kinds: Kinds::NONE,
                ..Self::default()
            },
        };
        let commands = Message::of(document).into_iter();
        for command in commands.flat_map(Message::all_commands) {
            surveying.enter(command, answers);
        }
        let mut survey = surveying.survey;
        survey.hits.sort_unstable();
        survey.hits.dedup();
        for codes in [&mut survey.statuses, &mut survey.alerts] {
            codes.sort_unstable();
            codes.dedup();
        }
        survey
    }

    /// The numbers of the rules one of whose keys occurs in the document, in order.
    pub(super) fn hits(&self) -> &[usize] {
        &self.hits
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
        let asks_uris = matcher.asks_uris();
        let of_kind = self.commands.iter().filter(|entry| kinds.has(entry.kind));
        let select = |entry: &Entry| {
            let command = Command::of(document.element(entry.node)?)?;
            let about = match look.answers.filter(|_| asks_uris) {
                Some(answers) => abouts(command, answers),
                None => Vec::new(),
            };
            let seen = Seen {
                command,
                kind: entry.kind,
                code: entry.code,
                about: &about,
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

impl Surveying<'_> {
    fn enter(&mut self, command: Command<'_>, answers: &Answers<'_>) {
        let (index, survey) = (self.index, &mut self.survey);
        let kind = command.kind();
        survey.kinds = survey.kinds.or(Kinds::of(kind));
        if let Some(walk) = self.about.as_mut().filter(|_| index.asks_uris_of(kind)) {
            each(command, answers, &mut |_, uri| {
                walk.rules_about(&uri, &mut survey.hits);
            });
        }
        let answering = self.answering.as_mut();
        if let Some(walk) = answering.filter(|_| Kinds::answers().has(kind)) {
            each_answered(command, answers, &mut |_, uri| {
                walk.rules_about(&uri, &mut survey.hits);
            });
        }
        if index.asks(Word::CmdId)
            && let Some(id) = command.cmd_id()
        {
            index.find(Word::CmdId, &id, &mut survey.hits);
        }
        if index.asks(Word::Data) {
            for data in command.items().filter_map(|item| item.data()) {
                index.find(Word::Data, data.text().trim_ascii(), &mut survey.hits);
            }
        }
        let code = index.asks_codes().then(|| code(command)).flatten();
        match kind {
            CommandKind::Status => survey.statuses.extend(code),
            _ => survey.alerts.extend(code),
        }
        survey.commands.push(Entry {
            node: command.element().id(),
            kind,
            code,
        });
    }
}

/// The code of a Status or an Alert.
fn code(command: Command<'_>) -> Option<u16> {
    let status = || Some(command.as_status()?.code()?.0);
    let alert = || Some(command.as_alert()?.code()?.0);
    status().or_else(alert)
}
