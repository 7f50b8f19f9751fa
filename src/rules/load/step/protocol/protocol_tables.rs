//! Verbs with keys of their own.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::dm::StatusCode;
use crate::rules::Step;
use crate::rules::load::amount;
use crate::rules::load::code::SYNCML;
use crate::rules::load::read::{self, Report, Table, Value};
use crate::rules::step::{
    AtomicFailure, Busy, Challenge, Field, MsgIdBreak, Nonce, ProtocolStep, Scheme, WhichResponse,
};

pub(super) const MSG_ID_BREAKS: [(&str, MsgIdBreak); 4] = [
    ("skip", MsgIdBreak::Skip),
    ("repeat", MsgIdBreak::Repeat),
    ("zero", MsgIdBreak::Zero),
    ("text", MsgIdBreak::Text),
];

pub(super) const SCHEMES: [(&str, Scheme); 3] = [
    ("md5", Scheme::Md5),
    ("basic", Scheme::Basic),
    ("mac", Scheme::Mac),
];

pub(super) const KEEPS: [(&str, WhichResponse); 2] = [
    ("first", WhichResponse::First),
    ("second", WhichResponse::Second),
];

/// Makes the field of a version.
type Made = fn(String) -> Field;

/// The versions that can be wrong, each with what it is then.
pub(super) const VERSIONS: [(&str, (Made, &str)); 3] = [
    ("ver-proto", (Field::VerProto, "DM/9.9")),
    ("ver-dtd", (Field::VerDtd, "9.9")),
    ("namespace", (Field::Namespace, "SYNCML:SYNCML9.9")),
];

/// What became of the children in front of the one that failed.
pub(super) const UNDONE: [u16; 2] = [216, 516];

/// The codes of a challenge.
pub(super) const CHALLENGES: [u16; 2] = [401, 407];

/// The codes of one who is busy: a Status, or of HTTP.
pub(super) const BUSY: [u16; 3] = [417, 429, 503];

pub(super) fn atomic_rollback(
    value: &Value<'_>,
    step: Table<'_>,
    report: &mut Report,
) -> Option<Step> {
    let code = SYNCML.read(value, "atomic-rollback", report)?;
    let child = match step.value("child") {
        Some(child) => Some(read::number(child, "child", 1..=10_000, report)? as usize),
        None => None,
    };
    let undone = match step.value("undone") {
        Some(undone) => among(undone, "undone", &UNDONE, report)?,
        None => 216,
    };
    Some(Step::Protocol(ProtocolStep::AtomicRollback(
        AtomicFailure {
            code: StatusCode(code),
            child,
            undone: StatusCode(undone),
        },
    )))
}

pub(super) fn challenge(value: &Value<'_>, step: Table<'_>, report: &mut Report) -> Option<Step> {
    let code = among(value, "challenge", &CHALLENGES, report);
    let scheme = match step.value("scheme") {
        Some(scheme) => read::one_of(scheme, "scheme", &SCHEMES, report),
        None => Some(Scheme::Md5),
    };
    let nonce = match step.value("nonce") {
        Some(nonce) if scheme == Some(Scheme::Basic) => {
            report
                .wrong(nonce.span(), "Basic has no nonce")
                .help("leave `nonce` out, or write scheme = \"md5\"");
            None
        }
        Some(value) => nonce(value, report),
        None => Some(Nonce::Fresh),
    };
    Some(Step::Protocol(ProtocolStep::Challenge(Challenge {
        code: StatusCode(code?),
        scheme: scheme?,
        nonce: nonce?,
    })))
}

/// `fresh`, `used`, or a nonce in base64.
fn nonce(value: &Value<'_>, report: &mut Report) -> Option<Nonce> {
    match read::text(value, "nonce", report)? {
        "fresh" => Some(Nonce::Fresh),
        "used" => Some(Nonce::Used),
        given if !given.is_empty() && STANDARD.decode(given).is_ok() => {
            Some(Nonce::Given(given.to_owned()))
        }
        other => {
            report
                .wrong(value.span(), format!("`nonce` cannot be `{other}`"))
                .help("write one of `fresh`, `used`, or the nonce in base64: nonce = \"bm9uY2U=\"");
            None
        }
    }
}

pub(super) fn busy(value: &Value<'_>, step: Table<'_>, report: &mut Report) -> Option<Step> {
    let code = among(value, "busy", &BUSY, report)?;
    let retry_after = match step.value("retry-after") {
        Some(after) if code == 417 => {
            report
                .wrong(after.span(), "Status 417 says no time")
                .help("leave `retry-after` out, or write busy = 503");
            return None;
        }
        Some(after) => Some(retry_after(after, report)?),
        None => None,
    };
    Some(Step::Protocol(ProtocolStep::Busy(Busy {
        code,
        retry_after,
    })))
}

/// What `Retry-After` may say (RFC 9110 §10.2.3): seconds, also written as a time, or a date.
fn retry_after(value: &Value<'_>, report: &mut Report) -> Option<String> {
    if read::integer(value).is_some() {
        let seconds = read::number(value, "retry-after", 0..=LONGEST_RETRY, report)?;
        return Some(seconds.to_string());
    }
    let text = value.get_ref().as_str().unwrap_or_default();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number || jiff::civil::DateTime::strptime(HTTP_DATE, text).is_ok() {
        return Some(text.to_owned());
    }
    let time = amount::time_of(text).filter(|time| time.as_secs() <= LONGEST_RETRY);
    let Some(time) = time else {
        report
            .wrong(
                value.span(),
                "`retry-after` must be seconds, a time or a date",
            )
            .help("write 30, \"30s\" or \"Sun, 06 Nov 1994 08:49:37 GMT\"");
        return None;
    };
    // A part of a second is rounded up.
    Some(time.as_secs_f64().ceil().to_string())
}

/// The date that senders write (RFC 9110 §5.6.7).
const HTTP_DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";
/// Seconds: a year.
const LONGEST_RETRY: u64 = 365 * 24 * 3600;

pub(super) fn duplicate_message(
    value: &Value<'_>,
    step: Table<'_>,
    report: &mut Report,
) -> Option<Step> {
    let keep = match step.value("keep") {
        Some(keep) => read::one_of(keep, "keep", &KEEPS, report)?,
        None => WhichResponse::default(),
    };
    super::switch(value, "duplicate-message", report)
        .then_some(Step::Protocol(ProtocolStep::DuplicateMessage(keep)))
}

pub(super) fn wrong_version(
    value: &Value<'_>,
    step: Table<'_>,
    report: &mut Report,
) -> Option<Step> {
    let (made, default) = read::one_of(value, "wrong-version", &VERSIONS, report)?;
    let to = match step.value("to") {
        Some(to) => read::text(to, "to", report)?,
        None => default,
    };
    Some(Step::Protocol(ProtocolStep::Header(made(to.to_owned()))))
}

pub(super) fn wrong_size(value: &Value<'_>, _: Table<'_>, report: &mut Report) -> Option<Step> {
    let Some(by) = read::integer(value).filter(|by| *by != 0) else {
        report
            .wrong(
                value.span(),
                "`wrong-size` says by how many bytes, and not 0",
            )
            .help("wrong-size = 1 announces one byte more than comes, -1 one less");
        return None;
    };
    Some(Step::Protocol(ProtocolStep::WrongSize(by)))
}

pub(super) fn size(value: &Value<'_>, key: &str, report: &mut Report) -> Option<u32> {
    let size = read::number(value, key, 0..=u64::from(u32::MAX), report)?;
    u32::try_from(size).ok()
}

/// One of a few codes; another one with `force`.
fn among(value: &Value<'_>, key: &str, codes: &[u16], report: &mut Report) -> Option<u16> {
    let number = read::integer(value).and_then(|number| u16::try_from(number).ok());
    let known = number.filter(|number| codes.contains(number));
    if known.is_none() {
        let all: Vec<String> = codes.iter().map(u16::to_string).collect();
        report
            .wrong(
                value.span(),
                format!("`{key}` must be one of {}", all.join(", ")),
            )
            .label("`busy` has only these codes");
    }
    known
}
