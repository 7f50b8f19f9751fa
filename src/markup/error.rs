//! The errors and flags of decoders: what they refuse, and what they let pass.

use super::wbxml::Fault;

/// The reason why a body could not be decoded, with the offset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at}: {kind}")]
pub struct DecodeError {
    /// The offset into the source, in bytes.
    pub at: u32,
    /// The error there.
    pub kind: DecodeErrorKind,
}

impl DecodeError {
    /// Creates the error for a limit that is reached at this offset.
    #[cold]
    pub(crate) fn too_large(at: usize, what: &'static str, limit: usize) -> Self {
        Self {
            at: at as u32,
            kind: DecodeErrorKind::TooLarge { what, limit },
        }
    }

    /// Creates the error for a charset that is not implemented.
    #[cold]
    pub(crate) fn charset(at: usize, name: &str) -> Self {
        Self {
            at: at as u32,
            kind: DecodeErrorKind::Charset(name.into()),
        }
    }
}

/// A kind of decoding error. The F numbers are the classes of malformed input in `docs/malformed.md`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// An empty body.
    #[error("the body is empty")]
    Empty,
    /// Neither XML nor WBXML.
    #[error("neither XML nor WBXML")]
    NotMarkup,
    /// A limit of [`super::Limits`] was reached.
    #[error("more than {limit} {what}")]
    TooLarge {
        /// The things of which there are too many.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// XML that is not well-formed, with a description.
    #[error("XML: {0}")]
    Xml(String),
    /// WBXML that breaks its grammar.
    #[error("WBXML: {0}")]
    Wbxml(Fault),
    /// A charset that is not implemented.
    #[error("unsupported charset {0}")]
    Charset(String),
}

impl DecodeErrorKind {
    /// Whether the body is WBXML of a vocabulary other than those of device management.
    pub fn is_of_another_vocabulary(&self) -> bool {
        matches!(self, Self::Wbxml(Fault::PublicId(_)))
    }
}

/// A violation of the standard that the decoder let pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The offset into the source, in bytes.
    pub at: u32,
    /// The kind of violation.
    pub kind: FlagKind,
}

/// A kind of violation that the decoder let pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlagKind {
    /// A document type declaration. The decoder fetches nothing and takes no declarations from it.
    #[error("a DOCTYPE")]
    Doctype,
    /// A reference to an entity that XML does not predefine; its text stays as it is written.
    #[error("the entity &{0}; is not defined")]
    UndefinedEntity(String),
    /// A prefix that no `xmlns` declares.
    #[error("the prefix {0} is not declared")]
    UndeclaredPrefix(String),
    /// Another violation, with a description.
    #[error("{0}")]
    Other(String),
    /// F02: a version byte above 0x03, or WBXML 1.0 with the charset field that was introduced with 1.1.
    #[error("WBXML version byte {0:#04x} with a header it does not have")]
    Version(u8),
    /// F04: a number padded with leading zeros.
    #[error("a number padded with zeros")]
    PaddedNumber,
    /// F07: an unknown public identifier; the media type decided the document type.
    #[error("unknown public identifier {0}; the media type decided")]
    UnknownPublicId(String),
    /// F08: the media type of another kind of document.
    #[error("the body is {document}, its media type says {media_type}")]
    MediaType {
        /// The kind of document according to the public identifier.
        document: &'static str,
        /// The media type from the transport.
        media_type: String,
    },
    /// F10: another charset in the transport than in the document.
    #[error("the body is {document}, its media type says {transport}")]
    TransportCharset {
        /// The charset in the document.
        document: &'static str,
        /// The charset from the transport.
        transport: String,
    },
    /// F12: LITERAL 0 with an empty string table, which some phones send for `xmlns`.
    #[error("LITERAL 0 without a string table, read as xmlns")]
    ImpliedXmlns,
    /// F13: the last string of the table ends with the table, without NUL.
    #[error("the last string of the table has no NUL")]
    UnterminatedTable,
    /// F13: a string table reference into the middle of a character.
    #[error("string table index {0} points into a character")]
    SplitCharacter(u32),
    /// F18: OPAQUE, which was introduced with WBXML 1.1.
    #[error("OPAQUE in WBXML 1.0")]
    OpaqueIn10,
    /// F19: a tag that is not in the tables; its name becomes `unknown_PP_TT`.
    #[error("unknown tag {token:#04x} of page {page}")]
    UnknownTag {
        /// The code page.
        page: u8,
        /// The token, without its flag bits.
        token: u8,
    },
    /// F19: a tag that is only in the tables of some devices.
    #[error("tag {token:#04x} of page {page} is an extension of some devices")]
    VendorTag {
        /// The code page.
        page: u8,
        /// The token, without its flag bits.
        token: u8,
    },
    /// F19: an attribute start or value that is not in the tables; its name becomes `unknown_PP_TT`.
    #[error("unknown attribute token {token:#04x} of page {page}")]
    UnknownAttribute {
        /// The attribute code page.
        page: u8,
        /// The token.
        token: u8,
    },
    /// F21: attributes on a SyncML element; SyncML elements have none.
    #[error("attributes on an element that has none")]
    Attributes,
    /// F22: an attribute list without an attribute.
    #[error("an empty attribute list")]
    EmptyAttributeList,
    /// F22: an attribute that the element already has.
    #[error("the attribute {0} a second time")]
    DuplicateAttribute(String),
    /// F27: bytes after the root element.
    #[error("{0} bytes behind the root element")]
    Trailing(usize),
    /// F28: text where only elements are allowed.
    #[error("text where only elements may stand")]
    TextAmongElements,
    /// F31: an embedded document deeper than [`super::Limits::embedded`]; it is not opened.
    #[error("a document too deep inside others")]
    EmbeddedTooDeep,
    /// F32: OPAQUE that is declared as WBXML but does not decode; its octets stay as they are.
    #[error("declared as WBXML, but: {0}")]
    EmbeddedUnreadable(String),
    /// F33: a page switch that is not followed by a tag.
    #[error("a page switch in front of no tag")]
    IdleSwitch,
    /// F34: a root that the document type does not allow.
    #[error("{0} is no root of this document type")]
    Root(String),
    /// F34: a document of page 2 names that never switches to page 2.
    #[error("tags of page 2 without a switch to it")]
    ImpliedPage,
}

impl DecodeErrorKind {
    /// Returns the class of malformed input (`F01` and so on), if `docs/malformed.md` lists one.
    pub fn id(&self) -> Option<&'static str> {
        match self {
            Self::Empty => Some("F01"),
            Self::TooLarge {
                what: "levels of elements",
                ..
            } => Some("F29"),
            Self::TooLarge { .. } => Some("F30"),
            Self::Charset(_) => Some("F09"),
            Self::Wbxml(fault) => Some(fault.id()),
            Self::NotMarkup | Self::Xml(_) => None,
        }
    }
}

impl FlagKind {
    /// Returns the class of malformed input (`F02` and so on), if `docs/malformed.md` lists one.
    pub fn id(&self) -> Option<&'static str> {
        match self {
            Self::Doctype | Self::UndefinedEntity(_) | Self::UndeclaredPrefix(_) => None,
            Self::Other(_) => None,
            Self::Version(_) => Some("F02"),
            Self::PaddedNumber => Some("F04"),
            Self::UnknownPublicId(_) => Some("F07"),
            Self::MediaType { .. } => Some("F08"),
            Self::TransportCharset { .. } => Some("F10"),
            Self::ImpliedXmlns => Some("F12"),
            Self::UnterminatedTable | Self::SplitCharacter(_) => Some("F13"),
            Self::OpaqueIn10 => Some("F18"),
            Self::UnknownTag { .. } | Self::VendorTag { .. } => Some("F19"),
            Self::UnknownAttribute { .. } => Some("F19"),
            Self::Attributes => Some("F21"),
            Self::EmptyAttributeList | Self::DuplicateAttribute(_) => Some("F22"),
            Self::Trailing(_) => Some("F27"),
            Self::TextAmongElements => Some("F28"),
            Self::EmbeddedTooDeep => Some("F31"),
            Self::EmbeddedUnreadable(_) => Some("F32"),
            Self::IdleSwitch => Some("F33"),
            Self::Root(_) | Self::ImpliedPage => Some("F34"),
        }
    }
}

/// The most flags that one document keeps; later ones are dropped.
pub(crate) const MOST_FLAGS: usize = 256;

/// The most attributes of one element; each is compared with the others to find duplicates.
pub(crate) const MOST_ATTRIBUTES: usize = 100;
