//! The verbs that say how a message leaves.

use std::time::Duration;

use toml::de::DeValue;

use super::{PASSING, StepReader, answer, switch};
use crate::flow::StatedLength;
use crate::rules::load::amount;
use crate::rules::load::read::{Report, Table, Value};
use crate::rules::step::WireFault;
use crate::rules::{Stage, Step};

pub(super) const VERBS: &[StepReader] = &[
    verb("answer", PASSING, answer::OPTIONS, answer::answer),
    verb("delay", PASSING, &[], |value, _, report| {
        leave(amount::time(value, "delay", report).map(WireFault::Delay))
    }),
    verb("latency", PASSING, &["jitter"], latency),
    verb("bandwidth", PASSING, &[], |value, _, report| {
        leave(amount::rate(value, "bandwidth", report).map(WireFault::Bandwidth))
    }),
    verb("slicer", PASSING, &[], slicer),
    verb("slow-close", RESPONSE, &[], |value, _, report| {
        leave(amount::time(value, "slow-close", report).map(WireFault::SlowClose))
    }),
    verb("timeout", PASSING, &[], timeout),
    verb("limit-data", PASSING, &[], |value, _, report| {
        leave(amount::bytes(value, "limit-data", report).map(WireFault::LimitData))
    }),
    verb("reset", PASSING, &[], |value, _, report| {
        leave(switch(value, "reset", report).then_some(WireFault::Reset))
    }),
    verb("reset-peer", PASSING, &[], reset_peer),
    verb("empty-response", PASSING, &[], |value, _, report| {
        leave(switch(value, "empty-response", report).then_some(WireFault::EmptyResponse))
    }),
    verb("malformed-chunk", RESPONSE, &[], |value, _, report| {
        leave(switch(value, "malformed-chunk", report).then_some(WireFault::MalformedChunk))
    }),
    verb(
        "random-data-then-close",
        PASSING,
        &[],
        |value, _, report| {
            leave(switch(value, "random-data-then-close", report).then_some(WireFault::RandomData))
        },
    ),
    verb("content-length", RESPONSE, &[], |value, _, report| {
        leave(content_length(value, report).map(WireFault::ContentLength))
    }),
];

const fn verb(
    name: &'static str,
    stages: &'static [Stage],
    options: &'static [&'static str],
    read: fn(&Value<'_>, Table<'_>, &mut Report) -> Option<Step>,
) -> StepReader {
    StepReader {
        name,
        stages,
        options,
        read,
    }
}

fn leave(step: Option<WireFault>) -> Option<Step> {
    step.map(Step::WireFault)
}

fn latency(value: &Value<'_>, step: Table<'_>, report: &mut Report) -> Option<Step> {
    let time = amount::time(value, "latency", report);
    let jitter = match step.value("jitter") {
        Some(jitter) => amount::time(jitter, "jitter", report)?,
        None => Duration::ZERO,
    };
    let time = time?;
    if jitter > time {
        let place = step.value("jitter").map_or(step.span(), Value::span);
        report
            .wrong(place, "`jitter` is longer than `latency`")
            .help("a message cannot leave before it came: write less jitter");
    }
    leave(Some(WireFault::Latency { time, jitter }))
}

/// `{ size = 100, delay = "10ms" }`
fn slicer(value: &Value<'_>, _: Table<'_>, report: &mut Report) -> Option<Step> {
    let table = Table::of("`slicer`", value, report)?;
    table.refuse_other_keys(&SLICER_KEYS, report);
    let size = table.value("size");
    let delay = table.value("delay");
    let (Some(size), Some(delay)) = (size, delay) else {
        report
            .wrong(value.span(), "`slicer` needs a size and a delay")
            .help(
                "slicer = { size = 100, delay = \"10ms\" }: pieces of 100 bytes, 10 ms between two",
            );
        return None;
    };
    let size = amount::some_bytes(size, "size", report);
    let pause = amount::pause(delay, "delay", report);
    leave(Some(WireFault::Slicer {
        size: size?,
        pause: pause?,
    }))
}

/// A time, or `true` for the longest there is.
fn timeout(value: &Value<'_>, _: Table<'_>, report: &mut Report) -> Option<Step> {
    if let DeValue::Boolean(_) = value.get_ref() {
        let on = switch(value, "timeout", report);
        return leave(on.then_some(WireFault::Timeout(amount::LONGEST)));
    }
    leave(amount::time(value, "timeout", report).map(WireFault::Timeout))
}

/// `true`, or `{ after = 1200 }`
fn reset_peer(value: &Value<'_>, _: Table<'_>, report: &mut Report) -> Option<Step> {
    let DeValue::Table(_) = value.get_ref() else {
        return leave(switch(value, "reset-peer", report).then_some(WireFault::Reset));
    };
    let table = Table::of("`reset-peer`", value, report)?;
    table.refuse_other_keys(&RESET_KEYS, report);
    let Some(after) = table.value("after") else {
        report
            .wrong(
                value.span(),
                "`reset-peer` does not say after how many bytes",
            )
            .help("reset-peer = { after = 1200 }, or reset-peer = true for at once");
        return None;
    };
    leave(amount::bytes(after, "after", report).map(WireFault::ResetAfter))
}

/// `"+10"`, `"-10"`, or the length itself.
fn content_length(value: &Value<'_>, report: &mut Report) -> Option<StatedLength> {
    let Some(text) = value.get_ref().as_str() else {
        return amount::bytes(value, "content-length", report).map(StatedLength::Exactly);
    };
    let (sign, digits) = text.split_at(text.len().min(1));
    let number = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse::<u32>().ok().map(u64::from))
        .flatten();
    match (sign, number) {
        ("+", Some(more @ 1..)) => Some(StatedLength::More(more)),
        ("-", Some(fewer @ 1..)) => Some(StatedLength::Fewer(fewer)),
        _ => {
            report
                .wrong(value.span(), format!("`content-length` cannot be `{text}`"))
                .help("write \"+10\" or \"-10\" for so many bytes more or fewer than there are, or the length itself: 1200");
            None
        }
    }
}

/// These act on the response.
const RESPONSE: &[Stage] = &[Stage::Response];

/// The keys of `slicer`.
pub(super) const SLICER_KEYS: [&str; 2] = ["size", "delay"];

/// The keys of `reset-peer`.
pub(super) const RESET_KEYS: [&str; 1] = ["after"];
