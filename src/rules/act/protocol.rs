//! Protocol steps: edits of this message, and obligations for later ones.

mod abort;
mod atomic;
mod challenge;
mod header;
mod hide;
mod inject;
mod refs;
mod refuse;

use std::collections::HashSet;

use super::{Planned, not_applied};
use crate::dm::{Command, CommandKind, Message};
use crate::flow::compose::CmdIdAllocator;
use crate::flow::{Obligation, OwedByRule, Reconciler, Side};
use crate::markup::{Document, Element, NodeId};
use crate::rules::selection::Selected;
use crate::rules::step::ProtocolStep;
use crate::rules::{Facts, Stage};

/// The message as earlier rules left it.
pub(in crate::rules) struct Scene<'a> {
    pub(in crate::rules) facts: &'a Facts<'a>,
    pub(in crate::rules) document: &'a Document,
    /// What rules before this one promised about the same message.
    pub(in crate::rules) promised: &'a [OwedByRule],
}

impl<'a> Scene<'a> {
    fn message(&self) -> Option<Message<'a>> {
        Message::of(self.document)
    }

    /// Who wrote the message.
    fn speaker(&self) -> Side {
        match self.facts.stage {
            Stage::Response => Side::Server,
            _ => Side::Device,
        }
    }

    /// The selected commands, but for those that dmtap itself put in.
    fn commands(&self, selection: &[Selected]) -> Vec<Command<'a>> {
        let selected = self.commands_with_items(selection).into_iter();
        selected.map(|(command, _)| command).collect()
    }

    /// The same, each with those of its Items that were selected; none for all.
    fn commands_with_items<'s>(
        &self,
        selection: &'s [Selected],
    ) -> Vec<(Command<'a>, &'s [NodeId])> {
        let own: HashSet<&str> = self
            .promises()
            .filter_map(|promise| match promise {
                Obligation::Swallow(own) => Some(&*own.cmd_ref),
                _ => None,
            })
            .collect();
        let commands = selection.iter().filter_map(|selected| {
            let command = Command::of(self.document.element(selected.node)?)?;
            Some((command, &*selected.items))
        });
        let is_own = |command: &Command<'_>| command.cmd_id().is_some_and(|id| own.contains(&*id));
        commands.filter(|(command, _)| !is_own(command)).collect()
    }

    /// What rules before this one promised about the same message.
    fn promises(&self) -> impl Iterator<Item = &'a Obligation> {
        self.promised.iter().map(|promised| &promised.promise)
    }

    /// The SessionID that the device wrote where a rule before this one changed it to `said`.
    fn own_session<'s>(&self, said: &'s str) -> &'s str
    where
        'a: 's,
    {
        let known = self.promises().filter_map(|promise| match promise {
            Obligation::Session { said, meant } => Some((&**said, &**meant)),
            _ => None,
        });
        let last = known.filter(|(known, _)| *known == said).last();
        last.map_or(said, |(_, meant)| meant)
    }

    /// The account, if these promises can be made about this message.
    fn account(&self) -> Result<&'a Reconciler, String> {
        let account = self.facts.reconciler;
        account.ok_or_else(|| {
            "no DM session is known, and a later message would have to be changed".into()
        })
    }
}

impl Planned {
    /// Plans one protocol step for the selection.
    pub(super) fn protocol_step(
        &mut self,
        step: &ProtocolStep,
        scene: &Scene<'_>,
        selection: &[Selected],
    ) {
        if step.promises()
            && let Err(why) = scene.account()
        {
            return self.decline(step.name(), why);
        }
        let planned = match step {
            ProtocolStep::Refuse(code) => self.refuse(*code, scene, selection),
            ProtocolStep::HideStatus => self.hide(scene, selection),
            ProtocolStep::InjectCommand { xml, to } => {
                self.inject(xml, to.as_ref(), scene, selection)
            }
            ProtocolStep::AtomicRollback(fate) => self.roll_back(fate, scene, selection),
            ProtocolStep::Challenge(challenge) => self.challenge(challenge, scene),
            ProtocolStep::Busy(busy) => self.busy(busy, scene),
            ProtocolStep::SessionAbort => self.abort(scene),
            ProtocolStep::NextMessage => self.next_message(scene),
            ProtocolStep::DuplicateMessage(keep) => self.duplicate(*keep, scene),
            ProtocolStep::UnknownCmdRef => self.unknown_cmd_ref(scene, selection),
            ProtocolStep::BreakMsgId(how) => self.break_msg_id(*how, scene),
            ProtocolStep::DropFinal => self.drop_final(scene),
            ProtocolStep::Header(field) => self.header(field, scene),
            ProtocolStep::WrongSize(by) => self.wrong_size(*by, scene, selection),
        };
        if let Err(why) = planned {
            self.decline(step.name(), why);
        }
    }

    /// Reports why a protocol step did not act.
    fn decline(&mut self, verb: &str, why: String) {
        self.changes.push(not_applied("", format!("{verb}: {why}")));
    }

    /// CmdIDs that are free in the message and not yet given by this rule.
    fn fresh(&mut self, message: Message<'_>) -> &mut CmdIdAllocator {
        self.fresh
            .get_or_insert_with(|| CmdIdAllocator::of(message))
    }

    /// Takes promises on if the account has room for them.
    fn promise(&mut self, scene: &Scene<'_>, promises: Vec<Obligation>) -> Result<(), String> {
        let rule = self.rule.clone();
        let promised = promises.into_iter().map(|promise| OwedByRule {
            rule: rule.clone(),
            promise,
        });
        let before = self.promised.len();
        self.promised.extend(promised);
        // What rules before this one promised in the same message takes room, too.
        let all: Vec<_> = scene
            .promised
            .iter()
            .chain(&self.promised)
            .cloned()
            .collect();
        let room = scene.account()?.has_room_for(&all);
        room.map_err(|full| {
            self.promised.truncate(before);
            full.to_string()
        })
    }
}

/// MsgID of a message as its speaker wrote it.
fn msg_id(message: Message<'_>) -> Result<Box<str>, String> {
    let id = message.header().and_then(|header| header.msg_id());
    id.map(|id| id.as_ref().into())
        .ok_or_else(|| "the message has no MsgID".into())
}

fn body<'d>(message: Message<'d>) -> Result<Element<'d>, String> {
    let body = message.body().map(|body| body.element());
    body.ok_or_else(|| "the message has no SyncBody".into())
}

/// Whether its receiver gives a Status for it.
fn is_work(command: Command<'_>) -> bool {
    !matches!(command.kind(), CommandKind::Status | CommandKind::Results)
}
