//! Documents: one tree for XML and WBXML. It has bytes and names, but no knowledge of SyncML or SOAP.
//!
//! A [`Document`] is the bytes as received, an [`Encoding`], and a flat arena of nodes with a [`Span`] each. Text and
//! attribute values are decoded from the bytes on demand. Edits are planned on the tree and lowered to splices
//! ([`edit::plan`]); conversion writes a new source ([`convert`]).
//!
//! [`Span`]: crate::patch::Span

mod arena;
pub mod base64;
mod charset;
pub mod convert;
pub mod document;
pub mod edit;
pub mod embedded;
pub mod error;
mod meta;
pub mod path;
mod readable_part;
pub mod utf16;
pub mod vocabulary;
pub mod wbxml;
pub mod xml;

pub use charset::Charset;
pub use document::{Attribute, Document, Element, Encoding, Kind, NodeId, Text};
pub use embedded::{Embedded, EmbeddedResult, Wrapping};
pub use error::{DecodeError, DecodeErrorKind, Flag, FlagKind};
pub use path::{Found, Path, PathError};
pub use readable_part::readable_part;
pub use vocabulary::{NameId, Space, tag};

/// The limits of decoding one document (`docs/malformed.md` F05, F17, F29, F30).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest source, in bytes.
    pub bytes: usize,
    /// The deepest nesting of elements. Real SyncML needs fewer than 12.
    pub depth: usize,
    /// The most nodes (elements, attributes, texts).
    pub nodes: usize,
    /// The largest total size of text that string-table references may expand to, in bytes.
    pub expansion: usize,
    /// The most levels of embedded documents, not counting the outermost (`docs/malformed.md` F31).
    pub embedded: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 16 << 20,
            depth: 64,
            nodes: 2_000_000,
            expansion: 16 << 20,
            embedded: 2,
        }
    }
}

/// The media type and the charset of a body that the transport declared, if it declared them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hint<'a> {
    /// The media type of `Content-Type`, without parameters.
    pub media_type: Option<&'a str>,
    /// The `charset` parameter of `Content-Type`.
    pub charset: Option<&'a str>,
}

/// Decodes XML or WBXML, which is detected from the bytes. The hint decides only if the bytes do not.
///
/// # Errors
/// [`DecodeError`] with the offset of the unreadable part, or of the place where a limit was reached.
pub fn decode(
    source: bytes::Bytes,
    hint: Hint<'_>,
    limits: &Limits,
) -> Result<Document, DecodeError> {
    if wbxml::looks_like(&source) {
        wbxml::decode::decode(source, hint, limits)
    } else {
        xml::decode::decode(source, hint, limits)
    }
}
