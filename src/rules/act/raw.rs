//! Steps that change the bytes of the body.

mod replace;

use bytes::Bytes;

use self::replace::Replacement;
use super::Values;
use crate::flow::{EffectDetail, EffectKind};
use crate::markup::wbxml::{WbxmlOptions, encode};
use crate::markup::{self, Document, Hint, Limits};
use crate::patch::{Patch, Span};
use crate::printable::counted;
use crate::rules::items::Selected;
use crate::rules::step::{Content, Form, Length, RawStep};
use crate::rules::template::{Escape, Template};

/// A body as the steps so far left it.
pub(in crate::rules) struct Body<'a> {
    pub(in crate::rules) bytes: Bytes,
    /// The decoded body, if it decodes.
    pub(in crate::rules) document: Option<&'a Document>,
    pub(in crate::rules) limits: &'a Limits,
}

/// Returns the patch of a step for a body, and its description.
///
/// # Errors
/// The reason why the step can do nothing here.
pub(in crate::rules) fn raw(
    step: &RawStep,
    body: &Body<'_>,
    values: &mut Values<'_>,
    selected: Option<&Selected>,
) -> Result<(Patch, EffectDetail), String> {
    let length = body.bytes.len();
    let (kind, patch, before, after) = match step {
        RawStep::SetBody(new) => {
            let content = match &new.content {
                Content::Text(template) => text_of(template, values, selected)?.into(),
                Content::Bytes(bytes) => bytes.clone(),
                Content::File(name) => return Err(format!("`{name}` was not read")),
            };
            let patch = body.set(content, new.form)?;
            let new = patch.splices().iter().map(|s| s.with.len()).sum();
            (EffectKind::Body, patch, bytes(length), bytes(new))
        }
        RawStep::ReplaceText { pattern, with } => {
            let with = values.fill(with, Escape::Replacement, selected, None)?;
            let patch = Replacement::new(&pattern.0, &with, body.limits).patch(body)?;
            let after = match patch.splices().len() {
                1 => with,
                times => format!("{with}, {times} times"),
            };
            (EffectKind::Replaced, patch, pattern.0.to_string(), after)
        }
        RawStep::Flip(flip) => {
            let mask = flip.mask.0 as u8;
            let span = body.span(flip.at, flip.length.0 as u32)?;
            let flipped: Vec<u8> = span.of(&body.bytes).iter().map(|b| b ^ mask).collect();
            // The bytes themselves are not listed, because they may be part of a secret.
            let after = format!("{} at {}, mask {mask:02x}", bytes(span.len()), span.start);
            (
                EffectKind::Inverted,
                Patch::replacing(span, flipped),
                String::new(),
                after,
            )
        }
        RawStep::Truncate(keep) => {
            let kept = body.kept(*keep)?;
            let cut = Span::new(kept as u32, length as u32);
            (
                EffectKind::Body,
                Patch::replacing(cut, Vec::new()),
                bytes(length),
                bytes(kept),
            )
        }
    };
    let change = EffectDetail::of_message(kind, step.name(), before, after);
    Ok((patch, change))
}

/// Returns the text of a template with its values filled in. The values are escaped if the text begins as XML.
fn text_of(
    template: &Template,
    values: &mut Values<'_>,
    selected: Option<&Selected>,
) -> Result<String, String> {
    let plain = template.fill(Escape::Nothing, |_| Ok::<_, ()>(String::new()));
    let is_markup = plain.is_ok_and(|text| text.trim_start().starts_with('<'));
    let escape = match is_markup {
        true => Escape::Markup,
        false => Escape::Nothing,
    };
    values.fill(template, escape, selected, None)
}

impl Body<'_> {
    fn set(&self, new: Bytes, form: Form) -> Result<Patch, String> {
        let new = match (form, self.document) {
            (Form::Message, Some(document)) if document.is_wbxml() => self.as_wbxml(new)?,
            _ => new,
        };
        let whole = Span::new(0, self.bytes.len() as u32);
        Ok(Patch::replacing(whole, new.into()))
    }

    fn as_wbxml(&self, new: Bytes) -> Result<Bytes, String> {
        let decoded = markup::decode(new, Hint::default(), self.limits);
        let document = decoded.map_err(|error| format!("the new body does not decode: {error}"))?;
        if document.is_wbxml() {
            return Ok(document.source().clone());
        }
        let written = encode(&document, &WbxmlOptions::default());
        let written = written.map_err(|error| format!("the new body is not WBXML: {error}"))?;
        Ok(written.into())
    }

    /// Returns the span of bytes at an offset; a negative offset counts from the end.
    fn span(&self, at: i64, length: u32) -> Result<Span, String> {
        let whole = self.bytes.len() as i64;
        let start = if at < 0 { whole.saturating_add(at) } else { at };
        let end = start.saturating_add(i64::from(length));
        if start < 0 || end > whole {
            return Err(format!("the body has {}", counted(whole, "byte")));
        }
        Ok(Span::new(start as u32, end as u32))
    }

    /// Returns how many bytes of a body are kept when it is cut.
    fn kept(&self, keep: Length) -> Result<usize, String> {
        let whole = self.bytes.len() as i64;
        let kept = match keep {
            Length::Bytes(from_end @ ..0) => whole.saturating_add(from_end),
            Length::Bytes(kept) => kept,
            Length::Percent(percent) => whole * i64::from(percent) / 100,
        };
        match (0..whole).contains(&kept) {
            true => Ok(kept as usize),
            false => Err(format!("the body has only {}", counted(whole, "byte"))),
        }
    }
}

fn bytes(count: usize) -> String {
    counted(count, "byte")
}
