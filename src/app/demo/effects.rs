//! The effects of each rule, collected from the records of the sessions.

use std::fmt::Write;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::flow::{EffectDetail, EffectKind};
use crate::record::Sink;
use crate::record::model::{CommandRecord, EventKind, EventRecord};
use crate::rules::Stage;

/// A sink that collects the effects of rules, in the order in which they first appear; clones share them.
#[derive(Clone, Default)]
pub(super) struct Effects(Arc<Mutex<Vec<Effect>>>);

/// One effect of a rule, which may occur several times.
#[derive(Debug)]
struct Effect {
    rule: String,
    stage: &'static str,
    /// The changed command; empty for the whole message.
    subject: String,
    /// The place in the command or message.
    place: String,
    /// The change of the first time.
    change: EffectDetail,
    /// Whether other times had other changes.
    varies: bool,
    times: usize,
}

impl Sink for Effects {
    fn write_event(&mut self, record: &EventRecord) -> io::Result<()> {
        let stage = match record.event {
            EventKind::ConnectionDecided => Stage::Connection,
            EventKind::Request => Stage::Request,
            _ => Stage::Response,
        };
        for applied in &record.applied {
            let mut shifts = applied.changes.iter().filter(|it| it.is_renumbering());
            let shift = shifts.next();
            let others = applied.changes.iter().filter(|it| !it.is_renumbering());
            for change in others.chain(shift) {
                self.enter(Effect::of(&applied.rule, stage.name(), record, change));
            }
        }
        Ok(())
    }
}

impl Effects {
    fn enter(&self, effect: Effect) {
        let mut effects = self.0.lock();
        match effects.iter_mut().find(|known| known.is_like(&effect)) {
            Some(known) => {
                known.varies |= known.what() != effect.what();
                known.times += 1;
            }
            None => effects.push(effect),
        }
    }

    /// Whether no rule had an effect.
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// Whether a rule had an effect of this kind.
    pub(super) fn has(&self, kind: EffectKind) -> bool {
        let effects = self.0.lock();
        effects.iter().any(|effect| effect.change.kind == kind)
    }

    /// Returns the effects of a rule, one a line.
    pub(super) fn of(&self, rule: &str) -> String {
        let effects = self.0.lock();
        let mut own = effects.iter().filter(|effect| effect.rule == rule);
        let mut text = String::new();
        for effect in own.by_ref().take(MOST) {
            let _ = write!(text, "\n      {}", effect.line());
        }
        match own.count() {
            0 => {}
            more => {
                let _ = write!(text, "\n      and {more} more, which the transcript shows");
            }
        }
        text
    }
}

impl Effect {
    fn of(rule: &str, stage: &'static str, event: &EventRecord, change: &EffectDetail) -> Self {
        let mut effect = Self {
            rule: rule.to_owned(),
            stage,
            subject: String::new(),
            place: String::new(),
            change: change.clone(),
            varies: false,
            times: 1,
        };
        effect.change.before = shown(&change.before);
        effect.change.after = shown(&change.after);
        // Reconciling effects have no subject: they are listed once for each message.
        if change.is_reconciling() {
            return effect;
        }
        let command = event.command_at(&change.path);
        let command = command.map(|number| &event.commands[number]);
        let inner = match command {
            Some(command) => change.path.strip_prefix(&*command.path),
            None => change.path.strip_prefix("/SyncML"),
        };
        let inner = inner.unwrap_or(&change.path).trim_start_matches('/');
        effect.place = inner.to_owned();
        if let Some(command) = command {
            effect.subject = subject(command);
            if is_itself(&change.before, command) {
                effect.change.before = effect.subject.clone();
            }
        }
        effect
    }

    fn is_like(&self, other: &Self) -> bool {
        let is_same_step = self.change.step == other.change.step
            && self.change.kind == other.change.kind
            && (!self.change.is_reconciling() || self.what() == other.what());
        is_same_step
            && self.rule == other.rule
            && self.stage == other.stage
            && self.subject == other.subject
            && self.place == other.place
    }

    fn what(&self) -> String {
        self.change.text(&self.place)
    }

    fn line(&self) -> String {
        let what = self.what();
        let what = match (&*self.subject, what.strip_prefix("Status ")) {
            ("", _) => what,
            (subject, _) if what.contains(subject) => what,
            (subject, Some(codes)) => format!("{subject}: {codes}"),
            (subject, None) => format!("{subject}, {what}"),
        };
        let varies = if self.varies { ", …" } else { "" };
        let times = match self.times {
            1 => String::new(),
            times => format!(" ({times} times)"),
        };
        format!("{}: {what}{varies}{times}", self.stage)
    }
}

/// Returns the name of a command for people; for a Status or Results with the command that it answers.
fn subject(command: &CommandRecord) -> String {
    let kind = &command.kind;
    let uri = command.loc_uri.as_deref();
    let answered = command.answers.as_ref();
    let cmd = answered.and_then(|answered| answered.cmd.as_deref());
    match (cmd, uri) {
        (Some(cmd), Some(uri)) => format!("{kind} of {cmd} {uri}"),
        (Some(cmd), None) => format!("{kind} of {cmd}"),
        (None, Some(uri)) => format!("{kind} {uri}"),
        (None, None) => kind.to_string(),
    }
}

/// Whether a value is only the name of the command, perhaps with its node.
fn is_itself(value: &str, command: &CommandRecord) -> bool {
    let rest = value.strip_prefix(&*command.kind).map(str::trim_start);
    rest.is_some_and(|rest| rest.is_empty() || Some(rest) == command.loc_uri.as_deref())
}

/// Returns the beginning of a value, in one line.
fn shown(value: &str) -> String {
    let mut characters = value.chars();
    let begin = characters.by_ref().take(LONGEST);
    let mut text: String = begin
        .flat_map(|c| match c.is_control() {
            true => c.escape_default().collect::<Vec<_>>(),
            false => vec![c],
        })
        .collect();
    if characters.next().is_some() {
        text.push('…');
    }
    text
}

/// The limit of effects of one rule that are listed one by one.
const MOST: usize = 8;
/// The limit of a shown value, in characters.
const LONGEST: usize = 60;
