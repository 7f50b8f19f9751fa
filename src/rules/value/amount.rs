//! Times, rates and numbers of bytes.

use std::num::NonZeroU64;
use std::time::Duration;

use super::{Scalar, Within, any_form, wrong};
use crate::rules::mistake::{KEY, Mistake};

/// A time such as `250ms`, `1.5s` or `2m`, at most one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Duration);

/// A time of at most half a minute, for the pause between pieces, because there may be many pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause(pub Duration);

/// A rate such as `500 B/s`, `10 KB/s` or `1.5 MB/s`, in bytes per second; K and M are 1,000 and 1,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(pub NonZeroU64);

/// The value of `Retry-After` (RFC 9110 §10.2.3): seconds, which may be written as a time, or a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryAfter(pub String);

/// A number of bytes; the maximum is larger than any body.
pub type ByteCount = Within<0, { 1 << 40 }>;

impl Time {
    pub(in crate::rules) fn parse(text: &str) -> Result<Self, Mistake> {
        time_up_to(text, Self::LONGEST.0, "an hour", "\"60m\"").map(Self)
    }

    /// The longest time.
    pub const LONGEST: Self = Self(Duration::from_secs(3600));
}

any_form!(
    Time,
    |value| Time::parse(&text_of(value)),
    {
        "description": "A time such as `\"250ms\"`, `\"1.5s\"` or `\"2m\"`, one hour at most.",
        "type": "string",
        "pattern": "^([0-9]+\\.?[0-9]*|\\.[0-9]+)\\s*(ms|s|m)$"
    }
);

any_form!(
    Pause,
    |value| time_up_to(&text_of(value), Duration::from_secs(30), "half a minute", "\"30s\"").map(Self),
    {"type": "string", "pattern": "^([0-9]+\\.?[0-9]*|\\.[0-9]+)\\s*(ms|s|m)$"}
);

any_form!(
    Rate,
    |value| rate(&text_of(value)).map(Self).ok_or_else(|| {
        wrong(format!("`{KEY}` must be a rate"))
            .help("write \"500 B/s\", \"10 KB/s\" or \"1.5 MB/s\": bytes a second, 1 at least")
    }),
    {
        "description": "Bytes per second: `\"500 B/s\"`, `\"10 KB/s\"` (10,000) or `\"1.5 MB/s\"`.",
        "type": "string",
        "pattern": "^([0-9]+\\.?[0-9]*|\\.[0-9]+)\\s*[KkMm]?[Bb]/[Ss]$"
    }
);

any_form!(RetryAfter, RetryAfter::new, {"type": ["string", "integer"]});

impl RetryAfter {
    fn new(value: Scalar) -> Result<Self, Mistake> {
        let text = match value {
            Scalar::Number { value: seconds, .. } if (0..=LONGEST_RETRY).contains(&seconds) => {
                return Ok(Self(seconds.to_string()));
            }
            Scalar::Number { value: seconds, .. } => {
                return Err(wrong(format!("`{KEY}` cannot be {seconds}"))
                    .label(format!("from 0 to {LONGEST_RETRY}")));
            }
            Scalar::Text(text) => text,
            _ => String::new(),
        };
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number || jiff::civil::DateTime::strptime(HTTP_DATE, &text).is_ok() {
            return Ok(Self(text));
        }
        let time = time_of(&text).filter(|time| time.as_secs() <= LONGEST_RETRY as u64);
        // A part of a second is rounded up.
        let seconds = time.map(|time| Self(time.as_secs_f64().ceil().to_string()));
        seconds.ok_or_else(|| {
            wrong(format!("`{KEY}` must be seconds, a time or a date"))
                .help("write 30, \"30s\" or \"Sun, 06 Nov 1994 08:49:37 GMT\"")
        })
    }
}

/// Returns the text of a value. Other values give an empty text, which is not a valid amount.
fn text_of(value: Scalar) -> String {
    match value {
        Scalar::Text(text) => text,
        _ => String::new(),
    }
}

fn time_up_to(text: &str, longest: Duration, words: &str, most: &str) -> Result<Duration, Mistake> {
    let Some(time) = time_of(text) else {
        return Err(wrong(format!("`{KEY}` must be a time")).help(format!(
            "write \"250ms\", \"1.5s\" or \"2m\"; {words} at most, which is {most}"
        )));
    };
    match time <= longest {
        true => Ok(time),
        false => Err(wrong(format!("`{KEY}` is longer than {words}"))
            .help(format!("write {KEY} = {most} at most"))),
    }
}

/// Parses a time such as `250ms`, `1.5s` or `2m`.
fn time_of(text: &str) -> Option<Duration> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0)];
    let (number, unit) = number_and_unit(text);
    let (_, unit) = units.iter().find(|(name, _)| *name == unit)?;
    Duration::try_from_secs_f64(number? * unit).ok()
}

fn rate(text: &str) -> Option<NonZeroU64> {
    let units = [("B/s", 1.0), ("KB/s", 1e3), ("MB/s", 1e6)];
    let (number, unit) = number_and_unit(text);
    let (_, unit) = units
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    // The cast rounds down, and saturates at the largest number.
    NonZeroU64::new((number? * unit) as u64)
}

fn number_and_unit(text: &str) -> (Option<f64>, &str) {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(unit_at.unwrap_or(text.len()));
    (number.parse().ok(), unit.trim_start())
}

/// The date format that senders use, IMF-fixdate (RFC 9110 §5.6.7).
const HTTP_DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";
/// One year, in seconds.
const LONGEST_RETRY: i64 = 365 * 24 * 3600;
