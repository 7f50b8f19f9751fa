//! The steps of a rule.

mod answer;
mod edit;
mod leave;
mod soap;
mod story;

use std::ops::Range;

use toml::de::DeValue;

use super::matcher::Found;
use super::read::{self, Report, Table, Value};
use super::suggest::{closest, list};
use crate::dm::CommandKind;
use crate::rules::matcher::Kinds;
use crate::rules::place::Place;
use crate::rules::step::EditStep;
use crate::rules::{Stage, Step};

/// A verb: its name, where it may stand, the keys that may stand beside it, and its reader.
struct Verb {
    name: &'static str,
    /// The stages of rules it may stand in.
    stages: &'static [Stage],
    options: &'static [&'static str],
    read: fn(&Value<'_>, Table<'_>, &mut Report) -> Option<Step>,
}

/// The stages at which a message passes.
const PASSING: &[Stage] = &[Stage::Request, Stage::Response];

/// Every verb, kind by kind.
fn all() -> impl Iterator<Item = &'static Verb> {
    [edit::VERBS, leave::VERBS, soap::VERBS, story::VERBS]
        .into_iter()
        .flatten()
}

/// A step with the place of its verb.
type Placed = (Step, Range<usize>);

/// The steps of a rule; `None` if something is wrong with one of them.
pub(super) fn steps(
    rule: Table<'_>,
    stage: Option<Stage>,
    found: Option<&Found>,
    report: &mut Report,
) -> Option<Vec<Step>> {
    if !rule.means("step", &super::KEYS) {
        report
            .wrong(rule.span(), "this rule does nothing")
            .label("it has no step")
            .help(format!("add [[rule.step]] with one of {}", list(&verbs())));
        return None;
    }
    let value = rule.value("step")?;
    let before = report.count();
    let values = match value.get_ref() {
        DeValue::Array(values) => values.iter().collect(),
        _ => vec![value],
    };
    if values.is_empty() {
        report
            .wrong(value.span(), "this rule does nothing")
            .label("it has no step");
    }
    let tables: Vec<Table<'_>> = values
        .into_iter()
        .filter_map(|value| Table::of("a step", value, report))
        .collect();
    let steps: Vec<Placed> = tables
        .into_iter()
        .filter_map(|table| step(table, report))
        .collect();
    if let Some(stage) = stage {
        agree_with_stage(&steps, stage, report);
    }
    agree_with_each_other(&steps, report);
    if let Some(found) = found {
        agree_with_matcher(&steps, found, report);
    }
    (report.count() == before).then(|| steps.into_iter().map(|(step, _)| step).collect())
}

/// The name of every verb.
pub(super) fn verbs() -> Vec<&'static str> {
    all().map(|verb| verb.name).collect()
}

/// One step: a table with one verb.
fn step(table: Table<'_>, report: &mut Report) -> Option<Placed> {
    let verbs = verbs();
    let keys = table.keys();
    let mut named = keys.iter().filter(|(key, _)| verbs.contains(key));
    let Some((name, span)) = named.next() else {
        no_verb(table, &keys, report);
        return None;
    };
    if let Some((second, at)) = named.next() {
        report
            .wrong(
                at.clone(),
                format!("`{second}` stands in the step of `{name}`"),
            )
            .label("a second verb")
            .also(span.clone(), "the first")
            .help("write another [[rule.step]] in front of it: steps run in order");
        return None;
    }
    let verb = all().find(|verb| verb.name == *name)?;
    let before = report.count();
    let known: Vec<&str> = [verb.name].iter().chain(verb.options).copied().collect();
    table.refuse_other_keys(&known, report);
    let step = (verb.read)(table.value(verb.name)?, table, report)?;
    (report.count() == before).then(|| (step, span.clone()))
}

fn no_verb(table: Table<'_>, keys: &[(&str, Range<usize>)], report: &mut Report) {
    let verbs = verbs();
    let is_option = |key: &str| all().any(|verb| verb.options.contains(&key));
    let wrong = keys.iter().find(|(key, _)| !is_option(key));
    let help = format!("steps are {}", list(&verbs));
    let Some((word, span)) = wrong else {
        report
            .wrong(table.span(), "this step has no verb")
            .help(help);
        return;
    };
    let error = report.wrong(span.clone(), format!("there is no step `{word}`"));
    match closest(word, &verbs) {
        Some(near) => error.label(format!("did you mean `{near}`?")),
        None => error.label("not known here"),
    };
    error.help(help);
}

/// A step at a stage where what it works on is not there.
fn agree_with_stage(steps: &[Placed], stage: Stage, report: &mut Report) {
    for (step, span) in steps {
        let verb = all().find(|verb| verb.name == step.name());
        let Some(verb) = verb.filter(|verb| !verb.stages.contains(&stage)) else {
            continue;
        };
        let right = verb.stages.iter().map(|stage| stage.name());
        let right: Vec<&str> = right.collect();
        report
            .wrong(
                span.clone(),
                format!(
                    "`{}` has no place at the stage `{}`",
                    verb.name,
                    stage.name()
                ),
            )
            .help(format!(
                "write it into a rule with stage = {}",
                list(&right)
            ));
    }
}

/// Nothing follows an answer or a reset, and what they throw away need not be edited.
fn agree_with_each_other(steps: &[Placed], report: &mut Report) {
    let Some(end) = steps.iter().position(|(step, _)| step.ends()) else {
        return;
    };
    let (last, last_span) = &steps[end];
    for (at, (step, span)) in steps.iter().enumerate() {
        let title = match step {
            _ if at > end => format!("`{}` comes after `{}`", step.name(), last.name()),
            _ if step.is_edit() => format!(
                "`{}` edits a message that `{}` throws away",
                step.name(),
                last.name()
            ),
            _ => continue,
        };
        report
            .wrong(span.clone(), title)
            .also(
                last_span.clone(),
                "nothing of the message is left after this",
            )
            .help("put the two into rules of their own, with different matchers or limits");
    }
}

fn agree_with_matcher(steps: &[Placed], found: &Found, report: &mut Report) {
    let selected = found.matcher.command.as_ref();
    for (step, span) in steps {
        match (step, selected) {
            (Step::Edit(EditStep::SetStatus(_)), selected) => {
                let kinds = selected.map_or(Kinds::default(), |command| command.kinds);
                if kinds != Kinds::of(CommandKind::Status) {
                    needs_status(span, found, report);
                }
            }
            (Step::Story(story), _) => story::agree(story, span, found, report),
            (Step::Edit(EditStep::Remove { at: None }), None) => {
                report
                    .wrong(span.clone(), "`remove` would remove the whole message")
                    .help("say in `match` which commands: command = \"Replace\"")
                    .help("or say which part: at = \"SyncBody/Final\"");
            }
            (Step::Edit(EditStep::SetText { at, .. }), None) if *at == Place::value() => {
                report
                    .wrong(span.clone(), "`set-text` does not say where")
                    .label("this rule selects whole messages")
                    .help("say in `match` which commands: command = \"Results\"")
                    .help("or say which part: at = \"SyncHdr/SessionID\"");
            }
            _ => {}
        }
    }
}

fn needs_status(span: &Range<usize>, found: &Found, report: &mut Report) {
    let error = report.wrong(span.clone(), "`set-status` changes the code of a Status");
    match &found.command_span {
        Some(command) => error
            .also(command.clone(), "this selects other commands")
            .help(
                "write command = \"Status\": `loc-uri` is then what the answered command is about",
            ),
        None => error
            .label("this rule does not say that it selects Status")
            .help("add command = \"Status\" to `match`"),
    };
}

/// The place of a step; `Some(None)` where it names none.
fn place(step: Table<'_>, report: &mut Report) -> Option<Option<Place>> {
    let Some(value) = step.value("at") else {
        return Some(None);
    };
    let text = read::text(value, "at", report)?;
    match Place::parse(text) {
        Ok(place) => Some(Some(place)),
        Err(bad) => {
            report
                .wrong(value.span(), format!("`{text}` is no place in a command"))
                .help(format!("write {bad}"));
            None
        }
    }
}

/// `true`; there is nothing else such a verb could be.
fn switch(value: &Value<'_>, verb: &str, report: &mut Report) -> bool {
    let on = value.get_ref().as_bool() == Some(true);
    if !on {
        report
            .wrong(value.span(), format!("`{verb}` is written {verb} = true"))
            .help("leave the step out if it is not to run");
    }
    on
}
