//! Values that several keys have: lists, patterns, numbers, texts to compare with.

use std::ops::RangeInclusive;

use regex::RegexBuilder;
use toml::de::DeValue;

use crate::rules::glob::Glob;
use crate::rules::load::read::{self, Report, Table, Value, each};
use crate::rules::matcher::{Numbers, TextTest};

/// Patterns in which `*` stands for any run of characters.
pub(super) fn wilds(table: Table<'_>, key: &str, report: &mut Report) -> Vec<Glob> {
    each(table, key, report, |value, report| {
        read::text(value, key, report).map(Glob::new)
    })
}

/// Numbers from `least` on, and ranges such as `"2..4"`, which end with their last number.
pub(super) fn numbers(table: Table<'_>, key: &str, least: u64, report: &mut Report) -> Numbers {
    each(table, key, report, |value, report| {
        match value.get_ref().as_str() {
            Some(text) => range(value, key, text, least, report),
            None => {
                let most = u64::from(u32::MAX);
                read::number(value, key, least..=most, report).map(|number| number..=number)
            }
        }
    })
}

fn range(
    value: &Value<'_>,
    key: &str,
    text: &str,
    least: u64,
    report: &mut Report,
) -> Option<RangeInclusive<u64>> {
    let end = |text: &str, open: u64| match text.trim() {
        "" => Some(open),
        digits => digits.parse().ok(),
    };
    let ends = text.split_once("..").and_then(|(first, last)| {
        let ends = (end(first, least)?, end(last, u64::MAX)?);
        (text.trim() != "..").then_some(ends)
    });
    let Some((first, last)) = ends else {
        report
            .wrong(value.span(), format!("`{text}` is no range of numbers"))
            .help(format!(
                "write {key} = 2, \"2..4\" (2, 3 and 4), \"2..\" or \"..4\""
            ));
        return None;
    };
    if first > last || last < least {
        report
            .wrong(value.span(), format!("no number is in `{text}`"))
            .label(format!("from {least} on, the smaller one first"));
        return None;
    }
    Some(first..=last)
}

/// A text, or `{ equals = … }`, `{ contains = … }`, `{ regex = … }`.
pub(super) fn tests(table: Table<'_>, key: &str, report: &mut Report) -> Vec<TextTest> {
    each(table, key, report, |value, report| {
        if value.get_ref().as_table().is_none() {
            return plain(value, key, report).map(TextTest::Equals);
        }
        let table = Table::of("a comparison", value, report)?;
        table.refuse_other_keys(&COMPARISONS, report);
        test(table, report)
    })
}

/// The ways a text is compared.
pub(super) const COMPARISONS: [&str; 3] = ["equals", "contains", "regex"];

/// The one comparison of a table.
pub(super) fn test(table: Table<'_>, report: &mut Report) -> Option<TextTest> {
    let given: Vec<&str> = COMPARISONS
        .into_iter()
        .filter(|key| table.value(key).is_some())
        .collect();
    let [key] = given[..] else {
        let slip = COMPARISONS.iter().any(|key| table.means(key, &COMPARISONS));
        if given.is_empty() && slip {
            return None;
        }
        report
            .wrong(table.span(), "one comparison is needed")
            .label(match given.len() {
                0 => "there is none",
                _ => "there are several",
            })
            .help("equals = \"…\", contains = \"…\" or regex = \"…\"");
        return None;
    };
    let value = table.value(key)?;
    let text = plain(value, key, report)?;
    if text.is_empty() && key != "equals" {
        report
            .wrong(value.span(), format!("`{key}` is empty"))
            .label("every text has that");
        return None;
    }
    match key {
        "equals" => Some(TextTest::Equals(text)),
        "contains" => Some(TextTest::Contains(text)),
        _ => regex(value, &text, report),
    }
}

/// A text; numbers, `true` and `false` are what they look like.
pub(super) fn plain(value: &Value<'_>, key: &str, report: &mut Report) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        _ => {
            read::not_a(value, key, "a text in quotes", report);
            None
        }
    }
}

fn regex(value: &Value<'_>, text: &str, report: &mut Report) -> Option<TextTest> {
    if text.len() > LONGEST_REGEX {
        let title = format!("the expression is longer than {LONGEST_REGEX} bytes");
        report.wrong(value.span(), title);
        return None;
    }
    let built = RegexBuilder::new(text)
        .size_limit(REGEX_BYTES)
        .dfa_size_limit(REGEX_BYTES)
        .build();
    match built {
        Ok(regex) => Some(TextTest::Regex(regex)),
        Err(error) => {
            let why = error.to_string();
            let last = why.lines().last().unwrap_or_default();
            report
                .wrong(value.span(), "this is no regular expression")
                .label(last.trim_start_matches("error: "))
                .help(
                    "write it in single quotes, so that backslashes are the expression's: '\\d+'",
                );
            None
        }
    }
}

/// Longest regular expression, in bytes.
const LONGEST_REGEX: usize = 4096;
/// Most memory one compiled expression takes, in bytes; finding takes time linear in the text.
const REGEX_BYTES: usize = 1 << 20;
