//! What rules changed, told where they changed it.

use super::block::{REASON, line};
use super::page::{Ink, Page};
use crate::dm::StatusCode;
use crate::flow::Change;
use crate::record::telling::{AppliedTold, ChangeTold, Telling};

/// How much of a changed value is told, in columns.
const VALUE: usize = 48;

/// Changes of the whole message, and rules that changed nothing in it.
pub(super) fn of_message(page: &mut Page, told: &Telling<'_>) {
    for applied in &told.applied {
        if applied.changes.is_empty() {
            named(page, applied, 0).end();
        }
        for change in applied
            .changes
            .iter()
            .filter(|change| change.path.is_empty())
        {
            named(page, applied, 0);
            step(page, applied, change, "");
        }
    }
}

/// Changes inside the message but outside its commands.
pub(super) fn of_header(page: &mut Page, told: &Telling<'_>) {
    for applied in &told.applied {
        // One line for all of them, wherever they are.
        let shift = applied
            .changes
            .iter()
            .find(|change| change.is_renumbering());
        if let Some(shift) = shift {
            named(page, applied, 8);
            step(page, applied, shift, "");
        }
    }
    print(page, told, None, 8);
}

/// Changes inside a document that is no message.
pub(super) fn of_document(page: &mut Page, told: &Telling<'_>) {
    print(page, told, None, 0);
}

/// Changes of one command.
pub(super) fn of_command(page: &mut Page, told: &Telling<'_>, number: usize) {
    if !told.applied.is_empty() {
        let indent = 6 + 2 * told.commands[number].depth.min(20) as usize;
        print(page, told, Some(number), indent);
    }
}

/// Whether a rule changed something in this command.
pub(super) fn touches(told: &Telling<'_>, number: usize) -> bool {
    let mut changes = told.applied.iter().flat_map(|applied| &applied.changes);
    changes.any(|change| !change.is_renumbering() && told.command_at(&change.path) == Some(number))
}

fn print(page: &mut Page, told: &Telling<'_>, number: Option<usize>, indent: usize) {
    for applied in &told.applied {
        for change in &applied.changes {
            let is_elsewhere = || told.command_at(&change.path) != number;
            if change.path.is_empty() || change.is_renumbering() || is_elsewhere() {
                continue;
            }
            let path = number.map_or("", |number| &*told.commands[number].path);
            let inner = change.path.strip_prefix(path).unwrap_or(&change.path);
            named(page, applied, indent);
            step(page, applied, change, inner.trim_start_matches('/'));
        }
    }
}

fn named<'p>(page: &'p mut Page, applied: &AppliedTold<'_>, indent: usize) -> &'p mut Page {
    line(page).put(Ink::Text, &" ".repeat(indent));
    page.put(Ink::Rule, "✎ rule ")
        .said(Ink::Rule, &applied.rule, 60)
}

/// `: Status 200 OK → 500 Command failed`
fn step(page: &mut Page, applied: &AppliedTold<'_>, change: &ChangeTold<'_>, inner: &str) {
    page.put(Ink::Text, ": ");
    if change.step == "set-status" {
        page.put(Ink::Text, "Status ")
            .said(Ink::Text, &status(&change.before), VALUE);
        page.put(Ink::Text, " → ")
            .said(Ink::Rule, &status(&change.after), VALUE)
            .end();
        return;
    }
    if let Some(words) = change.settled() {
        page.put(Ink::Text, &words).end();
        return;
    }
    page.said(Ink::Text, &change.step, 30);
    if !inner.is_empty() {
        page.put(Ink::Text, " ").said(Ink::Text, inner, 60);
    }
    match (change.before_as_written(&applied.rule), &*change.after) {
        ("", "") => page,
        ("", why) if change.step == Change::NOT_APPLIED => {
            page.put(Ink::Text, " ").said(Ink::Rule, why, REASON)
        }
        (before, "") => page.put(Ink::Text, " was ").said(Ink::Faint, before, VALUE),
        ("", after) => page.put(Ink::Text, " ").said(Ink::Rule, after, VALUE),
        (before, after) => {
            page.put(Ink::Text, " ").said(Ink::Text, before, VALUE);
            page.put(Ink::Text, " → ").said(Ink::Rule, after, VALUE)
        }
    }
    .end();
}

fn status(code: &str) -> String {
    let code = code.trim();
    code.parse()
        .map_or(code.to_owned(), |code| StatusCode(code).to_string())
}
