//! What a record keeps to itself. Secrets are masked before anything is written, unless raw records are asked for.
//!
//! A document is masked in place: every byte of a secret gives way to a `*`, so spans, offsets and lengths of
//! the record are those of the traffic and a masked WBXML body still parses. A document in base64 is masked inside
//! it and encoded again. The length of a secret is visible in bodies; in texts for people a mask is short.

mod comment;
mod head;
mod heuristics;
mod inside;
mod name;
mod path;
mod profile;
mod repeat;
mod secret;
mod shape;
mod source_mapped_text;
mod spans;
mod token;
mod torn;
mod value;

use std::borrow::Cow;
use std::ops::Range;

use crate::flow::{AnswerLink, Head};
use crate::markup::Document;

pub use path::{SecretPaths, Touch};
pub use spans::SecretSpans;
use value::Values;

/// Whether secrets are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Masking {
    /// Secrets give way to asterisks.
    #[default]
    Masked,
    /// Everything is written as it is.
    Raw,
}

/// What stands in place of a secret in text.
pub const MASK: &str = "********";

/// The secrets of one passage, found in the documents that it carried. In raw records there are none.
#[derive(Debug, Default)]
pub struct Redactor {
    masking: Masking,
    values: Values,
}

impl Redactor {
    /// None found yet.
    pub fn new(masking: Masking) -> Self {
        Self {
            masking,
            values: Values::default(),
        }
    }

    /// Whether secrets are masked at all.
    pub fn masking(&self) -> Masking {
        self.masking
    }

    /// Finds the secrets of a document and remembers their values, for [`Self::scrub`]. `links` are those of its
    /// answers: what a Results without a node is about.
    pub fn find(&mut self, document: &Document, links: &[AnswerLink]) -> SecretSpans {
        match self.masking {
            Masking::Masked => secret::find(document, links, &mut self.values),
            Masking::Raw => SecretSpans {
                masking: Masking::Raw,
                ..SecretSpans::default()
            },
        }
    }

    /// Whether any value is known that must be masked.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Remembers the secrets of a head, for what repeats them: its credentials and the values of its query.
    pub fn learn(&mut self, head: &Head) {
        if self.masking == Masking::Masked {
            head::learn(head, &mut self.values);
        }
    }

    /// A header field's value without secrets. `name` is in lower case.
    pub fn header<'v>(&self, name: &str, value: &'v str) -> Cow<'v, str> {
        match self.masking {
            Masking::Masked => head::header(name, value),
            Masking::Raw => Cow::Borrowed(value),
        }
    }

    /// An address without the secrets in its query.
    pub fn target<'u>(&self, uri: &'u str) -> Cow<'u, str> {
        match self.masking {
            Masking::Masked => head::target(uri),
            Masking::Raw => Cow::Borrowed(uri),
        }
    }

    /// A body that did not decode without what looks like a secret.
    pub fn by_looks<'b>(&self, body: &'b [u8]) -> Cow<'b, [u8]> {
        match self.masking {
            Masking::Masked => heuristics::by_looks(body),
            Masking::Raw => Cow::Borrowed(body),
        }
    }

    /// A text of which some is known to be a secret.
    pub fn partly<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let is_address = text.contains("://") && !text.contains([' ', '<']);
        match self.masking {
            Masking::Masked if is_address => head::target(text),
            Masking::Masked => head::by_looks(text),
            Masking::Raw => Cow::Borrowed(text),
        }
    }

    /// A text without any of the secrets found: for what quotes the traffic, such as notes.
    pub fn scrub<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.values.scrub(text)
    }

    /// Bytes without any of the secrets found, a short mask in place of each.
    pub fn scrub_shortly<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        self.values.scrub_shortly(bytes)
    }

    /// Bytes without any of the secrets found, each filled with asterisks of its length.
    pub fn scrub_bytes<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        self.values.scrub_bytes(bytes)
    }
}

/// Bytes with a short mask in place of each of these ranges.
fn with_masks(bytes: &[u8], hidden: Vec<Range<usize>>) -> Vec<u8> {
    let (mut shown, mut from) = (Vec::with_capacity(bytes.len()), 0);
    for range in merged(hidden) {
        shown.extend_from_slice(&bytes[from..range.start]);
        shown.extend_from_slice(MASK.as_bytes());
        from = range.end;
    }
    shown.extend_from_slice(&bytes[from..]);
    shown
}

/// Ranges in order, those that touch made one, empty ones left out.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    ranges.dedup_by(|next, last| {
        let touches = next.start <= last.end;
        if touches {
            last.end = last.end.max(next.end);
        }
        touches
    });
    ranges
}
