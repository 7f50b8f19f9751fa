//! `refuse`: commands that their receiver never gets.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::msg_id;
use crate::dm::compose::ItemRef;
use crate::dm::{Command, CommandKind, Item, Message, StatusCode};
use crate::flow::reconciler::{PartlyDelivered, PendingStatus};
use crate::flow::{EffectKind, Obligation};
use crate::markup::NodeId;
use crate::markup::edit::Edit;
use crate::rules::act::Planning;
use crate::rules::act::edit::summary;
use crate::rules::items::Items;

/// Commands that are removed from a message, with the Status for their sender.
#[derive(Default)]
pub(super) struct RefusedCommands {
    /// The outermost removed elements.
    removed: BTreeSet<NodeId>,
    /// The code of each removed command, in document order.
    codes: BTreeMap<NodeId, StatusCode>,
    /// The Items that are removed from commands that stay, each with its code.
    items: BTreeMap<NodeId, StatusCode>,
}

impl Planning<'_, '_> {
    pub(super) fn refuse(&mut self, code: StatusCode) -> Result<(), String> {
        let mut taken = RefusedCommands::default();
        for (command, items) in self.commands_with_items() {
            taken.take_some(command, items, code);
        }
        self.take_out(taken)
    }

    /// Removes the refused commands and Items from the message; dmtap owes the answers to them.
    pub(super) fn take_out(&mut self, mut taken: RefusedCommands) -> Result<(), String> {
        let message = self.message()?;
        if taken.is_empty() {
            return Err("nothing that gets a Status was selected".into());
        }
        taken.empty_sequences(message);
        let owed = self.owed_for(&taken, message)?;
        self.owe(owed)?;
        for (node, code) in taken.codes.iter().chain(&taken.items) {
            if let Some(element) = self.document.element(*node) {
                let path = || element.path().to_string();
                let (before, after) = (summary(element), code.to_string());
                self.note(path, EffectKind::Refused, before, after);
            }
        }
        let gone = taken.removed.iter().chain(taken.items.keys());
        for node in gone.copied().collect::<BTreeSet<_>>() {
            self.push(Vec::new(), Edit::Remove { node });
        }
        Ok(())
    }

    /// Returns the obligations for removed commands, and for commands that lose some of their Items.
    fn owed_for(
        &self,
        taken: &RefusedCommands,
        message: Message<'_>,
    ) -> Result<Vec<Obligation>, String> {
        let msg_ref = msg_id(message)?;
        let work = message.all_commands().filter(|c| c.expects_status());
        let work: Vec<Command<'_>> = work.collect();
        let ids = work.iter().map(|c| cmd_id(*c));
        let order: Arc<[Box<str>]> = ids.collect();
        let divided = self.divided(&msg_ref);
        let owed = work.iter().enumerate().flat_map(|(place, command)| {
            let about = |items, code| {
                Obligation::Status(PendingStatus {
                    to: self.input.speaker,
                    msg_ref: msg_ref.clone(),
                    order: order.clone(),
                    place,
                    cmd: command.element().local().into(),
                    items,
                    code,
                    given_in: None,
                })
            };
            match taken.codes.get(&command.element().id()) {
                // Without Items, this Status would answer for all of them, including those that an earlier rule
                // refused.
                Some(code) if divided.contains(&*order[place]) => {
                    let items = command.items().filter_map(ItemRef::of).collect();
                    vec![about(items, *code)]
                }
                Some(code) => vec![about(Vec::new(), *code)],
                None => self.divide(taken, *command, &msg_ref, about),
            }
        });
        Ok(owed.collect())
    }

    /// Returns the obligations for a command that loses some of its Items: dmtap must answer these Items, and the
    /// receiver's Status must name the others.
    fn divide(
        &self,
        taken: &RefusedCommands,
        command: Command<'_>,
        msg_ref: &str,
        about: impl Fn(Vec<ItemRef>, StatusCode) -> Obligation,
    ) -> Vec<Obligation> {
        let mut owed = Vec::new();
        let mut stay = Vec::new();
        for item in command.items() {
            let reference = ItemRef::of(item).into_iter();
            match taken.items.get(&item.element().id()) {
                Some(code) => owed.push(about(reference.collect(), *code)),
                None => stay.extend(reference),
            }
        }
        if !owed.is_empty() && !stay.is_empty() {
            // In a Status, TargetRefs come before SourceRefs.
            stay.sort_by_key(|item| matches!(item, ItemRef::Source(_)));
            owed.push(Obligation::NameItems(PartlyDelivered {
                from: self.input.speaker.other(),
                msg_ref: msg_ref.into(),
                cmd_ref: cmd_id(command),
                items: stay,
            }));
        }
        owed
    }

    /// Returns the CmdIDs of commands of which earlier rules refused some Items.
    fn divided(&self, msg_ref: &str) -> HashSet<&str> {
        let before = self.obligations().filter_map(|owed| match owed {
            Obligation::Status(owed) if *owed.msg_ref == *msg_ref && !owed.items.is_empty() => {
                Some(owed.cmd_ref())
            }
            _ => None,
        });
        before.collect()
    }
}

fn cmd_id(command: Command<'_>) -> Box<str> {
    command.cmd_id().unwrap_or_default().as_ref().into()
}

impl RefusedCommands {
    pub(super) fn is_empty(&self) -> bool {
        self.codes.is_empty() && self.items.is_empty()
    }

    /// Removes some Items of a command. Removes the whole command if these are all Items, if one of them has no LocURI
    /// to name it, or if the command is in an Atomic, which fails as a whole.
    fn take_some(&mut self, command: Command<'_>, items: &Items, code: StatusCode) {
        let of_command = command.items();
        let chosen = of_command.filter(|item| items.has(item.element().id()));
        let chosen: Vec<Item<'_>> = chosen.collect();
        let is_some = chosen.len() < command.items().count();
        let have_uris = chosen.iter().all(|item| ItemRef::of(*item).is_some());
        let mut around = std::iter::successors(command.element().parent(), |e| e.parent());
        let in_atomic = around.any(|e| Command::of(e).as_ref().is_some_and(is_atomic));
        if !is_some || !have_uris || in_atomic || !command.expects_status() {
            return self.take(command, code);
        }
        let nodes = chosen.iter().map(|item| item.element().id());
        self.items.extend(nodes.map(|node| (node, code)));
    }

    /// Removes a command. In an Atomic, it removes the whole Atomic, which fails as a whole.
    pub(super) fn take(&mut self, command: Command<'_>, code: StatusCode) {
        if !command.expects_status() {
            return;
        }
        let around = std::iter::successors(command.element().parent(), |e| e.parent());
        let atomics = around.filter_map(Command::of).filter(is_atomic);
        match atomics.last() {
            Some(atomic) => self.roll_back(atomic, command, code, ROLLED_BACK),
            None => self.whole(command, code),
        }
    }

    /// Removes a command with everything in it.
    fn whole(&mut self, command: Command<'_>, code: StatusCode) {
        for inner in command.with_nested() {
            self.codes
                .entry(inner.element().id())
                .or_insert(NOT_EXECUTED);
        }
        self.codes.insert(command.element().id(), code);
        self.removed.insert(command.element().id());
    }

    /// Removes an Atomic, because one of the commands in it fails.
    pub(super) fn roll_back(
        &mut self,
        atomic: Command<'_>,
        failing: Command<'_>,
        code: StatusCode,
        undone: StatusCode,
    ) {
        // The first failing command decides the codes of the others.
        if self.removed.insert(atomic.element().id()) {
            let fates = fates(atomic, failing, code, undone);
            self.codes
                .extend(fates.map(|(command, code)| (command.element().id(), code)));
        }
    }

    /// Removes each Sequence that lost all its commands, too; its sender gets a Status for it as if it had run.
    fn empty_sequences(&mut self, message: Message<'_>) {
        let all: Vec<Command<'_>> = message.all_commands().collect();
        // Inner Sequences come after outer ones.
        for sequence in all
            .iter()
            .rev()
            .filter(|c| c.kind() == CommandKind::Sequence)
        {
            let mut inside = sequence.nested().peekable();
            if inside.peek().is_some() && inside.all(|c| self.removed.contains(&c.element().id())) {
                let id = sequence.element().id();
                self.removed.insert(id);
                self.codes.entry(id).or_insert(StatusCode(200));
            }
        }
    }
}

/// Returns the codes of an Atomic that fails at one of its commands, and of all commands in it: commands before the
/// failing one were undone, commands after it were not executed (REP 10; DM_RepPro 6.6.3).
pub(super) fn fates<'d>(
    atomic: Command<'d>,
    failing: Command<'d>,
    code: StatusCode,
    undone: StatusCode,
) -> impl Iterator<Item = (Command<'d>, StatusCode)> {
    let failing = failing.element().id();
    let inside = atomic.with_nested().skip(1).map(move |inner| {
        let code = match inner.element().id().cmp(&failing) {
            Ordering::Less => undone,
            Ordering::Equal => code,
            Ordering::Greater => NOT_EXECUTED,
        };
        (inner, code)
    });
    std::iter::once((atomic, ATOMIC_FAILED)).chain(inside)
}

pub(super) fn is_atomic(command: &Command<'_>) -> bool {
    command.kind() == CommandKind::Atomic
}

const ATOMIC_FAILED: StatusCode = StatusCode(507);
const ROLLED_BACK: StatusCode = StatusCode(216);
const NOT_EXECUTED: StatusCode = StatusCode(215);
