//! The places of the secrets in one document.

use std::borrow::Cow;
use std::ops::Range;

use super::source_mapped_text::SourceMappedText;
use super::{Masking, head};
use crate::markup::{Element, NodeId};

/// The secrets of one document: their places, and the elements that hold them.
#[derive(Debug, Default)]
pub struct SecretSpans {
    pub(super) masking: Masking,
    /// The ranges to mask with asterisks: in order, and no two touch.
    pub(super) fills: Vec<Range<usize>>,
    /// Changes of base64 whose decoded content holds a secret, in order.
    pub(super) rewrites: Vec<Rewrite>,
    /// Elements whose text has a secret, in document order.
    pub(super) elements: Vec<(NodeId, Secrecy)>,
    /// Attributes with a secret, in document order.
    pub(super) attributes: Vec<(NodeId, Secrecy)>,
    /// The secrets of documents that are the text of an element, opened with [`Element::embedded`], in document order.
    pub(super) inside: Vec<(NodeId, Self)>,
}

/// How much of a text is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Secrecy {
    /// A part of the text.
    Part,
    /// The whole text.
    Whole,
}

/// Bytes that replace the same number of bytes.
#[derive(Debug)]
pub(super) struct Rewrite {
    pub(super) start: usize,
    pub(super) with: Vec<u8>,
}

impl Rewrite {
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.start + self.with.len()
    }
}

impl SecretSpans {
    /// Returns whether the document holds no secret.
    pub fn is_empty(&self) -> bool {
        self.fills.is_empty() && self.rewrites.is_empty()
    }

    /// Returns whether the text of this element is or contains a secret.
    pub fn hold(&self, element: NodeId) -> bool {
        let found = self.elements.binary_search_by_key(&element, |(id, _)| *id);
        found.is_ok()
    }

    /// Returns the text of an element of this document, with a mask in place of each secret.
    pub fn text<'d>(&self, element: Element<'d>) -> Cow<'d, str> {
        if !self.hold(element.id()) {
            return element.text();
        }
        let masked = SourceMappedText::of_texts(element).with_masks(&self.fills, &self.rewrites);
        Cow::Owned(String::from_utf8_lossy(&masked).into_owned())
    }

    /// Returns a LocURI without the secrets in its query. Only the LocURI of a server may have such secrets.
    pub fn address<'u>(&self, uri: Cow<'u, str>) -> Cow<'u, str> {
        let marks = |byte: u8| matches!(byte, b'?' | b'#' | b'@' | b';');
        // Nearly no URI of a node has a colon.
        let is_server = || memchr::memchr(b':', uri.as_bytes()).is_some() && uri.contains("://");
        let is_plain = || !is_server() || !uri.bytes().any(marks);
        if self.masking == Masking::Raw || is_plain() {
            return uri;
        }
        Cow::Owned(head::target(&uri).into_owned())
    }

    /// Returns the source with its secrets masked; `None` if there are none.
    pub fn fill(&self, source: &[u8]) -> Option<Vec<u8>> {
        if self.is_empty() {
            return None;
        }
        let mut masked = source.to_vec();
        for rewrite in &self.rewrites {
            if let Some(place) = masked.get_mut(rewrite.range()) {
                place.copy_from_slice(&rewrite.with);
            }
        }
        for range in &self.fills {
            if let Some(secret) = masked.get_mut(range.clone()) {
                secret.fill(b'*');
            }
        }
        Some(masked)
    }

    /// Returns `bytes`, which begin at `start` in the source, with a short mask in place of each secret.
    pub fn shorten(&self, bytes: &[u8], start: usize) -> Vec<u8> {
        SourceMappedText::of_bytes(bytes, start).with_masks(&self.fills, &self.rewrites)
    }

    /// Returns the ranges in which the masked source differs from the source.
    pub(super) fn changed(&self) -> Vec<Range<usize>> {
        let rewritten = self.rewrites.iter().map(Rewrite::range);
        super::merged(self.fills.iter().cloned().chain(rewritten).collect())
    }
}
