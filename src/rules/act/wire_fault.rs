//! Steps that say how a message leaves.

use std::time::Duration;

use super::not_applied;
use crate::flow::{Announced, EffectDetail, EffectKind, Noise, Op, Pace};
use crate::rules::rng::Rng;
use crate::rules::step::WireFault;
use crate::rules::{Facts, Rule, Verdict};

/// Notes how the message leaves, and tells it.
pub(in crate::rules) fn leave(
    step: &WireFault,
    rule: &Rule,
    seed: u64,
    facts: &Facts<'_>,
    verdict: &mut Verdict,
) -> EffectDetail {
    let mut change = EffectDetail {
        path: String::new(),
        kind: EffectKind::other(step.name()),
        before: String::new(),
        after: String::new(),
    };
    if let WireFault::Answer(answer) = step {
        change.before = facts
            .response
            .map_or_else(String::new, |head| head.status.to_string());
        change.after = answer.status.to_string();
        verdict.answer = Some(answer.clone());
        return change;
    }
    if verdict.delivery.is_ended() {
        let why = "a rule before this one ends the connection";
        return not_applied("", format!("{}: {why}", step.name()));
    }
    let mut draw = Rng::new(seed, &rule.name, facts);
    let ops = ops(step, &mut draw);
    change.after = describe(step, &ops);
    verdict.delivery.ops.extend(ops);
    change
}

/// The program of one step.
fn ops(step: &WireFault, draw: &mut Rng) -> Vec<Op> {
    match *step {
        WireFault::Answer(_) => Vec::new(),
        WireFault::Delay(time) => vec![Op::Wait(time)],
        WireFault::Latency { time, jitter } => vec![Op::Wait(jittered(time, jitter, draw))],
        WireFault::Bandwidth(rate) => vec![Op::Pace(Pace::Rate(rate))],
        WireFault::Slicer { size, pause } => vec![Op::Pace(Pace::Slices { size, pause })],
        WireFault::SlowClose(time) => vec![Op::WHOLE, Op::Wait(time), Op::Close],
        WireFault::Timeout(time) => vec![Op::Wait(time), Op::Close],
        WireFault::LimitData(bytes) => vec![Op::Send(bytes), Op::Close],
        WireFault::Reset => vec![Op::Reset],
        WireFault::ResetAfter(bytes) => vec![Op::Send(bytes), Op::Reset],
        WireFault::EmptyResponse => vec![Op::Close],
        WireFault::MalformedChunk => vec![
            Op::Announce(Announced::Chunks),
            Op::Send(0),
            noise(draw),
            Op::Close,
        ],
        WireFault::RandomData => vec![noise(draw), Op::Close],
        WireFault::ContentLength(announced) => vec![Op::Announce(announced), Op::WHOLE, Op::Close],
    }
}

/// A wait that is longer or shorter by at most `jitter`.
fn jittered(time: Duration, jitter: Duration, draw: &mut Rng) -> Duration {
    let spread = jitter.mul_f64(2.0 * draw.unit());
    (time + spread).saturating_sub(jitter)
}

fn noise(draw: &mut Rng) -> Op {
    Op::Noise(Noise {
        seed: draw.next(),
        bytes: NOISE,
    })
}

/// What a step does, in words.
fn describe(step: &WireFault, ops: &[Op]) -> String {
    match (step, ops) {
        (_, [Op::Wait(time)]) => format!("{time:?}"),
        (WireFault::Bandwidth(rate), _) => format!("{rate} bytes a second"),
        (WireFault::Slicer { size, pause }, _) => format!("{size} bytes every {pause:?}"),
        (WireFault::SlowClose(time) | WireFault::Timeout(time), _) => format!("{time:?}"),
        (WireFault::LimitData(bytes) | WireFault::ResetAfter(bytes), _) => {
            format!("after {bytes} bytes")
        }
        (WireFault::ContentLength(announced), _) => match announced {
            Announced::Exactly(length) => length.to_string(),
            Announced::More(bytes) => format!("{bytes} too many"),
            Announced::Fewer(bytes) => format!("{bytes} too few"),
            Announced::Chunks => String::new(),
        },
        _ => String::new(),
    }
}

/// Bytes of noise.
const NOISE: u16 = 512;
