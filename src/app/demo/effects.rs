//! What each rule did, collected from the records of the sessions.

use std::fmt::Write;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::app::effect_text;
use crate::dm::StatusCode;
use crate::flow::EffectDetail;
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
    step: String,
    place: String,
    /// What was there and is there now, the first time.
    values: (String, String),
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

    fn flush(&mut self) -> io::Result<()> {
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
                known.varies |= known.values != effect.values;
                known.times += 1;
            }
            None => self.0.push(effect),
        }
    }

    /// Whether no rule did anything.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a rule took this step.
    pub(super) fn has(&self, step: &str) -> bool {
        self.0.iter().any(|effect| effect.step == step)
    }

    /// Whether dmtap answered in the server's place.
    pub(super) fn has_own_answer(&self) -> bool {
        self.has("answer") || self.has("soap-fault")
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
        let effect = Self {
            rule: rule.to_owned(),
            stage,
            subject: String::new(),
            step: change.kind.to_string(),
            place: String::new(),
            values: (String::new(), String::new()),
            varies: false,
            times: 1,
        };
        // They are listed once for each message.
        if let Some(words) = change.reconciled() {
            let step = words.into_owned();
            return Self { step, ..effect };
        }
        let command = event.command_at(&change.path);
        let command = command.map(|number| &event.commands[number]);
        let inner = match command {
            Some(command) => change.path.strip_prefix(&*command.path),
            None => change.path.strip_prefix("/SyncML"),
        };
        let inner = inner.unwrap_or(&change.path).trim_start_matches('/');
        let subject = command.map_or_else(String::new, subject);
        let is_code = inner == "Data" && command.is_some_and(|command| command.status.is_some());
        let value = |value: &str| match value.trim().parse() {
            Ok(code) if is_code => StatusCode(code).to_string(),
            _ => shown(value),
        };
        let says_itself = |value: &&str| command.is_some_and(|command| is_itself(value, command));
        let before = Some(change.before_as_shown()).filter(|before| !says_itself(before));
        Self {
            place: inner.to_owned(),
            values: (before.map_or_else(String::new, value), value(&change.after)),
            subject,
            ..effect
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        self.rule == other.rule
            && self.stage == other.stage
            && self.subject == other.subject
            && self.step == other.step
            && self.place == other.place
    }

    fn line(&self) -> String {
        let (before, after) = &self.values;
        let what = effect_text::words(&self.step, &self.place, before, after);
        let subject = match &*self.subject {
            "" => String::new(),
            subject => format!("{subject}, "),
        };
        let varies = if self.varies { ", …" } else { "" };
        let times = match self.times {
            1 => String::new(),
            times => format!(" ({times} times)"),
        };
        format!("{}: {subject}{what}{varies}{times}", self.stage)
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
