//! Compact JSON, byte for byte as serde_json writes it. A record is mostly names of fields, which need no escaping, and
//! short texts, which are searched eight bytes at a time: that takes half of serde_json's time
//! (`cargo bench --bench record`).

use serde::ser::{self, Error as _};
use serde::{Serialize, Serializer};
use serde_json::{Error, Result};

/// Appends the JSON of a value.
///
/// # Errors
/// Where a key of a map is no text.
pub(super) fn write(value: &impl Serialize, line: &mut Vec<u8>) -> Result<()> {
    value.serialize(Json(line))
}

/// Appends text as it stands in a JSON string, with each control character by its number.
pub(super) fn escape(text: &str, line: &mut Vec<u8>) {
    escape_with(text, line, by_number);
}

/// The JSON of one value, appended to a line.
struct Json<'l>(&'l mut Vec<u8>);

/// An array or object that is being written.
struct Group<'l> {
    line: &'l mut Vec<u8>,
    is_empty: bool,
    end: &'static [u8],
}

impl<'l> Json<'l> {
    fn group(self, begin: u8, end: &'static [u8]) -> Group<'l> {
        self.0.push(begin);
        Group {
            line: self.0,
            is_empty: true,
            end,
        }
    }

    /// The name of a variant, in front of what it holds.
    fn variant(self, name: &str) -> Self {
        self.0.extend_from_slice(b"{\"");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
        self
    }

    fn null(self) {
        self.0.extend_from_slice(b"null");
    }
}

impl Group<'_> {
    fn next(&mut self) -> Json<'_> {
        if !std::mem::take(&mut self.is_empty) {
            self.line.push(b',');
        }
        Json(self.line)
    }

    fn field(&mut self, name: &'static str, value: &(impl Serialize + ?Sized)) -> Result<()> {
        let Json(line) = self.next();
        line.reserve(name.len() + 3);
        line.push(b'"');
        line.extend_from_slice(name.as_bytes());
        line.extend_from_slice(b"\":");
        value.serialize(Json(line))
    }

    fn close(self) {
        self.line.extend_from_slice(self.end);
    }
}

/// Numbers and the like, which serde_json writes.
macro_rules! by_serde_json {
    ($($method:ident: $type:ty,)*) => {
        $(fn $method(self, value: $type) -> Result<()> {
            serde_json::to_writer(self.0, &value)
        })*
    };
}

impl<'l> Serializer for Json<'l> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Group<'l>;
    type SerializeTuple = Group<'l>;
    type SerializeTupleStruct = Group<'l>;
    type SerializeTupleVariant = Group<'l>;
    type SerializeMap = Group<'l>;
    type SerializeStruct = Group<'l>;
    type SerializeStructVariant = Group<'l>;

    by_serde_json! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_f32: f32,
        serialize_f64: f64,
        serialize_char: char,
        serialize_bytes: &[u8],
    }

    fn serialize_str(self, text: &str) -> Result<()> {
        self.0.push(b'"');
        escape_with(text, self.0, by_letter);
        self.0.push(b'"');
        Ok(())
    }

    fn serialize_none(self) -> Result<()> {
        self.null();
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<()> {
        self.null();
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<()> {
        self.null();
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<()> {
        self.serialize_str(name)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<()> {
        let Json(line) = self.variant(name);
        value.serialize(Json(line))?;
        line.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Group<'l>> {
        Ok(self.group(b'[', b"]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Group<'l>> {
        Ok(self.group(b'[', b"]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Group<'l>> {
        Ok(self.group(b'[', b"]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Group<'l>> {
        Ok(self.variant(name).group(b'[', b"]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Group<'l>> {
        Ok(self.group(b'{', b"}"))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Group<'l>> {
        Ok(self.group(b'{', b"}"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Group<'l>> {
        Ok(self.variant(name).group(b'{', b"}}"))
    }
}

macro_rules! list {
    ($($kind:ident::$method:ident,)*) => {
        $(impl ser::$kind for Group<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                value.serialize(self.next())
            }

            fn end(self) -> Result<()> {
                self.close();
                Ok(())
            }
        })*
    };
}

list! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

macro_rules! object {
    ($($kind:ident,)*) => {
        $(impl ser::$kind for Group<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<()> {
                self.field(name, value)
            }

            fn end(self) -> Result<()> {
                self.close();
                Ok(())
            }
        })*
    };
}

object! {
    SerializeStruct,
    SerializeStructVariant,
}

impl ser::SerializeMap for Group<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        let Json(line) = self.next();
        let at = line.len();
        key.serialize(Json(line))?;
        match line.get(at) {
            Some(b'"') => Ok(()),
            _ => Err(Error::custom("a key of an object is a text")),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.line.push(b':');
        value.serialize(Json(self.line))
    }

    fn end(self) -> Result<()> {
        self.close();
        Ok(())
    }
}

/// Appends text as it stands in a JSON string. Runs without a special character are found eight bytes at a time.
fn escape_with(text: &str, line: &mut Vec<u8>, control: impl Fn(u8, &mut Vec<u8>)) {
    let bytes = text.as_bytes();
    line.reserve(bytes.len() + bytes.len() / 16);
    let mut from = 0;
    while let Some(len) = plain_run(&bytes[from..]) {
        line.extend_from_slice(&bytes[from..from + len]);
        match bytes[from + len] {
            b'"' => line.extend_from_slice(b"\\\""),
            b'\\' => line.extend_from_slice(b"\\\\"),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' => line.extend_from_slice(b"\\t"),
            special => control(special, line),
        }
        from += len + 1;
    }
    line.extend_from_slice(&bytes[from..]);
}

fn by_number(control: u8, line: &mut Vec<u8>) {
    let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
    let hex = [digit(control >> 4), digit(control & 0xF)];
    line.extend_from_slice(b"\\u00");
    line.extend_from_slice(&hex);
}

/// As serde_json does.
fn by_letter(control: u8, line: &mut Vec<u8>) {
    match control {
        0x08 => line.extend_from_slice(b"\\b"),
        0x0C => line.extend_from_slice(b"\\f"),
        other => by_number(other, line),
    }
}

/// How many bytes come before the first one that JSON has to escape, if there is one.
fn plain_run(bytes: &[u8]) -> Option<usize> {
    let special = |byte: &u8| matches!(byte, 0..0x20 | b'"' | b'\\');
    let mut chunks = bytes.chunks_exact(8);
    let mut at = 0;
    for chunk in &mut chunks {
        let chunk: [u8; 8] = chunk.try_into().unwrap_or_default();
        if may_have_special(u64::from_le_bytes(chunk))
            && let Some(found) = chunk.iter().position(special)
        {
            return Some(at + found);
        }
        at += 8;
    }
    let rest = chunks.remainder().iter().position(special);
    rest.map(|found| at + found)
}

/// Whether one of eight bytes is below 0x20, a quote or a backslash; true for some others as well (the borrow
/// of a subtraction runs on), never false for these.
fn may_have_special(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zero_in = |word: u64| word.wrapping_sub(ONES) & !word;
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = zero_in(word ^ (ONES * u64::from(b'"')));
    let backslash = zero_in(word ^ (ONES * u64::from(b'\\')));
    (control | quote | backslash) & HIGHS != 0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_escaped_as_json_wants_it() {
        let check = |text: &str| {
            let mut line = vec![b'"'];
            escape(text, &mut line);
            line.push(b'"');
            let read: String = serde_json::from_slice(&line).unwrap();
            assert_eq!(read, text);
        };
        check("");
        check("<Data a=\"b\">\r\n\t\\ \u{1} \u{7f} ä€😀</Data>");
        for at in 0..20 {
            for special in ["\"", "\\", "\n", "\0", "\u{1f}", " ", "ÿ", "!\"", "~\u{7f}"] {
                let mut text = "abcdefghijklmnopqrstuvwxyz".to_owned();
                text.insert_str(at, special);
                check(&text);
            }
        }
    }

    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    enum Shape {
        Unit,
        Newtype(u32),
        Tuple(u8, &'static str),
        Fields { one: i64, two: Option<bool> },
    }

    #[derive(Serialize)]
    struct Shapes {
        text: String,
        none: Option<String>,
        unit: (),
        letter: char,
        numbers: (i8, u64, f64),
        #[serde(skip_serializing_if = "Vec::is_empty")]
        empty: Vec<u8>,
        shapes: Vec<Shape>,
        map: BTreeMap<String, Vec<String>>,
    }

    proptest! {
        #[test]
        fn json_is_that_of_serde_json(
            text in "[a-c\"\\\\\u{0}-\u{1f}\u{7f}é€😀]{0,24}",
            number: i64,
            float: f64,
            flag: Option<bool>,
        ) {
            let shapes = Shapes {
                text: text.clone(),
                none: None,
                unit: (),
                letter: text.chars().next().unwrap_or('x'),
                numbers: (number as i8, number as u64, float),
                empty: Vec::new(),
                shapes: vec![
                    Shape::Unit,
                    Shape::Newtype(number as u32),
                    Shape::Tuple(7, "\u{8}\u{c}"),
                    Shape::Fields { one: number, two: flag },
                ],
                map: BTreeMap::from([(text.clone(), vec![]), ("b".into(), vec![text, "c".into()])]),
            };
            let mut line = Vec::new();
            write(&shapes, &mut line).unwrap();
            prop_assert_eq!(String::from_utf8(line).unwrap(), serde_json::to_string(&shapes).unwrap());
        }
    }

    #[test]
    fn a_key_is_a_text() {
        assert!(write(&BTreeMap::from([(1, 2)]), &mut Vec::new()).is_err());
    }
}
