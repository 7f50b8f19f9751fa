//! `answer`: a response of one's own, with its header fields.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode as HttpStatus, header};

use crate::rules::load::code::HTTP;
use crate::rules::load::read::{self, Report, Table, Value};
use crate::rules::step::WireFault;
use crate::rules::template::{Escape, Template};
use crate::rules::{Step, SyntheticResponse};

/// The other keys of `answer`.
pub(super) const OPTIONS: &[&str] = &["body", "headers", "content-type"];

pub(super) fn answer(value: &Value<'_>, step: Table<'_>, report: &mut Report) -> Option<Step> {
    let before = report.count();
    let code = HTTP.read(value, "answer", report);
    let body = match step.value("body") {
        Some(body) => plain(body, "body", report)?,
        None => String::new(),
    };
    let mut headers = match step.table("headers", "`headers`", report).ok()? {
        Some(table) => headers(table, report),
        None => HeaderMap::new(),
    };
    if let Some(value) = step.value("content-type") {
        let media_type = plain(value, "content-type", report)?;
        match HeaderValue::from_str(&media_type) {
            Ok(media_type) => drop(headers.insert(header::CONTENT_TYPE, media_type)),
            Err(_) => no_value(value, "content-type", report),
        }
    }
    let status = HttpStatus::from_u16(code?).ok()?;
    (report.count() == before).then(|| {
        Step::WireFault(WireFault::Answer(SyntheticResponse {
            status,
            headers,
            body: body.into(),
        }))
    })
}

fn headers(table: Table<'_>, report: &mut Report) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (key, span) in table.keys() {
        let Ok(name) = HeaderName::from_bytes(key.as_bytes()) else {
            report.wrong(span, format!("`{key}` is no name of a header field"));
            continue;
        };
        if OWN.contains(&name) {
            report
                .wrong(span, format!("`{key}` is not for an answer to say"))
                .label("dmtap says itself how its messages are delimited");
            continue;
        }
        let Some(value) = table.value(key) else {
            continue;
        };
        for value in read::one_or_many(value, key, report) {
            let text = plain(value, key, report);
            match text.as_deref().map(HeaderValue::from_str) {
                Some(Ok(value)) => drop(headers.append(name.clone(), value)),
                Some(Err(_)) => no_value(value, key, report),
                None => {}
            }
        }
    }
    headers
}

/// A text in which no names are filled in; two braces that mean themselves are written as in other texts.
fn plain(value: &Value<'_>, key: &str, report: &mut Report) -> Option<String> {
    let text = read::text(value, key, report)?;
    let template = Template::parse(text).ok();
    let filled = template.and_then(|text| text.fill(Escape::Nothing, |_| Err(())).ok());
    if filled.is_none() {
        report
            .wrong(value.span(), "`answer` fills no names in braces in")
            .label("two braces are opened here")
            .help("at stage = \"response\" write set-http-status and set-body, which may have them")
            .help("two braces that mean themselves are written {{{{");
    }
    filled
}

fn no_value(value: &Value<'_>, key: &str, report: &mut Report) {
    report
        .wrong(value.span(), format!("this cannot be the value of `{key}`"))
        .label("visible characters only, on one line");
}

/// Fields that belong to the framing of a message.
const OWN: [HeaderName; 4] = [
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
];
