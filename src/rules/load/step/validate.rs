//! Whether the steps of a rule go with its stage, with each other and with what it selects.

use std::ops::Range;

use toml::de::DeTable;

use super::{Placed, all, protocol};
use crate::dm::CommandKind;
use crate::rules::load::matcher::LoadedMatcher;
use crate::rules::load::read::{Report, Table};
use crate::rules::matcher::Kinds;
use crate::rules::selector::Selector;
use crate::rules::step::{EditStep, HeadStep, Relation, WireFault};
use crate::rules::template::{Escape, Template};
use crate::rules::{Stage, Step};

/// A step at a stage where what it works on is not there.
pub(super) fn with_stage(steps: &[Placed], stage: Stage, report: &mut Report) {
    for (step, span) in steps {
        let verb = all().find(|verb| verb.name == step.name());
        let Some(verb) = verb else {
            continue;
        };
        let remedy = if verb.stages.contains(&stage) {
            match step {
                Step::WireFault(step) => step.remedy(stage),
                _ => None,
            }
        } else {
            let right: Vec<&str> = verb.stages.iter().map(|stage| stage.name()).collect();
            let elsewhere = format!(
                "write it into a rule with stage = \"{}\"",
                right.join("\" or \"")
            );
            Some(match (step, stage) {
                (Step::WireFault(WireFault::Reset), Stage::Connection) => {
                    format!("write refuse-connection = true; or {elsewhere}")
                }
                _ => elsewhere,
            })
        };
        let Some(remedy) = remedy else {
            continue;
        };
        let title = format!(
            "`{}` has no place at the stage `{}`",
            verb.name,
            stage.name()
        );
        report.wrong(span.clone(), title).help(remedy);
    }
}

/// A step that only moves the scenario on, in a rule that has none, or no state to move to.
pub(super) fn with_scenario(steps: &[Placed], rule: Table<'_>, report: &mut Report) {
    let becomes = |table: &DeTable<'_>| table.contains_key("becomes");
    let scenario = rule.value("scenario").map(|value| value.get_ref());
    let moves = scenario.is_some_and(|value| value.as_table().is_none_or(becomes));
    for (step, span) in steps {
        if *step == Step::AdvanceScenario && !moves {
            report
                .wrong(span.clone(), "`advance-scenario` has no state to move to")
                .help("add scenario = { name = \"two-acts\", becomes = \"second\" } to the rule");
        }
    }
}

/// An attribute whose prefix nothing declares makes a document that namespace-aware peers refuse.
pub(super) fn with_declared_prefixes(steps: &[Placed], report: &mut Report) {
    let attributes = |(step, span): &Placed| match step {
        Step::Edit(EditStep::SetAttribute { name, .. }) => Some((name.clone(), span.clone())),
        _ => None,
    };
    let mut declared = vec!["xml".to_owned(), "xmlns".to_owned(), "msft".to_owned()];
    for (name, span) in steps.iter().filter_map(attributes) {
        let Some((prefix, local)) = name.split_once(':') else {
            continue;
        };
        if prefix == "xmlns" {
            declared.push(local.to_owned());
        }
        if !declared.iter().any(|known| known == prefix) {
            report
                .wrong(span, format!("nothing declares the prefix `{prefix}` of `{name}`"))
                .help(format!(
                    "declare it in a step before: set-attribute = \"xmlns:{prefix}\", value = \"its namespace\""
                ));
        }
    }
}

/// Nothing follows an answer or a reset, and what they throw away need not be edited.
pub(super) fn with_each_other(steps: &[Placed], report: &mut Report) {
    let Some(end) = steps.iter().position(|(step, _)| step.closes()) else {
        return;
    };
    let (last, last_span) = &steps[end];
    for (at, (step, span)) in steps.iter().enumerate() {
        let title = match step {
            _ if at > end && last.leaves_nothing_for(step) => {
                format!("`{}` comes after `{}`", step.name(), last.name())
            }
            Step::Edit(_) | Step::Head(_) | Step::Raw(_) | Step::Protocol(_)
                if at < end && last.ends() =>
            {
                format!(
                    "`{}` edits a message that `{}` throws away",
                    step.name(),
                    last.name()
                )
            }
            _ => continue,
        };
        report
            .wrong(span.clone(), title)
            .also(
                last_span.clone(),
                match last {
                    Step::Connection(_) => "nothing is left to say after this",
                    _ => "nothing of the message is left after this",
                },
            )
            .help(right_order(step, last));
    }
}

/// How two steps are written of which one leaves nothing for the other.
fn right_order(step: &Step, last: &Step) -> String {
    let answer = match last {
        Step::WireFault(WireFault::Answer(answer)) => Some(answer),
        _ => None,
    };
    match (step, answer) {
        (Step::WireFault(leave), answer)
            if !leave.closes() && !matches!(last, Step::Connection(_))
                || answer.is_some() && !leave.ends() =>
        {
            let (first, then) = (step.name(), last.name());
            format!(
                "write `{first}` in front of `{then}`: how a message leaves is said before that"
            )
        }
        (Step::Head(HeadStep::Set(name, value) | HeadStep::Add(name, value)), Some(answer)) => {
            let value = value.fill(Escape::Nothing, |_| Err(()));
            let value = value.unwrap_or_else(|()| "…".into());
            let code = answer.status.as_u16();
            format!("write answer = {code}, headers = {{ {name} = {value:?} }}")
        }
        (Step::Raw(raw), Some(_)) if raw.replaces_all() => {
            "give the body of an answer as its own key: answer = 503, body = \"…\"".into()
        }
        _ => "put the two into rules of their own, with different matchers or limits".into(),
    }
}

/// Bytes are changed last, whatever the order in the file; a body that is set anew leaves nothing to edit.
pub(super) fn on_the_body(steps: &[Placed], report: &mut Report) {
    let is_raw = |(step, _): &&Placed| step.is_raw();
    let sets = |(step, _): &&Placed| matches!(step, Step::Raw(step) if step.replaces_all());
    for (at, (step, span)) in steps.iter().enumerate() {
        let before = &steps[..at];
        let wrong = match step {
            Step::Edit(_) => before.iter().find(is_raw).map(|first| {
                let title = format!("`{}` comes after `{}`", step.name(), first.0.name());
                (
                    title,
                    first,
                    "bytes are changed after all edits of the document",
                )
            }),
            _ => None,
        };
        if let Some((title, (_, first), why)) = wrong {
            report
                .wrong(span.clone(), title)
                .also(first.clone(), why)
                .help("put it in front, or into a rule of its own behind this one");
            continue;
        }
        let lost = step.is_edit() || step.is_raw();
        let set = steps[at + 1..].iter().find(sets);
        if let Some((set, place)) = set.filter(|_| lost) {
            let title = format!(
                "`{}` edits a body that `{}` throws away",
                step.name(),
                set.name()
            );
            report
                .wrong(span.clone(), title)
                .also(place.clone(), "nothing of the body is left after this")
                .help("leave one of the two out");
        }
    }
}

pub(super) fn with_matcher(steps: &[Placed], found: &LoadedMatcher, report: &mut Report) {
    let selected = found.matcher.command.as_ref();
    for (step, span) in steps {
        match (step, selected) {
            (Step::Edit(EditStep::SetStatus(_)), selected) => {
                let kinds = selected.map_or(Kinds::default(), |command| command.kinds);
                if kinds != Kinds::of(CommandKind::Status) {
                    needs_status(span, found, report);
                }
            }
            (Step::Protocol(step), _) => protocol::agree(step, span, found, report),
            (Step::Edit(edit), None) => {
                no_command(step, span, report);
                needs_commands(edit, span, report);
            }
            (_, None) => no_command(step, span, report),
            (Step::Edit(edit), Some(command)) => no_data(edit, command.kinds, span, report),
            _ => {}
        }
    }
}

/// A value where none of the selected commands keeps one.
fn no_data(step: &EditStep, kinds: Kinds, span: &Range<usize>, report: &mut Report) {
    if matches!(step, EditStep::SetText { .. } if step.places() == [&Selector::value()])
        && kinds.is_within(Kinds::of(CommandKind::Get))
    {
        report
            .wrong(span.clone(), "a Get has no Data")
            .help("the value is in what answers it: command = \"Results\", in the other direction");
        return;
    }
    let direct = |at: &&Selector| Selector::parse("Data").is_ok_and(|data| **at == data);
    if kinds.is_within(Kinds::with_data_in_items()) && step.places().iter().any(direct) {
        report
            .wrong(
                span.clone(),
                format!("`{}` looks for Data where none is", step.name()),
            )
            .label("these commands keep their values in Items")
            .help("write at = \"Item/Data\"");
    }
}

/// A value of the selected command, in a rule that selects whole messages.
fn no_command(step: &Step, span: &Range<usize>, report: &mut Report) {
    let mut names = step.template().into_iter().flat_map(Template::names);
    if let Some(name) = names.find(|name| name.is_of_command()) {
        let title = format!("`{{{{{}}}}}` is of a command", name.text());
        report
            .wrong(span.clone(), title)
            .label("this rule selects whole messages")
            .help("say in `match` which commands: command = \"Results\"");
    }
}

/// A step that makes sense with selected commands only, in a rule that selects whole messages.
fn needs_commands(step: &EditStep, span: &Range<usize>, report: &mut Report) {
    let verb = step.name();
    let places = step.places();
    if matches!(step, EditStep::Remove { .. }) && places[0].is_selected() {
        report
            .wrong(span.clone(), "`remove` would remove the whole message")
            .help("say in `match` which commands: command = \"Replace\"")
            .help("or say which part: at = \"SyncBody/Final\"");
        return;
    }
    let is_vague = match step {
        EditStep::SetText { at, .. } => *at == Selector::value(),
        EditStep::Reverse => true,
        EditStep::Insert { to, .. } => {
            to.at.is_selected() && matches!(to.relation, Relation::Before | Relation::After)
        }
        EditStep::SetAttribute { .. } | EditStep::RemoveAttribute { .. } => false,
        _ => places.iter().any(|at| at.is_selected()),
    };
    if is_vague {
        let title = match step {
            EditStep::Reverse => "`reverse` does not say what".into(),
            _ => format!("`{verb}` does not say where"),
        };
        let error = report.wrong(span.clone(), title);
        error
            .label("this rule selects whole messages")
            .help("say in `match` which commands: command = \"Results\"");
        if *step != EditStep::Reverse {
            error.help("or say which part: at = \"SyncHdr/SessionID\"");
        }
    }
}

fn needs_status(span: &Range<usize>, found: &LoadedMatcher, report: &mut Report) {
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
