//! The text of a document with the source bytes of each character. So a place in the text can be masked in the source,
//! while references, CDATA brackets and token framing stay unchanged.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr;

use super::spans::Rewrite;
use crate::markup::wbxml::token::{ENTITY, LITERAL, OPAQUE, STR_I, STR_T};
use crate::markup::{Document, Element, Encoding, Kind, NodeId};

/// A text with its places in the source.
#[derive(Default)]
pub(super) struct SourceMappedText<'s> {
    pub(super) text: Cow<'s, [u8]>,
    runs: Vec<Run>,
}

/// A range of the text and the range of the source that it comes from. If the lengths are equal, the bytes are the
/// same; otherwise the run is one character in another notation.
#[derive(Clone, Copy)]
struct Run {
    text: usize,
    len: usize,
    raw: usize,
    raw_len: usize,
}

impl<'s> SourceMappedText<'s> {
    /// Returns the text or attribute value of a node.
    pub(super) fn of(document: &'s Document, id: NodeId) -> Self {
        let mut plain = Self::default();
        plain.add(document, id);
        plain
    }

    /// Returns the joined texts of an element, without the texts of child elements.
    pub(super) fn of_texts(element: Element<'s>) -> Self {
        let mut plain = Self::default();
        for text in element.texts() {
            plain.add(element.document(), text.id());
        }
        plain
    }

    /// Returns any XML text with its references resolved.
    pub(super) fn of_references(source: &'s [u8]) -> Self {
        let mut plain = Self::default();
        plain.references(source, 0..source.len());
        plain
    }

    /// Returns bytes that begin at `start` in the source.
    pub(super) fn of_bytes(bytes: &'s [u8], start: usize) -> Self {
        let run = Run {
            text: 0,
            len: bytes.len(),
            raw: start,
            raw_len: bytes.len(),
        };
        Self {
            text: Cow::Borrowed(bytes),
            runs: vec![run],
        }
    }

    fn add(&mut self, document: &'s Document, id: NodeId) {
        let (Some(span), Some(kind)) = (document.span(id), document.kind(id)) else {
            return;
        };
        let source: &'s [u8] = document.source();
        if let Encoding::Wbxml(header) = document.encoding() {
            let table = header.string_table;
            let table = table.start as usize..table.end as usize;
            return self.tokens(source, span.start as usize..span.end as usize, kind, table);
        }
        let written = span.of(source);
        let inner = match kind {
            Kind::Text => 0..written.len(),
            Kind::Cdata => "<![CDATA[".len()..written.len().saturating_sub("]]>".len()),
            Kind::Attribute => quoted(written),
            Kind::Element | Kind::Opaque => 0..0,
        };
        let start = span.start as usize;
        let inner = start + inner.start..start + inner.end.max(inner.start);
        match kind {
            Kind::Cdata => self.literal(source, inner),
            _ => self.references(source, inner),
        }
    }

    /// Adds the source ranges of a part of the text.
    pub(super) fn places(&self, part: Range<usize>, places: &mut Vec<Range<usize>>) {
        let first = self
            .runs
            .partition_point(|run| run.text + run.len <= part.start);
        for run in &self.runs[first..] {
            if run.text >= part.end {
                return;
            }
            let place = match run.len == run.raw_len {
                true => {
                    let from = part.start.saturating_sub(run.text);
                    run.raw + from..run.raw + run.len.min(part.end - run.text)
                }
                false => run.raw..run.raw + run.raw_len,
            };
            match places.last_mut() {
                Some(last) if last.end == place.start => last.end = place.end,
                _ => places.push(place),
            }
        }
    }

    /// Adds the source ranges of the whole text, without surrounding white space.
    pub(super) fn all(&self, places: &mut Vec<Range<usize>>) {
        let front = self.text.len() - self.text.trim_ascii_start().len();
        self.places(front..front + self.text.trim_ascii().len(), places);
    }

    /// Adds the source ranges of a part of the text that other bytes replace. Returns `None` if one of its characters
    /// has another notation in the source.
    pub(super) fn rewrite(&self, part: Rewrite, rewrites: &mut Vec<Rewrite>) -> Option<()> {
        let range = part.range();
        let first = self
            .runs
            .partition_point(|run| run.text + run.len <= range.start);
        for run in self.runs[first..].iter().take_while(|r| r.text < range.end) {
            let (from, end) = (range.start.max(run.text), range.end.min(run.text + run.len));
            if run.len != run.raw_len {
                return None;
            }
            rewrites.push(Rewrite {
                start: run.raw + (from - run.text),
                with: part.with[from - range.start..end - range.start].to_vec(),
            });
        }
        Some(())
    }

    /// Returns the text with the changes of `rewrites` and a short mask for the places that `fills` cover in the
    /// source.
    pub(super) fn with_masks(&self, fills: &[Range<usize>], rewrites: &[Rewrite]) -> Vec<u8> {
        let mut text = self.text.to_vec();
        let mut hidden = Vec::new();
        for run in &self.runs {
            let raw = run.raw..run.raw + run.raw_len;
            // The place in the text of a part of the run in the source.
            let place = |part: Range<usize>| {
                let (from, end) = (part.start.max(raw.start), part.end.min(raw.end));
                match run.len == run.raw_len {
                    true => run.text + from - raw.start..run.text + end - raw.start,
                    false => run.text..run.text + run.len,
                }
            };
            let first = fills.partition_point(|fill| fill.end <= raw.start);
            let covering = fills[first..].iter().take_while(|it| it.start < raw.end);
            hidden.extend(covering.map(|fill| place(fill.clone())));
            let first = rewrites.partition_point(|it| it.range().end <= raw.start);
            let rewriting = rewrites[first..].iter().take_while(|it| it.start < raw.end);
            for rewrite in rewriting.filter(|_| run.len == run.raw_len) {
                let place = place(rewrite.range());
                let from = raw.start.saturating_sub(rewrite.start);
                text[place.clone()].copy_from_slice(&rewrite.with[from..from + place.len()]);
            }
        }
        super::with_masks(&text, hidden)
    }

    fn literal(&mut self, source: &'s [u8], raw: Range<usize>) {
        let Some(written) = source.get(raw.clone()).filter(|w| !w.is_empty()) else {
            return;
        };
        self.runs.push(Run {
            text: self.text.len(),
            len: written.len(),
            raw: raw.start,
            raw_len: written.len(),
        });
        match self.text.is_empty() {
            true => self.text = Cow::Borrowed(written),
            false => self.text.to_mut().extend_from_slice(written),
        }
    }

    fn character(&mut self, character: char, raw: Range<usize>) {
        let mut buffer = [0; 4];
        let written = character.encode_utf8(&mut buffer).as_bytes();
        self.runs.push(Run {
            text: self.text.len(),
            len: written.len(),
            raw: raw.start,
            raw_len: raw.len(),
        });
        self.text.to_mut().extend_from_slice(written);
    }

    fn references(&mut self, source: &'s [u8], raw: Range<usize>) {
        let mut literal = raw.start;
        let mut at = raw.start;
        while let Some(found) = memchr(b'&', &source[at..raw.end]) {
            let amp = at + found;
            let near = &source[amp + 1..raw.end.min(amp + LONGEST)];
            let name = memchr(b';', near).map(|len| &near[..len]);
            at = amp + 1;
            if let Some((name, character)) = name.and_then(|n| Some((n, meaning(n)?))) {
                self.literal(source, literal..amp);
                at = amp + name.len() + 2;
                self.character(character, amp..at);
                literal = at;
            }
        }
        self.literal(source, literal..raw.end);
    }

    /// Adds the text of WBXML tokens: STR_I up to its NUL, OPAQUE after its length, the string that STR_T refers to,
    /// and the code of an ENTITY (WBXML 1.3 §5.8.4).
    fn tokens(&mut self, source: &'s [u8], span: Range<usize>, kind: Kind, table: Range<usize>) {
        let end = span.end.min(source.len());
        let mut at = span.start;
        if kind == Kind::Attribute {
            // Skips the start token; an index follows LITERAL.
            let literal = source.get(at) == Some(&LITERAL);
            at += 1;
            at = if literal { number(source, at).1 } else { at };
        }
        while at < end {
            let token = source[at];
            at += 1;
            match token {
                STR_I => {
                    let len = memchr(0, &source[at..end]).unwrap_or(end - at);
                    self.literal(source, at..at + len);
                    at += len + 1;
                }
                OPAQUE => {
                    let (len, from) = number(source, at);
                    at = from.saturating_add(len).min(end);
                    self.literal(source, from.min(at)..at);
                }
                STR_T => {
                    let (index, next) = number(source, at);
                    let from = table.start.saturating_add(index).min(table.end);
                    let string = source.get(from..table.end).unwrap_or_default();
                    let len = memchr(0, string).unwrap_or(string.len());
                    self.literal(source, from..from + len);
                    at = next;
                }
                ENTITY => {
                    let (code, next) = number(source, at);
                    let character = u32::try_from(code).ok().and_then(char::from_u32);
                    // Masking turns the last byte into `*` (0x2A), which is a valid last byte of a number.
                    self.character(character.unwrap_or('?'), next.saturating_sub(1)..next);
                    at = next;
                }
                _ => {}
            }
        }
    }
}

fn quoted(written: &[u8]) -> Range<usize> {
    let close = written.len().saturating_sub(1);
    let open = written.last().and_then(|q| memchr(*q, written));
    let open = open.map_or(close, |at| at + 1);
    open.min(close)..close
}

/// Returns the character for the name of a reference.
fn meaning(name: &[u8]) -> Option<char> {
    Some(match name {
        b"lt" => '<',
        b"gt" => '>',
        b"amp" => '&',
        b"quot" => '"',
        b"apos" => '\'',
        _ => {
            let digits = std::str::from_utf8(name.strip_prefix(b"#")?).ok()?;
            let code = match digits.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code)?
        }
    })
}

/// The longest reference that is recognized, in bytes.
const LONGEST: usize = 16;

/// Returns a multi-byte integer and the offset after it (WBXML 1.3 §5.1).
pub(super) fn number(source: &[u8], mut at: usize) -> (usize, usize) {
    let mut value = 0usize;
    while let Some(byte) = source.get(at) {
        at += 1;
        value = value << 7 | usize::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            break;
        }
    }
    (value, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_found_where_it_is_written() {
        let check = |source: &str, find: &str, expected: &[&str]| {
            let plain = SourceMappedText::of_references(source.as_bytes());
            let at = memchr::memmem::find(&plain.text, find.as_bytes()).unwrap();
            let mut places = Vec::new();
            plain.places(at..at + find.len(), &mut places);
            let places: Vec<&str> = places.into_iter().map(|p| &source[p]).collect();
            assert_eq!(places, expected, "{source}");
        };
        check("abcdef", "cd", &["cd"]);
        check("a&amp;b&#38;c", "&b&", &["&amp;b&#38;"]);
        check("a&amp;bcd", "cd", &["cd"]);
        check("a&lt;b&x;c & d;", "<b&x;c & d", &["&lt;b&x;c & d"]);
        check("&#x1F600;a", "\u{1F600}", &["&#x1F600;"]);
    }
}
