//! Finds the values of secrets that occur in other places of the document as well.

use std::ops::Range;

use super::merged;
use super::source_mapped_text::SourceMappedText;
use super::walk::Walk;
use crate::markup::{Document, Kind, NodeId};

impl Walk<'_, '_> {
    /// Masks the values found so far in all other texts of the document.
    pub(super) fn repeated(&mut self) {
        if self.values.is_empty() {
            return;
        }
        self.spans.fills = merged(std::mem::take(&mut self.spans.fills));
        if self.values.are_too_many() {
            return self.hide_texts();
        }
        let source = self.document.source();
        let mut found = Vec::new();
        self.values.find(source, |place| {
            if !covers(&self.spans.fills, &place) {
                found.push((place, None));
            }
        });
        if !self.document.is_wbxml() && memchr::memchr(b'&', source).is_some() {
            self.repeated_in_references(&mut found);
        }
        if found.is_empty() {
            return;
        }
        let texts = texts(self.document);
        for (place, text) in found {
            let text = text.or_else(|| {
                let at = texts.partition_point(|(span, _)| span.start <= place.start);
                let (span, text) = texts.get(at.checked_sub(1)?)?;
                (place.end <= span.end).then_some(*text)
            });
            if let Some(text) = text {
                self.mark(text);
            } else if !self.is_in_comment_or_table(&place) {
                continue;
            }
            self.spans.fills.push(place);
        }
    }

    /// Masks every text, because a text that cannot be searched for secrets must not be shown. Markup stays, so that
    /// the record can be decoded.
    fn hide_texts(&mut self) {
        for (_, text) in texts(self.document) {
            let is_attribute = self.document.kind(text) == Some(Kind::Attribute);
            if !(is_attribute && self.says_how(text)) {
                self.mark(text);
                SourceMappedText::of(self.document, text).all(&mut self.spans.fills);
            }
        }
        self.spans.fills.append(&mut self.comments);
    }

    fn repeated_in_references(&self, found: &mut Vec<(Range<usize>, Option<NodeId>)>) {
        for at in 0..self.document.len() as u32 {
            let id = NodeId(at);
            let is_text = matches!(self.document.kind(id), Some(Kind::Text | Kind::Attribute));
            let span = self.document.span(id).filter(|_| is_text);
            let written = span.map_or(&[][..], |span| span.of(self.document.source()));
            if memchr::memchr(b'&', written).is_none() {
                continue;
            }
            let plain = SourceMappedText::of(self.document, id);
            let mut places = Vec::new();
            self.values
                .find(&plain.text, |place| plain.places(place, &mut places));
            let new = places.into_iter().filter(|p| !covers(&self.spans.fills, p));
            found.extend(new.map(|place| (place, Some(id))));
        }
    }

    fn is_in_comment_or_table(&self, place: &Range<usize>) -> bool {
        let front = self.document.root().span().start as usize;
        covers(&self.comments, place) || self.document.is_wbxml() && place.end <= front
    }
}

/// Returns the texts and attribute values of a document in order.
fn texts(document: &Document) -> Vec<(Range<usize>, NodeId)> {
    let nodes = (0..document.len() as u32).map(NodeId);
    let texts = nodes.filter(|id| document.node(*id).kind != Kind::Element);
    let texts = texts.map(|id| {
        let span = document.node(id).span;
        (span.start as usize..span.end as usize, id)
    });
    texts.collect()
}

fn covers(ranges: &[Range<usize>], place: &Range<usize>) -> bool {
    let at = ranges.partition_point(|range| range.start <= place.start);
    let last = at.checked_sub(1).and_then(|at| ranges.get(at));
    last.is_some_and(|range| place.end <= range.end)
}
