//! Steps that change the bytes of the body.

use std::borrow::Cow;

use bytes::Bytes;
use regex::{Captures, Regex};

use super::Values;
use crate::flow::Change;
use crate::markup::Charset;
use crate::markup::edit::{Edit, plan};
use crate::markup::wbxml::{WbxmlOptions, encode};
use crate::markup::{self, Document, Encoding, Hint, Kind, Limits};
use crate::patch::{Patch, Span, Splice};
use crate::rules::step::{Form, Length, RawStep};
use crate::rules::survey::Selected;
use crate::rules::template::{Escape, Template};

/// A body as the steps so far have left it.
pub(in crate::rules) struct Body<'a> {
    pub(in crate::rules) bytes: &'a Bytes,
    /// Its tree, where it decodes.
    pub(in crate::rules) document: Option<&'a Document>,
    pub(in crate::rules) limits: &'a Limits,
}

/// What a step makes of a body, and how that is told.
///
/// # Errors
/// Why it can do nothing here.
pub(in crate::rules) fn raw(
    step: &RawStep,
    body: &Body<'_>,
    values: &mut Values<'_>,
    selected: Option<&Selected>,
) -> Result<(Patch, Change), String> {
    let length = body.bytes.len();
    let (patch, before, after) = match step {
        RawStep::SetText(template, form) => {
            let text = text_of(template, values, selected)?;
            let patch = body.set(Bytes::from(text), *form)?;
            let new = patch.splices().iter().map(|s| s.with.len()).sum();
            (patch, bytes(length), bytes(new))
        }
        RawStep::SetBytes(new, form) => {
            let patch = body.set(new.clone(), *form)?;
            let new = patch.splices().iter().map(|s| s.with.len()).sum();
            (patch, bytes(length), bytes(new))
        }
        RawStep::ReplaceText { pattern, with } => {
            let with = values.fill(with, Escape::Replacement, selected, None)?;
            let patch = body.replace(&pattern.0, &with)?;
            let told = format!("{with}, {} times", patch.splices().len());
            (patch, pattern.0.to_string(), told)
        }
        RawStep::Flip { at, length, mask } => {
            let span = body.span(*at, *length)?;
            let flipped: Vec<u8> = span.of(body.bytes).iter().map(|b| b ^ mask).collect();
            // The bytes themselves may be of a secret.
            let told = format!("{} at {}, mask {mask:02x}", bytes(span.len()), span.start);
            (Patch::replacing(span, flipped), String::new(), told)
        }
        RawStep::Truncate(keep) => {
            let kept = body.kept(*keep)?;
            let cut = Span::new(kept as u32, length as u32);
            (
                Patch::replacing(cut, Vec::new()),
                bytes(length),
                bytes(kept),
            )
        }
    };
    let change = Change {
        path: String::new(),
        step: step.name(),
        before,
        after,
    };
    Ok((patch, change))
}

/// A text with its values, which are characters of XML where the text is.
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
        let written = written.map_err(|error| format!("the new body is no WBXML: {error}"))?;
        Ok(written.into())
    }

    fn replace(&self, pattern: &Regex, with: &str) -> Result<Patch, String> {
        let splices = match self
            .document
            .map(|document| (document, document.encoding()))
        {
            Some((document, Encoding::Wbxml(_))) => self.in_texts(document, pattern, with)?,
            Some((_, Encoding::Xml(header))) => self.in_source(header.charset, pattern, with)?,
            None => match std::str::from_utf8(self.bytes) {
                Ok(_) => self.in_source(Charset::Utf8, pattern, with)?,
                Err(_) => return Err("the body is no text".into()),
            },
        };
        match splices.splices().is_empty() {
            true => Err(format!("nothing matches {pattern}")),
            false => Ok(splices),
        }
    }

    /// Whether something in it matches, where `replace-text` would look.
    pub(super) fn matches(&self, pattern: &Regex) -> bool {
        let Some(document) = self.document else {
            return std::str::from_utf8(self.bytes).is_ok_and(|text| pattern.is_match(text));
        };
        match document.encoding() {
            Encoding::Wbxml(_) => {
                let mut texts = document.elements().flat_map(|element| element.texts());
                texts.any(|text| {
                    value(text.kind(), &text.octets()).is_some_and(|v| pattern.is_match(&v))
                })
            }
            Encoding::Xml(header) => pattern.is_match(&header.charset.text(self.bytes)),
        }
    }

    /// Replaces in the whole text of an XML source, markup and all.
    fn in_source(&self, charset: Charset, pattern: &Regex, with: &str) -> Result<Patch, String> {
        let text = charset.text(self.bytes);
        let is_single = charset == Charset::Latin1 && !self.bytes.is_ascii();
        // In ISO-8859-1 characters are bytes; their offsets in UTF-8 lie farther.
        let (mut seen, mut offset) = (0, 0);
        let mut place = |at: usize| {
            if !is_single {
                return at as u32;
            }
            offset += text[seen..at].chars().count();
            seen = at;
            offset as u32
        };
        let mut splices = Vec::new();
        for (from, to, new) in self.found(pattern, &text, with)? {
            let mut bytes = Vec::with_capacity(new.len());
            for character in new.chars() {
                if !charset.has(character) {
                    return Err(format!("the charset of the body lacks {character:?}"));
                }
                charset.write(&mut bytes, character.encode_utf8(&mut [0; 4]));
            }
            let span = Span::new(place(from), place(to));
            splices.push(Splice { span, with: bytes });
        }
        Patch::new(splices).map_err(|error| error.to_string())
    }

    /// Replaces in each text of a WBXML document, which stays one.
    fn in_texts(&self, document: &Document, pattern: &Regex, with: &str) -> Result<Patch, String> {
        let mut edits = Vec::new();
        for text in document.elements().flat_map(|element| element.texts()) {
            let octets = text.octets();
            let Some(value) = value(text.kind(), &octets) else {
                continue;
            };
            let splice = |(from, to, new): (usize, usize, String)| Splice {
                span: Span::new(from as u32, to as u32),
                with: new.into_bytes(),
            };
            let found = self.found(pattern, &value, with)?;
            if found.is_empty() {
                continue;
            }
            let patch = Patch::new(found.into_iter().map(splice).collect());
            edits.push(Edit::PatchText {
                text: text.id(),
                patch: patch.map_err(|error| error.to_string())?,
            });
        }
        plan(document, &edits).map_err(|error| error.to_string())
    }

    /// Every match, with what is to stand there.
    fn found(
        &self,
        pattern: &Regex,
        text: &str,
        with: &str,
    ) -> Result<Vec<(usize, usize, String)>, String> {
        let (mut found, mut grown) = (Vec::new(), self.bytes.len());
        for captures in pattern.captures_iter(text) {
            let (from, to, new) = expanded(&captures, with);
            grown = grown.saturating_add(new.len());
            if grown > self.limits.bytes {
                let most = self.limits.bytes;
                return Err(format!("the body would be longer than {most} bytes"));
            }
            found.push((from, to, new));
        }
        Ok(found)
    }

    /// Where bytes stand that are told by an offset, which may count from the end.
    fn span(&self, at: i64, length: u32) -> Result<Span, String> {
        let whole = self.bytes.len() as i64;
        let start = if at < 0 { whole.saturating_add(at) } else { at };
        let end = start.saturating_add(i64::from(length));
        if start < 0 || end > whole {
            return Err(format!("the body has {whole} bytes"));
        }
        Ok(Span::new(start as u32, end as u32))
    }

    /// How many bytes stay of a body that is cut off.
    fn kept(&self, keep: Length) -> Result<usize, String> {
        let whole = self.bytes.len() as i64;
        let kept = match keep {
            Length::Bytes(from_end @ ..0) => whole.saturating_add(from_end),
            Length::Bytes(kept) => kept,
            Length::Percent(percent) => whole * i64::from(percent) / 100,
        };
        match (0..whole).contains(&kept) {
            true => Ok(kept as usize),
            false => Err(format!("the body has only {whole} bytes")),
        }
    }
}

/// What a text of WBXML says; nothing where it is octets that are no text.
fn value(kind: Kind, octets: &[u8]) -> Option<Cow<'_, str>> {
    let text = String::from_utf8_lossy(octets);
    let is_text = kind != Kind::Opaque || matches!(text, Cow::Borrowed(_));
    is_text.then_some(text)
}

fn expanded(captures: &Captures<'_>, with: &str) -> (usize, usize, String) {
    let (mut new, whole) = (String::new(), captures.get_match());
    captures.expand(with, &mut new);
    (whole.start(), whole.end(), new)
}

fn bytes(count: usize) -> String {
    format!("{count} bytes")
}
