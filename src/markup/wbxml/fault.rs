//! The reasons to refuse malformed WBXML. The F numbers are the classes of malformed input in `docs/malformed.md`.

/// A violation of the WBXML grammar that is refused even without strict mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// F01: the input ends early.
    #[error("the input ends inside {0}")]
    Truncated(&'static str),
    /// F03: a `mb_u_int32` of more than 5 bytes or 32 bits.
    #[error("a number of more than 32 bits")]
    Number,
    /// F05: a string table longer than the rest of the input.
    #[error("a string table of {0} bytes reaches beyond the end")]
    StringTable(u32),
    /// F06: the index of the textual public identifier is beyond the string table.
    #[error("the public identifier begins at {0}, beyond the string table")]
    PublicIdIndex(u32),
    /// F07: an unknown public identifier, and no media type that gives the document type.
    #[error(
        "public identifier {0} is of no document that dmtap knows (SyncML, MetInf, DevInf, DM DDF, Client Provisioning), and \
         no media type settles what it is"
    )]
    PublicId(String),
    /// F11: an inline string without NUL.
    #[error("a string without its NUL")]
    Unterminated,
    /// F12: a reference beyond the string table.
    #[error("string table index {0} lies beyond the table")]
    TableIndex(u32),
    /// F14: a string that is not text in the document's charset.
    #[error("text that is not {0}")]
    Text(&'static str),
    /// F15: a surrogate, a number beyond Unicode, or a character that XML forbids.
    #[error("ENTITY {0:#x} is no character of XML")]
    Entity(u32),
    /// F17: an OPAQUE longer than the rest of the input.
    #[error("OPAQUE of {0} bytes reaches beyond the end")]
    Opaque(u32),
    /// F20: a token that the tables reserve, or a global token where it is not allowed.
    #[error("token {0:#04x} is reserved")]
    Reserved(u8),
    /// F23: an attribute value before any attribute.
    #[error("an attribute value without an attribute")]
    StrayValue,
    /// F24: a processing instruction; none of the document types defines one.
    #[error("a processing instruction")]
    ProcessingInstruction,
    /// F25: an extension token; none of the document types gives it a meaning.
    #[error("extension token {0:#04x}")]
    Extension(u8),
    /// F26: END without an open element.
    #[error("END without an open element")]
    StrayEnd,
    /// F26: the input ends inside an element.
    #[error("the input ends before END")]
    MissingEnd,
    /// F28: character data in front of the root element.
    #[error("text outside the root element")]
    Outside,
    /// F35: a LITERAL that is not an XML name.
    #[error("{0:?} is no XML name")]
    Name(String),
}

impl Fault {
    /// Returns the class of malformed input: `F01` and so on.
    pub fn id(&self) -> &'static str {
        match self {
            Self::Truncated(_) => "F01",
            Self::Number => "F03",
            Self::StringTable(_) => "F05",
            Self::PublicIdIndex(_) => "F06",
            Self::PublicId(_) => "F07",
            Self::Unterminated => "F11",
            Self::TableIndex(_) => "F12",
            Self::Text(_) => "F14",
            Self::Entity(_) => "F15",
            Self::Opaque(_) => "F17",
            Self::Reserved(_) => "F20",
            Self::StrayValue => "F23",
            Self::ProcessingInstruction => "F24",
            Self::Extension(_) => "F25",
            Self::StrayEnd | Self::MissingEnd => "F26",
            Self::Outside => "F28",
            Self::Name(_) => "F35",
        }
    }
}
