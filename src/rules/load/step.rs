//! The steps of a rule.

mod answer;
mod connection;
mod edit;
mod head;
mod protocol;
mod raw;
mod soap;
mod validate;
mod wire_fault;

use std::ops::Range;

use toml::de::DeValue;

use super::matcher::LoadedMatcher;
use super::place;
use super::read::{self, Report, Table, Value};
use super::suggest::{REFERENCE, closest, list, nearest};
use super::vocabulary::{Keys, names};
use crate::rules::selector::Selector;
use crate::rules::step::SoapFault;
use crate::rules::template::{BadTemplate, Name, Template};
use crate::rules::{Stage, Step};

/// A verb: its name, its stages, its other keys, and its reader.
pub(super) struct StepReader {
    pub(super) name: &'static str,
    /// The stages of rules it may stand in.
    pub(super) stages: &'static [Stage],
    pub(super) options: &'static [&'static str],
    read: fn(&Value<'_>, Table<'_>, &mut Report) -> Option<Step>,
}

/// The stages at which a message passes.
const PASSING: &[Stage] = &[Stage::Request, Stage::Response];

/// Every verb, kind by kind.
fn all() -> impl Iterator<Item = &'static StepReader> {
    KINDS.iter().flat_map(|(_, verbs)| *verbs)
}

/// The verbs of each kind, by what the kind is about.
pub(super) const KINDS: [(&str, &[StepReader]); 8] = [
    ("edit", edit::VERBS),
    ("head", head::VERBS),
    ("raw", raw::VERBS),
    ("leave", wire_fault::VERBS),
    ("soap", soap::VERBS),
    ("protocol", protocol::VERBS),
    ("scenario", SCENARIO),
    ("admit", connection::VERBS),
];

/// The verb that changes the scenario only.
const SCENARIO: &[StepReader] = &[StepReader {
    name: "advance-scenario",
    stages: PASSING,
    options: &[],
    read: |value, _, report| {
        switch(value, "advance-scenario", report).then_some(Step::AdvanceScenario)
    },
}];

/// A step with the place of its verb.
type Placed = (Step, Range<usize>);

/// The steps of a rule; `None` if something is wrong with one of them.
pub(super) fn steps(
    rule: Table<'_>,
    stage: Option<Stage>,
    found: Option<&LoadedMatcher>,
    report: &mut Report,
) -> Option<Vec<Step>> {
    if !rule.means("step", &super::KEYS) {
        report
            .wrong(rule.span(), "this rule does nothing")
            .label("it has no step")
            .help("add one, such as step = { set-status = 500 }")
            .help(format!("every step stands in {REFERENCE}"));
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
        validate::with_stage(&steps, stage, report);
    }
    validate::with_scenario(&steps, rule, report);
    validate::with_each_other(&steps, report);
    validate::with_declared_prefixes(&steps, report);
    validate::on_the_body(&steps, report);
    if let Some(found) = found {
        validate::with_matcher(&steps, found, report);
    }
    (report.count() == before).then(|| steps.into_iter().map(|(step, _)| step).collect())
}

/// The tables of steps with their keys.
pub(super) fn tables() -> Vec<Keys> {
    vec![
        ("body", raw::BODY_KEYS.to_vec()),
        ("flip", raw::FLIP_KEYS.to_vec()),
        ("slicer", wire_fault::SLICER_KEYS.to_vec()),
        ("reset-peer", wire_fault::RESET_KEYS.to_vec()),
        ("soap-fault", soap::KEYS.to_vec()),
    ]
}

/// The keys of steps that take one of a few words.
pub(super) fn words() -> Vec<Keys> {
    let mut words = protocol::words();
    words.extend(connection::words());
    words.extend([
        ("body.as", names(&raw::FORMS)),
        ("soap-fault.subcode", names(&SoapFault::SUBCODES)),
        ("soap-fault.error-type", names(&SoapFault::ERROR_TYPES)),
    ]);
    words
}

/// The keys of steps that take one of a few codes.
pub(super) fn codes() -> Vec<(&'static str, Vec<u16>)> {
    protocol::codes()
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
        let is_inline = report
            .text()
            .get(table.span().start..)
            .is_some_and(|text| text.starts_with('{'));
        let remedy = match is_inline {
            true => format!(
                "write a list, which runs in order: step = [{{ {name} = … }}, {{ {second} = … }}]"
            ),
            false => "write another [[rule.step]] in front of it: steps run in order".into(),
        };
        report
            .wrong(
                at.clone(),
                format!("`{second}` stands in the step of `{name}`"),
            )
            .label("a second verb")
            .also(span.clone(), "the first")
            .help(remedy);
        return None;
    }
    let verb = all().find(|verb| verb.name == *name)?;
    let before = report.count();
    let known: Vec<&str> = [verb.name].iter().chain(verb.options).copied().collect();
    table.refuse_other_keys(&known, report);
    let step = (verb.read)(table.value(verb.name)?, table, report)?;
    (report.count() == before).then(|| (step, span.clone()))
}

/// Most verbs that an error lists.
const MOST: usize = 5;

fn no_verb(table: Table<'_>, keys: &[(&str, Range<usize>)], report: &mut Report) {
    let verbs_with = |key: &str| -> Vec<&str> {
        let verbs = all().filter(|verb| verb.options.contains(&key));
        verbs.map(|verb| verb.name).collect()
    };
    let wrong = keys.iter().find(|(key, _)| verbs_with(key).is_empty());
    if let Some((word, span)) = wrong {
        return unknown(word, span.clone(), report);
    }
    let error = report.wrong(table.span(), "this step has no verb");
    if let Some((option, _)) = keys.first() {
        let verbs = verbs_with(option);
        let shown = list(&verbs[..verbs.len().min(MOST)]);
        error.label(match verbs.len() > MOST {
            true => format!("`{option}` belongs to {shown} and others"),
            false if verbs.len() == 1 => format!("`{option}` belongs to {shown}"),
            false => format!("`{option}` belongs to one of {shown}"),
        });
    }
    error.help(format!("every step stands in {REFERENCE}"));
}

/// Words that look like verbs, and what does what they say.
const OTHER_WORDS: [(&str, &str); 1] = [(
    "fail",
    "`set-status` changes the Status of a command that was run, `refuse` keeps the command back and answers it",
)];

fn unknown(word: &str, span: Range<usize>, report: &mut Report) {
    let verbs = verbs();
    let error = report.wrong(span, format!("there is no step `{word}`"));
    match closest(word, &verbs) {
        Some(near) => error.label(format!("did you mean `{near}`?")),
        None => error.label("not known here"),
    };
    let near = nearest(word, &verbs, MOST);
    if let Some((_, meant)) = OTHER_WORDS.iter().find(|(other, _)| *other == word) {
        error.help(*meant);
    } else if near.len() > 1 {
        error.help(format!("the nearest are {}", list(&near)));
    }
    error.help(format!("every step stands in {REFERENCE}"));
}

/// The place of a step, under `at`; where it names none, `otherwise`.
fn at(step: Table<'_>, otherwise: Selector, report: &mut Report) -> Option<Selector> {
    let Some(value) = step.value("at") else {
        return Some(otherwise);
    };
    place(value, "at", report)
}

/// A place that a step changes.
fn place(value: &Value<'_>, key: &str, report: &mut Report) -> Option<Selector> {
    let selector = place::selector(value, key, report)?;
    if selector.is_attribute() {
        report
            .wrong(value.span(), format!("`{key}` of a step is the place of elements, not of an attribute"))
            .help("write set-attribute = \"value\", value = \"7\", at = \"Item/Data!/data\" to change an attribute");
        return None;
    }
    Some(selector)
}

/// A text that may have names in braces.
fn template(value: &Value<'_>, key: &str, report: &mut Report) -> Option<Template> {
    let text = read::text(value, key, report)?;
    let names: Vec<&str> = Name::ALL.iter().map(|(name, _)| *name).collect();
    match Template::parse(text) {
        Ok(template) => return Some(template),
        Err(BadTemplate::Unknown(word, _)) => {
            let title = format!("`{{{{{word}}}}}` stands for nothing");
            let error = report.wrong(value.span(), title);
            error.label(match closest(&word, &names) {
                Some(near) => format!("did you mean `{{{{{near}}}}}`?"),
                None => "not known here".into(),
            });
            error
                .help(format!("names are {}", list(&names)))
                .help("two braces that mean themselves are written {{{{");
        }
        Err(BadTemplate::Open(_)) => {
            report
                .wrong(value.span(), "braces are opened and not closed")
                .help("write {{cmd-id}}; two braces that mean themselves are written {{{{");
        }
    }
    None
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
