//! The `match` table of a rule.

mod answers;
mod client_cert;
mod command;
mod message;
mod probe;
mod soap;
mod validate;
mod value;

use std::ops::Range;

use toml::de::DeValue;

use super::code::CLASSES;
use super::read::{Report, Table, Value, each};
use super::vocabulary::{Keys, names};
use crate::dm::{CommandKind, Dialect};
use crate::rules::Stage;
use crate::rules::matcher::{DEPTH, Kinds, Matcher};

/// A matcher, with the places steps point at when they do not go with it.
#[derive(Default)]
pub(super) struct LoadedMatcher {
    pub(super) matcher: Matcher,
    /// Where the commands are named.
    pub(super) command_span: Option<Range<usize>>,
}

/// The keys of `match` that select no commands.
const OTHER_KEYS: [&str; 28] = [
    "has",
    "where",
    "message",
    "package",
    "exchange",
    "session",
    "device-session",
    "device",
    "user",
    "peer",
    "sni",
    "client-cert",
    "host",
    "path",
    "query",
    "method",
    "header",
    "request-header",
    "media-type",
    "http-status",
    "encoding",
    "dialect",
    "soap-action",
    "soap-fault",
    "body-size",
    "not",
    "any",
    "all",
];

/// Every key of `match`, those of commands first.
fn keys() -> Vec<&'static str> {
    command::KEYS.into_iter().chain(OTHER_KEYS).collect()
}

/// Its tables with their keys.
pub(super) fn tables() -> Vec<Keys> {
    vec![
        ("match", keys()),
        ("command-keys", command::KEYS.to_vec()),
        ("answers", answers::KEYS.to_vec()),
        ("where", probe::where_keys()),
        ("comparison", value::COMPARISONS.to_vec()),
        ("header", message::HEADER_KEYS.to_vec()),
        ("client-cert", client_cert::KEYS.to_vec()),
    ]
}

/// Its keys that take one of a few words.
pub(super) fn words() -> Vec<Keys> {
    let commands = CommandKind::all().map(CommandKind::name).collect();
    vec![
        ("match.command", commands),
        ("match.answers", answers::names()),
        ("answers.command", answers::names()),
        ("match.encoding", names(&message::ENCODINGS)),
        ("client-cert.verdict", names(&client_cert::VERDICTS)),
        (
            "match.dialect",
            message::DIALECTS.map(Dialect::name).to_vec(),
        ),
        ("match.status", CLASSES.to_vec()),
        ("match.alert", CLASSES.to_vec()),
        ("match.http-status", CLASSES.to_vec()),
    ]
}

/// The matcher of a rule; `None` if something is wrong with it.
pub(super) fn matcher(
    rule: Table<'_>,
    stage: Option<Stage>,
    report: &mut Report,
) -> Option<LoadedMatcher> {
    let Some(table) = rule.table("match", "`match`", report).ok()? else {
        let is_slip = rule.means("match", &super::KEYS);
        return (!is_slip).then(LoadedMatcher::default);
    };
    let before = report.count();
    let mut matcher = one(table, stage, 0, report);
    if report.count() > before {
        return None;
    }
    if matcher.selects_commands() {
        let kinds = matcher.kinds();
        if kinds == Kinds::NONE {
            report
                .wrong(table.span(), "no command can match all of this")
                .help("each key narrows what the others leave; `any` holds alternatives");
        }
        // Steps ask what a rule selects: it stands in one place, wherever it was written.
        let command = matcher.command.get_or_insert_default();
        command.kinds = command.kinds.and(kinds);
    }
    validate::probes(&matcher, table, report);
    let found = LoadedMatcher {
        matcher,
        command_span: table.value("command").map(Value::span),
    };
    (report.count() == before).then_some(found)
}

/// One table of keys: `match` itself, or one inside `not`, `any` or `all`.
fn one(table: Table<'_>, stage: Option<Stage>, depth: usize, report: &mut Report) -> Matcher {
    let before = report.count();
    table.refuse_other_keys(&keys(), report);
    let command = command::read(table, before, report);
    let matcher = Matcher {
        command,
        passage: message::read(table, stage, report),
        has: probe::has(table, report),
        wheres: probe::wheres(table, report),
        not: not(table, stage, depth, report).map(Box::new),
        any: several(table, "any", stage, depth, report),
        all: several(table, "all", stage, depth, report),
    };
    if report.count() == before {
        validate::documents(&matcher, table, report);
    }
    matcher
}

fn not(
    table: Table<'_>,
    stage: Option<Stage>,
    depth: usize,
    report: &mut Report,
) -> Option<Matcher> {
    let value = table.value("not")?;
    if let DeValue::Array(_) = value.get_ref() {
        report
            .wrong(value.span(), "`not` is one table")
            .label("this is a list")
            .help("not = { any = [ … ] } holds where none of them does");
        return None;
    }
    inner(value, "not", stage, depth, report)
}

fn several(
    table: Table<'_>,
    key: &'static str,
    stage: Option<Stage>,
    depth: usize,
    report: &mut Report,
) -> Vec<Matcher> {
    each(table, key, report, |value, report| {
        inner(value, key, stage, depth, report)
    })
}

/// A table of keys inside another one.
fn inner(
    value: &Value<'_>,
    key: &'static str,
    stage: Option<Stage>,
    depth: usize,
    report: &mut Report,
) -> Option<Matcher> {
    let table = Table::of("a matcher", value, report)?;
    if depth == DEPTH {
        report
            .wrong(
                value.span(),
                format!("`{key}` stands deeper than {DEPTH} tables"),
            )
            .help("write a rule for each case: dmtap evaluates every rule");
        return None;
    }
    if table.keys().is_empty() {
        let error = report.wrong(value.span(), format!("an empty table in `{key}`"));
        error.label("this matches everything");
        error.help("write keys as in `match`: { command = \"Get\" }");
        return None;
    }
    Some(one(table, stage, depth + 1, report))
}
