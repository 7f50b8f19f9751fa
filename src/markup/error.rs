//! What a decoder refuses, and what it lets pass with a flag.

use super::wbxml::Fault;

/// Why a body could not be decoded, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at}: {kind}")]
pub struct DecodeError {
    /// Offset into the source, in bytes.
    pub at: u32,
    /// What is wrong there.
    pub kind: DecodeErrorKind,
}

/// What is wrong with a body. The F numbers are the classes of malformed WBXML that `docs/` lists.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// There is nothing to decode.
    #[error("the body is empty")]
    Empty,
    /// Neither XML nor WBXML.
    #[error("neither XML nor WBXML")]
    NotMarkup,
    /// A limit of [`super::Limits`] was reached.
    #[error("more than {limit} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// XML that is not well-formed, in words.
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
    /// Whether it is WBXML of a vocabulary that is none of those of device management.
    pub fn is_of_another_vocabulary(&self) -> bool {
        matches!(self, Self::Wbxml(Fault::PublicId(_)))
    }
}

/// Something the standard forbids and the decoder let pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Offset into the source, in bytes.
    pub at: u32,
    /// What was let pass.
    pub kind: FlagKind,
}

/// What was let pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlagKind {
    /// A document type declaration. Nothing is fetched or declared from it.
    #[error("a DOCTYPE")]
    Doctype,
    /// A reference to an entity that XML does not predefine; its text stays as it is written.
    #[error("the entity &{0}; is not defined")]
    UndefinedEntity(String),
    /// A prefix that no `xmlns` declares.
    #[error("the prefix {0} is not declared")]
    UndeclaredPrefix(String),
    /// In words.
    #[error("{0}")]
    Other(String),
    /// F02: a version byte above 0x03, or 1.0 with the charset field that came with 1.1.
    #[error("WBXML version byte {0:#04x} with a header it does not have")]
    Version(u8),
    /// F04: a number padded with leading zeros.
    #[error("a number padded with zeros")]
    PaddedNumber,
    /// F07: an unknown public identifier; the media type decided what the document is.
    #[error("unknown public identifier {0}; the media type decided")]
    UnknownPublicId(String),
    /// F08: the media type is that of another kind of document.
    #[error("the body is {document}, its media type says {media_type}")]
    MediaType {
        /// What the public identifier says.
        document: &'static str,
        /// What the transport said.
        media_type: String,
    },
    /// F10: the transport said another charset.
    #[error("the body is {document}, its media type says {transport}")]
    TransportCharset {
        /// What the document says.
        document: &'static str,
        /// What the transport said.
        transport: String,
    },
    /// F12: LITERAL 0 with an empty string table, which some phones send for `xmlns`.
    #[error("LITERAL 0 without a string table, read as xmlns")]
    ImpliedXmlns,
    /// F13: the last string of the table ends with the table, without NUL.
    #[error("the last string of the table has no NUL")]
    UnterminatedTable,
    /// F13: a reference into the middle of a character.
    #[error("string table index {0} points into a character")]
    SplitCharacter(u32),
    /// F18: OPAQUE came with WBXML 1.1.
    #[error("OPAQUE in WBXML 1.0")]
    OpaqueIn10,
    /// F19: a tag that no table has; it is called `unknown_PP_TT`.
    #[error("unknown tag {token:#04x} of page {page}")]
    UnknownTag {
        /// The code page.
        page: u8,
        /// The token, without its flag bits.
        token: u8,
    },
    /// F19: a tag that only some devices' tables have.
    #[error("tag {token:#04x} of page {page} is an extension of some devices")]
    VendorTag {
        /// The code page.
        page: u8,
        /// The token, without its flag bits.
        token: u8,
    },
    /// F19: an attribute start or value that no table has; it is called `unknown_PP_TT`.
    #[error("unknown attribute token {token:#04x} of page {page}")]
    UnknownAttribute {
        /// The attribute code page.
        page: u8,
        /// The token.
        token: u8,
    },
    /// F21: attributes on an element of SyncML, which has none.
    #[error("attributes on an element that has none")]
    Attributes,
    /// F22: an attribute list without an attribute.
    #[error("an empty attribute list")]
    EmptyAttributeList,
    /// F22: an attribute that the element already has.
    #[error("the attribute {0} a second time")]
    DuplicateAttribute(String),
    /// F27: bytes behind the root element.
    #[error("{0} bytes behind the root element")]
    Trailing(usize),
    /// F28: text where only elements may stand.
    #[error("text where only elements may stand")]
    TextAmongElements,
    /// F31: a document inside a document, deeper than [`super::Limits::embedded`]; it stays closed.
    #[error("a document too deep inside others")]
    EmbeddedTooDeep,
    /// F32: OPAQUE that is declared as WBXML and is none; its octets stay as they are.
    #[error("declared as WBXML, but: {0}")]
    EmbeddedUnreadable(String),
    /// F33: a page switch with no tag behind it.
    #[error("a page switch in front of no tag")]
    IdleSwitch,
    /// F34: a root that does not belong to the document type.
    #[error("{0} is no root of this document type")]
    Root(String),
    /// F34: a page-2 document that never switched to page 2.
    #[error("tags of page 2 without a switch to it")]
    ImpliedPage,
}

impl DecodeErrorKind {
    /// Its class of malformed input (`F01` and so on), where `docs/` lists one.
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
    /// Its class of malformed input (`F02` and so on), where `docs/` lists one.
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

/// Most flags that one document keeps; later ones are dropped.
pub(crate) const MOST_FLAGS: usize = 256;

/// Most attributes of one element; duplicates are looked for among them.
pub(crate) const MOST_ATTRIBUTES: usize = 100;
