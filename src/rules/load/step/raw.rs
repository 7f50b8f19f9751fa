//! The verbs that change the bytes of the body.

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine};
use bytes::Bytes;
use regex::Regex;

use super::{PASSING, StepReader, template};
use crate::rules::Step;
use crate::rules::load::read::{self, Report, Table, Value};
use crate::rules::step::{Form, Length, Pattern, RawStep};
use crate::rules::template::Template;

pub(super) const VERBS: &[StepReader] = &[
    StepReader {
        name: "set-body",
        stages: PASSING,
        options: &[],
        read: |value, _, report| set_body(value, report).map(Step::Raw),
    },
    StepReader {
        name: "replace-text",
        stages: PASSING,
        options: &["with"],
        read: |value, step, report| replace_text(value, step, report).map(Step::Raw),
    },
    StepReader {
        name: "flip",
        stages: PASSING,
        options: &[],
        read: |value, _, report| flip(value, report).map(Step::Raw),
    },
    StepReader {
        name: "truncate",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            let length = length(value, report)?;
            Some(Step::Raw(RawStep::Truncate(length)))
        },
    },
];

/// What a body may be given as.
enum Source {
    Text(Template),
    Bytes(Bytes),
}

/// `"text"`, or a table with one of `text`, `file` and `base64`.
fn set_body(value: &Value<'_>, report: &mut Report) -> Option<RawStep> {
    let Some(map) = value.get_ref().as_table() else {
        let text = template(value, "set-body", report)?;
        return Some(RawStep::SetText(text, Form::AsIs));
    };
    let table = Table::new("a body", map, value.span());
    table.refuse_other_keys(&BODY_KEYS, report);
    let form = match table.value("as") {
        Some(form) => read::one_of(form, "as", &FORMS, report)?,
        None => Form::AsIs,
    };
    let mut given = ["text", "file", "base64"]
        .into_iter()
        .filter_map(|key| Some((key, table.value(key)?)));
    let Some((key, content)) = given.next() else {
        report
            .wrong(value.span(), "this body has no content")
            .help("set-body = { file = \"body.xml\" }, or `text`, or `base64`");
        return None;
    };
    if let Some((second, _)) = given.next() {
        report
            .wrong(table.key_span(second), "this body has two contents")
            .also(table.key_span(key), "the first")
            .help("leave one of them out");
        return None;
    }
    let source = match key {
        "text" => Source::Text(template(content, key, report)?),
        "file" => Source::Bytes(file(content, report)?),
        _ => Source::Bytes(base64(content, report)?),
    };
    Some(match source {
        Source::Text(text) => RawStep::SetText(text, form),
        Source::Bytes(bytes) => RawStep::SetBytes(bytes, form),
    })
}

/// The keys of a body that is a table.
pub(super) const BODY_KEYS: [&str; 4] = ["text", "file", "base64", "as"];

/// The keys of `flip`.
pub(super) const FLIP_KEYS: [&str; 3] = ["at", "length", "mask"];

pub(super) const FORMS: [(&str, Form); 2] = [("is", Form::AsIs), ("message", Form::Message)];

fn file(value: &Value<'_>, report: &mut Report) -> Option<Bytes> {
    let name = read::text(value, "file", report)?;
    match report.file_beside(name) {
        Ok(bytes) => Some(bytes),
        Err(why) => {
            report
                .wrong(value.span(), format!("`{name}` cannot be read: {why}"))
                .help("a file is looked for from the folder of the rule file");
            None
        }
    }
}

fn base64(value: &Value<'_>, report: &mut Report) -> Option<Bytes> {
    let text = read::text(value, "base64", report)?;
    let packed: String = text.split_ascii_whitespace().collect();
    match STANDARD.decode(packed) {
        Ok(bytes) => Some(bytes.into()),
        Err(error) => {
            report.wrong(
                value.span(),
                format!("this is not base64: {}", no_base64(&error)),
            );
            None
        }
    }
}

fn no_base64(error: &DecodeError) -> String {
    match error {
        DecodeError::InvalidByte(at, byte) => {
            let character = char::from(*byte).escape_default();
            format!("`{character}` stands at place {} of it", at + 1)
        }
        DecodeError::InvalidLength(length) => {
            format!("it has {length} characters, which is no whole number of bytes")
        }
        DecodeError::InvalidLastSymbol { .. } => "its last character has too many bits".into(),
        DecodeError::InvalidPadding => {
            "the `=` at its end are too few, too many or misplaced".into()
        }
    }
}

fn replace_text(value: &Value<'_>, step: Table<'_>, report: &mut Report) -> Option<RawStep> {
    let pattern = pattern(value, report);
    let Some(with) = step.value("with") else {
        report
            .wrong(
                step.key_span("replace-text"),
                "`replace-text` does not say with what",
            )
            .help("add with = \"…\"; $1 stands for the first group, with = \"\" removes");
        return None;
    };
    let with = template(with, "with", report)?;
    let pattern = pattern?;
    Some(RawStep::ReplaceText { pattern, with })
}

fn pattern(value: &Value<'_>, report: &mut Report) -> Option<Pattern> {
    let text = read::text(value, "replace-text", report)?;
    match Regex::new(text) {
        Ok(regex) => Some(Pattern(regex)),
        Err(error) => {
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default();
            let why = why.trim_start_matches("error: ").to_owned();
            report
                .wrong(value.span(), "`replace-text` is no regular expression")
                .label(why)
                .help("signs that mean themselves have a backslash in front, as in '\\./Vendor'");
            None
        }
    }
}

/// `{ at = 120, length = 1, mask = 0xff }`.
fn flip(value: &Value<'_>, report: &mut Report) -> Option<RawStep> {
    let Some(map) = value.get_ref().as_table() else {
        read::not_a(value, "flip", "a table such as { at = 120 }", report);
        return None;
    };
    let table = Table::new("`flip`", map, value.span());
    table.refuse_other_keys(&FLIP_KEYS, report);
    let Some(at) = table.value("at") else {
        report
            .wrong(value.span(), "`flip` does not say which byte")
            .help("add at = 120; at = -1 is the last one");
        return None;
    };
    let Some(at) = read::integer(at) else {
        read::not_a(at, "at", "a whole number", report);
        return None;
    };
    let mut number = |key, most, otherwise| match table.value(key) {
        Some(value) => read::number(value, key, 1..=most, report),
        None => Some(otherwise),
    };
    let (length, mask) = (
        number("length", u64::from(u32::MAX), 1),
        number("mask", 0xff, 0xff),
    );
    Some(RawStep::Flip {
        at,
        length: u32::try_from(length?).ok()?,
        mask: u8::try_from(mask?).ok()?,
    })
}

/// `100`, `-1` or `"50%"`.
fn length(value: &Value<'_>, report: &mut Report) -> Option<Length> {
    if let Some(bytes) = read::integer(value) {
        return Some(Length::Bytes(bytes));
    }
    let percent = value.get_ref().as_str().and_then(|text| {
        let number: u8 = text.strip_suffix('%')?.trim().parse().ok()?;
        (number < 100).then_some(number)
    });
    if percent.is_none() {
        report
            .wrong(value.span(), "`truncate` says how much of the body stays")
            .help("write truncate = 100 for its first 100 bytes, -1 for all but the last one, or \"50%\"");
    }
    percent.map(Length::Percent)
}
