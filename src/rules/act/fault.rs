//! Steps that control how a message is sent.

mod soap;

use std::num::NonZeroU64;
use std::time::Duration;

use crate::flow::{DeliveryStep, EffectDetail, EffectKind, Noise, Pace, StatedLength};
use crate::markup::Document;
use crate::rules::chance::Rng;
use crate::rules::step::{Answer, FaultStep, ResetPeer, Slicer};
use crate::rules::value::Time;
use crate::rules::{Rule, RuleInput, Verdict};

pub(in crate::rules) fn fault(
    step: &FaultStep,
    rule: &Rule,
    seed: u64,
    input: &RuleInput<'_>,
    document: Option<&Document>,
    verdict: &mut Verdict,
) -> EffectDetail {
    if let FaultStep::SoapFault(fault) = step {
        return soap::answer(step, fault, input, document, verdict);
    }
    if let FaultStep::Answer(Answer(answer)) = step {
        let received = input.response.map(|head| head.status.to_string());
        verdict.answer = Some(answer.clone());
        let (before, after) = (received.unwrap_or_default(), answer.status.to_string());
        return EffectDetail::of_message(EffectKind::Answered, step.name(), before, after);
    }
    if verdict.delivery.is_ended() {
        let why = "a rule before this one ends the connection";
        return EffectDetail::declined(step.name(), why);
    }
    let mut draw = Rng::new(seed, &rule.name, input);
    let (kind, what, ops) = delivery(step, &mut draw);
    verdict.delivery.ops.extend(ops);
    EffectDetail::of_message(kind, step.name(), "", what)
}

/// Returns the kind of a fault's effect, its description, and the delivery steps.
fn delivery(step: &FaultStep, draw: &mut Rng) -> (EffectKind, String, Vec<DeliveryStep>) {
    use DeliveryStep::{Announce, Close, Reset, Send, Wait};
    use EffectKind as Kind;
    match step {
        FaultStep::Answer(_) | FaultStep::SoapFault(_) => {
            (Kind::Answered, String::new(), Vec::new())
        }
        FaultStep::Delay(Time(time)) => (Kind::Delayed, format!("{time:?}"), vec![Wait(*time)]),
        FaultStep::Latency { time, jitter } => {
            let jitter = jitter.map_or(Duration::ZERO, |jitter| jitter.0);
            let time = jittered(time.0, jitter, draw);
            (Kind::Delayed, format!("{time:?}"), vec![Wait(time)])
        }
        FaultStep::Bandwidth(rate) => {
            let pace = DeliveryStep::Pace(Pace::Rate(rate.0));
            let what = format!("{} bytes a second", rate.0);
            (Kind::Slowed, what, vec![pace])
        }
        FaultStep::Slicer(Slicer { size, delay }) => {
            let what = format!("{} bytes every {:?}", size.0, delay.0);
            let size = NonZeroU64::new(size.0).unwrap_or(NonZeroU64::MIN);
            let pause = delay.0;
            let pace = DeliveryStep::Pace(Pace::Slices { size, pause });
            (Kind::Slowed, what, vec![pace])
        }
        FaultStep::SlowClose(Time(time)) => {
            let ops = vec![DeliveryStep::WHOLE, Wait(*time), Close];
            (Kind::ClosedAfter, format!("{time:?}"), ops)
        }
        FaultStep::Timeout(time) => {
            let time = time.0.0;
            let ops = vec![Wait(time), Close];
            (Kind::ClosedAfter, format!("{time:?}"), ops)
        }
        FaultStep::LimitData(bytes) => {
            let ops = vec![Send(bytes.0), Close];
            (Kind::Closed, format!("after {} bytes", bytes.0), ops)
        }
        FaultStep::Reset | FaultStep::ResetPeer(ResetPeer::Now) => {
            (Kind::Reset, String::new(), vec![Reset])
        }
        FaultStep::ResetPeer(ResetPeer::After(bytes)) => {
            let ops = vec![Send(*bytes), Reset];
            (Kind::Reset, format!("after {bytes} bytes"), ops)
        }
        FaultStep::EmptyResponse => (Kind::Closed, "without an answer".into(), vec![Close]),
        FaultStep::MalformedChunk => {
            let announced = Announce(StatedLength::Chunks);
            let ops = vec![announced, Send(0), noise(draw), Close];
            (Kind::Closed, "after a malformed chunk".into(), ops)
        }
        FaultStep::RandomDataThenClose => {
            let what = format!("after {DEFAULT_NOISE_BYTES} random bytes");
            (Kind::Closed, what, vec![noise(draw), Close])
        }
        FaultStep::ContentLength(announced) => {
            let what = match announced.0 {
                StatedLength::Exactly(length) => length.to_string(),
                StatedLength::More(bytes) => format!("{bytes} too many"),
                StatedLength::Fewer(bytes) => format!("{bytes} too few"),
                StatedLength::Chunks => String::new(),
            };
            let ops = vec![Announce(announced.0), DeliveryStep::WHOLE, Close];
            (Kind::WrongLength, what, ops)
        }
    }
}

/// Returns a wait that is longer or shorter by at most `jitter`.
fn jittered(time: Duration, jitter: Duration, draw: &mut Rng) -> Duration {
    let spread = jitter.mul_f64(2.0 * draw.unit());
    (time + spread).saturating_sub(jitter)
}

fn noise(draw: &mut Rng) -> DeliveryStep {
    DeliveryStep::Noise(Noise {
        seed: draw.next(),
        bytes: DEFAULT_NOISE_BYTES,
    })
}

const DEFAULT_NOISE_BYTES: u16 = 512;
