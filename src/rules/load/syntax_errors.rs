//! Syntax errors in TOML, with the slip that probably caused them.

use std::ops::Range;

use toml::de::Error;

use super::report::Report;
use crate::rules::mistake::Mistake;

/// Reports the errors of the TOML parser.
///
/// It reports only the first error of each line. It reports an unclosed bracket at the place of the bracket, and no
/// errors after it, because they often follow from it. If the header of a rule is missing, all of its keys are
/// duplicates: only the first one is reported.
pub(super) fn report(errors: &[Error], report: &mut Report<'_>) {
    let text = report.text().clone();
    let place = |error: &Error| error.span().unwrap_or(text.len()..text.len());
    let is_open = |error: &&Error| {
        let words = ["unclosed inline table", "unclosed array,"];
        words.iter().any(|words| error.message().starts_with(words))
    };
    let open = errors.iter().find(is_open);
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
            begins_a_line(&text, span.start) && !lines.any(|line| line.starts_with('['))
        });
        if !follows {
            twice(&text, span, report);
        }
    }
    if let Some(open) = open {
        let (bracket, other) = match &text[open..=open] {
            "{" => ("{", "}"),
            _ => ("[", "]"),
        };
        let mistake = wrong(&format!("`{bracket}` is not closed"));
        let help = format!("write `{other}` behind the last of what belongs in it");
        report.mistake(mistake.help(help), open..open + 1, "");
    }
}

/// Returns the last unclosed bracket before a place.
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

/// Returns the mistake of a file in another format; the rest of the file is then not TOML, either.
fn other_format(text: &str, at: usize) -> Option<Mistake> {
    let (before, behind) = text.split_at_checked(at)?;
    let what = match behind.chars().next()? {
        '/' if behind.starts_with("//") => return Some(wrong("a comment begins with `#`")),
        ':' => "`=` stands between a key and its value",
        '{' if before.trim().is_empty() => "it begins as JSON does",
        _ => return None,
    };
    Some(wrong(what).help("[[rule]] begins a rule; name = \"a\" is a key with its value"))
}

fn wrong(what: &str) -> Mistake {
    Mistake::new(format!("this is not TOML: {what}"))
}

/// Returns the error of the TOML parser, with a remedy if the slip is a common one.
fn not_toml(error: &Error, text: &str, span: &Range<usize>) -> Mistake {
    let message = error.message();
    let is_number = ["mantissa", "fraction", "float", "exponent", "integer"];
    let is_text = ["string values must be quoted", "invalid boolean"];
    if is_text.iter().any(|words| message.starts_with(words))
        || is_number.iter().any(|word| message.contains(word))
    {
        return unquoted(text, span.start);
    }
    if message.contains("escaped value") || message.contains("unicode") {
        let quoted = quoted(text, span.start).filter(|quoted| !quoted.contains('\''));
        return wrong(message).help(match quoted {
            Some(quoted) => format!("a backslash is itself in single quotes: '{quoted}'"),
            None => "a backslash is itself where it is written twice".into(),
        });
    }
    wrong(message)
}

/// Returns the mistake of a text without quotes, or with typographic quotes.
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
        return wrong(&format!("{lower} stands in small letters"))
            .help(format!("write {key}{lower}"));
    }
    let quotes = match plain == value {
        true => "quotes",
        false => "straight quotes",
    };
    wrong(&format!("a text stands in {quotes}"))
        .help(format!("write {key}{}", toml::Value::from(plain)))
}

/// Reports a duplicate key; most often the header of a second rule is missing.
fn twice(text: &str, span: Range<usize>, report: &mut Report<'_>) {
    let key = &text[span.clone()];
    let is_key = |at: &usize| {
        let is_whole = !text[..*at].ends_with(|c: char| c.is_alphanumeric() || "-_".contains(c));
        let behind = text[at + key.len()..].trim_start_matches([' ', '\t']);
        let is_alike = begins_a_line(text, *at) == begins_a_line(text, span.start);
        is_whole && is_alike && behind.starts_with(['=', '.', ']'])
    };
    let mut before = text[..span.start].rmatch_indices(key).map(|(at, _)| at);
    let first = before.find(is_key);
    let error = report.wrong(span, format!("`{key}` is given twice"));
    error.label("the second");
    if let Some(first) = first {
        error.also(first..first + key.len(), "the first");
    }
    error.help("leave one out; or another rule begins here: each rule begins with [[rule]]");
}

fn begins_a_line(text: &str, at: usize) -> bool {
    let line = text[..at].rsplit('\n').next();
    line.is_some_and(|line| line.trim().is_empty())
}

/// Returns the text between the double quotes around a place, on its line.
fn quoted(text: &str, at: usize) -> Option<&str> {
    let (before, behind) = text.split_at_checked(at)?;
    let from = before.rfind('"')? + 1;
    let to = at + behind.find('"')?;
    text.get(from..to).filter(|quoted| !quoted.contains('\n'))
}
