//! Steps that change the bytes of the body.

use bytes::Bytes;
use regex::Regex;

use crate::rules::template::Template;

/// A change of the body's bytes, without content coding.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RawStep {
    /// `set-body`: this text is the body.
    SetText(Template, Form),
    /// `set-body`: these bytes are the body.
    SetBytes(Bytes, Form),
    /// `replace-text`: what matches gives way to other text.
    ReplaceText {
        /// What is looked for.
        pattern: Pattern,
        /// What stands there instead; `$1` is the first group.
        with: Template,
    },
    /// `flip`: bits of some bytes turn round.
    Flip {
        /// The first byte; below 0 from the end, where -1 is the last one.
        at: i64,
        /// How many bytes.
        length: u32,
        /// The bits.
        mask: u8,
    },
    /// `truncate`: only the beginning stays.
    Truncate(Length),
}

/// In which form a new body is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it is written.
    AsIs,
    /// As a document in the encoding of the message: XML becomes WBXML where the message is.
    Message,
}

/// How much of a body stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So many bytes; below 0, all but so many.
    Bytes(i64),
    /// So many hundredths.
    Percent(u8),
}

/// A regular expression.
#[derive(Clone, Debug)]
pub struct Pattern(pub Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl RawStep {
    /// Its verb in rule files and records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SetText(..) | Self::SetBytes(..) => "set-body",
            Self::ReplaceText { .. } => "replace-text",
            Self::Flip { .. } => "flip",
            Self::Truncate(_) => "truncate",
        }
    }

    /// The template in it.
    pub fn template(&self) -> Option<&Template> {
        match self {
            Self::SetText(text, _) => Some(text),
            Self::ReplaceText { with, .. } => Some(with),
            _ => None,
        }
    }

    /// Whether nothing of the body before it is left.
    pub fn replaces_all(&self) -> bool {
        matches!(self, Self::SetText(..) | Self::SetBytes(..))
    }
}
