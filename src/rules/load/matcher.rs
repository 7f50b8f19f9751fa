//! The `match` table of a rule.

use std::ops::Range;

use super::code::{HTTP, SYNCML};
use super::read::{self, Report, Table, Value};
use super::suggest::{closest, list};
use crate::dm::CommandKind;
use crate::rules::Stage;
use crate::rules::glob::{UriGlob, Wild};
use crate::rules::matcher::{Codes, CommandMatcher, Kinds, Matcher, PassageMatcher};

/// A matcher, with the places steps point at when they do not go with it.
#[derive(Default)]
pub(super) struct Found {
    pub(super) matcher: Matcher,
    /// Where the commands are named.
    pub(super) command_span: Option<Range<usize>>,
}

const KEYS: [&str; 11] = [
    "command",
    "loc-uri",
    "status",
    "answers",
    "message",
    "device",
    "session",
    "host",
    "path",
    "method",
    "http-status",
];

/// The matcher of a rule; `None` if something is wrong with it.
pub(super) fn matcher(rule: Table<'_>, stage: Option<Stage>, report: &mut Report) -> Option<Found> {
    let Some(table) = rule.table("match", "`match`", report).ok()? else {
        return Some(Found::default());
    };
    let before = report.count();
    table.refuse_other_keys(&KEYS, report);
    let passage = PassageMatcher {
        message: messages(table, report),
        device: wilds(table, "device", report),
        session: wilds(table, "session", report),
        host: wilds(table, "host", report),
        path: wilds(table, "path", report),
        method: wilds(table, "method", report),
        http_status: http_status(table, stage, report),
    };
    let command = command(table, report);
    let found = Found {
        matcher: Matcher { passage, command },
        command_span: table.value("command").map(Value::span),
    };
    (report.count() == before).then_some(found)
}

fn messages(table: Table<'_>, report: &mut Report) -> Vec<u32> {
    let key = "message";
    each(table, key, report, |value, report| {
        let number = read::number(value, key, 0..=u64::from(u32::MAX), report)?;
        u32::try_from(number).ok()
    })
}

fn wilds(table: Table<'_>, key: &str, report: &mut Report) -> Vec<Wild> {
    each(table, key, report, |value, report| {
        read::text(value, key, report).map(Wild::new)
    })
}

fn http_status(table: Table<'_>, stage: Option<Stage>, report: &mut Report) -> Codes {
    let Some(value) = table.value("http-status") else {
        return Codes::new();
    };
    if stage == Some(Stage::Request) {
        report
            .wrong(
                table.key_span("http-status"),
                "a request has no HTTP status",
            )
            .label("known at the stage `response`")
            .help("write stage = \"response\", or leave `http-status` out");
    }
    HTTP.matched(value, "http-status", report)
        .unwrap_or_default()
}

fn command(table: Table<'_>, report: &mut Report) -> Option<CommandMatcher> {
    let keys = ["command", "loc-uri", "status", "answers"];
    if keys.iter().all(|key| table.value(key).is_none()) {
        return None;
    }
    let status = table.value("status");
    let mut matcher = CommandMatcher {
        kinds: kinds(table, report),
        uris: uris(table, report),
        status: status
            .and_then(|value| SYNCML.matched(value, "status", report))
            .unwrap_or_default(),
        answers: answers(table, report),
    };
    narrow(&mut matcher, table, report);
    Some(matcher)
}

/// A key that only answers have narrows the kinds to these; what contradicts it is reported.
fn narrow(matcher: &mut CommandMatcher, table: Table<'_>, report: &mut Report) {
    let statuses = Kinds::of(CommandKind::Status);
    let needs = [
        ("status", "Status", statuses),
        ("answers", "Status or Results", Kinds::answers()),
    ];
    for (key, names, kinds) in needs {
        if table.value(key).is_none() {
            continue;
        }
        let stays = matcher.kinds.and(kinds);
        if stays != Kinds::NONE {
            matcher.kinds = stays;
        } else if let Some(command) = table.value("command") {
            report
                .wrong(table.key_span(key), format!("only a {names} has `{key}`"))
                .also(command.span(), "these have none")
                .help("match the answer: command = \"Status\"; `loc-uri` is then what the answered command is about");
        }
    }
}

fn kinds(table: Table<'_>, report: &mut Report) -> Kinds {
    if table.value("command").is_none() {
        return Kinds::default();
    }
    let names: Vec<(&str, CommandKind)> =
        CommandKind::all().map(|kind| (kind.name(), kind)).collect();
    let kinds = each(table, "command", report, |value, report| {
        read::one_of(value, "command", &names, report)
    });
    kinds
        .into_iter()
        .map(Kinds::of)
        .fold(Kinds::NONE, Kinds::or)
}

fn uris(table: Table<'_>, report: &mut Report) -> Vec<UriGlob> {
    each(table, "loc-uri", report, |value, report| {
        let pattern = read::text(value, "loc-uri", report)?;
        let glob = UriGlob::new(pattern);
        if let Err(bad) = glob {
            report
                .wrong(
                    value.span(),
                    format!("`{pattern}` is no pattern for LocURIs"),
                )
                .label(bad.what)
                .help(bad.remedy);
        }
        glob.ok()
    })
}

fn answers(table: Table<'_>, report: &mut Report) -> Vec<String> {
    let mut names: Vec<&str> = CommandKind::all().map(CommandKind::name).collect();
    names.push("SyncHdr");
    each(table, "answers", report, |value, report| {
        let name = read::text(value, "answers", report)?;
        if names.contains(&name) {
            return Some(name.to_owned());
        }
        let error = report.wrong(value.span(), format!("`answers` cannot be `{name}`"));
        if let Some(near) = closest(name, &names) {
            error.label(format!("did you mean `{near}`?"));
        }
        error.help(format!("write one of {}", list(&names)));
        None
    })
}

/// Every value under a key, read; none where there is no such key.
fn each<'t, T>(
    table: Table<'t>,
    key: &str,
    report: &mut Report,
    mut read: impl FnMut(&'t Value<'t>, &mut Report) -> Option<T>,
) -> Vec<T> {
    let Some(value) = table.value(key) else {
        return Vec::new();
    };
    let values = read::one_or_many(value, key, report);
    values
        .into_iter()
        .filter_map(|value| read(value, report))
        .collect()
}
