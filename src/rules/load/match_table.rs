//! The checks of the keys of a `match` table together.

mod validate;

use super::loc_uri;
use super::place;
use super::report::{Report, Table, Value};
use crate::rules::Stage;
use crate::rules::matcher::{Kinds, MAX_NESTING, Matcher};
use crate::rules::mistake::Mistake;
use crate::rules::value::{as_glob, is_regex};

pub(super) use self::validate::{AT_RESPONSES, of_requests};

/// The keys that make a rule select commands; one of them is enough.
pub(super) const COMMAND_KEYS: [&str; 10] = [
    "command",
    "cmd-id",
    "loc-uri",
    "format",
    "type",
    "data",
    "status",
    "alert",
    "alert-type",
    "answers",
];

/// Reports keys that contradict each other, and keys for things that messages of the stage do not have.
pub(super) fn check(
    matcher: &mut Matcher,
    table: Table<'_>,
    stage: Stage,
    report: &mut Report<'_>,
) {
    check_level(matcher, table, stage, 0, report);
}

/// Reports what can never match in a matcher without other errors, and sets the kinds of commands that it selects.
pub(super) fn check_together(
    matcher: &mut Matcher,
    table: Table<'_>,
    stage: Stage,
    report: &mut Report<'_>,
) {
    if matcher.selects_commands() {
        let kinds = matcher.selected_kinds();
        if kinds == Kinds::NONE {
            report
                .wrong(table.span(), "no command can match all of this")
                .help("each key narrows what the others leave; `any` holds alternatives");
        }
        validate::of_sender(kinds, table, stage, report);
        // The checks of steps read the kinds of the outermost matcher, wherever the keys are.
        matcher.kinds = Some(kinds);
    }
    validate::places(matcher, table, report);
}

/// Checks one table of keys: `match` itself, or one inside `not`, `any` or `all`.
fn check_level(
    matcher: &mut Matcher,
    table: Table<'_>,
    stage: Stage,
    depth: usize,
    report: &mut Report<'_>,
) {
    let before = report.count();
    validate::of_stage(matcher, table, stage, report);
    warn(table, report);
    let not = matcher.not.as_deref_mut().into_iter().collect();
    let any = matcher.any.iter_mut().collect();
    let all = matcher.all.iter_mut().collect();
    let inner: [(&str, Vec<&mut Matcher>); 3] = [("not", not), ("any", any), ("all", all)];
    for (key, matchers) in inner {
        for (table, matcher) in table.tables(key).zip(matchers) {
            if depth == MAX_NESTING {
                let title = format!("`{key}` stands deeper than {MAX_NESTING} tables");
                report
                    .wrong(table.span(), title)
                    .help("write a rule for each case: dmtap evaluates every rule");
            } else if table.is_empty() {
                report
                    .wrong(table.span(), format!("an empty table in `{key}`"))
                    .label("this matches everything")
                    .help("write keys as in `match`: { command = \"Get\" }");
            } else {
                check_level(matcher, table, stage, depth + 1, report);
            }
        }
    }
    if COMMAND_KEYS.iter().any(|key| table.value(key).is_some()) {
        let named = matcher.command.iter().map(|kind| Kinds::of(*kind));
        matcher.kinds = Some(named.reduce(Kinds::or).unwrap_or_default());
        if report.count() == before {
            validate::narrow(matcher, table, report);
        }
    }
    for action in &mut matcher.soap_action {
        *action = action.trimmed();
    }
    for fault in &mut matcher.soap_fault {
        *fault = validate::local(fault);
    }
    if report.count() == before {
        validate::documents(matcher, table, report);
    }
}

/// The keys whose values are patterns with `*`, and never contain the signs of regular expressions.
const GLOBS: [&str; 5] = ["host", "path", "sni", "media-type", "soap-action"];

fn warn_of_regex(key: &str, value: &Value<'_>, report: &mut Report<'_>) {
    if let Some(text) = value.get_ref().as_str().filter(|text| is_regex(text)) {
        let title = format!("`{text}` looks like a regular expression");
        report.warn(
            value.span(),
            Mistake::new(title).help(format!(
                "`*` matches any characters here: write {key} = \"{}\"",
                as_glob(text)
            )),
        );
    }
}

/// Warns of patterns and places that are valid but probably match nothing.
fn warn(table: Table<'_>, report: &mut Report<'_>) {
    for table in table.tables("answers").chain([table]) {
        for key in GLOBS {
            for value in table.values(key) {
                warn_of_regex(key, value, report);
            }
        }
        for value in table.values("loc-uri") {
            if let Some(warning) = value.get_ref().as_str().and_then(loc_uri::warning_about) {
                report.warn(value.span(), warning);
            }
        }
    }
    let wheres = table.tables("where");
    let wheres = wheres.filter_map(|table| table.value("at"));
    for value in table.values("has").into_iter().chain(wheres) {
        place::warn(value, report);
    }
}
