//! The verbs that say how a message leaves.

use std::time::Duration;

use super::{PASSING, Verb, answer, switch};
use crate::rules::Step;
use crate::rules::load::read::{Report, Value};
use crate::rules::step::Leave;

pub(super) const VERBS: &[Verb] = &[
    Verb {
        name: "answer",
        stages: PASSING,
        options: answer::OPTIONS,
        read: answer::answer,
    },
    Verb {
        name: "delay",
        stages: PASSING,
        options: &[],
        read: |value, _, report| delay(value, report).map(Leave::Delay).map(Step::Leave),
    },
    Verb {
        name: "reset",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            switch(value, "reset", report).then_some(Step::Leave(Leave::Reset))
        },
    },
];

/// A time such as `250ms`, `1.5s` or `2m`, at most an hour.
fn delay(value: &Value<'_>, report: &mut Report) -> Option<Duration> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0)];
    let written = value.get_ref().as_str().and_then(|text| {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let (_, unit) = units
            .iter()
            .find(|(name, _)| *name == &text[digits.len()..])?;
        let plain = digits.chars().all(|c| c.is_ascii_digit() || c == '.');
        let number: f64 = plain.then(|| digits.parse().ok())??;
        Duration::try_from_secs_f64(number * unit).ok()
    });
    let Some(time) = written else {
        report
            .wrong(value.span(), "`delay` must be a time")
            .help("write \"250ms\", \"1.5s\" or \"2m\"");
        return None;
    };
    if time > LONGEST {
        report.wrong(value.span(), "`delay` is longer than an hour");
        return None;
    }
    Some(time)
}

/// Longest delay.
const LONGEST: Duration = Duration::from_secs(3600);
