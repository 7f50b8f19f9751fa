//! Steps that say how a message leaves.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::flow::{DeliveryStep, EffectDetail, EffectKind, Noise, Pace, StatedLength};
use crate::rules::chance::Rng;
use crate::rules::step::{Answer, ResetPeer, Slicer, Timeout, WireFault};
use crate::rules::{Facts, Rule, Verdict};

pub(in crate::rules) fn leave(
    step: &WireFault,
    rule: &Rule,
    seed: u64,
    facts: &Facts<'_>,
    verdict: &mut Verdict,
) -> EffectDetail {
    let mut change = EffectDetail::of_message(kind(step), step.name(), "", "");
    if let WireFault::Answer(Answer(answer)) = step {
        change.before = facts
            .response
            .map_or_else(String::new, |head| head.status.to_string());
        change.after = answer.status.to_string();
        verdict.answer = Some(answer.clone());
        return change;
    }
    if verdict.delivery.is_ended() {
        let why = "a rule before this one ends the connection";
        return EffectDetail::not_applied("", format!("{}: {why}", step.name()));
    }
    let mut draw = Rng::new(seed, &rule.name, facts);
    let ops = ops(step, &mut draw);
    change.after = describe(step, &ops);
    verdict.delivery.ops.extend(ops);
    change
}

fn ops(step: &WireFault, draw: &mut Rng) -> Vec<DeliveryStep> {
    match step {
        WireFault::Answer(_) => Vec::new(),
        WireFault::Delay(time) => vec![DeliveryStep::Wait(time.0)],
        WireFault::Latency { time, jitter } => {
            let jitter = jitter.map_or(Duration::ZERO, |jitter| jitter.0);
            vec![DeliveryStep::Wait(jittered(time.0, jitter, draw))]
        }
        WireFault::Bandwidth(rate) => vec![DeliveryStep::Pace(Pace::Rate(rate.0))],
        WireFault::Slicer(Slicer { size, delay }) => NonZeroU64::new(size.0)
            .map(|size| {
                DeliveryStep::Pace(Pace::Slices {
                    size,
                    pause: delay.0,
                })
            })
            .into_iter()
            .collect(),
        WireFault::SlowClose(time) => vec![
            DeliveryStep::WHOLE,
            DeliveryStep::Wait(time.0),
            DeliveryStep::Close,
        ],
        WireFault::Timeout(time) => vec![DeliveryStep::Wait(time.0.0), DeliveryStep::Close],
        WireFault::LimitData(bytes) => vec![DeliveryStep::Send(bytes.0), DeliveryStep::Close],
        WireFault::Reset | WireFault::ResetPeer(ResetPeer::Now) => vec![DeliveryStep::Reset],
        WireFault::ResetPeer(ResetPeer::After(bytes)) => {
            vec![DeliveryStep::Send(*bytes), DeliveryStep::Reset]
        }
        WireFault::EmptyResponse => vec![DeliveryStep::Close],
        WireFault::MalformedChunk => vec![
            DeliveryStep::Announce(StatedLength::Chunks),
            DeliveryStep::Send(0),
            noise(draw),
            DeliveryStep::Close,
        ],
        WireFault::RandomDataThenClose => vec![noise(draw), DeliveryStep::Close],
        WireFault::ContentLength(announced) => vec![
            DeliveryStep::Announce(announced.0),
            DeliveryStep::WHOLE,
            DeliveryStep::Close,
        ],
    }
}

/// A wait that is longer or shorter by at most `jitter`.
fn jittered(time: Duration, jitter: Duration, draw: &mut Rng) -> Duration {
    let spread = jitter.mul_f64(2.0 * draw.unit());
    (time + spread).saturating_sub(jitter)
}

fn noise(draw: &mut Rng) -> DeliveryStep {
    DeliveryStep::Noise(Noise {
        seed: draw.next(),
        bytes: NOISE,
    })
}

fn kind(step: &WireFault) -> EffectKind {
    match step {
        WireFault::Answer(_) => EffectKind::Answered,
        WireFault::Delay(_) | WireFault::Latency { .. } => EffectKind::Delayed,
        WireFault::Bandwidth(_) | WireFault::Slicer(_) => EffectKind::Slowed,
        WireFault::SlowClose(_) | WireFault::Timeout(_) => EffectKind::ClosedAfter,
        WireFault::Reset | WireFault::ResetPeer(_) => EffectKind::Reset,
        WireFault::ContentLength(_) => EffectKind::WrongLength,
        WireFault::LimitData(_)
        | WireFault::EmptyResponse
        | WireFault::MalformedChunk
        | WireFault::RandomDataThenClose => EffectKind::Closed,
    }
}

fn describe(step: &WireFault, ops: &[DeliveryStep]) -> String {
    match (step, ops) {
        (_, [DeliveryStep::Wait(time)]) => format!("{time:?}"),
        (WireFault::Bandwidth(rate), _) => format!("{} bytes a second", rate.0),
        (WireFault::Slicer(Slicer { size, delay }), _) => {
            format!("{} bytes every {:?}", size.0, delay.0)
        }
        (WireFault::SlowClose(time) | WireFault::Timeout(Timeout(time)), _) => {
            format!("{:?}", time.0)
        }
        (WireFault::LimitData(bytes), _) => format!("after {} bytes", bytes.0),
        (WireFault::ResetPeer(ResetPeer::After(bytes)), _) => format!("after {bytes} bytes"),
        (WireFault::ContentLength(announced), _) => match announced.0 {
            StatedLength::Exactly(length) => length.to_string(),
            StatedLength::More(bytes) => format!("{bytes} too many"),
            StatedLength::Fewer(bytes) => format!("{bytes} too few"),
            StatedLength::Chunks => String::new(),
        },
        (WireFault::EmptyResponse, _) => "without an answer".into(),
        (WireFault::MalformedChunk, _) => "after a malformed chunk".into(),
        (WireFault::RandomDataThenClose, _) => format!("after {NOISE} random bytes"),
        _ => String::new(),
    }
}

const NOISE: u16 = 512;
