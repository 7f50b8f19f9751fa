//! Redaction: secrets are masked before anything is written, unless raw records are requested.
//!
//! A document is masked in place: every byte of a secret is replaced by `*`. So the record has the spans, offsets and
//! lengths of the traffic, and a masked WBXML body still parses. A document in base64 is masked inside and encoded
//! again. Bodies show the length of a secret; in texts for people a mask has a fixed, short length.

mod comment;
mod embedded;
mod head;
mod known_value;
mod lookalike;
mod nameless;
mod profile;
mod repeated;
mod secret_name;
mod secret_path;
mod source_mapped_text;
mod spans;
mod token;
mod unreadable;
mod walk;

use std::borrow::Cow;
use std::ops::Range;

use crate::flow::{AnswerLink, Head};
use crate::markup::{Document, Limits};

use known_value::KnownValues;
pub use secret_path::{SecretPaths, Touch};
pub use spans::SecretSpans;

/// Whether secrets are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Masking {
    /// Secrets are replaced by asterisks.
    #[default]
    Masked,
    /// Everything is written unchanged.
    Raw,
}

/// The replacement of a secret in text.
pub const MASK: &str = "********";

/// The secrets of one event, found in its documents and heads. Raw records have none.
#[derive(Debug, Default)]
pub struct Redactor {
    masking: Masking,
    values: KnownValues,
}

impl Redactor {
    /// Creates a redactor that knows no secrets yet.
    pub fn new(masking: Masking) -> Self {
        Self {
            masking,
            values: KnownValues::default(),
        }
    }

    /// Returns whether secrets are masked at all.
    pub fn masking(&self) -> Masking {
        self.masking
    }

    /// Finds the secrets of a document and remembers their values for [`Self::mask_known`]. `links` lead from the document's
    /// answers to their commands: a Results without a node is about the node of its command.
    pub fn find(&mut self, document: &Document, links: &[AnswerLink]) -> SecretSpans {
        match self.masking {
            Masking::Masked => {
                let limits = Limits::default();
                walk::find(document, links, &mut self.values, &limits)
            }
            Masking::Raw => SecretSpans {
                masking: Masking::Raw,
                ..SecretSpans::default()
            },
        }
    }

    /// Returns whether no secret value is known.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Remembers the secrets of a head that other parts may repeat: its credentials and the values of its query.
    pub fn learn(&mut self, head: &Head) {
        if self.masking == Masking::Masked {
            head::learn(head, &mut self.values);
        }
    }

    /// Returns the value of a header field without secrets. `name` is in lower case.
    pub fn header<'v>(&self, name: &str, value: &'v str) -> Cow<'v, str> {
        match self.masking {
            Masking::Masked => head::header(name, value),
            Masking::Raw => Cow::Borrowed(value),
        }
    }

    /// Returns a URI without the secrets in its query.
    pub fn target<'u>(&self, uri: &'u str) -> Cow<'u, str> {
        match self.masking {
            Masking::Masked => head::target(uri),
            Masking::Raw => Cow::Borrowed(uri),
        }
    }

    /// Masks what looks like a secret in a body that did not decode.
    pub fn mask_lookalikes<'b>(&self, body: &'b [u8]) -> Cow<'b, [u8]> {
        match self.masking {
            Masking::Masked => lookalike::mask_lookalikes(body),
            Masking::Raw => Cow::Borrowed(body),
        }
    }

    /// Masks the secrets in a text that is known to contain some.
    pub fn mask_lookalikes_in_text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let is_address = text.contains("://") && !text.contains([' ', '<']);
        match self.masking {
            Masking::Masked if is_address => head::target(text),
            Masking::Masked => head::mask_lookalikes(text),
            Masking::Raw => Cow::Borrowed(text),
        }
    }

    /// Masks every secret found so far in a text that quotes the traffic, such as a note.
    pub fn mask_known<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.values.mask_known(text)
    }

    /// Replaces every secret found so far by a short mask.
    pub fn mask_known_shortly<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        self.values.mask_known_shortly(bytes)
    }

    /// Replaces every secret found so far by as many asterisks as it has bytes.
    pub fn mask_known_bytes<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        self.values.mask_known_bytes(bytes)
    }
}

/// Returns `bytes` with a short mask in place of each of these ranges.
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

/// Returns the ranges in order, with empty ranges left out and touching ranges joined.
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
