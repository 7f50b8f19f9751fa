//! The charsets a document may be in: UTF-8, US-ASCII, ISO-8859-1. Others are refused by name.

use std::borrow::Cow;

/// How the characters of a document are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Charset {
    /// MIBenum 106, and what is meant where nobody says.
    #[default]
    Utf8,
    /// MIBenum 3.
    Ascii,
    /// MIBenum 4.
    Latin1,
}

impl Charset {
    /// The charset with this IANA MIBenum.
    pub fn of_mib(mib: u32) -> Option<Self> {
        match mib {
            106 => Some(Self::Utf8),
            3 => Some(Self::Ascii),
            4 => Some(Self::Latin1),
            _ => None,
        }
    }

    /// The charset with this name, whatever its case.
    pub fn of_name(name: &str) -> Option<Self> {
        let names = |known: &[&str]| known.iter().any(|one| one.eq_ignore_ascii_case(name));
        match () {
            () if names(&["utf-8", "utf8"]) => Some(Self::Utf8),
            () if names(&["us-ascii", "ascii"]) => Some(Self::Ascii),
            () if names(&["iso-8859-1", "iso_8859-1", "latin1"]) => Some(Self::Latin1),
            () => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Ascii => "US-ASCII",
            Self::Latin1 => "ISO-8859-1",
        }
    }

    /// Whether the bytes are text in it.
    #[inline]
    pub(crate) fn holds(self, bytes: &[u8]) -> bool {
        match self {
            Self::Utf8 => std::str::from_utf8(bytes).is_ok(),
            Self::Ascii => bytes.is_ascii(),
            Self::Latin1 => true,
        }
    }

    /// The text that bytes are; what is no text becomes U+FFFD.
    pub(crate) fn text(self, bytes: &[u8]) -> Cow<'_, str> {
        match self {
            Self::Utf8 | Self::Ascii => String::from_utf8_lossy(bytes),
            Self::Latin1 => match std::str::from_utf8(bytes) {
                Ok(text) if text.is_ascii() => Cow::Borrowed(text),
                _ => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
            },
        }
    }

    /// Whether the character can be written in it.
    pub(crate) fn has(self, character: char) -> bool {
        match self {
            Self::Utf8 => true,
            Self::Ascii => character.is_ascii(),
            Self::Latin1 => u32::from(character) < 0x100,
        }
    }

    /// Appends a text of characters that it has.
    pub(crate) fn write(self, out: &mut Vec<u8>, text: &str) {
        match self {
            Self::Latin1 => out.extend(text.chars().map(|c| u32::from(c) as u8)),
            Self::Utf8 | Self::Ascii => out.extend_from_slice(text.as_bytes()),
        }
    }
}

/// A MIBenum in words, for messages.
pub(crate) fn describe(mib: u32) -> String {
    match mib {
        1013 => "UTF-16BE".into(),
        1014 => "UTF-16LE".into(),
        1015 => "UTF-16".into(),
        1000 => "ISO-10646-UCS-2".into(),
        17 => "Shift_JIS".into(),
        113 => "GBK".into(),
        114 => "GB18030".into(),
        2025 => "GB2312".into(),
        2026 => "Big5".into(),
        _ => format!("with MIBenum {mib}"),
    }
}
