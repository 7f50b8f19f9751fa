//! Rules that have nothing to do in a message, because the thing to remove, replace or damage is missing.

use super::Body;
use crate::flow::Side;
use crate::rules::step::{FaultStep, HeadStep, RawStep};
use crate::rules::{Rule, RuleInput, Step, Verdict};

/// Whether no step of a rule has anything to do: `replace-text` and `remove-header` find nothing, or the body is empty
/// and the steps damage or cut a body. A device on the way to enrollment gets an empty body first, from the GET of
/// discovery.
pub(in crate::rules) fn is_idle(
    rule: &Rule,
    input: &RuleInput<'_>,
    verdict: &Verdict,
    body: Option<&Body<'_>>,
) -> bool {
    let is_empty = body.is_some_and(|body| body.bytes.is_empty());
    rule.steps.iter().all(|step| match step {
        Step::Raw(RawStep::ReplaceText { pattern, .. }) => {
            !body.is_some_and(|body| body.matches(&pattern.0))
        }
        Step::Head(HeadStep::RemoveHeader(name)) => {
            let mut headers = input.headers().clone();
            verdict.edit_headers(&mut headers);
            !headers.contains_key(&name.0)
        }
        Step::Raw(RawStep::Flip(_) | RawStep::Truncate(_)) => is_empty,
        // A request without a body is whole, and its device is still disconnected.
        Step::Fault(FaultStep::LimitData(_)) => is_empty && input.speaker == Side::Server,
        _ => false,
    })
}
