//! `atomic-rollback`: an Atomic that fails as a whole.

use std::collections::BTreeMap;

use super::refuse::{RefusedCommands, fates, is_atomic};
use crate::dm::{Command, Refs, StatusCode};
use crate::flow::{AnswerTarget, EffectKind, Side};
use crate::markup::tag;
use crate::rules::act::Planning;
use crate::rules::answers::LinkedAnswers;
use crate::rules::step::AtomicFailure;

impl<'a> Planning<'a, '_> {
    pub(super) fn roll_back(&mut self, failure: &AtomicFailure) -> Result<(), String> {
        match self.input.speaker {
            Side::Device => self.fail_atomics(failure),
            Side::Server => self.keep_atomics(failure),
        }
    }

    /// Removes the Atomics from a response, so that they never reach the device.
    fn keep_atomics(&mut self, failure: &AtomicFailure) -> Result<(), String> {
        let mut taken = RefusedCommands::default();
        for atomic in self.chosen(is_atomic)? {
            let failing = failing(atomic, failure)?;
            let (code, undone) = (failure.code.status(), StatusCode(failure.undone.0));
            taken.roll_back(atomic, failing, code, undone);
        }
        self.take_out(taken)
    }

    /// Changes the Statuses in a request: the device has run the Atomic, but the server gets a failure.
    fn fail_atomics(&mut self, failure: &AtomicFailure) -> Result<(), String> {
        let answers = LinkedAnswers::of(self.input);
        let of_atomic = |c: &Command<'_>| {
            let status = c.as_status();
            status.is_some_and(|s| s.cmd().as_deref() == Some("Atomic"))
        };
        let chosen = self.chosen(of_atomic)?;
        if chosen.is_empty() {
            return Err("no Status of an Atomic was selected".into());
        }
        let mut codes: BTreeMap<Refs<'a>, StatusCode> = BTreeMap::new();
        for status in chosen {
            let refs = Refs::of(status).filter(|r| r.msg_ref.is_some() && r.cmd_ref.is_some());
            let refs = refs.ok_or(UNKNOWN)?;
            // A message may have many Statuses for one Atomic. For nested Atomics, the outer one decides; its Status
            // comes first.
            if codes.contains_key(&refs) {
                continue;
            }
            let atomic = answers.to(status).and_then(AnswerTarget::command);
            let atomic = atomic.ok_or(UNKNOWN)?;
            let (code, undone) = (failure.code.status(), StatusCode(failure.undone.0));
            for (command, code) in fates(atomic, failing(atomic, failure)?, code, undone) {
                let cmd_ref = command.cmd_id();
                let refs = Refs {
                    cmd_ref,
                    ..refs.clone()
                };
                codes.entry(refs).or_insert(code);
            }
        }
        for command in self.message()?.commands() {
            let refs = Refs::of(command).filter(|_| command.as_status().is_some());
            let code = refs.and_then(|refs| codes.get(&refs));
            if let Some((code, data)) = code.zip(command.element().child(tag::DATA)) {
                self.put(EffectKind::Status, data, code.0.to_string());
            }
        }
        Ok(())
    }

    /// Returns the selected commands that fit; if the rule selects the whole message, all commands that fit.
    fn chosen(&self, fits: impl Fn(&Command<'a>) -> bool) -> Result<Vec<Command<'a>>, String> {
        let message = self.message()?;
        let root = message.element().id();
        let mut commands = match self.selection.iter().any(|s| s.node == root) {
            true => message.all_commands().collect(),
            false => self.commands(),
        };
        commands.retain(fits);
        Ok(commands)
    }
}

const UNKNOWN: &str = "what the Atomic held is not known";

/// Returns the command at which an Atomic fails.
fn failing<'d>(atomic: Command<'d>, failure: &AtomicFailure) -> Result<Command<'d>, String> {
    let children: Vec<Command<'d>> = atomic.nested().filter(|c| c.expects_status()).collect();
    let number = failure.child.map_or(children.len(), |n| n.0 as usize);
    let failing = number.checked_sub(1).and_then(|at| children.get(at));
    failing
        .copied()
        .ok_or_else(|| format!("the Atomic has {} commands", children.len()))
}
