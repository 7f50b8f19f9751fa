//! Times, rates and numbers of bytes in rule files.

use std::num::NonZeroU64;
use std::time::Duration;

use super::read::{self, Report, Value};

/// A time such as `250ms`, `1.5s` or `2m`, at most an hour.
pub(super) fn time(value: &Value<'_>, key: &str, report: &mut Report) -> Option<Duration> {
    time_up_to(value, key, HOUR, report)
}

/// A time, at most half a minute: a pause between pieces, of which there may be many.
pub(super) fn pause(value: &Value<'_>, key: &str, report: &mut Report) -> Option<Duration> {
    time_up_to(value, key, HALF_MINUTE, report)
}

fn time_up_to(
    value: &Value<'_>,
    key: &str,
    (longest, words, written_as): (Duration, &str, &str),
    report: &mut Report,
) -> Option<Duration> {
    let written = value.get_ref().as_str().and_then(time_of);
    let Some(time) = written else {
        report
            .wrong(value.span(), format!("`{key}` must be a time"))
            .help(format!(
                "write \"250ms\", \"1.5s\" or \"2m\"; {words} at most, which is {written_as}"
            ));
        return None;
    };
    if time > longest {
        report
            .wrong(value.span(), format!("`{key}` is longer than {words}"))
            .help(format!("write {key} = {written_as} at most"));
        return None;
    }
    Some(time)
}

/// A time such as `250ms`, `1.5s` or `2m`.
pub(super) fn time_of(text: &str) -> Option<Duration> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0)];
    let (number, unit) = number_and_unit(text);
    let (_, unit) = units.iter().find(|(name, _)| *name == unit)?;
    Duration::try_from_secs_f64(plain(number)? * unit).ok()
}

/// A rate such as `500 B/s`, `10 KB/s` or `1.5 MB/s`, in bytes a second; K and M are 1,000 and 1,000,000.
pub(super) fn rate(value: &Value<'_>, key: &str, report: &mut Report) -> Option<NonZeroU64> {
    let units = [("B/s", 1.0), ("KB/s", 1e3), ("MB/s", 1e6)];
    let written = value.get_ref().as_str().and_then(|text| {
        let (number, unit) = number_and_unit(text);
        let (_, unit) = units
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
        // A float becomes the nearest number that fits.
        NonZeroU64::new((plain(number)? * unit) as u64)
    });
    if written.is_none() {
        report
            .wrong(value.span(), format!("`{key}` must be a rate"))
            .help("write \"500 B/s\", \"10 KB/s\" or \"1.5 MB/s\": bytes a second, 1 at least");
    }
    written
}

/// A number of bytes.
pub(super) fn bytes(value: &Value<'_>, key: &str, report: &mut Report) -> Option<u64> {
    read::number(value, key, 0..=MOST_BYTES, report)
}

/// A number of bytes, 1 at least.
pub(super) fn some_bytes(value: &Value<'_>, key: &str, report: &mut Report) -> Option<NonZeroU64> {
    NonZeroU64::new(read::number(value, key, 1..=MOST_BYTES, report)?)
}

fn number_and_unit(text: &str) -> (&str, &str) {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(unit_at.unwrap_or(text.len()));
    (number, unit.trim_start())
}

fn plain(number: &str) -> Option<f64> {
    number.parse().ok()
}

/// Longest wait.
pub(super) const LONGEST: Duration = Duration::from_secs(3600);
const HOUR: (Duration, &str, &str) = (LONGEST, "an hour", "\"60m\"");
/// Longest pause.
const HALF_MINUTE: (Duration, &str, &str) = (Duration::from_secs(30), "half a minute", "\"30s\"");
/// Larger than any body.
const MOST_BYTES: u64 = 1 << 40;
