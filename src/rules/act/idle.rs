//! Rules that have nothing to do in a message, because the thing to remove or replace is missing.

use super::Body;
use super::head::headers_now;
use crate::rules::step::{HeadStep, RawStep};
use crate::rules::{HeadEdit, Rule, RuleInput, Step};

/// Whether no step of a rule has anything to do. Only `replace-text` and `remove-header` can have nothing to do.
pub(in crate::rules) fn is_idle(
    rule: &Rule,
    input: &RuleInput<'_>,
    edits: &[HeadEdit],
    body: Option<&Body<'_>>,
) -> bool {
    rule.steps.iter().all(|step| match step {
        Step::Raw(RawStep::ReplaceText { pattern, .. }) => {
            !body.is_some_and(|body| body.matches(&pattern.0))
        }
        Step::Head(HeadStep::RemoveHeader(name)) => {
            !headers_now(input, edits).contains_key(&name.0)
        }
        _ => false,
    })
}
