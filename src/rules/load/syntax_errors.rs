//! What is not TOML, with the slip that is behind it.

use std::ops::Range;

use toml::de::{DeTable, DeValue, Error};

use super::report::Report;

/// Tells the errors of the reader of TOML; `tree` is what it could read.
///
/// If the header of a rule is missing, all of its keys are duplicates: only the first one is reported.
pub(super) fn report(errors: &[Error], tree: &DeTable<'_>, report: &mut Report) {
    let text = report.text().clone();
    let mut last: Option<Range<usize>> = None;
    for error in errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        let key = text.get(span.clone()).unwrap_or_default();
        if key.is_empty() || !error.message().starts_with("duplicate key") {
            other(error, span, report);
            continue;
        }
        let follows = last.replace(span.clone()).is_some_and(|last| {
            let between = text.get(last.end..span.start).unwrap_or_default();
            let mut lines = between.lines().map(str::trim_start);
            begins_a_line(&text, &span) && !lines.any(|line| line.starts_with('['))
        });
        if !follows {
            twice(key, span, tree, report);
        }
    }
}

fn other(error: &Error, span: Range<usize>, report: &mut Report) {
    let text = report.text().clone();
    let title = format!("this is not TOML: {}", error.message());
    let quoted = quoted(&text, span.start);
    let wrong = report.wrong(span, title);
    if error.message().contains("escaped value") {
        wrong.help(match quoted.filter(|quoted| !quoted.contains('\'')) {
            Some(quoted) => {
                format!("a backslash is itself in single quotes: '{quoted}'")
            }
            None => "a backslash is itself where it is written twice".into(),
        });
    }
}

/// A key of which there are two, most often since the header of a second rule is missing.
fn twice(key: &str, span: Range<usize>, tree: &DeTable<'_>, report: &mut Report) {
    let text = report.text().clone();
    let mut places = Vec::new();
    keys(tree, key, &mut places);
    let alike = |place: &Range<usize>| begins_a_line(&text, place) == begins_a_line(&text, &span);
    let before = places.into_iter().filter(|place| place.start < span.start);
    let first = before.filter(alike).max_by_key(|place| place.start);
    let error = report.wrong(span, format!("`{key}` stands here twice"));
    error.label("the second");
    if let Some(first) = first {
        error.also(first, "the first");
    }
    error.help("leave one out; or another rule begins here: each rule begins with [[rule]]");
}

/// The places of every key of this name, however deep.
fn keys(table: &DeTable<'_>, name: &str, places: &mut Vec<Range<usize>>) {
    for (key, value) in table {
        if key.get_ref() == name {
            places.push(key.span());
        }
        inside(value.get_ref(), name, places);
    }
}

fn inside(value: &DeValue<'_>, name: &str, places: &mut Vec<Range<usize>>) {
    match value {
        DeValue::Table(table) => keys(table, name, places),
        DeValue::Array(values) => {
            for value in values {
                inside(value.get_ref(), name, places);
            }
        }
        _ => {}
    }
}

fn begins_a_line(text: &str, place: &Range<usize>) -> bool {
    let before = text.get(..place.start).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    line.trim().is_empty()
}

/// What stands between the double quotes around a place, on its line.
fn quoted(text: &str, at: usize) -> Option<&str> {
    let (before, behind) = text.split_at_checked(at)?;
    let from = before.rfind('"')? + 1;
    let to = at + behind.find('"')?;
    text.get(from..to).filter(|quoted| !quoted.contains('\n'))
}
