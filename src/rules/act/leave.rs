//! Steps that say how a message leaves.

use std::time::Duration;

use super::not_applied;
use crate::flow::{Announced, Change, Noise, Op, Pace};
use crate::rules::draw::Draw;
use crate::rules::step::Leave;
use crate::rules::{Facts, Rule, Verdict};

/// Notes how the message leaves, and tells it.
pub(in crate::rules) fn leave(
    step: &Leave,
    rule: &Rule,
    seed: u64,
    facts: &Facts<'_>,
    verdict: &mut Verdict,
) -> Change {
    let mut change = Change {
        path: String::new(),
        step: step.name(),
        before: String::new(),
        after: String::new(),
    };
    if let Leave::Answer(answer) = step {
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
    let mut draw = Draw::new(seed, &rule.name, facts);
    let ops = ops(step, &mut draw);
    change.after = told(step, &ops);
    verdict.delivery.ops.extend(ops);
    change
}

/// The program of one step.
fn ops(step: &Leave, draw: &mut Draw) -> Vec<Op> {
    match *step {
        Leave::Answer(_) => Vec::new(),
        Leave::Delay(time) => vec![Op::Wait(time)],
        Leave::Latency { time, jitter } => vec![Op::Wait(jittered(time, jitter, draw))],
        Leave::Bandwidth(rate) => vec![Op::Pace(Pace::Rate(rate))],
        Leave::Slicer { size, pause } => vec![Op::Pace(Pace::Slices { size, pause })],
        Leave::SlowClose(time) => vec![Op::WHOLE, Op::Wait(time), Op::Close],
        Leave::Timeout(time) => vec![Op::Wait(time), Op::Close],
        Leave::LimitData(bytes) => vec![Op::Send(bytes), Op::Close],
        Leave::Reset => vec![Op::Reset],
        Leave::ResetAfter(bytes) => vec![Op::Send(bytes), Op::Reset],
        Leave::EmptyResponse => vec![Op::Close],
        Leave::MalformedChunk => vec![
            Op::Announce(Announced::Chunks),
            Op::Send(0),
            noise(draw),
            Op::Close,
        ],
        Leave::RandomData => vec![noise(draw), Op::Close],
        Leave::ContentLength(announced) => vec![Op::Announce(announced), Op::WHOLE, Op::Close],
    }
}

/// A wait that is longer or shorter by at most `jitter`.
fn jittered(time: Duration, jitter: Duration, draw: &mut Draw) -> Duration {
    let spread = jitter.mul_f64(2.0 * draw.unit());
    (time + spread).saturating_sub(jitter)
}

fn noise(draw: &mut Draw) -> Op {
    Op::Noise(Noise {
        seed: draw.next(),
        bytes: NOISE,
    })
}

/// What a step does, in words.
fn told(step: &Leave, ops: &[Op]) -> String {
    match (step, ops) {
        (_, [Op::Wait(time)]) => format!("{time:?}"),
        (Leave::Bandwidth(rate), _) => format!("{rate} bytes a second"),
        (Leave::Slicer { size, pause }, _) => format!("{size} bytes every {pause:?}"),
        (Leave::SlowClose(time) | Leave::Timeout(time), _) => format!("{time:?}"),
        (Leave::LimitData(bytes) | Leave::ResetAfter(bytes), _) => format!("after {bytes} bytes"),
        (Leave::ContentLength(announced), _) => match announced {
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
