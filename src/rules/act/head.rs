//! Steps that change the head.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use super::Values;
use crate::flow::{EffectDetail, EffectKind};
use crate::rules::items::Selected;
use crate::rules::step::HeadStep;
use crate::rules::template::Escape;
use crate::rules::{HeadEdit, RuleInput, Verdict};

pub(in crate::rules) fn head(
    step: &HeadStep,
    input: &RuleInput<'_>,
    values: &mut Values<'_>,
    selected: Option<&Selected>,
    verdict: &mut Verdict,
) -> EffectDetail {
    let mut headers = input.headers().clone();
    verdict.edit_headers(&mut headers);
    match planned(step, &headers, values, selected) {
        Ok((edit, before, after)) => {
            let (kind, before) = match &edit {
                HeadEdit::Status(_) => (EffectKind::HttpStatus, status_now(input, verdict)),
                _ => (EffectKind::Header, before),
            };
            verdict.head.push(edit);
            EffectDetail::of_message(kind, step.name(), before, after)
        }
        Err(why) => EffectDetail::declined(step.name(), &why),
    }
}

/// Returns the edit, and the field before and after it as `name: value`.
fn planned(
    step: &HeadStep,
    headers: &HeaderMap,
    values: &mut Values<'_>,
    selected: Option<&Selected>,
) -> Result<(HeadEdit, String, String), String> {
    Ok(match step {
        HeadStep::SetHeader { name, value } | HeadStep::AddHeader { name, value } => {
            let name = &name.0;
            let present = shown(headers, name);
            let text = values.fill(&value.0, Escape::Nothing, selected, present.as_deref())?;
            let value = HeaderValue::from_str(&text)
                .map_err(|_| "a header field cannot hold this value")?;
            let after = format!("{name}: {text}");
            match step {
                HeadStep::SetHeader { .. } => {
                    let before =
                        present.map_or_else(String::new, |value| format!("{name}: {value}"));
                    (HeadEdit::Set(name.clone(), value), before, after)
                }
                _ => (HeadEdit::Add(name.clone(), value), String::new(), after),
            }
        }
        HeadStep::RemoveHeader(name) => {
            let name = &name.0;
            let present = shown(headers, name).ok_or_else(|| format!("there is no {name}"))?;
            let before = format!("{name}: {present}");
            (HeadEdit::Remove(name.clone()), before, String::new())
        }
        HeadStep::SetHttpStatus(code) => {
            let status = code.http();
            (HeadEdit::Status(status), String::new(), status.to_string())
        }
    })
}

/// Returns the values of a field in one line; `None` if there are none.
fn shown(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values = headers.get_all(name).iter();
    let values: Vec<_> = values
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}

fn status_now(input: &RuleInput<'_>, verdict: &Verdict) -> String {
    let received = || Some(input.response?.status);
    let status = verdict.status().or_else(received);
    status.map_or_else(String::new, |status| status.to_string())
}
