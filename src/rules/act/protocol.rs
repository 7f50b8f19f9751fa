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

use super::Planned;
use crate::dm::compose::CmdIdAllocator;
use crate::dm::{Command, Message, SyncBody};
use crate::flow::{EffectDetail, Obligation, OwedByRule, Reconciler, SessionChange, Side};
use crate::markup::{Document, NodeId};
use crate::rules::selector::Selected;
use crate::rules::step::ProtocolStep;
use crate::rules::{Facts, Stage};

/// The message as earlier rules left it.
pub(in crate::rules) struct StepContext<'a> {
    pub(in crate::rules) facts: &'a Facts<'a>,
    pub(in crate::rules) document: &'a Document,
    /// What is owed because of rules before this one, about the same message.
    pub(in crate::rules) owed: &'a [OwedByRule],
}

impl<'a> StepContext<'a> {
    fn message(&self) -> Option<Message<'a>> {
        Message::of(self.document)
    }

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
            .obligations()
            .filter_map(|obligation| match obligation {
                Obligation::Suppress(own) => Some(&*own.cmd_ref),
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

    /// What is owed because of rules before this one, about the same message.
    fn obligations(&self) -> impl Iterator<Item = &'a Obligation> {
        self.owed.iter().map(|owed| &owed.obligation)
    }

    /// The SessionID that the device wrote where a rule before this one changed it to `id`.
    fn original_session_id<'s>(&self, id: &'s str) -> &'s str
    where
        'a: 's,
    {
        let changed = self
            .obligations()
            .filter_map(|obligation| match obligation {
                Obligation::SessionId { received, original } if **received == *id => {
                    Some(&**original)
                }
                _ => None,
            });
        changed.last().unwrap_or(id)
    }

    fn reconciler(&self) -> Result<&'a Reconciler, String> {
        self.facts.reconciler.ok_or_else(|| {
            "no DM session is known, and a later message would have to be changed".into()
        })
    }
}

impl Planned {
    pub(super) fn protocol_step(
        &mut self,
        step: &ProtocolStep,
        context: &StepContext<'_>,
        selection: &[Selected],
    ) {
        self.step = step.name();
        if step.promises()
            && let Err(why) = context.reconciler()
        {
            return self.decline(why);
        }
        let planned = match step {
            ProtocolStep::Refuse(code) => self.refuse(code.status(), context, selection),
            ProtocolStep::HideStatus => self.hide(context, selection),
            ProtocolStep::InjectCommand(new) => {
                self.inject(&new.command.0, new.to.as_ref(), context, selection)
            }
            ProtocolStep::AtomicRollback(failure) => self.roll_back(failure, context, selection),
            ProtocolStep::Challenge(challenge) => self.challenge(challenge, context),
            ProtocolStep::Busy(busy) => self.busy(busy, context),
            ProtocolStep::SessionAbort => self.abort(context),
            ProtocolStep::NextMessage => self.next_message(context),
            ProtocolStep::DuplicateMessage { keep } => self.duplicate(*keep, context),
            ProtocolStep::UnknownCmdref => self.unknown_cmd_ref(context, selection),
            ProtocolStep::BreakMsgid(how) => self.break_msg_id(*how, context),
            ProtocolStep::DropFinal => self.drop_final(context),
            ProtocolStep::WrongSize(by) => self.wrong_size(by.0, context, selection),
            _ => match step.field() {
                Some(field) => self.header(&field, context),
                None => Ok(()),
            },
        };
        if let Err(why) = planned {
            self.decline(why);
        }
    }

    fn decline(&mut self, why: String) {
        let step = self.step;
        self.changes
            .push(EffectDetail::not_applied("", format!("{step}: {why}")));
    }

    /// CmdIDs that are free in the message and not yet given by this rule.
    fn fresh(&mut self, message: Message<'_>) -> &mut CmdIdAllocator {
        self.fresh
            .get_or_insert_with(|| CmdIdAllocator::of(message))
    }

    /// Takes on obligations if the session has room for them.
    fn owe(
        &mut self,
        context: &StepContext<'_>,
        obligations: Vec<Obligation>,
    ) -> Result<(), String> {
        let owed = &mut self.session_effects.owed;
        let before = owed.len();
        owed.extend(obligations.into_iter().map(|obligation| OwedByRule {
            rule: self.rule.clone(),
            obligation,
        }));
        let reconciler = context.reconciler()?;
        // What rules before this one caused in the same message takes room, too.
        let room = reconciler.has_room_for(context.owed.iter().chain(&*owed));
        room.map_err(|full| {
            owed.truncate(before);
            full.to_string()
        })
    }

    fn change_session(&mut self, change: SessionChange) {
        let changes = &mut self.session_effects.changes;
        changes.push((self.rule.clone(), change));
    }
}

/// MsgID of a message as its speaker wrote it.
fn msg_id(message: Message<'_>) -> Result<Box<str>, String> {
    let id = message.msg_id().ok_or("the message has no MsgID")?;
    Ok(id.as_ref().into())
}

fn body(message: Message<'_>) -> Result<SyncBody<'_>, &'static str> {
    message.body().ok_or("the message has no SyncBody")
}
