//! Steps that say how a message leaves.

use crate::flow::{Change, Op};
use crate::rules::step::Leave;
use crate::rules::{Facts, Verdict};

/// Notes how the message leaves, and tells it.
pub(in crate::rules) fn leave(step: &Leave, facts: &Facts<'_>, verdict: &mut Verdict) -> Change {
    let mut change = Change {
        path: String::new(),
        step: step.name(),
        before: String::new(),
        after: String::new(),
    };
    match step {
        Leave::Answer(answer) => {
            change.before = facts
                .response
                .map_or_else(String::new, |head| head.status.to_string());
            change.after = answer.status.to_string();
            verdict.answer = Some(answer.clone());
        }
        Leave::Delay(time) => {
            change.after = format!("{time:?}");
            verdict.delivery.ops.push(Op::Wait(*time));
        }
        Leave::Reset => verdict.delivery.ops.push(Op::Reset),
    }
    change
}
