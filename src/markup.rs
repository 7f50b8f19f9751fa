//! Documents: one tree for XML and WBXML that knows bytes and names, and no meaning.
//!
//! A [`Document`] is the bytes as they came, an [`Encoding`], and a flat arena of nodes with a [`Span`] each.
//! Text and attribute values are read from the bytes when somebody asks. Edits are planned on the tree and
//! lowered to splices ([`edit::plan`]); conversion writes a new source ([`convert`]).
//!
//! [`Span`]: crate::patch::Span

mod arena;
pub mod base64;
mod before_break;
mod charset;
pub mod convert;
pub mod document;
pub mod edit;
pub mod embedded;
pub mod error;
mod meta;
pub mod path;
pub mod utf16;
pub mod vocabulary;
pub mod wbxml;
pub mod xml;

pub use before_break::before_break;
pub use charset::Charset;
pub use document::{Attribute, Document, Element, Encoding, Kind, NodeId, Text};
pub use embedded::{Embedded, EmbeddedResult, Wrapping};
pub use error::{DecodeError, DecodeErrorKind, Flag, FlagKind};
pub use path::{Found, Path, PathError};
pub use vocabulary::{NameId, Space, tag};

/// What bounds the decoding of one document (wbxml-format F05, F17, F29, F30).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest source, in bytes.
    pub bytes: usize,
    /// Deepest nesting of elements. Real SyncML needs fewer than 12.
    pub depth: usize,
    /// Most nodes (elements, attributes, texts).
    pub nodes: usize,
    /// Largest total of text that string-table references may unfold to, in bytes.
    pub expansion: usize,
    /// Most documents inside each other, the outermost not counted (wbxml-format F31).
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

/// What the transport said about a body, where it said anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hint<'a> {
    /// The media type of `Content-Type`, without parameters.
    pub media_type: Option<&'a str>,
    /// Its `charset` parameter.
    pub charset: Option<&'a str>,
}

/// Decodes XML or WBXML, whichever the bytes are; the hint only settles what they leave open.
///
/// # Errors
/// [`DecodeError`] with the offset of what could not be read, or of the limit that was reached.
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
