//! The embedded tables and their parser.

use std::borrow::Cow;

use super::{Fact, FactKind};

const TABLES: [(FactKind, &str); 8] = [
    (FactKind::Status, include_str!("../../facts/status.tsv")),
    (FactKind::Alert, include_str!("../../facts/alert.tsv")),
    (
        FactKind::AlertType,
        include_str!("../../facts/alert-type.tsv"),
    ),
    (FactKind::Element, include_str!("../../facts/element.tsv")),
    (FactKind::Header, include_str!("../../facts/header.tsv")),
    (FactKind::Csp, CSPS),
    (FactKind::Result, include_str!("../../facts/result.tsv")),
    (FactKind::Finding, include_str!("../../facts/finding.tsv")),
];

const CSPS: &str = include_str!("../../facts/csp.tsv");

/// Returns the built-in rules that cause what a key names: a finding, a note, an alert, an element.
pub fn rules_for(key: &str) -> impl Iterator<Item = &'static str> {
    let rows = include_str!("../../facts/rule.tsv").lines();
    let row = rows
        .filter_map(|row| row.split_once('\t'))
        .find(|(name, _)| *name == key);
    row.into_iter().flat_map(|(_, rules)| rules.split(' '))
}

/// The notes, which are only in the documentation.
const NOTES: &str = include_str!("../../docs/notes.md");

/// The size of the tables in `facts/` in bytes.
#[cfg(test)]
pub(super) const BYTES: usize = {
    let (mut bytes, mut at) = (0, 0);
    while at < TABLES.len() {
        bytes += TABLES[at].1.len();
        at += 1;
    }
    bytes
};

/// Returns the scope of a CSP: `device`, `user`, `both`, or empty if it is unknown.
pub(super) fn scope_of_csp(key: &str) -> Option<&'static str> {
    let mut rows = CSPS.lines().filter_map(|row| row.split_once('\t'));
    let (_, row) = rows.find(|(name, _)| *name == key)?;
    row.rsplit('\t').next()
}

/// Returns the description of a CSP, which begins with its scope.
fn with_scope(scope: &str, more: &'static str) -> Cow<'static, str> {
    let scope = match scope {
        "device" => "Scope: device.",
        "user" => "Scope: user (./User).",
        "both" => "Scope: device and user (./User).",
        _ => return Cow::Borrowed(more),
    };
    Cow::Owned(format!("{scope} {more}").trim_end().to_owned())
}

/// Returns every fact, in the order of the tables. Skips incomplete rows; a test ensures that there are none.
pub(super) fn read() -> Vec<Fact> {
    let tables = TABLES.iter().flat_map(|(kind, text)| rows(*kind, text));
    tables.chain(notes()).collect()
}

/// Parses the rows `key name meaning windows reference`, separated by tabs; those of CSPs end with a scope. A line `# reference: …` applies to rows
/// that have none.
fn rows(kind: FactKind, text: &'static str) -> impl Iterator<Item = Fact> {
    let default = text
        .lines()
        .find_map(|line| line.strip_prefix("# reference: "));
    let rows = text.lines().filter(|line| !line.starts_with('#')).skip(1);
    rows.filter_map(move |row| {
        let mut cells: Vec<&'static str> = row.split('\t').collect();
        let scope = match kind {
            FactKind::Csp => cells.pop()?,
            _ => "",
        };
        let [key, name, meaning, more, reference] = cells[..] else {
            return None;
        };
        Some(Fact {
            kind,
            key: Cow::Borrowed(key),
            name: Cow::Borrowed(name),
            meaning: Cow::Borrowed(meaning),
            more: with_scope(scope, more),
            reference: match reference {
                "" => default.unwrap_or_default(),
                reference => reference,
            },
        })
    })
}

/// Parses the rows `| id | severity | meaning | what to do |` of the documentation.
fn notes() -> impl Iterator<Item = Fact> {
    let rows = NOTES.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| {
        let cells: Vec<&'static str> = row.trim_end().trim_end_matches('|').split(" | ").collect();
        let [key, severity, meaning, remedy] = cells[..] else {
            return None;
        };
        Some(Fact {
            kind: FactKind::Note,
            key: plain(key),
            name: plain(severity),
            meaning: plain(meaning),
            more: plain(remedy),
            reference: "docs/notes.md",
        })
    })
}

/// Removes Markdown syntax: `[text](link)` becomes its text.
fn plain(cell: &str) -> Cow<'static, str> {
    let mut text = String::new();
    let mut rest = cell.trim();
    while let Some((before, link)) = rest.split_once('[') {
        text.push_str(before);
        let parts = link.split_once("](").and_then(|(name, rest)| {
            let (_, rest) = rest.split_once(')')?;
            Some((name, rest))
        });
        match parts {
            Some((name, after)) => {
                text.push_str(name);
                rest = after;
            }
            None => {
                text.push('[');
                rest = link;
            }
        }
    }
    text.push_str(rest);
    text.retain(|c| c != '`');
    text.into()
}
