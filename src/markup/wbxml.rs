//! WAP Binary XML (WAP-192, WBXML 1.0 to 1.3) as OMA DM uses it.
//!
//! Decoding is lenient: it accepts known mistakes of real devices, and each leaves a [`Flag`](super::Flag). A document
//! without flags conforms to the standards; `dmtap decode --strict` refuses every other.

pub(crate) mod attribute;
mod custom_names;
pub mod decode;
mod doctype;
pub mod encode;
mod fault;
pub(crate) mod header;
pub(crate) mod lower;
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

/// The part of a WBXML document in front of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The version byte: 0x00 for WBXML 1.0 to 0x03 for 1.3.
    pub version: u8,
    /// The public identifier.
    pub public_id: PublicId,
    /// The IANA MIBenum as written; 0 if the document says unknown, or is WBXML 1.0 and has no such field.
    pub charset: u32,
    /// The charset that applies, possibly from the transport.
    pub text: Charset,
    /// The length field of the string table.
    pub table_length: Span,
    /// The bytes of the string table.
    pub string_table: Span,
    /// The document type according to the public identifier or the media type.
    pub doctype: DocType,
    /// The offset of the body in bytes.
    pub body: u32,
}

/// The form of the public identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicId {
    /// A registered number; 0x01 is unknown or missing.
    Numeric(u32),
    /// A formal public identifier in the string table.
    Text {
        /// The offset into the string table.
        index: u32,
        /// The bytes in the source, without NUL.
        span: Span,
    },
}

/// Whether the bytes begin like WBXML: with a version byte. XML text never begins with a control character other than
/// white space; UTF-16 and UTF-32 without a byte order mark begin with NUL and `<`.
pub fn looks_like(source: &[u8]) -> bool {
    match source {
        [0x00, b'<', ..] | [0x00, 0x00, 0x00, b'<', 0x00, ..] => false,
        [0x00..=0x08, ..] => true,
        _ => false,
    }
}

/// Whether the octets of an OPAQUE begin with a whole WBXML header, like an embedded document.
pub fn embedded_candidate(octets: &[u8]) -> bool {
    let known = |header: Header| (header.body as usize) < octets.len();
    looks_like(octets) && header::read(octets, Hint::default(), &mut Vec::new()).is_ok_and(known)
}
