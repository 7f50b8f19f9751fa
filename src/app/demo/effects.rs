//! What each rule did, collected from the records of the sessions.

use std::fmt::Write;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::flow::{EffectDetail, EffectKind};
use crate::record::Sink;
use crate::record::model::{CommandRecord, EventKind, EventRecord};
use crate::rules::Stage;

/// A sink that remembers what rules did.
#[derive(Clone, Default)]
pub(super) struct EffectCollector(Arc<Mutex<Effects>>);

/// What rules did, in the order in which it was first seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Effects(Vec<Effect>);

/// One thing that a rule did, be it several times.
#[derive(Clone, Debug)]
struct Effect {
    rule: String,
    /// At which stage.
    stage: &'static str,
    /// What was changed: a command, or nothing where it is the whole message.
    subject: String,
    /// Where in it.
    place: String,
    /// What was done, the first time.
    change: EffectDetail,
    /// Whether there were others.
    varies: bool,
    times: usize,
}

impl EffectCollector {
    /// What they did so far.
    pub(super) fn effects(&self) -> Effects {
        let effects = self.0.lock();
        effects.clone()
    }
}

impl Sink for EffectCollector {
    fn write_event(&mut self, record: &EventRecord) -> io::Result<()> {
        let stage = match record.event {
            EventKind::Admitted => Stage::Connection,
            EventKind::Request => Stage::Request,
            _ => Stage::Response,
        };
        if !record.applied.is_empty() {
            let mut effects = self.0.lock();
            effects.take(record, stage.name());
        }
        Ok(())
    }
}

impl Effects {
    fn take(&mut self, event: &EventRecord, stage: &'static str) {
        for applied in &event.applied {
            let mut shifts = applied.changes.iter().filter(|it| it.is_renumbering());
            let shift = shifts.next();
            let others = applied.changes.iter().filter(|it| !it.is_renumbering());
            for change in others.chain(shift) {
                self.enter(Effect::of(&applied.rule, stage, event, change));
            }
        }
    }

    fn enter(&mut self, effect: Effect) {
        match self.0.iter_mut().find(|known| known.is_like(&effect)) {
            Some(known) => {
                known.varies |= known.what() != effect.what();
                known.times += 1;
            }
            None => self.0.push(effect),
        }
    }

    /// Whether no rule did anything.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a rule did something of this kind.
    pub(super) fn has(&self, kind: EffectKind) -> bool {
        self.0.iter().any(|effect| effect.change.kind == kind)
    }

    /// What a rule did, a line for each thing.
    pub(super) fn of(&self, rule: &str) -> String {
        let mut own = self.0.iter().filter(|effect| effect.rule == rule);
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
        // They are listed once for each message.
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

/// A command for people: for a Status or Results, what it answers.
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

/// Whether a value is nothing but the name of the command, and perhaps of its node.
fn is_itself(value: &str, command: &CommandRecord) -> bool {
    let rest = value.strip_prefix(&*command.kind).map(str::trim_start);
    rest.is_some_and(|rest| rest.is_empty() || Some(rest) == command.loc_uri.as_deref())
}

/// The beginning of a value, in one line.
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

/// The most effects of one rule that are listed one by one.
const MOST: usize = 8;
/// How much of a value is shown, in characters.
const LONGEST: usize = 60;
