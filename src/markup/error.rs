//! What a decoder refuses, and what it lets pass with a flag.

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
    /// WBXML that breaks its grammar, in words.
    #[error("WBXML: {0}")]
    Wbxml(String),
    /// A charset that is not implemented.
    #[error("unsupported charset {0}")]
    Charset(String),
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
}

/// Most flags that one document keeps; later ones are dropped.
pub(crate) const MOST_FLAGS: usize = 256;
