//! Protocol steps: edits of this message, and obligations for later messages.

mod abort;
mod atomic;
mod challenge;
mod header;
mod hide;
mod inject;
mod refs;
mod refuse;

use std::collections::HashSet;

use super::Planning;
use crate::dm::{Command, Message, SyncBody, compose};
use crate::flow::{EffectDetail, Obligation, OwedByRule, Reconciler, SessionChange};
use crate::markup::edit::Fragment;
use crate::markup::tag;
use crate::rules::items::Items;
use crate::rules::step::ProtocolStep;

impl<'a> Planning<'a, '_> {
    pub(super) fn protocol_step(&mut self, step: &ProtocolStep) {
        self.step = step.name();
        let known = match step.promises() {
            true => self.reconciler().map(drop),
            false => Ok(()),
        };
        let planned = known.and_then(|()| match step {
            ProtocolStep::Refuse(code) => self.refuse(code.status()),
            ProtocolStep::HideStatus => self.hide(),
            ProtocolStep::InjectCommand(new) => self.inject(new),
            ProtocolStep::AtomicRollback(failure) => self.roll_back(failure),
            ProtocolStep::Challenge(challenge) => self.challenge(challenge),
            ProtocolStep::Busy(busy) => self.busy(busy),
            ProtocolStep::SessionAbort => self.abort(),
            ProtocolStep::NextMessage => self.next_message(),
            ProtocolStep::DuplicateMessage { keep } => self.send_twice(*keep),
            ProtocolStep::UnknownCmdref => self.unknown_cmd_ref(),
            ProtocolStep::BreakMsgid(how) => self.break_msg_id(*how),
            ProtocolStep::DropFinal => self.drop_final(),
            ProtocolStep::MaxMsgSize(size) => self.set_meta(tag::MAX_MSG_SIZE, size.0),
            ProtocolStep::MaxObjSize(size) => self.set_meta(tag::MAX_OBJ_SIZE, size.0),
            ProtocolStep::RespUri(uri) => self.set_field(tag::RESP_URI, uri),
            ProtocolStep::WrongSession(id) => self.set_session_id(id),
            ProtocolStep::WrongVersion { which, to } => self.set_version(*which, to.as_deref()),
            ProtocolStep::WrongSize(by) => self.wrong_size(by.0),
        });
        if let Err(why) = planned {
            let change = EffectDetail::declined(self.step, &why);
            self.planned.changes.push(change);
        }
    }

    fn message(&self) -> Result<Message<'a>, &'static str> {
        Message::of(self.document).ok_or("this is not a SyncML message")
    }

    /// Returns the selected commands, except for commands that dmtap itself added.
    fn commands(&self) -> Vec<Command<'a>> {
        let selected = self.commands_with_items().into_iter();
        selected.map(|(command, _)| command).collect()
    }

    /// Returns the commands of [`Self::commands`], each with its selected Items.
    fn commands_with_items(&self) -> Vec<(Command<'a>, &'a Items)> {
        let own = self.obligations().filter_map(|owed| match owed {
            Obligation::Suppress(own) => Some(&*own.cmd_ref),
            _ => None,
        });
        let own: HashSet<&str> = own.collect();
        let commands = self.selection.iter().filter_map(|selected| {
            let command = Command::of(self.document.element(selected.node)?)?;
            Some((command, &selected.items))
        });
        let is_own = |command: &Command<'_>| command.cmd_id().is_some_and(|id| own.contains(&*id));
        commands.filter(|(command, _)| !is_own(command)).collect()
    }

    /// Returns the obligations from earlier rules about the same message.
    fn obligations(&self) -> impl Iterator<Item = &'a Obligation> + use<'a> {
        self.owed.iter().map(|owed| &owed.obligation)
    }

    fn reconciler(&self) -> Result<&'a Reconciler, String> {
        self.input.reconciler.ok_or_else(|| {
            "no DM session is known, and a later message would have to be changed".into()
        })
    }

    /// Parses a piece of XML to insert into the message.
    fn xml(&self, text: &str) -> Result<Fragment, &'static str> {
        compose::fragment(self.document, text).ok_or("it cannot be written as XML")
    }

    /// Adds obligations, if the session has room for them.
    fn owe(&mut self, obligations: Vec<Obligation>) -> Result<(), String> {
        let reconciler = self.reconciler()?;
        let owed = &mut self.planned.session_effects.owed;
        let before = owed.len();
        owed.extend(obligations.into_iter().map(|obligation| OwedByRule {
            rule: self.rule.clone(),
            obligation,
        }));
        // The obligations from earlier rules about the same message take room, too.
        let room = reconciler.has_room_for(self.owed.iter().chain(&*owed));
        room.map_err(|full| {
            owed.truncate(before);
            full.to_string()
        })
    }

    fn change_session(&mut self, change: SessionChange) {
        let changes = &mut self.planned.session_effects.changes;
        changes.push((self.rule.clone(), change));
    }
}

/// Returns the MsgID of a message as its sender wrote it.
fn msg_id(message: Message<'_>) -> Result<Box<str>, &'static str> {
    let id = message.msg_id().ok_or("the message has no MsgID")?;
    Ok(id.as_ref().into())
}

fn body(message: Message<'_>) -> Result<SyncBody<'_>, &'static str> {
    message.body().ok_or("the message has no SyncBody")
}
