//! The supported charsets of documents: UTF-8, US-ASCII, ISO-8859-1. Others are refused by name.

use std::borrow::Cow;

/// The charset of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Charset {
    /// UTF-8, the default if no charset is declared.
    #[default]
    Utf8,
    /// US-ASCII.
    Ascii,
    /// ISO-8859-1, one byte for each of the first 256 characters.
    Latin1,
}

impl Charset {
    const ALL: [Self; 3] = [Self::Utf8, Self::Ascii, Self::Latin1];

    /// Returns the charset with this IANA MIBenum.
    pub fn of_mib(mib: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|charset| charset.mib() == mib)
    }

    /// Returns the IANA MIBenum of the charset.
    pub const fn mib(self) -> u32 {
        match self {
            Self::Utf8 => 106,
            Self::Ascii => 3,
            Self::Latin1 => 4,
        }
    }

    /// Returns the charset with this name or alias of the IANA registry, or another common spelling; case does not
    /// matter.
    pub fn of_name(name: &str) -> Option<Self> {
        let is = |known: &&str| known.eq_ignore_ascii_case(name);
        let has = |charset: &Self| charset.names().iter().any(&is);
        Self::ALL.into_iter().find(has)
    }

    /// Returns the name that MIME prefers.
    pub fn name(self) -> &'static str {
        self.names()[0]
    }

    /// Returns the preferred name, the aliases that IANA registers, and then common spellings that are not registered.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Utf8 => &["UTF-8", "csUTF8", "utf8"],
            Self::Ascii => &[
                "US-ASCII",
                "ANSI_X3.4-1968",
                "ANSI_X3.4-1986",
                "ISO_646.irv:1991",
                "ISO646-US",
                "iso-ir-6",
                "us",
                "IBM367",
                "cp367",
                "csASCII",
                "ascii",
            ],
            Self::Latin1 => &[
                "ISO-8859-1",
                "ISO_8859-1:1987",
                "ISO_8859-1",
                "iso-ir-100",
                "latin1",
                "l1",
                "IBM819",
                "CP819",
                "csISOLatin1",
                "iso8859-1",
                "latin-1",
            ],
        }
    }

    /// Whether the bytes are valid text in the charset.
    #[inline]
    pub(crate) fn holds(self, bytes: &[u8]) -> bool {
        match self {
            Self::Utf8 => std::str::from_utf8(bytes).is_ok(),
            Self::Ascii => bytes.is_ascii(),
            Self::Latin1 => true,
        }
    }

    /// Decodes bytes; invalid sequences become U+FFFD.
    pub(crate) fn text(self, bytes: &[u8]) -> Cow<'_, str> {
        match std::str::from_utf8(bytes) {
            Ok(text) if self != Self::Latin1 || text.is_ascii() => Cow::Borrowed(text),
            _ if self == Self::Latin1 => bytes.iter().copied().map(char::from).collect(),
            _ => String::from_utf8_lossy(bytes),
        }
    }

    /// Whether the charset has the character.
    pub(crate) fn has(self, character: char) -> bool {
        match self {
            Self::Utf8 => true,
            Self::Ascii => character.is_ascii(),
            Self::Latin1 => u32::from(character) < 0x100,
        }
    }

    /// Appends a text in the charset, which must have all its characters.
    pub(crate) fn write(self, out: &mut Vec<u8>, text: &str) {
        match self {
            Self::Latin1 => out.extend(text.chars().map(|c| u32::from(c) as u8)),
            Self::Utf8 | Self::Ascii => out.extend_from_slice(text.as_bytes()),
        }
    }
}

/// Whether this is a name of UTF-16 in any byte order, or of its predecessor UCS-2.
pub(crate) fn is_wide(name: &str) -> bool {
    let names = [
        "utf-16",
        "utf-16le",
        "utf-16be",
        "utf16",
        "iso-10646-ucs-2",
        "ucs-2",
    ];
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Returns the name of a MIBenum for messages.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charsets_are_known_by_each_of_their_names_and_numbers() {
        for charset in Charset::ALL {
            for name in charset.names() {
                for name in [name.to_ascii_uppercase(), name.to_ascii_lowercase()] {
                    assert_eq!(Charset::of_name(&name), Some(charset));
                }
            }
            assert_eq!(Charset::of_mib(charset.mib()), Some(charset));
        }
        // Windows-1252 is often called Latin-1, but is another charset.
        for other in [
            "",
            "utf-16",
            "windows-1252",
            "cp1252",
            "ISO-8859-15",
            "utf-7",
        ] {
            assert_eq!(Charset::of_name(other), None, "{other}");
        }
        for other in [0, 5, 17, 1013, 1015, 2252] {
            assert_eq!(Charset::of_mib(other), None, "{other}");
        }
    }

    #[test]
    fn bytes_beyond_ascii_are_characters_of_latin_1() {
        for (charset, bytes, text, holds) in [
            (Charset::Utf8, &b"a\xC3\xA9"[..], "a\u{e9}", true),
            (Charset::Utf8, b"a\xE9", "a\u{fffd}", false),
            (Charset::Ascii, b"a", "a", true),
            (Charset::Ascii, b"\xC3\xA9", "\u{e9}", false),
            (Charset::Latin1, b"a\xE9", "a\u{e9}", true),
            (Charset::Latin1, b"\xC3\xA9", "\u{c3}\u{a9}", true),
        ] {
            assert_eq!((&*charset.text(bytes), charset.holds(bytes)), (text, holds));
        }
    }
}
