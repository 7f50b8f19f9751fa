//! `replace-text`: a regular expression on the text of a body, in the body's charset and encoding.

use std::borrow::Cow;

use regex::{Captures, Regex};

use super::Body;
use crate::markup::edit::{Edit, plan};
use crate::markup::{Charset, Document, Encoding, Kind, Limits};
use crate::patch::{Patch, Span, Splice};
use crate::rules::act::too_large;

/// A replacement in progress. It counts the bytes that it adds to the whole body.
pub(super) struct Replacement<'a> {
    pattern: &'a Regex,
    with: &'a str,
    added: usize,
    most: usize,
}

impl<'a> Replacement<'a> {
    pub(super) fn new(pattern: &'a Regex, with: &'a str, limits: &Limits) -> Self {
        Self {
            pattern,
            with,
            added: 0,
            most: limits.bytes,
        }
    }

    /// Returns the patch that replaces every match in a body.
    ///
    /// # Errors
    /// The reason why there is no patch.
    pub(super) fn patch(mut self, body: &Body<'_>) -> Result<Patch, String> {
        let document = body.document;
        let patch = match document.map(|document| (document, document.encoding())) {
            Some((document, Encoding::Wbxml(_))) => self.in_texts(document)?,
            Some((_, Encoding::Xml(header))) => self.in_source(&body.bytes, header.charset)?,
            None => match std::str::from_utf8(&body.bytes) {
                Ok(_) => self.in_source(&body.bytes, Charset::Utf8)?,
                Err(_) => return Err("the body is not text".into()),
            },
        };
        match patch.splices().is_empty() {
            true => Err(format!("nothing matches {}", self.pattern)),
            false => Ok(patch),
        }
    }

    /// Replaces matches in the whole text of an XML source, markup included.
    fn in_source(&mut self, source: &[u8], charset: Charset) -> Result<Patch, String> {
        let text = charset.text(source);
        let is_single = charset == Charset::Latin1 && !source.is_ascii();
        // In ISO-8859-1 each character is one byte, so its offset is smaller than in UTF-8.
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
        for (from, to, new) in self.found(&text)? {
            let mut bytes = Vec::with_capacity(new.len());
            for character in new.chars() {
                if !charset.has(character) {
                    return Err(format!("the charset of the body lacks `{character}`"));
                }
                charset.write(&mut bytes, character.encode_utf8(&mut [0; 4]));
            }
            let span = Span::new(place(from), place(to));
            splices.push(Splice { span, with: bytes });
        }
        Patch::new(splices).map_err(|error| error.to_string())
    }

    /// Replaces matches in each text of a WBXML document, so that it stays WBXML.
    fn in_texts(&mut self, document: &Document) -> Result<Patch, String> {
        let mut edits = Vec::new();
        for text in document.elements().flat_map(|element| element.texts()) {
            let octets = text.octets();
            let Some(value) = value(text.kind(), &octets) else {
                continue;
            };
            let splice = |(from, to, new): Found| Splice {
                span: Span::new(from as u32, to as u32),
                with: new.into_bytes(),
            };
            let found = self.found(&value)?;
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

    /// Finds every match, and returns it with its replacement.
    fn found(&mut self, text: &str) -> Result<Vec<Found>, String> {
        let mut found = Vec::new();
        for captures in self.pattern.captures_iter(text) {
            let (new, whole) = (self.expanded(&captures)?, captures.get_match());
            found.push((whole.start(), whole.end(), new));
        }
        Ok(found)
    }

    /// Returns the replacement of a match. It fills in the groups one by one, and checks the limit after each, because
    /// each may be as long as the body.
    fn expanded(&mut self, captures: &Captures<'_>) -> Result<String, String> {
        let mut new = String::new();
        for piece in pieces(self.with) {
            captures.expand(piece, &mut new);
            if self.added.saturating_add(new.len()) > self.most {
                return Err(too_large(self.most));
            }
        }
        self.added += new.len();
        Ok(new)
    }
}

impl Body<'_> {
    /// Whether the pattern matches in the body, where `replace-text` would look.
    pub(in crate::rules) fn matches(&self, pattern: &Regex) -> bool {
        let Some(document) = self.document else {
            return std::str::from_utf8(&self.bytes).is_ok_and(|text| pattern.is_match(text));
        };
        match document.encoding() {
            Encoding::Wbxml(_) => {
                let mut texts = document.elements().flat_map(|element| element.texts());
                texts.any(|text| {
                    value(text.kind(), &text.octets()).is_some_and(|v| pattern.is_match(&v))
                })
            }
            Encoding::Xml(header) => pattern.is_match(&header.charset.text(&self.bytes)),
        }
    }
}

/// Returns the text of WBXML octets; `None` if opaque data is not UTF-8.
fn value(kind: Kind, octets: &[u8]) -> Option<Cow<'_, str>> {
    let text = String::from_utf8_lossy(octets);
    let is_text = kind != Kind::Opaque || matches!(text, Cow::Borrowed(_));
    is_text.then_some(text)
}

/// A match: its start, its end, and its replacement.
type Found = (usize, usize, String);

/// Splits a replacement before each group that it names; `$$` stands for a dollar sign and is not split.
fn pieces(with: &str) -> impl Iterator<Item = &str> {
    let mut rest = with;
    std::iter::from_fn(move || {
        let behind = match rest {
            "" => return None,
            rest if rest.starts_with("$$") => 2,
            rest => {
                let mut signs = rest.match_indices('$').map(|(at, _)| at);
                signs.find(|at| *at > 0).unwrap_or(rest.len())
            }
        };
        let (piece, after) = rest.split_at(behind);
        rest = after;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_is_cut_in_front_of_groups() {
        let check = |with: &str, expected: &[&str]| {
            assert_eq!(pieces(with).collect::<Vec<_>>(), expected);
        };
        check("", &[]);
        check("plain", &["plain"]);
        check(
            "a$1b${two}$$c$$$3",
            &["a", "$1b", "${two}", "$$", "c", "$$", "$3"],
        );
        check("$", &["$"]);
        check("$$$", &["$$", "$"]);
        check("ä$1", &["ä", "$1"]);
    }
}
