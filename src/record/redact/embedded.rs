//! Masks documents that are the text of an element: their secrets are masked in the outer document, inside base64 too.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::source_mapped_text::SourceMappedText;
use super::spans::{Rewrite, Secrecy, SecretSpans};
use super::token;
use super::walk::Walk;
use crate::dm::token::{BinaryToken, TokenKind};
use crate::markup::{Element, Embedded, EmbeddedResult, Limits, Wrapping};

impl<'d> Walk<'d, '_> {
    /// Searches the document that is the text of an element, if there is one. Returns whether the text needs no further
    /// search.
    pub(super) fn embedded(&mut self, holder: Element<'d>, limits: &Limits) -> bool {
        match holder.open(limits) {
            EmbeddedResult::Document(embedded) => self.inside(holder, &embedded),
            EmbeddedResult::Plain => return false,
            // Broken, or nested too deep. A text is searched as plain text; any other content cannot be examined.
            EmbeddedResult::Unopened(_) => {
                let is_text = SourceMappedText::of_texts(holder).text.contains(&b'<');
                if !is_text {
                    self.hide(holder);
                }
                return !is_text;
            }
        }
        true
    }

    /// Handles a BinarySecurityToken: hides it, unless it is public and its content fits its declared type.
    pub(super) fn token(&mut self, element: Element<'d>, limits: &Limits) {
        let kind = BinaryToken::of(element).kind();
        if kind == TokenKind::ProvisionDoc
            && let EmbeddedResult::Document(embedded) = element.open(limits)
        {
            return self.inside(element, &embedded);
        }
        let is_leaf = element.elements().next().is_none();
        if !is_leaf || !token::is_public(kind, &SourceMappedText::of_texts(element).text) {
            self.hide(element);
        }
    }

    fn inside(&mut self, holder: Element<'d>, embedded: &Embedded) {
        let spans = super::walk::find(embedded.document(), &[], self.values, embedded.limits());
        self.masked_inside(holder, embedded, spans);
    }

    /// Adds the secrets of a document that is the text of `holder`.
    pub(super) fn masked_inside(
        &mut self,
        holder: Element<'d>,
        embedded: &Embedded,
        spans: SecretSpans,
    ) {
        if spans.is_empty() {
            return;
        }
        let text = SourceMappedText::of_texts(holder);
        match places(&text, embedded, &spans) {
            Some((fills, rewrites)) => {
                self.spans.fills.extend(fills);
                self.spans.rewrites.extend(rewrites);
                self.spans.elements.push((holder.id(), Secrecy::Part));
                self.spans.inside.push((holder.id(), spans));
            }
            // The text is written in a form that cannot be written again.
            None => {
                text.all(&mut self.spans.fills);
                self.spans.elements.push((holder.id(), Secrecy::Whole));
            }
        }
    }
}

/// Returns the places of an embedded document's secrets in the outer document.
fn places(
    text: &SourceMappedText<'_>,
    embedded: &Embedded,
    spans: &SecretSpans,
) -> Option<(Vec<Range<usize>>, Vec<Rewrite>)> {
    let source = embedded.document().source();
    let (mut fills, mut rewrites) = (Vec::new(), Vec::new());
    if embedded.wrapping() == Wrapping::Base64 {
        let masked = spans.fill(source)?;
        for part in encoded(&text.text, &masked, &spans.changed())? {
            text.rewrite(part, &mut rewrites)?;
        }
        return Some((fills, rewrites));
    }
    let white = text.text.len() - text.text.trim_ascii_start().len();
    let fronts = [0, white];
    let front = fronts
        .into_iter()
        .find(|front| text.text[*front..].starts_with(source))?;
    for place in &spans.fills {
        text.places(front + place.start..front + place.end, &mut fills);
    }
    for rewrite in &spans.rewrites {
        let part = Rewrite {
            start: front + rewrite.start,
            with: rewrite.with.clone(),
        };
        text.rewrite(part, &mut rewrites)?;
    }
    Some((fills, rewrites))
}

/// Returns the changes of base64 for the octets that have changed. White space and padding stay. Returns `None` if
/// `written` is not the base64 of as many octets.
fn encoded(written: &[u8], octets: &[u8], changed: &[Range<usize>]) -> Option<Vec<Rewrite>> {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let digits = written.iter().filter(|byte| is_digit(byte)).count();
    if digits != (octets.len() * 4).div_ceil(3) {
        return None;
    }
    // Base64 encodes groups of three octets as four digits.
    let groups = changed
        .iter()
        .map(|range| range.start / 3..range.end.div_ceil(3));
    let groups = super::merged(groups.collect());
    let mut rewrites: Vec<Rewrite> = Vec::new();
    let mut places = written
        .iter()
        .enumerate()
        .filter(|(_, byte)| is_digit(byte));
    let mut digit = 0;
    for group in groups {
        let octets = octets.get(group.start * 3..(group.end * 3).min(octets.len()))?;
        let skipped = group.start * 4 - digit;
        let encoded = STANDARD_NO_PAD.encode(octets);
        let places = places.by_ref().skip(skipped).take(encoded.len());
        for ((at, _), new) in places.zip(encoded.bytes()) {
            match rewrites.last_mut().filter(|last| last.range().end == at) {
                Some(last) => last.with.push(new),
                None => rewrites.push(Rewrite {
                    start: at,
                    with: vec![new],
                }),
            }
        }
        digit = group.start * 4 + encoded.len();
    }
    Some(rewrites)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn base64_is_written_anew_where_octets_have_changed_and_nowhere_else() {
        let plain: Vec<u8> = (0..=60).collect();
        for (len, changed) in [
            (60, &[(0, 1)][..]),
            (60, &[(59, 60)]),
            (59, &[(3, 6), (7, 9), (58, 59)]),
            (58, &[(1, 2), (40, 58)]),
            (61, &[(0, 61)]),
        ] {
            let mut masked = plain[..len].to_vec();
            let changed: Vec<_> = changed.iter().map(|(from, end)| *from..*end).collect();
            for range in &changed {
                masked[range.clone()].fill(b'*');
            }
            let mut written = STANDARD.encode(&plain[..len]).into_bytes();
            written.insert(21, b'\n');
            written.insert(2, b' ');
            let rewrites = encoded(&written, &masked, &changed).unwrap();
            for rewrite in &rewrites {
                written[rewrite.range()].copy_from_slice(&rewrite.with);
            }
            assert_eq!((written.remove(2), written.remove(21)), (b' ', b'\n'));
            assert_eq!(written, STANDARD.encode(&masked).into_bytes());
        }
        assert!(encoded(b"AAAA", &[0; 4], &[]).is_none());
    }
}
