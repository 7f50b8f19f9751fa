//! A glimpse of a document: which rules may find something in it.
//!
//! It is taken once for all rules, and most messages end there: no rule can find anything. It may name a rule that then
//! finds nothing, never the other way round.

use std::collections::BTreeSet;

use super::answers::LinkedAnswers;
use super::index::{Candidates, Index, IndexedField};
use super::locuri_set::UriWalker;
use super::matcher::{Codes, Gate, Kinds};
use super::target_nodes::{each, each_answered};
use crate::dm::{Command, CommandKind, Message};
use crate::markup::{Document, Element, tag};

/// What was seen of a document.
#[derive(Debug)]
pub(super) struct Prefilter {
    kinds: Kinds,
    /// The codes of its Statuses, and of its Alerts.
    statuses: BTreeSet<u16>,
    alerts: BTreeSet<u16>,
    hits: Candidates,
}

/// The walks through one message, and what they found.
struct Glimpsing<'d, 'i> {
    index: &'i Index,
    about: Option<UriWalker<'i>>,
    answering: Option<UriWalker<'i>>,
    /// The Data of the Status before, and of the Alert before, as they are written.
    status: Option<&'d [u8]>,
    alert: Option<&'d [u8]>,
    glimpse: Prefilter,
}

impl Prefilter {
    /// Looks at every command once.
    pub(super) fn of(document: &Document, answers: &LinkedAnswers<'_>, index: &Index) -> Self {
        let mut glimpsing = Glimpsing {
            index,
            about: index.about(),
            answering: index.answering(),
            status: None,
            alert: None,
            glimpse: Self {
                kinds: Kinds::NONE,
                statuses: BTreeSet::new(),
                alerts: BTreeSet::new(),
                hits: Candidates::default(),
            },
        };
        let commands = Message::of(document).into_iter();
        for command in commands.flat_map(Message::all_commands) {
            glimpsing.enter(command, answers);
        }
        glimpsing.glimpse
    }

    /// The numbers of the rules one of whose keys occurs in the document.
    pub(super) fn hits(&self) -> &[usize] {
        self.hits.rules()
    }

    /// Whether there are commands with the kinds and codes that a gate asks for.
    pub(super) fn passes(&self, gate: &Gate) -> bool {
        self.kinds.meets(gate.kinds)
            && has(&self.statuses, &gate.status)
            && has(&self.alerts, &gate.alert)
    }
}

impl<'d> Glimpsing<'d, '_> {
    fn enter(&mut self, command: Command<'d>, answers: &LinkedAnswers<'_>) {
        let (index, hits) = (self.index, &mut self.glimpse.hits);
        let kind = command.kind();
        self.glimpse.kinds = self.glimpse.kinds.or(Kinds::of(kind));
        if let Some(walk) = self.about.as_mut().filter(|_| index.asks_uris_of(kind)) {
            each(command, answers, &mut |_, uri| walk.rules_of(uri, hits));
        }
        let answering = self.answering.as_mut();
        if let Some(walk) = answering.filter(|_| Kinds::answers().has(kind)) {
            each_answered(command, answers, &mut |_, uri| walk.rules_of(uri, hits));
        }
        if index.asks(IndexedField::CmdId)
            && let Some(id) = command.cmd_id()
        {
            index.find(IndexedField::CmdId, &id, hits);
        }
        if index.asks(IndexedField::Data) {
            for data in command.items().filter_map(|item| item.data()) {
                index.find(IndexedField::Data, data.text().trim_ascii(), hits);
            }
        }
        if index.asks_codes() {
            self.enter_code(command, kind);
        }
    }

    /// Most Statuses of a message have one code: it is read once.
    fn enter_code(&mut self, command: Command<'d>, kind: CommandKind) {
        let (before, codes) = match kind {
            CommandKind::Status => (&mut self.status, &mut self.glimpse.statuses),
            CommandKind::Alert => (&mut self.alert, &mut self.glimpse.alerts),
            _ => return,
        };
        let data = command.element().child(tag::DATA);
        let written = data.and_then(Element::only_text);
        if written.is_none() || written != *before {
            *before = written;
            codes.extend(command.code());
        }
    }
}

/// Whether one of the codes asked for is there; if none is asked for, it always is.
fn has(codes: &BTreeSet<u16>, asked: &Codes) -> bool {
    let mut ranges = asked.iter().filter(|range| !range.is_empty());
    asked.is_empty() || ranges.any(|range| codes.range(range.clone()).next().is_some())
}
