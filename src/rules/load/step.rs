//! The steps of a rule.

use std::ops::Range;
use std::time::Duration;

use http::StatusCode as HttpStatus;
use toml::de::DeValue;

use super::code::{HTTP, SYNCML};
use super::matcher::Found;
use super::read::{self, Report, Table, Value};
use super::suggest::{closest, list};
use crate::dm::{CommandKind, StatusCode};
use crate::rules::matcher::Kinds;
use crate::rules::place::Place;
use crate::rules::{Answer, Step};

/// A verb: its name, the keys that may stand beside it, and its reader.
struct Verb {
    name: &'static str,
    options: &'static [&'static str],
    read: fn(&Value<'_>, Table<'_>, &mut Report) -> Option<Step>,
}

const VERBS: [Verb; 6] = [
    Verb {
        name: "set-status",
        options: &[],
        read: |value, _, report| {
            let code = SYNCML.read(value, "set-status", report)?;
            Some(Step::SetStatus(StatusCode(code)))
        },
    },
    Verb {
        name: "set-text",
        options: &["at"],
        read: |value, step, report| {
            let text = read::text(value, "set-text", report)?.to_owned();
            let at = place(step, report)?.unwrap_or_else(Place::value);
            Some(Step::SetText { text, at })
        },
    },
    Verb {
        name: "remove",
        options: &["at"],
        read: |value, step, report| {
            let at = place(step, report)?;
            switch(value, "remove", report).then_some(Step::Remove { at })
        },
    },
    Verb {
        name: "answer",
        options: &["body"],
        read: answer,
    },
    Verb {
        name: "delay",
        options: &[],
        read: |value, _, report| delay(value, report).map(Step::Delay),
    },
    Verb {
        name: "reset",
        options: &[],
        read: |value, _, report| switch(value, "reset", report).then_some(Step::Reset),
    },
];

/// A step with the place of its verb.
type Placed = (Step, Range<usize>);

/// The steps of a rule; `None` if something is wrong with one of them.
pub(super) fn steps(
    rule: Table<'_>,
    found: Option<&Found>,
    report: &mut Report,
) -> Option<Vec<Step>> {
    let Some(value) = rule.value("step") else {
        report
            .wrong(rule.span(), "this rule does nothing")
            .label("it has no step")
            .help(format!("add [[rule.step]] with one of {}", list(&verbs())));
        return None;
    };
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
    agree_with_each_other(&steps, report);
    if let Some(found) = found {
        agree_with_matcher(&steps, found, report);
    }
    (report.count() == before).then(|| steps.into_iter().map(|(step, _)| step).collect())
}

fn verbs() -> Vec<&'static str> {
    VERBS.iter().map(|verb| verb.name).collect()
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
    let verb = VERBS.iter().find(|verb| verb.name == *name)?;
    let before = report.count();
    let known: Vec<&str> = [verb.name].iter().chain(verb.options).copied().collect();
    table.refuse_other_keys(&known, report);
    let step = (verb.read)(table.value(verb.name)?, table, report)?;
    (report.count() == before).then(|| (step, span.clone()))
}

fn no_verb(table: Table<'_>, keys: &[(&str, Range<usize>)], report: &mut Report) {
    let verbs = verbs();
    let options = ["at", "body"];
    let wrong = keys.iter().find(|(key, _)| !options.contains(key));
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
            (Step::SetStatus(_), selected) => {
                let kinds = selected.map_or(Kinds::default(), |command| command.kinds);
                if kinds != Kinds::of(CommandKind::Status) {
                    needs_status(span, found, report);
                }
            }
            (Step::Remove { at: None }, None) => {
                report
                    .wrong(span.clone(), "`remove` would remove the whole message")
                    .help("say in `match` which commands: command = \"Replace\"")
                    .help("or say which part: at = \"SyncBody/Final\"");
            }
            (Step::SetText { at, .. }, None) if *at == Place::value() => {
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
            .also(command.clone(), "this selects something else")
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

fn answer(value: &Value<'_>, step: Table<'_>, report: &mut Report) -> Option<Step> {
    let code = HTTP.read(value, "answer", report);
    let body = match step.value("body") {
        Some(body) => read::text(body, "body", report)?.to_owned(),
        None => String::new(),
    };
    let Ok(status) = HttpStatus::from_u16(code?) else {
        report.wrong(value.span(), "HTTP has codes from 100 to 999");
        return None;
    };
    Some(Step::Answer(Answer { status, body }))
}

/// A time such as `250ms`, `1.5s` or `2m`, at most an hour.
fn delay(value: &Value<'_>, report: &mut Report) -> Option<Duration> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0)];
    let written = value.get_ref().as_str().and_then(|text| {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let (_, unit) = units
            .iter()
            .find(|(name, _)| *name == &text[digits.len()..])?;
        let plain = digits.chars().all(|c| c.is_ascii_digit() || c == '.');
        let number: f64 = plain.then(|| digits.parse().ok())??;
        Duration::try_from_secs_f64(number * unit).ok()
    });
    let Some(time) = written else {
        report
            .wrong(value.span(), "`delay` must be a time")
            .help("write \"250ms\", \"1.5s\" or \"2m\"");
        return None;
    };
    if time > LONGEST {
        report.wrong(value.span(), "`delay` is longer than an hour");
        return None;
    }
    Some(time)
}

/// Longest delay.
const LONGEST: Duration = Duration::from_secs(3600);
