//! The checks for keys that can never match together.

use http::header::{AUTHORIZATION, COOKIE, HOST, REFERER, USER_AGENT};

use super::COMMAND_KEYS;
use crate::dm::soap::{action, action_name, local_code};
use crate::dm::{CommandKind, Dialect};
use crate::nearest::closest;
use crate::rules::Stage;
use crate::rules::glob::Glob;
use crate::rules::load::report::{Report, Table, Value};
use crate::rules::matcher::{AnswersMatcher, Encoding, HEADER, Kinds, Matcher, is_action};
use crate::rules::mistake::{Mistake, list};
use crate::rules::step::SoapFault;
use crate::rules::value::NumberRange;

/// Reports keys for things that requests do not have, whatever their values.
pub(in crate::rules::load) fn of_requests(table: Table<'_>, report: &mut Report<'_>) {
    for (key, what) in AT_RESPONSES {
        if table.value(key).is_some() {
            report
                .wrong(table.key_span(key), format!("a request has no {what}"))
                .label("known at the stage `response`")
                .help(format!("write stage = \"response\", or leave `{key}` out"));
        }
    }
    let inner = ["not", "any", "all"].map(|key| table.tables(key));
    for table in inner.into_iter().flatten() {
        of_requests(table, report);
    }
}

pub(super) fn of_stage(keys: &Matcher, table: Table<'_>, stage: Stage, report: &mut Report<'_>) {
    let of_requests = [USER_AGENT, HOST, AUTHORIZATION, COOKIE, REFERER];
    let mut headers = keys.header.iter();
    let asked = headers.find(|header| of_requests.contains(&header.name.0));
    if let Some(asked) = asked.filter(|_| stage == Stage::Response) {
        let title = format!("a response has no header `{}`", asked.name.0);
        report
            .wrong(table.key_span("header"), title)
            .label("`header` looks at the response here")
            .help("write `request-header` for the request it answers");
    }
    package(keys, table, stage, report);
    soap(table, stage, report);
}

/// The keys for things that only responses have.
pub(in crate::rules::load) const AT_RESPONSES: [(&str, &str); 2] =
    [("http-status", "HTTP status"), ("soap-fault", "SOAP fault")];

fn package(keys: &Matcher, table: Table<'_>, stage: Stage, report: &mut Report<'_>) {
    let (possible, help) = match stage {
        Stage::Request => (
            [1, 3],
            "the device sends package 1 (it opens the session) and 3",
        ),
        _ => (
            [2, 4],
            "the server sends package 2 (it answers the opening) and 4",
        ),
    };
    let can = |range: &NumberRange<0>| possible.iter().any(|package| range.0.contains(package));
    if let Some(value) = table
        .value("package")
        .filter(|_| !keys.package.iter().any(can))
    {
        let error = report.wrong(value.span(), "no message of this stage is of that package");
        if keys.package.iter().any(|range| range.0.contains(&0)) {
            error
                .label("package 0 is the notification that wakes the device, and passes elsewhere");
        }
        error.help(help);
    }
}

/// Warns of commands that only the other peer sends in OMA DM (OMA-TS-DM_Protocol §8).
pub(super) fn of_sender(kinds: Kinds, table: Table<'_>, stage: Stage, report: &mut Report<'_>) {
    use CommandKind::{Add, Atomic, Copy, Delete, Exec, Get, Sequence};
    let only_other = match stage {
        Stage::Request => [Add, Atomic, Copy, Delete, Exec, Get, Sequence]
            .map(Kinds::of)
            .into_iter()
            .fold(Kinds::NONE, Kinds::or),
        _ => Kinds::of(CommandKind::Results),
    };
    let Some(command) = table.value("command") else {
        return;
    };
    if kinds == Kinds::NONE || !kinds.is_within(only_other) {
        return;
    }
    let (title, help) = match stage {
        Stage::Request => {
            let named = command.get_ref().as_str().unwrap_or("Get");
            (
                "only the server sends these commands, and this rule looks at what the device sends",
                format!(
                    "write command = \"Status\", answers = \"{named}\" for the answer to it, or stage = \"response\""
                ),
            )
        }
        _ => (
            "only the device sends Results, and this rule looks at what the server sends",
            "write stage = \"request\"".into(),
        ),
    };
    report.warn(command.span(), Mistake::new(title.into()).help(help));
}

/// Warns of Actions and faults that enrollment does not have.
fn soap(table: Table<'_>, stage: Stage, report: &mut Report<'_>) {
    let actions = match stage {
        Stage::Request => action::REQUESTS,
        _ => action::RESPONSES,
    };
    for value in table.values("soap-action") {
        let text = value.get_ref().as_str().unwrap_or_default();
        let glob = Glob::new(text.trim_ascii());
        if !actions.iter().any(|action| is_action(&glob, action)) {
            let title = format!("no {} of enrollment has the Action `{text}`", stage.name());
            let names = list(&actions.map(action_name));
            report.warn(
                value.span(),
                Mistake::new(title).help(format!(
                    "write {names}, or a whole Action; `*` matches any characters"
                )),
            );
        }
    }
    let subcodes = SoapFault::SUBCODES.map(local_code);
    let known = [&CODES[..], &subcodes, &SoapFault::ERROR_TYPES].concat();
    for value in table.values("soap-fault") {
        let text = value.get_ref().as_str().unwrap_or_default();
        let code = local_code(text);
        let glob = Glob::new(code);
        if !known.iter().any(|code| glob.matches(code)) {
            let help = match closest(code, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("faults of enrollment have {}", list(&known)),
            };
            let title = format!("no fault of enrollment has the code `{text}`");
            report.warn(value.span(), Mistake::new(title).help(help));
        }
    }
}

/// Returns a pattern of fault codes without its prefix, because codes are compared without one.
pub(super) fn local(pattern: &Glob) -> Glob {
    Glob::new(local_code(&pattern.text()))
}

/// The codes of SOAP itself (SOAP 1.2 Part 1 §5.4.6; SOAP 1.1 §4.4.1).
const CODES: [&str; 7] = [
    "Receiver",
    "Sender",
    "VersionMismatch",
    "MustUnderstand",
    "DataEncodingUnknown",
    "Client",
    "Server",
];

/// Narrows the kinds of a matcher by keys that only some commands have; reports keys that contradict each other.
pub(super) fn narrow(matcher: &mut Matcher, table: Table<'_>, report: &mut Report<'_>) {
    let mut left = matcher.kinds.unwrap_or_default();
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
        let stays = left.and(kinds);
        if stays != Kinds::NONE {
            left = stays;
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
    matcher.kinds = Some(left);
    about_nothing(matcher, left, table, report);
}

fn about_nothing(matcher: &Matcher, kinds: Kinds, table: Table<'_>, report: &mut Report<'_>) {
    let is_asked = |key: &str| table.value(key).is_some();
    let holds_others = kinds.is_within(Kinds::without_items());
    if let Some(command) = table.value("command").filter(|_| holds_others) {
        for key in ["loc-uri", "data"].into_iter().filter(|key| is_asked(key)) {
            let title = format!("an Atomic or Sequence has no Item, and no `{key}`");
            report
                .wrong(table.key_span(key), title)
                .also(command.span(), "these only hold other commands")
                .help("match the commands inside: commands are found wherever they are nested");
        }
    }
    let is_header = |answered: &AnswersMatcher| {
        !answered.names.is_empty() && answered.names.iter().all(|name| *name == HEADER)
    };
    let header_only = matcher.answers.iter().all(is_header);
    let Some(answers) = table.value("answers").filter(|_| header_only) else {
        return;
    };
    if is_asked("loc-uri") {
        report
            .wrong(
                table.key_span("loc-uri"),
                "the SyncHdr is about no node, and so is its Status",
            )
            .also(answers.span(), "this answers the header")
            .help("leave `loc-uri` out, or name the command that is answered");
    }
    if !kinds.has(CommandKind::Status) {
        report
            .wrong(answers.span(), "only a Status answers the header")
            .help("write command = \"Status\"");
    }
}

/// Reports encodings and dialects that exclude each other, or commands.
pub(super) fn documents(matcher: &Matcher, table: Table<'_>, report: &mut Report<'_>) {
    let is_asked = |key: &&&str| table.value(key).is_some();
    let dialect = table.value("dialect").map(Value::span);
    let names = |dialect| matcher.dialect.contains(&dialect);
    let of_soap = SOAP_KEYS.iter().find(is_asked);
    if let (Some(key), Some(dialect), false) = (of_soap, &dialect, names(Dialect::Soap)) {
        report
            .wrong(table.key_span(key), format!("only SOAP has `{key}`"))
            .also(dialect.clone(), "this is another language")
            .help("write dialect = \"soap\", or leave it out");
        return;
    }
    let only_soap = matcher.dialect.iter().all(|it| *it == Dialect::Soap);
    let soap = match of_soap {
        Some(key) => Some(table.key_span(key)),
        None => dialect.clone().filter(|_| only_soap),
    };
    let is_wbxml = !matcher.encoding.contains(&Encoding::Xml);
    if let (Some(encoding), Some(soap)) = (table.value("encoding").filter(|_| is_wbxml), &soap) {
        report
            .wrong(encoding.span(), "SOAP is never WBXML")
            .also(soap.clone(), "WBXML has no tokens for this")
            .help("leave `encoding` out");
    }
    let other = match of_soap {
        Some(_) => soap,
        None => dialect.filter(|_| !names(Dialect::SyncMl)),
    };
    if let (Some(key), Some(other)) = (COMMAND_KEYS.iter().find(is_asked), other) {
        let title = format!("only SyncML has commands, and `{key}`");
        report
            .wrong(table.key_span(key), title)
            .also(other, "these have none")
            .help("`has` and `where` look into documents of every kind, from the root");
    }
}

/// The keys for things that only SOAP has.
const SOAP_KEYS: [&str; 2] = ["soap-action", "soap-fault"];

/// Reports places that can never exist: an element of the root in a command, or an element of a command in the root.
pub(super) fn places(matcher: &Matcher, table: Table<'_>, report: &mut Report<'_>) {
    let selects = matcher.selects_commands();
    let never = match selects {
        true => &OF_ROOT[..],
        false => &OF_COMMANDS[..],
    };
    let mut wrong = None;
    matcher.any_level(&mut |inner| {
        let wheres = inner.r#where.iter().map(|test| &test.at);
        let mut places = inner.has.iter().chain(wheres);
        let found = places.find(|place| place.first_name().is_some_and(|it| never.contains(&it)));
        wrong = wrong.take().or(found.map(ToString::to_string));
        wrong.is_some()
    });
    let asked = |key| table.value(key).map(Value::span);
    let Some(place) = wrong.filter(|_| selects || asked("dialect").is_none()) else {
        return;
    };
    let span = asked("has").or_else(|| asked("where"));
    let error = report.wrong(
        span.unwrap_or(table.span()),
        format!("`{place}` never exists here"),
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

/// The children of the root of a message, which no command has.
const OF_ROOT: [&str; 2] = ["SyncHdr", "SyncBody"];

/// The children of commands, which no root of a document has.
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
