//! A glimpse of a document: which rules may find something in it.
//!
//! It is taken once for all rules, and most messages end there: no rule can find anything. So it looks at nodes as
//! they lie, and passes over what it has just seen: the LocURIs of a message begin alike. It may name a rule that
//! then finds nothing, never the other way round.

use super::about::own_nodes;
use super::answers::Answers;
use super::index::{Index, Word};
use super::matcher::{Codes, Gate, Kinds, any_code};
use super::tree::Walk;
use crate::dm::{Command, CommandKind, Message};
use crate::flow::Answered;
use crate::markup::{Document, Element, tag};

/// What was seen of a document.
#[derive(Debug, Default)]
pub(super) struct Glimpse {
    kinds: Kinds,
    /// The codes of Statuses, and of Alerts, each once.
    statuses: Vec<u16>,
    alerts: Vec<u16>,
    /// The numbers of the rules one of whose keys occurs in the document; one may be there twice.
    hits: Vec<usize>,
}

/// The walks through one message, and what they found.
struct Glimpsing<'d, 'i> {
    index: &'i Index,
    about: Option<Walk<'i>>,
    answering: Option<Walk<'i>>,
    /// The Data of the Status or Alert before, as it is written.
    code: Option<&'d [u8]>,
    glimpse: Glimpse,
}

impl Glimpse {
    /// Looks at every command once.
    pub(super) fn of(document: &Document, answers: &Answers<'_>, index: &Index) -> Self {
        let mut glimpsing = Glimpsing {
            index,
            about: index.about(),
            answering: index.answering(),
            code: None,
            glimpse: Self {
                kinds: Kinds::NONE,
                ..Self::default()
            },
        };
        let commands = Message::of(document).into_iter();
        for command in commands.flat_map(Message::all_commands) {
            glimpsing.enter(command, answers);
        }
        glimpsing.glimpse
    }

    /// The numbers of the rules one of whose keys occurs in the document; one may be there twice.
    pub(super) fn hits(&self) -> &[usize] {
        &self.hits
    }

    /// Whether there are commands with the kinds and codes that a gate asks for.
    pub(super) fn passes(&self, gate: &Gate) -> bool {
        let has = |asked: &Codes, codes: &[u16]| {
            asked.is_empty() || codes.iter().any(|code| any_code(asked, Some(*code)))
        };
        self.kinds.meets(gate.kinds)
            && has(&gate.status, &self.statuses)
            && has(&gate.alert, &self.alerts)
    }
}

impl<'d> Glimpsing<'d, '_> {
    fn enter(&mut self, command: Command<'d>, answers: &Answers<'_>) {
        let (index, hits) = (self.index, &mut self.glimpse.hits);
        let kind = command.kind();
        self.glimpse.kinds = self.glimpse.kinds.or(Kinds::of(kind));
        let is_answer = Kinds::answers().has(kind);
        if let Some(walk) = self.about.as_mut().filter(|_| index.asks_uris_of(kind)) {
            let named = follow(own_nodes(command), walk, hits);
            if is_answer && !named {
                follow_answered(command, answers, walk, hits);
            }
        }
        if let Some(walk) = self.answering.as_mut().filter(|_| is_answer) {
            follow_answered(command, answers, walk, hits);
        }
        if index.asks(Word::CmdId)
            && let Some(id) = command.cmd_id()
        {
            index.find(Word::CmdId, &id, hits);
        }
        if index.asks(Word::Data) {
            for data in command.items().filter_map(|item| item.data()) {
                index.find(Word::Data, data.text().trim_ascii(), hits);
            }
        }
        if index.asks_codes() {
            self.enter_code(command, kind);
        }
    }

    /// Most Statuses of a message have one code.
    fn enter_code(&mut self, command: Command<'d>, kind: CommandKind) {
        let codes = match kind {
            CommandKind::Status => &mut self.glimpse.statuses,
            CommandKind::Alert => &mut self.glimpse.alerts,
            _ => return,
        };
        let written = command
            .element()
            .child(tag::DATA)
            .and_then(Element::only_text);
        if !codes.is_empty() && written.is_some() && written == self.code {
            return;
        }
        self.code = written;
        codes.extend(command.code());
    }
}

/// Follows what elements name; gives whether they name anything.
fn follow<'d>(
    named: impl Iterator<Item = Element<'d>>,
    walk: &mut Walk<'_>,
    hits: &mut Vec<usize>,
) -> bool {
    let mut any = false;
    for element in named {
        any = true;
        walk.rules_of(element, hits);
    }
    any
}

/// The same for the command that an answer refers to.
fn follow_answered(
    answer: Command<'_>,
    answers: &Answers<'_>,
    walk: &mut Walk<'_>,
    hits: &mut Vec<usize>,
) {
    if let Some(command) = answers.to(answer).and_then(Answered::command) {
        follow(own_nodes(command), walk, hits);
    }
}
