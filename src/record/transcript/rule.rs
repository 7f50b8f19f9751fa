//! Prints the changes of rules at the place where they changed something.

use super::block::line;
use super::command::indent;
use super::text_buffer::{REASON, Style, TextBuffer};
use crate::flow::EffectDetail;
use crate::record::model::effect_sentence::Part;
use crate::record::model::{EventRecord, RuleEffectRecord};

/// How much of a changed value is printed, in columns.
const VALUE: usize = 48;

/// How much of a changed URL is printed, in columns: it shows where the device connects next.
const URL: usize = 400;

/// How much of the path of a changed place is printed, in columns.
const PATH: usize = 60;

/// Prints changes of the whole message, and rules that changed nothing in it.
pub(super) fn of_message(out: &mut TextBuffer, record: &EventRecord) {
    for applied in &record.applied {
        if applied.changes.is_empty() {
            named(out, applied, 0).end();
        }
        for change in applied
            .changes
            .iter()
            .filter(|change| change.path.is_empty())
        {
            named(out, applied, 0);
            step(out, change, "");
        }
    }
}

/// Prints changes inside the message but outside its commands.
pub(super) fn of_header(out: &mut TextBuffer, record: &EventRecord) {
    for applied in &record.applied {
        // One line covers all renumbered places.
        let shift = applied
            .changes
            .iter()
            .find(|change| change.is_renumbering());
        if let Some(shift) = shift {
            named(out, applied, 8);
            step(out, shift, "");
        }
    }
    print(out, record, None, 8);
}

/// Prints changes inside a document other than a SyncML message.
pub(super) fn of_document(out: &mut TextBuffer, record: &EventRecord) {
    print(out, record, None, 0);
}

/// Prints changes of one command.
pub(super) fn of_command(out: &mut TextBuffer, record: &EventRecord, number: usize) {
    if !record.applied.is_empty() {
        let indent = indent(&record.commands[number]);
        print(out, record, Some(number), 6 + indent);
    }
}

/// Returns whether a rule changed something in this command.
pub(super) fn touches(record: &EventRecord, number: usize) -> bool {
    let mut changes = record.applied.iter().flat_map(|applied| &applied.changes);
    changes
        .any(|change| !change.is_renumbering() && record.command_at(&change.path) == Some(number))
}

fn print(out: &mut TextBuffer, record: &EventRecord, number: Option<usize>, indent: usize) {
    for applied in &record.applied {
        for change in &applied.changes {
            let is_elsewhere = || record.command_at(&change.path) != number;
            if change.path.is_empty() || change.is_renumbering() || is_elsewhere() {
                continue;
            }
            let path = number.map_or("", |number| &*record.commands[number].path);
            let inner = change.path.strip_prefix(path).unwrap_or(&change.path);
            named(out, applied, indent);
            let name = applied.names.get(&change.path).map(|name| &**name);
            step(out, change, name.unwrap_or(inner.trim_start_matches('/')));
        }
    }
}

fn named<'p>(
    out: &'p mut TextBuffer,
    applied: &RuleEffectRecord,
    indent: usize,
) -> &'p mut TextBuffer {
    line(out).put(Style::Text, &" ".repeat(indent));
    out.put(Style::Rule, "✎ rule ")
        .quoted(Style::Rule, &applied.rule, 60)
}

/// Prints `: Status 200 OK → 500 Command failed`.
fn step(out: &mut TextBuffer, change: &EffectDetail, inner: &str) {
    out.put(Style::Text, ": ");
    sentence(out, change, inner);
    out.end();
}

/// Prints a change in words; a URL that is too long for the line gets its own line.
pub(super) fn sentence(out: &mut TextBuffer, change: &EffectDetail, inner: &str) {
    let parts = change.sentence(inner);
    let values = parts.iter().filter_map(Part::value);
    let most = values.clone().map(room_for).max().unwrap_or(VALUE);
    let wide = values
        .map(|text| text.chars().count().min(most) + 1)
        .sum::<usize>();
    let is_long = most == URL && wide + 2 > out.room();
    for part in &parts {
        match part {
            Part::Words(words) if words == " → " && is_long => {
                out.end();
                line(out).put(Style::Text, "            → ");
            }
            Part::Words(words) => drop(out.quoted(Style::Text, words, REASON)),
            Part::Place(path) => drop(out.path(Style::Text, path, PATH)),
            Part::Before(before) if change.after.is_empty() => {
                out.quoted(Style::Faint, before, most);
            }
            Part::Before(before) => drop(out.quoted(Style::Text, before, most)),
            Part::After(why) if !change.is_done() => drop(out.quoted(Style::Rule, why, REASON)),
            Part::After(after) => drop(out.quoted(Style::Rule, after, most)),
        }
    }
}

fn room_for(value: &str) -> usize {
    match value.contains("://") {
        true => URL,
        false => VALUE,
    }
}
