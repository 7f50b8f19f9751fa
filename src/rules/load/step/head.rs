//! The verbs that change the head.

use http::StatusCode as HttpStatus;
use http::header::{self, HeaderName, HeaderValue};

use super::{PASSING, StepReader, template};
use crate::rules::load::code::HTTP;
use crate::rules::load::read::{self, Report, Table, Value};
use crate::rules::step::HeadStep;
use crate::rules::step::head::{FRAMING, ONE_HOP};
use crate::rules::template::{Escape, Template};
use crate::rules::{Stage, Step};

pub(super) const VERBS: &[StepReader] = &[
    StepReader {
        name: "set-header",
        stages: PASSING,
        options: &["value"],
        read: |value, step, report| {
            let (name, value) = field(value, step, "set-header", report)?;
            Some(Step::Head(HeadStep::Set(name, value)))
        },
    },
    StepReader {
        name: "add-header",
        stages: PASSING,
        options: &["value"],
        read: |value, step, report| {
            let (name, text) = field(value, step, "add-header", report)?;
            if name == header::HOST {
                host(value, "add-header", report);
                return None;
            }
            Some(Step::Head(HeadStep::Add(name, text)))
        },
    },
    StepReader {
        name: "remove-header",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            let name = name(value, "remove-header", report)?;
            if name == header::HOST {
                host(value, "remove-header", report);
                return None;
            }
            Some(Step::Head(HeadStep::Remove(name)))
        },
    },
    StepReader {
        name: "set-http-status",
        stages: &[Stage::Response],
        options: &[],
        read: |value, _, report| {
            let code = HTTP.read(value, "set-http-status", report)?;
            let status = HttpStatus::from_u16(code).ok()?;
            Some(Step::Head(HeadStep::Status(status)))
        },
    },
];

/// The name of a field and its `value`.
fn field(
    value: &Value<'_>,
    step: Table<'_>,
    verb: &str,
    report: &mut Report,
) -> Option<(HeaderName, Template)> {
    let name = name(value, verb, report);
    let Some(text) = step.value("value") else {
        report
            .wrong(step.key_span(verb), format!("`{verb}` has no value"))
            .help(format!("write {verb} = \"Retry-After\", value = \"120\""));
        return None;
    };
    let template = template(text, "value", report)?;
    let filled = template.fill(Escape::Nothing, |_| Ok::<_, ()>(String::new()));
    if HeaderValue::from_str(&filled.unwrap_or_default()).is_err() {
        report
            .wrong(text.span(), "a header field cannot hold this value")
            .help("write one line of visible characters");
        return None;
    }
    name.zip(Some(template))
}

/// The name of a field that a rule may change.
fn name(value: &Value<'_>, verb: &str, report: &mut Report) -> Option<HeaderName> {
    let written = read::text(value, verb, report)?;
    let Ok(name) = HeaderName::try_from(written) else {
        report
            .wrong(
                value.span(),
                format!("`{written}` is no name of a header field"),
            )
            .help(format!("write {verb} = \"Retry-After\""));
        return None;
    };
    if FRAMING.contains(&name) {
        report
            .wrong(
                value.span(),
                format!("`{written}` says where the body ends: dmtap writes it to fit"),
            )
            .help("send a wrong length with the step `content-length`, less of the body with `truncate`");
        return None;
    }
    if ONE_HOP.contains(&name) {
        report
            .wrong(
                value.span(),
                format!("`{written}` is about one connection: dmtap does not pass it on"),
            )
            .help("connections are ended and held up by steps of their own, such as `reset`");
        return None;
    }
    Some(name)
}

fn host(value: &Value<'_>, verb: &str, report: &mut Report) {
    report
        .wrong(value.span(), format!("`{verb}` does not go with `Host`"))
        .label("a request has one Host, no more and no less")
        .help("write set-header = \"Host\" to send another");
}
