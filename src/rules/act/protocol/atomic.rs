//! `atomic-rollback`: an Atomic that fails as one.

use std::collections::{HashMap, HashSet};

use super::StepContext;
use super::refuse::{RefusedCommands, fates, is_atomic};
use crate::dm::{Command, Message, StatusCode};
use crate::flow::{AnswerTarget, EffectKind};
use crate::markup::tag;
use crate::rules::Stage;
use crate::rules::act::Planned;
use crate::rules::answers::LinkedAnswers;
use crate::rules::selector::Selected;
use crate::rules::step::AtomicFailure;

impl Planned {
    pub(super) fn roll_back(
        &mut self,
        failure: &AtomicFailure,
        context: &StepContext<'_>,
        selection: &[Selected],
    ) -> Result<(), String> {
        let message = context.message().ok_or("this is no SyncML message")?;
        match context.facts.stage {
            Stage::Response => self.keep_atomics(failure, context, selection, message),
            _ => self.fail_atomics(failure, context, selection, message),
        }
    }

    /// The Atomic never reaches the device.
    fn keep_atomics(
        &mut self,
        failure: &AtomicFailure,
        context: &StepContext<'_>,
        selection: &[Selected],
        message: Message<'_>,
    ) -> Result<(), String> {
        let mut taken = RefusedCommands::default();
        for atomic in chosen(context, selection, message, |c| is_atomic(&c)) {
            let children: Vec<Command<'_>> =
                atomic.nested().filter(|c| c.expects_status()).collect();
            let failing = pick(&children, failure)?;
            taken.roll_back(
                atomic,
                *failing,
                failure.code.status(),
                StatusCode(failure.undone.0),
            );
        }
        self.take_out(context, taken)
    }

    /// The device has run it, and the server receives a failure.
    fn fail_atomics(
        &mut self,
        failure: &AtomicFailure,
        context: &StepContext<'_>,
        selection: &[Selected],
        message: Message<'_>,
    ) -> Result<(), String> {
        let answers = LinkedAnswers::of(context.facts);
        let of_atomic = |c: Command<'_>| {
            let status = c.as_status();
            status.is_some_and(|s| s.cmd().as_deref() == Some("Atomic"))
        };
        let chosen = chosen(context, selection, message, of_atomic);
        if chosen.is_empty() {
            return Err("no Status of an Atomic was selected".into());
        }
        let mut codes = Codes::new();
        for status in chosen {
            let refs = status.as_status().map(|s| (s.msg_ref(), s.cmd_ref()));
            let Some((Some(msg_ref), Some(cmd_ref))) = refs else {
                return Err(UNKNOWN.into());
            };
            // A message may hold many Statuses of one Atomic.
            let known = codes
                .get(&*msg_ref)
                .is_some_and(|of| of.atomics.contains(&*cmd_ref));
            if known {
                continue;
            }
            let atomic = answers.to(status).and_then(AnswerTarget::command);
            let atomic = atomic.ok_or(UNKNOWN)?;
            let of_message = codes.entry(msg_ref.into_owned()).or_default();
            of_message.atomics.insert(cmd_ref.into_owned());
            of_message.fail(atomic, failure)?;
        }
        self.restate(message, &codes);
        Ok(())
    }

    fn restate(&mut self, message: Message<'_>, codes: &Codes) {
        for command in message.commands() {
            let Some(status) = command.as_status() else {
                continue;
            };
            let of_message = codes.get(&*status.msg_ref().unwrap_or_default());
            let cmd_ref = status.cmd_ref().unwrap_or_default();
            if let Some(code) = of_message.and_then(|of| of.codes.get(&*cmd_ref))
                && let Some(data) = command.element().child(tag::DATA)
            {
                self.put(EffectKind::Status, data, code.0.to_string());
            }
        }
    }
}

const UNKNOWN: &str = "what the Atomic held is not known";

/// The codes that Statuses get, by the message that they answer.
type Codes = HashMap<String, OfMessage>;

/// The codes of the commands of one message, by CmdID.
#[derive(Default)]
struct OfMessage {
    codes: HashMap<String, StatusCode>,
    /// The Atomics that were asked for.
    atomics: HashSet<String>,
}

impl OfMessage {
    /// An Atomic fails. Of one in another, the outer one, which is answered first, decides.
    fn fail(&mut self, atomic: Command<'_>, failure: &AtomicFailure) -> Result<(), String> {
        let children: Vec<Command<'_>> = atomic.nested().filter(|c| c.expects_status()).collect();
        let failing = *pick(&children, failure)?;
        let (code, undone) = (failure.code.status(), StatusCode(failure.undone.0));
        for (command, code) in fates(atomic, failing, code, undone) {
            let id = command.cmd_id().unwrap_or_default().into_owned();
            self.codes.entry(id).or_insert(code);
        }
        Ok(())
    }
}

/// The selected commands that fit; where the rule selects the whole message, all that do.
fn chosen<'d>(
    context: &StepContext<'d>,
    selection: &[Selected],
    message: Message<'d>,
    fits: impl Fn(Command<'d>) -> bool,
) -> Vec<Command<'d>> {
    let whole = selection.iter().any(|s| s.node == message.element().id());
    let commands = match whole {
        true => message.all_commands().collect(),
        false => context.commands(selection),
    };
    commands.into_iter().filter(|c| fits(*c)).collect()
}

fn pick<'c, 'd>(
    children: &'c [Command<'d>],
    failure: &AtomicFailure,
) -> Result<&'c Command<'d>, String> {
    let place = failure
        .child
        .map_or(children.len(), |child| child.0 as usize);
    let failing = place.checked_sub(1).and_then(|place| children.get(place));
    failing.ok_or_else(|| format!("the Atomic has {} commands", children.len()))
}
