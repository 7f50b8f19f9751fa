//! The checks of the steps of a rule against its stage, its selection, and each other.

use std::ops::Range;

use http::{StatusCode, header};

use super::place;
use super::report::{Report, Table};
use super::schema::step_named;
use crate::dm::CommandKind;
use crate::rules::matcher::Kinds;
use crate::rules::place::ElementPlace;
use crate::rules::step::{
    Answer, ConnectionStep, EditStep, FaultStep, HeadStep, ProtocolStep, Relation, ResetPeer,
    ScenarioStep, Scheme,
};
use crate::rules::template::{Escape, Template};
use crate::rules::{Matcher, RuleError, Scenario, Stage, Step};

/// A step with its table, and the place of its verb.
pub(super) type Placed<'t> = (&'t Step, Range<usize>, Table<'t>);

/// Reports errors in each step on its own, and at its stage.
pub(super) fn each(steps: &[Step], rule: Table<'_>, stage: Stage, report: &mut Report<'_>) {
    let placed = placed(steps, rule);
    for step in &placed {
        alone(step, report);
    }
    with_stage(&placed, stage, report);
}

/// Reports conflicts between the steps, and with the rest of the rule; `matcher` is `None` if it has errors.
pub(super) fn together(
    steps: &[Step],
    rule: Table<'_>,
    scenario: Option<&Scenario>,
    matcher: Option<&Matcher>,
    report: &mut Report<'_>,
) {
    let placed = placed(steps, rule);
    with_scenario(&placed, scenario, report);
    with_each_other(&placed, report);
    with_declared_prefixes(&placed, report);
    on_the_body(&placed, report);
    agree_on_versions(&placed, report);
    if let Some(matcher) = matcher {
        let named = rule.table("match").and_then(|table| table.value("command"));
        let named = named.map(|command| command.span());
        with_matcher(&placed, matcher, named.as_ref(), report);
    }
}

fn placed<'t>(steps: &'t [Step], rule: Table<'t>) -> Vec<Placed<'t>> {
    let steps = steps.iter().zip(rule.tables("step"));
    steps
        .map(|(step, table)| (step, table.key_span(step.name()), table))
        .collect()
}

/// Reports conflicts between the keys of one step, and warns of places in it that do not exist.
fn alone((step, _, table): &Placed<'_>, report: &mut Report<'_>) {
    let moves = matches!(step, Step::Edit(EditStep::Copy(_) | EditStep::Move(_)));
    let places = ["at", "before", "after", "first-in", "last-in"].into_iter();
    let places = places.chain(moves.then(|| step.name()));
    for value in places.filter_map(|key| table.value(key)) {
        place::warn(value, report);
    }
    match step {
        Step::Edit(edit) if edit.places().iter().any(|at| at.is_attribute()) => {
            report
                .wrong(table.value_span("at"), "a step acts on elements, and this is an attribute")
                .help("write set-attribute = \"value\", value = \"7\", at = \"Item/Data!/data\" to change an attribute");
        }
        Step::Head(HeadStep::AddHeader { name, .. } | HeadStep::RemoveHeader(name))
            if name.0 == header::HOST =>
        {
            let verb = step.name();
            report
                .wrong(
                    table.value_span(verb),
                    format!("`{verb}` does not go with `Host`"),
                )
                .label("a request has one Host, no more and no less")
                .help("write set-header = \"Host\" to send another");
        }
        Step::Fault(FaultStep::Answer(Answer(answer)))
            if BODILESS.contains(&answer.status) && table.value("body").is_some() =>
        {
            let code = answer.status.as_u16();
            report
                .wrong(
                    table.value_span("body"),
                    format!("a response with status {code} has no body"),
                )
                .help("leave `body` out, or answer with another status");
        }
        Step::Fault(FaultStep::Latency {
            time,
            jitter: Some(jitter),
        }) if jitter.0 > time.0 => {
            report
                .wrong(
                    table.value_span("jitter"),
                    "`jitter` is longer than `latency`",
                )
                .help("write at most the time of `latency`");
        }
        Step::Protocol(ProtocolStep::Challenge(challenge))
            if challenge.scheme == Scheme::Basic && table.value("nonce").is_some() =>
        {
            report
                .wrong(table.value_span("nonce"), "Basic has no nonce")
                .help("leave `nonce` out, or write scheme = \"md5\"");
        }
        Step::Protocol(ProtocolStep::Busy(busy))
            if busy.is_syncml() && busy.retry_after.is_some() =>
        {
            report
                .wrong(
                    table.value_span("retry-after"),
                    "Status 417 has no Retry-After",
                )
                .help("leave `retry-after` out, or write busy = 503");
        }
        _ => {}
    }
}

/// Reports steps at a stage at which they have nothing to work on.
fn with_stage(steps: &[Placed<'_>], stage: Stage, report: &mut Report<'_>) {
    for (step, span, _) in steps {
        let name = step.name();
        let Some(verb) = step_named(name) else {
            continue;
        };
        let fits = verb.stages.iter().any(|known| known == stage.name());
        let elsewhere = format!(
            "write it into a rule with stage = \"{}\"",
            verb.stages.join("\" or \"")
        );
        let remedy = match (step, stage) {
            (Step::Fault(step), _) if fits => step.remedy(stage),
            _ if fits => None,
            (
                Step::Fault(FaultStep::Reset | FaultStep::ResetPeer(ResetPeer::Now)),
                Stage::Connection,
            ) => Some(format!("write refuse-connection = true; or {elsewhere}")),
            _ => Some(elsewhere),
        };
        let Some(remedy) = remedy else {
            continue;
        };
        let title = format!("`{name}` has no place at the stage `{}`", stage.name());
        report.wrong(span.clone(), title).help(remedy);
    }
}

/// Reports `advance-scenario` in a rule without a scenario or without `becomes`.
fn with_scenario(steps: &[Placed<'_>], scenario: Option<&Scenario>, report: &mut Report<'_>) {
    let moves = scenario.is_some_and(|scenario| scenario.becomes.is_some());
    for (step, span, _) in steps {
        if **step == Step::Scenario(ScenarioStep::AdvanceScenario) && !moves {
            report
                .wrong(span.clone(), "`advance-scenario` has no state to move to")
                .help("add scenario = { name = \"two-acts\", becomes = \"second\" } to the rule");
        }
    }
}

/// Reports attributes with an undeclared prefix, because namespace-aware peers refuse such documents.
fn with_declared_prefixes(steps: &[Placed<'_>], report: &mut Report<'_>) {
    let attributes = |(step, span, _): &Placed<'_>| match step {
        Step::Edit(EditStep::SetAttribute { name, .. }) => Some((name.0.clone(), span.clone())),
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

/// Reports steps after an answer or a reset, and edits before it, which it throws away.
fn with_each_other(steps: &[Placed<'_>], report: &mut Report<'_>) {
    let Some(end) = steps.iter().position(|(step, ..)| step.closes()) else {
        return;
    };
    let (last, last_span, _) = &steps[end];
    for (at, (step, span, _)) in steps.iter().enumerate() {
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

/// Returns the remedy for a step that `last` leaves nothing to.
fn right_order(step: &Step, last: &Step) -> String {
    let answer = match last {
        Step::Fault(FaultStep::Answer(Answer(answer))) => Some(answer),
        _ => None,
    };
    match (step, answer) {
        (Step::Fault(leave), answer)
            if !leave.closes() && !matches!(last, Step::Connection(_))
                || answer.is_some() && !leave.ends() =>
        {
            let (first, then) = (step.name(), last.name());
            format!(
                "write `{first}` in front of `{then}`: how a message leaves is said before that"
            )
        }
        (
            Step::Head(HeadStep::SetHeader { name, value } | HeadStep::AddHeader { name, value }),
            Some(answer),
        ) => {
            let name = &name.0;
            let value = value.0.fill(Escape::Nothing, |_| Err(()));
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

/// Reports edits after a change of bytes, because bytes are changed last whatever the order in the file, and changes
/// before a step that replaces the body.
fn on_the_body(steps: &[Placed<'_>], report: &mut Report<'_>) {
    let is_raw = |(step, ..): &&Placed<'_>| step.is_raw();
    let sets = |(step, ..): &&Placed<'_>| matches!(step, Step::Raw(step) if step.replaces_all());
    for (at, (step, span, _)) in steps.iter().enumerate() {
        let bytes = steps[..at].iter().find(is_raw);
        if let (Step::Edit(_), Some((first, place, _))) = (step, bytes) {
            let title = format!("`{}` comes after `{}`", step.name(), first.name());
            report
                .wrong(span.clone(), title)
                .also(
                    place.clone(),
                    "bytes are changed after all edits of the document",
                )
                .help("put it in front, or into a rule of its own behind this one");
            continue;
        }
        let set = steps[at + 1..].iter().find(sets);
        if let Some((set, place, _)) = set.filter(|_| step.is_edit() || step.is_raw()) {
            let (lost, set) = (step.name(), set.name());
            report
                .wrong(
                    span.clone(),
                    format!("`{lost}` edits a body that `{set}` throws away"),
                )
                .also(place.clone(), "nothing of the body is left after this")
                .help("leave one of the two out");
        }
    }
}

/// Reports steps that do not fit the selection; `named` is the place of `command` in `match`.
fn with_matcher(
    steps: &[Placed<'_>],
    matcher: &Matcher,
    named: Option<&Range<usize>>,
    report: &mut Report<'_>,
) {
    let statuses = Kinds::of(CommandKind::Status);
    for (step, span, _) in steps {
        match (*step, matcher.kinds) {
            (Step::Edit(EditStep::SetStatus(_)), Some(kinds)) if kinds == statuses => {}
            (Step::Edit(EditStep::SetStatus(_)), _) => {
                let title = format!("`{}` changes the code of a Status", step.name());
                let error = selects_others(title, span, STATUS, named, report);
                if named.is_some() {
                    error.help("`loc-uri` is then what the answered command is about");
                }
            }
            (Step::Protocol(step), kinds) => about_commands(step, span, kinds, named, report),
            (Step::Edit(edit), None) => {
                no_command(step, span, report);
                needs_commands(edit, span, report);
            }
            (_, None) => no_command(step, span, report),
            (Step::Edit(edit), Some(kinds)) => no_data(edit, kinds, span, report),
            _ => {}
        }
    }
}

fn no_data(step: &EditStep, kinds: Kinds, span: &Range<usize>, report: &mut Report<'_>) {
    if matches!(step, EditStep::SetText { .. } if step.places() == [&ElementPlace::value()])
        && kinds.is_within(Kinds::of(CommandKind::Get))
    {
        report
            .wrong(span.clone(), "a Get has no Data")
            .help("the value is in what answers it: command = \"Results\", in the other direction");
        return;
    }
    let direct = |at: &&ElementPlace| ElementPlace::parse("Data").is_ok_and(|data| **at == data);
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

/// Reports a value of the selected command in a rule that selects whole messages.
fn no_command(step: &Step, span: &Range<usize>, report: &mut Report<'_>) {
    let mut names = step.template().into_iter().flat_map(Template::names);
    if let Some(name) = names.find(|name| name.is_of_command()) {
        let title = format!("`{{{{{}}}}}` is of a command", name.text());
        report
            .wrong(span.clone(), title)
            .label("this rule selects whole messages")
            .help("say in `match` which commands: command = \"Results\"");
    }
}

/// Reports a step that needs selected commands in a rule that selects whole messages.
fn needs_commands(step: &EditStep, span: &Range<usize>, report: &mut Report<'_>) {
    let verb = step.name();
    let places = step.places();
    if matches!(step, EditStep::Remove { .. }) && places[0].is_selected() {
        report
            .wrong(
                span.clone(),
                format!("`{verb}` would remove the whole message"),
            )
            .help("say in `match` which commands: command = \"Replace\"")
            .help("or say which part: at = \"SyncBody/Final\"");
        return;
    }
    let is_vague = match step {
        EditStep::SetText { at, .. } => *at == ElementPlace::value(),
        EditStep::Reverse => true,
        EditStep::Insert(new) => {
            let beside = matches!(new.to.relation, Relation::Before | Relation::After);
            new.to.at.is_selected() && beside
        }
        EditStep::SetAttribute { .. } | EditStep::RemoveAttribute { .. } => false,
        _ => places.iter().any(|at| at.is_selected()),
    };
    if is_vague {
        let title = match step {
            EditStep::Reverse => format!("`{verb}` does not say what"),
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

/// Reports a `tls-min` that is newer than `tls-max`.
fn agree_on_versions(steps: &[Placed<'_>], report: &mut Report<'_>) {
    let mut bounds = [None, None];
    for (step, span, _) in steps {
        let (bound, version) = match step {
            Step::Connection(ConnectionStep::TlsMin(version)) => (0, *version),
            Step::Connection(ConnectionStep::TlsMax(version)) => (1, *version),
            _ => continue,
        };
        bounds[bound].get_or_insert((version, step.name(), span));
    }
    if let [Some((min, floor, at)), Some((max, ceiling, other))] = bounds
        && min > max
    {
        report
            .wrong(at.clone(), "no version of TLS is left")
            .label(format!("`{floor}` is newer than `{ceiling}`"))
            .also(other.clone(), "no newer one than this")
            .help("to end the handshake so: handshake-alert = \"protocol_version\"");
    }
}

fn about_commands(
    step: &ProtocolStep,
    span: &Range<usize>,
    kinds: Option<Kinds>,
    named: Option<&Range<usize>>,
    report: &mut Report<'_>,
) {
    if !step.is_about_commands() {
        return;
    }
    let is_sized = matches!(step, ProtocolStep::WrongSize(_));
    let gets = Kinds::of(CommandKind::Get);
    if is_sized && kinds.is_some_and(|kinds| kinds.is_within(gets)) {
        report
            .wrong(span.clone(), "a Get has no Data, and no size")
            .help("write command = \"Replace\" into `match`");
        return;
    }
    let of_commands = is_sized || matches!(step, ProtocolStep::Refuse(_));
    let fits = |kinds: Kinds| kinds.is_within(Kinds::answers()) != of_commands;
    if kinds.is_some_and(fits) {
        return;
    }
    let (what, example) = match of_commands {
        true => ("commands", "Replace"),
        false => STATUS,
    };
    let title = format!("`{}` is about {what}", step.name());
    selects_others(title, span, (what, example), named, report);
}

/// Reports a step about commands that the rule does not select.
fn selects_others<'r>(
    title: String,
    span: &Range<usize>,
    (what, example): (&str, &str),
    named: Option<&Range<usize>>,
    report: &'r mut Report<'_>,
) -> &'r mut RuleError {
    let error = report.wrong(span.clone(), title);
    match named {
        Some(command) => error.also(command.clone(), "this selects other commands"),
        None => error.label(format!("this rule does not say that it selects {what}")),
    };
    error.help(format!("write command = \"{example}\" into `match`"))
}

/// The statuses whose responses end with the head (RFC 9110 §6.4.1).
const BODILESS: [StatusCode; 2] = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED];

/// The subject of steps about a Status, and the command that selects it.
const STATUS: (&str, &str) = ("a Status", "Status");
