//! The verbs that change the document.

use super::{PASSING, StepReader, at, place, switch, template};
use crate::dm::StatusCode;
use crate::markup::edit::Fragment;
use crate::rules::Step;
use crate::rules::load::code::SYNCML;
use crate::rules::load::read::{self, Report, Table, Value};
use crate::rules::load::suggest::list;
use crate::rules::selector::Selector;
use crate::rules::step::{EditStep, Ids, Neighbour, Relation};
use crate::rules::template::{Escape, Template};

/// Reads the value of a verb and its other keys.
type Read = fn(&Value<'_>, Table<'_>, &mut Report) -> Option<Step>;

pub(super) const VERBS: &[StepReader] = &[
    verb("set-status", &[], |value, _, report| {
        let code = SYNCML.read(value, "set-status", report)?;
        Some(Step::Edit(EditStep::SetStatus(StatusCode(code))))
    }),
    verb("set-text", &["at"], |value, step, report| {
        let text = template(value, "set-text", report);
        let at = at(step, Selector::value(), report);
        let (text, at) = text.zip(at)?;
        Some(Step::Edit(EditStep::SetText { text, at }))
    }),
    verb("set-attribute", &["value", "at"], |value, step, report| {
        let name = attribute(value, "set-attribute", report);
        let at = at(step, Selector::selected(), report);
        let Some(value) = step.value("value") else {
            report
                .wrong(
                    step.key_span("set-attribute"),
                    "`set-attribute` has no value",
                )
                .help("add value = \"…\"; remove-attribute = \"…\" takes the attribute away");
            return None;
        };
        let value = template(value, "value", report)?;
        let (name, at) = name.zip(at)?;
        Some(Step::Edit(EditStep::SetAttribute { name, value, at }))
    }),
    verb("remove-attribute", &["at"], |value, step, report| {
        let name = attribute(value, "remove-attribute", report);
        let (name, at) = name.zip(at(step, Selector::selected(), report))?;
        Some(Step::Edit(EditStep::RemoveAttribute { name, at }))
    }),
    verb("insert", SIDES, |value, step, report| {
        let fragment = fragment(value, "insert", report);
        let (fragment, to) = fragment.zip(neighbour("insert", step, report))?;
        Some(Step::Edit(EditStep::Insert { fragment, to }))
    }),
    verb("replace", &["at"], |value, step, report| {
        let fragment = fragment(value, "replace", report);
        let (fragment, at) = fragment.zip(at(step, Selector::selected(), report))?;
        Some(Step::Edit(EditStep::Replace { fragment, at }))
    }),
    verb("remove", &["at"], |value, step, report| {
        let at = at(step, Selector::selected(), report)?;
        switch(value, "remove", report).then_some(Step::Edit(EditStep::Remove { at }))
    }),
    verb("copy", SIDES, |value, step, report| {
        let from = place(value, "copy", report);
        let (from, to) = from.zip(neighbour("copy", step, report))?;
        Some(Step::Edit(EditStep::Copy { from, to }))
    }),
    verb("move", SIDES, |value, step, report| {
        let from = place(value, "move", report);
        let (from, to) = from.zip(neighbour("move", step, report))?;
        Some(Step::Edit(EditStep::Move { from, to }))
    }),
    verb("duplicate", &["at", "new-ids"], |value, step, report| {
        let at = at(step, Selector::selected(), report)?;
        let fresh = step.value("new-ids");
        let fresh = fresh.map(|value| switch(value, "new-ids", report));
        let ids = match fresh {
            Some(true) => Ids::Fresh,
            _ => Ids::Same,
        };
        switch(value, "duplicate", report).then_some(Step::Edit(EditStep::Duplicate { at, ids }))
    }),
    verb("reverse", &[], |value, _, report| {
        switch(value, "reverse", report).then_some(Step::Edit(EditStep::Reverse))
    }),
];

pub(super) const SIDES: &[&str] = &["before", "after", "first-in", "last-in"];

const fn verb(name: &'static str, options: &'static [&'static str], read: Read) -> StepReader {
    StepReader {
        name,
        stages: PASSING,
        options,
        read,
    }
}

/// The same, where the place may be left out.
pub(super) fn beside_if_any(
    verb: &str,
    step: Table<'_>,
    report: &mut Report,
) -> Option<Option<Neighbour>> {
    match SIDES.iter().any(|side| step.value(side).is_some()) {
        true => neighbour(verb, step, report).map(Some),
        false => Some(None),
    }
}

/// Where something is to stand: one of the four keys, each with a place.
fn neighbour(verb: &str, step: Table<'_>, report: &mut Report) -> Option<Neighbour> {
    let given = |(key, relation): &(&'static str, Relation)| {
        let value = step.value(key)?;
        Some((*key, *relation, value))
    };
    let mut sides: Vec<_> = Relation::ALL.iter().filter_map(given).collect();
    sides.sort_by_key(|(key, ..)| step.key_span(key).start);
    let mut sides = sides.into_iter();
    let Some((key, relation, value)) = sides.next() else {
        report
            .wrong(
                step.key_span(verb),
                format!("`{verb}` does not say where to"),
            )
            .help(format!("add one of {} with a place", list(SIDES)))
            .help(
                "after = \".\" is behind the selected command, last-in = \"Item\" is in its Item",
            );
        return None;
    };
    if let Some((second, ..)) = sides.next() {
        report
            .wrong(
                step.key_span(second),
                format!("`{verb}` says twice where to"),
            )
            .also(step.key_span(key), "the first")
            .help("an element stands at one place: write a step for each");
        return None;
    }
    let at = place(value, key, report)?;
    Some(Neighbour { relation, at })
}

/// The name of an attribute.
fn attribute(value: &Value<'_>, key: &str, report: &mut Report) -> Option<String> {
    let name = read::text(value, key, report)?;
    let fits = |c: char| c.is_alphanumeric() || "-_.:".contains(c);
    let begins = |c: char| c.is_alphabetic() || c == '_';
    if name.starts_with(begins) && name.chars().all(fits) {
        return Some(name.to_owned());
    }
    report
        .wrong(value.span(), format!("`{name}` is no name of an attribute"))
        .help(format!("write {key} = \"msft:originalerror\""));
    None
}

/// An element in XML, in which values may be put.
fn fragment(value: &Value<'_>, key: &str, report: &mut Report) -> Option<Template> {
    let template = template(value, key, report)?;
    let filled = template.fill(Escape::Markup, |_| Ok::<_, ()>("0".into()));
    if let Err(error) = Fragment::parse(&filled.unwrap_or_default()) {
        report
            .wrong(value.span(), format!("`{key}` is not an element in XML"))
            .label(error.to_string())
            .help(format!(
                "write one element with all that is in it: {key} = \"<Data>…</Data>\""
            ));
        return None;
    }
    Some(template)
}
