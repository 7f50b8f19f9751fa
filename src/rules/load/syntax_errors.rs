//! What is not TOML, with the slip that is behind it.

use std::ops::Range;

use toml::de::{DeTable, DeValue, Error};

use super::report::Report;
use crate::rules::mistake::Mistake;

/// Reports the errors of the reader of TOML; `tree` is what it could read.
///
/// The first error of a line is reported, and a bracket that is not closed at its place: what follows is often what it
/// leaves. If the header of a rule is missing, all of its keys are duplicates: only the first one is reported.
pub(super) fn report(errors: &[Error], tree: &DeTable<'_>, report: &mut Report) {
    let text = report.text().clone();
    let place = |error: &Error| error.span().unwrap_or(text.len()..text.len());
    let open = errors.iter().find(|error| {
        let unclosed = ["unclosed inline table", "unclosed array,"];
        unclosed
            .iter()
            .any(|words| error.message().starts_with(words))
    });
    let open = open.and_then(|error| open_bracket(&text, place(error).start));
    let mut errors: Vec<&Error> = errors.iter().collect();
    errors.sort_by_key(|error| place(error).start);
    let mut last: Option<Range<usize>> = None;
    let mut line = 0;
    for error in errors {
        let span = place(error);
        if open.is_some_and(|open| open < span.start) {
            continue;
        }
        let key = text.get(span.clone()).unwrap_or_default();
        if key.is_empty() || !error.message().starts_with("duplicate key") {
            if std::mem::replace(&mut line, report.line(span.start)) == line {
                continue;
            }
            if let Some(slip) = other_format(&text, span.start) {
                report.mistake(slip, span, "");
                break;
            }
            report.mistake(not_toml(error, &text, &span), span, "");
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
    if let Some(open) = open {
        let (bracket, other) = match &text[open..=open] {
            "{" => ("{", "}"),
            _ => ("[", "]"),
        };
        report
            .wrong(
                open..open + 1,
                format!("this is not TOML: `{bracket}` is not closed"),
            )
            .help(format!(
                "write `{other}` behind the last of what belongs in it"
            ));
    }
}

/// The last bracket in front of a place that nothing closes.
fn open_bracket(text: &str, end: usize) -> Option<usize> {
    let mut closed = 0_usize;
    let before = text.get(..end)?.char_indices().rev();
    let mut before = before.filter(|(_, c)| "[]{}".contains(*c));
    let open = before.find(|(_, c)| match c {
        ']' | '}' => {
            closed += 1;
            false
        }
        _ if closed > 0 => {
            closed -= 1;
            false
        }
        _ => true,
    });
    open.map(|(at, _)| at)
}

/// What is not TOML since it is written as in another language: so is the rest of the file.
fn other_format(text: &str, at: usize) -> Option<Mistake> {
    let (before, behind) = text.split_at_checked(at)?;
    let title = if behind.starts_with("//") {
        "this is not TOML: a comment begins with `#`"
    } else if behind.starts_with(':') {
        "this is not TOML: `=` stands between a key and its value"
    } else if behind.starts_with('{') && before.trim().is_empty() {
        "this is not TOML: it begins as JSON does"
    } else {
        return None;
    };
    let mistake = Mistake::new(title.into());
    Some(match behind.starts_with("//") {
        true => mistake,
        false => mistake.help("[[rule]] begins a rule; name = \"a\" is a key with its value"),
    })
}

/// What the reader of TOML reports, with a remedy where the slip is a common one.
fn not_toml(error: &Error, text: &str, span: &Range<usize>) -> Mistake {
    let message = error.message();
    let other = || Mistake::new(format!("this is not TOML: {message}"));
    let is_number = ["mantissa", "fraction", "float", "exponent", "integer"];
    if ["string values must be quoted", "invalid boolean"]
        .iter()
        .any(|words| message.starts_with(words))
        || is_number.iter().any(|word| message.contains(word))
    {
        return unquoted(text, span.start);
    }
    if message.contains("escaped value") || message.contains("unicode") {
        let quoted = quoted(text, span.start).filter(|quoted| !quoted.contains('\''));
        return other().help(match quoted {
            Some(quoted) => format!("a backslash is itself in single quotes: '{quoted}'"),
            None => "a backslash is itself where it is written twice".into(),
        });
    }
    other()
}

/// A text that stands without quotes, or in those of books.
fn unquoted(text: &str, at: usize) -> Mistake {
    let (before, behind) = text.split_at_checked(at).unwrap_or((text, ""));
    let from = before
        .rfind(['=', ',', '[', '{', '\n'])
        .map_or(0, |at| at + 1);
    let to = behind.find([',', '}', ']', '\n', '#']);
    let to = at + to.unwrap_or(behind.len());
    let value = text.get(from..to).unwrap_or_default().trim();
    let plain = value.trim_matches(['“', '”', '„', '‘', '’', '«', '»']);
    let key = match text.get(..from).and_then(|front| front.strip_suffix('=')) {
        Some(front) => {
            let front = front.trim_end();
            let key = front.rsplit([' ', '\n', '\t', '{', ',', '[']).next();
            format!("{} = ", key.unwrap_or_default())
        }
        None => String::new(),
    };
    let lower = plain.to_ascii_lowercase();
    if ["true", "false"].contains(&&*lower) {
        let mistake = Mistake::new(format!("this is not TOML: {lower} stands in small letters"));
        return mistake.help(format!("write {key}{lower}"));
    }
    let quotes = match plain == value {
        true => "quotes",
        false => "straight quotes",
    };
    Mistake::new(format!("this is not TOML: a text stands in {quotes}"))
        .help(format!("write {key}{}", toml::Value::from(plain)))
}

/// A key of which there are two, most often since the header of a second rule is missing.
fn twice(key: &str, span: Range<usize>, tree: &DeTable<'_>, report: &mut Report) {
    let text = report.text().clone();
    let mut places = Vec::new();
    keys(tree, key, &mut places);
    let alike = |place: &Range<usize>| begins_a_line(&text, place) == begins_a_line(&text, &span);
    let before = places.into_iter().filter(|place| place.start < span.start);
    let first = before.filter(alike).max_by_key(|place| place.start);
    let error = report.wrong(span, format!("`{key}` is given twice"));
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
