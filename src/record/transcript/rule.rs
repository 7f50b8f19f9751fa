//! What rules changed, shown where they changed it.

use super::block::line;
use super::text_buffer::{REASON, Style, TextBuffer};
use crate::dm::StatusCode;
use crate::flow::{EffectDetail, EffectKind};
use crate::record::model::{EventRecord, RuleEffectRecord};

/// How much of a changed value is shown, in columns.
const VALUE: usize = 48;

/// The same of a URL, which says where a device goes.
const URL: usize = 400;

/// How much of the path of a changed place is shown, in columns.
const PATH: usize = 60;

/// Changes of the whole message, and rules that changed nothing in it.
pub(super) fn of_message(page: &mut TextBuffer, record: &EventRecord) {
    for applied in &record.applied {
        if applied.changes.is_empty() {
            named(page, applied, 0).end();
        }
        for change in applied
            .changes
            .iter()
            .filter(|change| change.path.is_empty())
        {
            named(page, applied, 0);
            step(page, change, "");
        }
    }
}

/// Changes inside the message but outside its commands.
pub(super) fn of_header(page: &mut TextBuffer, record: &EventRecord) {
    for applied in &record.applied {
        // One line for all of them, wherever they are.
        let shift = applied
            .changes
            .iter()
            .find(|change| change.is_renumbering());
        if let Some(shift) = shift {
            named(page, applied, 8);
            step(page, shift, "");
        }
    }
    print(page, record, None, 8);
}

/// Changes inside a document that is no message.
pub(super) fn of_document(page: &mut TextBuffer, record: &EventRecord) {
    print(page, record, None, 0);
}

/// Changes of one command.
pub(super) fn of_command(page: &mut TextBuffer, record: &EventRecord, number: usize) {
    if !record.applied.is_empty() {
        let indent = 6 + 2 * record.commands[number].depth.min(20) as usize;
        print(page, record, Some(number), indent);
    }
}

/// Whether a rule changed something in this command.
pub(super) fn touches(record: &EventRecord, number: usize) -> bool {
    let mut changes = record.applied.iter().flat_map(|applied| &applied.changes);
    changes
        .any(|change| !change.is_renumbering() && record.command_at(&change.path) == Some(number))
}

fn print(page: &mut TextBuffer, record: &EventRecord, number: Option<usize>, indent: usize) {
    for applied in &record.applied {
        for change in &applied.changes {
            let is_elsewhere = || record.command_at(&change.path) != number;
            if change.path.is_empty() || change.is_renumbering() || is_elsewhere() {
                continue;
            }
            let path = number.map_or("", |number| &*record.commands[number].path);
            let inner = change.path.strip_prefix(path).unwrap_or(&change.path);
            named(page, applied, indent);
            let name = applied.names.get(&change.path).map(|name| &**name);
            step(page, change, name.unwrap_or(inner.trim_start_matches('/')));
        }
    }
}

fn named<'p>(
    page: &'p mut TextBuffer,
    applied: &RuleEffectRecord,
    indent: usize,
) -> &'p mut TextBuffer {
    line(page).put(Style::Text, &" ".repeat(indent));
    page.put(Style::Rule, "✎ rule ")
        .quoted(Style::Rule, &applied.rule, 60)
}

/// `: Status 200 OK → 500 Command failed`
fn step(page: &mut TextBuffer, change: &EffectDetail, inner: &str) {
    page.put(Style::Text, ": ");
    if change.kind == EffectKind::SetStatus {
        page.put(Style::Text, "Status ")
            .quoted(Style::Text, &status(&change.before), VALUE);
        page.put(Style::Text, " → ")
            .quoted(Style::Rule, &status(&change.after), VALUE)
            .end();
        return;
    }
    if let Some(words) = change.reconciled() {
        page.quoted(Style::Text, &words, REASON).end();
        return;
    }
    page.quoted(Style::Text, change.kind.name(), 30);
    if !inner.is_empty() {
        page.put(Style::Text, " ").path(Style::Text, inner, PATH);
    }
    match (change.before_as_shown(), &*change.after) {
        ("", "") => page,
        ("", why) if !change.is_done() => {
            page.put(Style::Text, " ").quoted(Style::Rule, why, REASON)
        }
        (before, "") => {
            page.put(Style::Text, " was ")
                .quoted(Style::Faint, before, room_for(before))
        }
        ("", after) => page
            .put(Style::Text, " ")
            .quoted(Style::Rule, after, room_for(after)),
        (before, after) => {
            let most = room_for(before).max(room_for(after));
            let wide = |text: &str| text.chars().count().min(most);
            let is_long = wide(before) + wide(after) + " → ".len() > page.room();
            page.put(Style::Text, " ").quoted(Style::Text, before, most);
            if most == URL && is_long {
                page.end();
                line(page).put(Style::Text, "           ");
            }
            page.put(Style::Text, " → ")
                .quoted(Style::Rule, after, most)
        }
    }
    .end();
}

fn room_for(value: &str) -> usize {
    match value.contains("://") {
        true => URL,
        false => VALUE,
    }
}

fn status(code: &str) -> String {
    let code = code.trim();
    code.parse()
        .map_or(code.to_owned(), |code| StatusCode(code).to_string())
}
