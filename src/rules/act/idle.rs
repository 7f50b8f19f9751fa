//! Rules that have nothing to do in a message, because the thing to remove or replace is missing.

use super::Body;
use crate::rules::step::{HeadStep, RawStep};
use crate::rules::{Rule, RuleInput, Step, Verdict};

/// Whether no step of a rule has anything to do. Only `replace-text` and `remove-header` can have nothing to do.
pub(in crate::rules) fn is_idle(
    rule: &Rule,
    input: &RuleInput<'_>,
    verdict: &Verdict,
    body: Option<&Body<'_>>,
) -> bool {
    rule.steps.iter().all(|step| match step {
        Step::Raw(RawStep::ReplaceText { pattern, .. }) => {
            !body.is_some_and(|body| body.matches(&pattern.0))
        }
        Step::Head(HeadStep::RemoveHeader(name)) => {
            let mut headers = input.headers().clone();
            verdict.edit_headers(&mut headers);
            !headers.contains_key(&name.0)
        }
        _ => false,
    })
}
