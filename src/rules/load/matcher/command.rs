//! The keys that select commands.

use super::value::{plain, tests, wilds};
use super::{answers, validate};
use crate::dm::CommandKind;
use crate::rules::glob::UriGlob;
use crate::rules::load::code::{ALERT, SYNCML};
use crate::rules::load::loc_uri::{Doubt, doubt};
use crate::rules::load::read::{self, Report, Table, each};
use crate::rules::matcher::{Codes, CommandMatcher, ItemMatcher, Kinds};

/// The keys of which one makes a rule select commands.
pub(super) const KEYS: [&str; 10] = [
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

/// The keys of commands in a table. `before` is how many errors there were before the table was looked at: what the
/// keys mean together is asked only where each of them is right.
pub(super) fn read(table: Table<'_>, before: usize, report: &mut Report) -> Option<CommandMatcher> {
    if KEYS.iter().all(|key| table.value(key).is_none()) {
        return None;
    }
    let mut matcher = CommandMatcher {
        kinds: kinds(table, report),
        cmd_ids: cmd_ids(table, report),
        status: match table.value("status") {
            Some(value) => SYNCML.matched(value, "status", report).unwrap_or_default(),
            None => Codes::new(),
        },
        alert: match table.value("alert") {
            Some(value) => ALERT.matched(value, "alert", report).unwrap_or_default(),
            None => Codes::new(),
        },
        answers: answers::read(table, report),
        uris: uris(table, report),
        item: ItemMatcher {
            alert_type: wilds(table, "alert-type", report),
            ..items(table, report)
        },
    };
    if report.count() == before {
        validate::narrow(&mut matcher, table, report);
    }
    Some(matcher)
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

pub(super) fn cmd_ids(table: Table<'_>, report: &mut Report) -> Vec<String> {
    each(table, "cmd-id", report, |value, report| {
        let id = plain(value, "cmd-id", report)?;
        if id.trim() == "0" {
            report
                .wrong(value.span(), "no command has the CmdID 0")
                .label("as a CmdRef it stands for the header")
                .help("to match the Status of the header: answers = \"SyncHdr\"");
            return None;
        }
        Some(id.trim().to_owned())
    })
}

pub(super) fn items(table: Table<'_>, report: &mut Report) -> ItemMatcher {
    ItemMatcher {
        format: wilds(table, "format", report),
        media_type: wilds(table, "type", report),
        alert_type: Vec::new(),
        data: tests(table, "data", report),
    }
}

pub(super) fn uris(table: Table<'_>, report: &mut Report) -> Vec<UriGlob> {
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
        } else if let Some(Doubt { title, help }) = doubt(pattern) {
            report.warn(value.span(), title, help);
        }
        glob.ok()
    })
}
