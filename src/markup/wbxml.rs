//! WAP Binary XML (WAP-192, WBXML 1.0 to 1.3) as OMA DM uses it.
//!
//! Decoding is lenient: what real devices get wrong is read, and each leniency leaves a
//! [`Flag`](super::Flag). A document without flags is one that the standards allow: strict mode is to refuse
//! every other.

pub(crate) mod attribute;
mod custom_names;
pub mod decode;
mod doctype;
pub mod encode;
mod fault;
pub(crate) mod header;
pub mod lower;
mod strings;
pub(crate) mod tables;
pub(crate) mod token;
pub(crate) mod token_scanner;
mod value;
mod writer;

use super::{Charset, Hint};
use crate::patch::Span;

pub use doctype::DocType;
pub use encode::{EncodeError, PublicIdForm, Version, WbxmlOptions, encode};
pub use fault::Fault;
pub(crate) use value::{attribute_name, opaque_octets, value};

/// What stands in front of the body of a WBXML document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The version byte: 0x00 for WBXML 1.0 to 0x03 for 1.3.
    pub version: u8,
    /// How the document names its type.
    pub public_id: PublicId,
    /// The IANA MIBenum as written; 0 where the document says unknown, or is WBXML 1.0 and has no field for it.
    pub charset: u32,
    /// The charset in force, possibly from the transport.
    pub text: Charset,
    /// The length field of the string table.
    pub table_length: Span,
    /// The bytes of the string table.
    pub string_table: Span,
    /// The document type that the public identifier or the media type tells.
    pub doctype: DocType,
    /// Where the body begins: a byte offset.
    pub body: u32,
}

/// How a document names its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicId {
    /// A registered number; 0x01 is unknown or missing.
    Numeric(u32),
    /// A formal public identifier in the string table.
    Text {
        /// Its offset into the string table.
        index: u32,
        /// Its bytes in the source, without NUL.
        span: Span,
    },
}

/// Whether the bytes begin as WBXML does: with a version byte. No XML text begins with a control character
/// other than white space; UTF-16 and UTF-32 without a byte order mark begin with NUL and `<`.
pub fn looks_like(source: &[u8]) -> bool {
    match source {
        [0x00, b'<', ..] | [0x00, 0x00, 0x00, b'<', 0x00, ..] => false,
        [0x00..=0x08, ..] => true,
        _ => false,
    }
}

/// Whether the octets of an OPAQUE begin with a whole WBXML header, as an embedded document does.
pub fn embedded_candidate(octets: &[u8]) -> bool {
    let known = |header: Header| (header.body as usize) < octets.len();
    looks_like(octets) && header::read(octets, Hint::default(), &mut Vec::new()).is_ok_and(known)
}
