//! XML in UTF-16: conversion to UTF-8, which documents consist of, and back.

use bytes::Bytes;

use super::{DecodeError, DecodeErrorKind, wbxml};

/// The form of UTF-16 of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utf16 {
    is_big_endian: bool,
    /// Whether the source begins with a byte order mark.
    has_mark: bool,
}

/// Converts XML in UTF-16 to UTF-8; returns any other source unchanged. The UTF-8 text begins with a byte order mark,
/// which overrides the encoding in the XML declaration.
///
/// # Errors
/// An incomplete character, with its offset in the source.
pub fn in_utf8(source: Bytes) -> Result<Bytes, DecodeError> {
    match Utf16::of(&source) {
        Some(utf16) => utf16.to_utf8(&source),
        None => Ok(source),
    }
}

/// Converts a source that declares Windows-1252 or ISO-8859-1 to UTF-8 with a byte order mark. `None` if it declares
/// neither, is WBXML, or has characters beyond ASCII in valid UTF-8.
pub fn windows_1252(source: &[u8]) -> Option<Bytes> {
    let declares = |name: &&str| {
        let declared = |quote: char| format!("encoding={quote}{name}{quote}");
        let mut declared = ['"', '\''].into_iter().map(declared);
        declared.any(|declared| memchr::memmem::find(source, declared.as_bytes()).is_some())
    };
    let is_other = source.is_ascii() || std::str::from_utf8(source).is_err();
    let is_declared = is_other && !wbxml::looks_like(source) && SINGLE_BYTE.iter().any(declares);
    let character = |byte: &u8| match byte {
        0x80..0xA0 => char::from_u32(WINDOWS_1252[usize::from(byte - 0x80)].into()),
        _ => Some(char::from(*byte)),
    };
    let text = BOM.chars().chain(source.iter().filter_map(character));
    is_declared.then(|| text.collect::<String>().into())
}

/// Names of charsets with one byte for each character.
const SINGLE_BYTE: [&str; 5] = [
    "windows-1252",
    "Windows-1252",
    "cp1252",
    "iso-8859-1",
    "ISO-8859-1",
];
/// The characters of Windows-1252 from 0x80 to 0x9F; unassigned ones are control characters.
const WINDOWS_1252: [u16; 32] = [
    0x20AC, 0x81, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039,
    0x0152, 0x8D, 0x017D, 0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
    0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D, 0x017E, 0x0178,
];

impl Utf16 {
    /// Returns the form of a source that begins like XML in UTF-16, with or without a byte order mark.
    pub fn of(source: &[u8]) -> Option<Self> {
        let (is_big_endian, has_mark) = match source {
            [0xFF, 0xFE, ..] => (false, true),
            [0xFE, 0xFF, ..] => (true, true),
            [0, ..] => (true, false),
            [_, 0, ..] => (false, false),
            _ => return None,
        };
        let found = Self {
            is_big_endian,
            has_mark,
        };
        let is_space = |unit: &u16| [0x20, 0x09, 0x0A, 0x0D].contains(unit);
        let mut units = found.units(source).skip_while(is_space);
        let is_tag = units.next() == Some(u16::from(b'<'));
        let begins_name = |unit: u16| {
            let next = char::from_u32(unit.into());
            next.is_some_and(|next| next.is_alphabetic() || "?!_:".contains(next))
        };
        let is_xml = is_tag && units.next().is_some_and(begins_name);
        is_xml.then_some(found)
    }

    /// Returns the name of the charset.
    pub fn name(self) -> &'static str {
        match self.is_big_endian {
            true => "UTF-16BE",
            false => "UTF-16LE",
        }
    }

    /// Returns the length of the source in UTF-8, in bytes, including a byte order mark.
    ///
    /// # Errors
    /// An incomplete character, with its offset in the source.
    pub fn utf8_length(self, source: &[u8]) -> Result<usize, DecodeError> {
        let mut at = self.mark().len();
        let mut length = BOM.len();
        for character in char::decode_utf16(self.units(source)) {
            let character = character.map_err(|_| self.broken(at))?;
            at += 2 * character.len_utf16();
            length += character.len_utf8();
        }
        match at == source.len() {
            true => Ok(length),
            false => Err(self.broken(at)),
        }
    }

    /// Converts the source to UTF-8, with a byte order mark.
    ///
    /// # Errors
    /// An incomplete character, with its offset in the source.
    pub fn to_utf8(self, source: &[u8]) -> Result<Bytes, DecodeError> {
        let mut text = String::with_capacity(self.utf8_length(source)?);
        text.push_str(BOM);
        // No character is broken: `utf8_length` has checked them.
        text.extend(char::decode_utf16(self.units(source)).flatten());
        Ok(text.into())
    }

    /// Converts UTF-8 text to this form of UTF-16, with a byte order mark if the source had one. Drops a character that
    /// is cut off at the end. `None` if the bytes are not UTF-8 text (UTF-16, WBXML): these stay as they are.
    pub fn from_utf8(self, text: &[u8]) -> Option<Vec<u8>> {
        if wbxml::looks_like(text) || Self::of(text).is_some() {
            return None;
        }
        let text = match std::str::from_utf8(text) {
            Ok(text) => text,
            Err(error) if error.error_len().is_some() => return None,
            Err(error) => std::str::from_utf8(&text[..error.valid_up_to()]).ok()?,
        };
        let text = text.strip_prefix(BOM).unwrap_or(text);
        let mut source = Vec::with_capacity(2 + 2 * text.len());
        source.extend(self.mark());
        for unit in text.encode_utf16() {
            source.extend(match self.is_big_endian {
                true => unit.to_be_bytes(),
                false => unit.to_le_bytes(),
            });
        }
        Some(source)
    }

    fn mark(self) -> &'static [u8] {
        match (self.has_mark, self.is_big_endian) {
            (false, _) => &[],
            (true, true) => &[0xFE, 0xFF],
            (true, false) => &[0xFF, 0xFE],
        }
    }

    /// Returns the 16-bit units after the mark; ignores a single byte at the end.
    fn units(self, source: &[u8]) -> impl Iterator<Item = u16> {
        let (pairs, _) = source[self.mark().len()..].as_chunks::<2>();
        pairs.iter().map(move |&pair| match self.is_big_endian {
            true => u16::from_be_bytes(pair),
            false => u16::from_le_bytes(pair),
        })
    }

    fn broken(self, at: usize) -> DecodeError {
        DecodeError {
            at: at as u32,
            kind: DecodeErrorKind::Xml(format!("half of a character in {}", self.name())),
        }
    }
}

/// The byte order mark, which is not part of the text: three bytes in UTF-8.
const BOM: &str = "\u{FEFF}";

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> [(Vec<u8>, &'static str); 4] {
        let le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        [
            ([&[0xFF, 0xFE][..], &le].concat(), "UTF-16LE"),
            ([&[0xFE, 0xFF][..], &be].concat(), "UTF-16BE"),
            (le, "UTF-16LE"),
            (be, "UTF-16BE"),
        ]
    }

    #[test]
    fn utf_16_becomes_utf_8_and_goes_back_as_it_came() {
        for text in [
            "<a>\u{e9}\u{4e2d}\u{1F600}</a>",
            " \r\n<?xml version='1.0'?><a/>",
            "<\u{e9}/>",
        ] {
            for (source, charset) in written(text) {
                let utf16 = Utf16::of(&source).expect(charset);
                assert_eq!(utf16.name(), charset);
                let utf8 = utf16.to_utf8(&source).expect(charset);
                assert_eq!(utf8, format!("\u{FEFF}{text}").as_bytes());
                assert_eq!(utf16.utf8_length(&source).expect(charset), utf8.len());
                assert_eq!(utf16.from_utf8(&utf8), Some(source.clone()));
                // A rule may have replaced the text by one without a mark.
                assert_eq!(utf16.from_utf8(text.as_bytes()), Some(source.clone()));
                assert_eq!(in_utf8(source.into()).expect(charset), utf8);
            }
        }
    }

    #[test]
    fn half_of_a_character_is_refused_with_its_offset() {
        let [_, _, (source, _), _] = written("<a>\u{e9}\u{1F600}</a>");
        for (source, at) in [(&source[..10], 8), (&source[..9], 8), (&source[..7], 6)] {
            let utf16 = Utf16::of(source).expect("UTF-16");
            let error = utf16.to_utf8(source).expect_err("broken");
            assert_eq!(error.at, at, "{error}");
        }
    }

    #[test]
    fn nothing_else_is_taken_for_xml_in_utf_16() {
        for other in [
            &b"<a/>"[..],
            b"\xFF\xFE\0\0<\0\0\0",
            b"\xFF\xFE",
            b"\xFF\xFEh\0i\0",
            b"\0\0\0<\0\0\0a",
            b"<\0\0\0a\0\0\0",
            b"\x03\x01\x6A\0",
            b"\x02\0\x6A\0\x45",
            b"\0",
            b"",
        ] {
            assert_eq!(Utf16::of(other), None, "{other:?}");
        }
    }

    #[test]
    fn what_is_no_text_in_utf_8_stays_as_it_is() {
        let utf16 = Utf16::of(b"\xFF\xFE<\0a\0").expect("UTF-16");
        for other in [
            &b"<a>\xE9</a>"[..],
            b"\x03\x01\x6A\0\x45",
            b"<\0a\0>\0",
            b"\xFE\xFF\0<\0a",
        ] {
            assert_eq!(utf16.from_utf8(other), None, "{other:?}");
        }
        // Truncated within a character.
        let cut = utf16.from_utf8("<a>\u{4e2d}".as_bytes().split_last().expect("bytes").1);
        assert_eq!(cut.as_deref(), Some(&b"\xFF\xFE<\0a\0>\0"[..]));
    }
}
