//! `answers`: what an answer answers.

use super::command::{cmd_ids, items, uris};
use crate::dm::CommandKind;
use crate::rules::load::read::{self, Report, Table, Value, each};
use crate::rules::load::suggest::{closest, list};
use crate::rules::matcher::{AnswersMatcher, CommandMatcher};

pub(super) const KEYS: [&str; 6] = ["command", "cmd-id", "loc-uri", "format", "type", "data"];

pub(super) fn read(table: Table<'_>, report: &mut Report) -> Vec<AnswersMatcher> {
    each(table, "answers", report, |value, report| {
        if value.get_ref().as_table().is_none() {
            let name = name(value, "answers", report)?;
            return Some(AnswersMatcher {
                names: vec![name],
                command: None,
            });
        }
        command(Table::of("`answers`", value, report)?, report)
    })
}

/// What may be answered: a command, or the header.
pub(super) fn names() -> Vec<&'static str> {
    let commands = CommandKind::all().map(CommandKind::name);
    commands.chain([HEADER]).collect()
}

fn name(value: &Value<'_>, key: &str, report: &mut Report) -> Option<String> {
    let names = names();
    let name = read::text(value, key, report)?;
    if names.contains(&name) {
        return Some(name.to_owned());
    }
    let error = report.wrong(value.span(), format!("`{key}` cannot be `{name}`"));
    if let Some(near) = closest(name, &names) {
        error.label(format!("did you mean `{near}`?"));
    }
    error.help(format!("write one of {}", list(&names)));
    None
}

/// `{ command = "Exec", loc-uri = "…" }`.
fn command(table: Table<'_>, report: &mut Report) -> Option<AnswersMatcher> {
    table.refuse_other_keys(&KEYS, report);
    let names = each(table, "command", report, |value, report| {
        name(value, "command", report)
    });
    let asks_more = KEYS[1..].iter().any(|key| table.value(key).is_some());
    if names.is_empty() && !asks_more {
        if table.keys().is_empty() {
            report
                .wrong(table.span(), "`answers` asks nothing")
                .help("answers = { command = \"Exec\", loc-uri = \"./Vendor/**\" }");
        }
        return None;
    }
    let command = CommandMatcher {
        cmd_ids: cmd_ids(table, report),
        uris: uris(table, report),
        item: items(table, report),
        ..CommandMatcher::default()
    };
    if asks_more && names.iter().any(|name| name == HEADER) {
        report
            .wrong(table.span(), "the SyncHdr is about no node and has no Item")
            .help("write answers = \"SyncHdr\" alone, or in a list with other commands");
        return None;
    }
    Some(AnswersMatcher {
        names,
        command: asks_more.then(|| Box::new(command)),
    })
}

/// What `answers` calls the header of a message.
pub(super) const HEADER: &str = "SyncHdr";
