//! Keys that never hold together.

use super::answers::HEADER;
use super::command;
use crate::dm::{CommandKind, Dialect};
use crate::rules::load::read::{Report, Table, Value};
use crate::rules::matcher::{CommandMatcher, Kinds, Matcher};

/// A key that only some commands have narrows the kinds to these; what contradicts it is reported.
pub(super) fn narrow(matcher: &mut CommandMatcher, table: Table<'_>, report: &mut Report) {
    let statuses = Kinds::of(CommandKind::Status);
    let alerts = Kinds::of(CommandKind::Alert);
    let needs = [
        ("status", "a Status", statuses),
        ("answers", "a Status or Results", Kinds::answers()),
        ("alert", "an Alert", alerts),
        ("alert-type", "an Alert", alerts),
    ];
    let mut narrowed_by = None;
    for (key, names, kinds) in needs {
        if table.value(key).is_none() {
            continue;
        }
        let stays = matcher.kinds.and(kinds);
        if stays != Kinds::NONE {
            matcher.kinds = stays;
            narrowed_by.get_or_insert(key);
            continue;
        }
        let other = narrowed_by.map(|other| (table.key_span(other), "this holds of others"));
        let command = table.value("command");
        let other = other.or_else(|| Some((command?.span(), "these have none")));
        let Some((span, label)) = other else {
            continue;
        };
        report
            .wrong(table.key_span(key), format!("only {names} has `{key}`"))
            .also(span, label)
            .help(match kinds == alerts {
                true => "match the alert: command = \"Alert\"",
                false => "match the answer: command = \"Status\"; `loc-uri` is then what the answered command is about",
            });
    }
    about_nothing(matcher, table, report);
}

/// A LocURI or a value asked of what has none.
fn about_nothing(matcher: &CommandMatcher, table: Table<'_>, report: &mut Report) {
    let containers = matcher.kinds.without(Kinds::without_items()) == Kinds::NONE;
    for key in ["loc-uri", "data"] {
        if table.value(key).is_none() {
            continue;
        }
        if let Some(command) = table.value("command").filter(|_| containers) {
            report
                .wrong(
                    table.key_span(key),
                    format!("an Atomic or Sequence has no Item, and no `{key}`"),
                )
                .also(command.span(), "these only hold other commands")
                .help("match the commands inside: commands are found wherever they are nested");
        }
    }
    let mut names = matcher.answers.iter().flat_map(|answered| &answered.names);
    let header_only = !matcher.answers.is_empty()
        && matcher
            .answers
            .iter()
            .all(|answered| !answered.names.is_empty())
        && names.all(|name| name == HEADER);
    if let (true, Some(answers), Some(_)) =
        (header_only, table.value("answers"), table.value("loc-uri"))
    {
        report
            .wrong(
                table.key_span("loc-uri"),
                "the SyncHdr is about no node, and so is its Status",
            )
            .also(answers.span(), "this answers the header")
            .help("leave `loc-uri` out, or name the command that is answered");
    }
    if let (true, Some(answers), false) = (
        header_only,
        table.value("answers"),
        matcher.kinds.has(CommandKind::Status),
    ) {
        report
            .wrong(answers.span(), "only a Status answers the header")
            .help("write command = \"Status\"");
    }
}

/// Encodings and languages that do not go with each other, or with commands.
pub(super) fn documents(matcher: &Matcher, table: Table<'_>, report: &mut Report) {
    let passage = &matcher.passage;
    let dialect = table.value("dialect");
    let asks_soap = SOAP_KEYS.iter().find(|key| table.value(key).is_some());
    if let (Some(key), Some(dialect)) = (asks_soap, dialect)
        && !passage.dialect.contains(&Dialect::Soap)
    {
        report
            .wrong(table.key_span(key), format!("only SOAP has `{key}`"))
            .also(dialect.span(), "this is another language")
            .help("write dialect = \"soap\", or leave it out");
        return;
    }
    let is_soap = |dialect: &Dialect| *dialect == Dialect::Soap;
    let only_soap = !passage.dialect.is_empty() && passage.dialect.iter().all(is_soap);
    let soap = match (asks_soap, dialect) {
        (Some(key), _) => Some(table.key_span(key)),
        (None, Some(dialect)) => only_soap.then(|| dialect.span()),
        (None, None) => None,
    };
    let wbxml = !passage.wbxml.is_empty() && passage.wbxml.iter().all(|wbxml| *wbxml);
    if let (Some(encoding), Some(soap)) = (table.value("encoding").filter(|_| wbxml), &soap) {
        report
            .wrong(encoding.span(), "SOAP is never WBXML")
            .also(soap.clone(), "WBXML has no tokens for this")
            .help("leave `encoding` out");
    }
    let no_syncml = !passage.dialect.is_empty() && !passage.dialect.contains(&Dialect::SyncMl);
    let other = match (asks_soap, dialect.filter(|_| no_syncml)) {
        (Some(_), _) => soap,
        (None, dialect) => dialect.map(Value::span),
    };
    let key = command::KEYS.iter().find(|key| table.value(key).is_some());
    if let (Some(key), Some(other)) = (key, other) {
        report
            .wrong(
                table.key_span(key),
                format!("only SyncML has commands, and `{key}`"),
            )
            .also(other, "these have none")
            .help("`has` and `where` look into documents of every kind, from the root");
    }
}

/// The keys that only SOAP has.
const SOAP_KEYS: [&str; 2] = ["soap-action", "soap-fault"];

/// Places that are looked for where they never are: those of a command in the root, or the other way round.
pub(super) fn probes(matcher: &Matcher, table: Table<'_>, report: &mut Report) {
    let selects = matcher.selects_commands();
    let mut wrong = None;
    matcher.some(&mut |inner| {
        let wheres = inner.wheres.iter().map(|test| &test.at);
        for probe in inner.has.iter().chain(wheres) {
            let Some(name) = probe.first_name() else {
                continue;
            };
            let of_root = ["SyncHdr", "SyncBody"].contains(&name);
            let of_command = OF_COMMANDS.contains(&name);
            if selects && of_root || !selects && of_command {
                wrong = Some(probe.to_string());
            }
        }
        wrong.is_some()
    });
    let asked = |key| table.value(key).map(Value::span);
    let Some(place) = wrong.filter(|_| selects || asked("dialect").is_none()) else {
        return;
    };
    let span = asked("has").or_else(|| asked("where"));
    let error = report.wrong(
        span.unwrap_or(table.span()),
        format!("`{place}` is never there"),
    );
    if selects {
        error
            .label("it is looked for in the selected command")
            .help("match the message in a rule of its own, without keys of commands");
    } else {
        error
            .label("it is looked for in the root of the message")
            .help("say in which commands: command = \"Alert\"")
            .help("or begin at the root: SyncBody/Alert/Item");
    }
}

/// What a command holds, and no root of a document.
const OF_COMMANDS: [&str; 12] = [
    "CmdID",
    "MsgRef",
    "CmdRef",
    "Cmd",
    "TargetRef",
    "SourceRef",
    "Chal",
    "Correlator",
    "Item",
    "Meta",
    "Data",
    "Target",
];
