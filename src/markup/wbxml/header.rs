//! The header: version, public identifier, charset, string table (WAP-192 §5.4 to 5.7).

use super::token::{self, Reader, fault};
use super::{Charset, DocType, Fault, Header, PublicId};
use crate::markup::charset;
use crate::markup::{DecodeError, DecodeErrorKind, Flag, FlagKind, Hint};
use crate::patch::Span;

/// Reads the header of `source` and adds a flag for each tolerated mistake.
///
/// # Errors
/// [`DecodeError`] if a field is cut short or has an unknown value (`docs/malformed.md` F01 to F09).
pub(crate) fn read(
    source: &[u8],
    hint: Hint<'_>,
    flags: &mut Vec<Flag>,
) -> Result<Header, DecodeError> {
    if source.is_empty() {
        return Err(DecodeError {
            at: 0,
            kind: DecodeErrorKind::Empty,
        });
    }
    let mut fields = Fields {
        input: Reader::new(source, 0),
        flags,
    };
    let version = fields.input.byte("the version")?;
    if version > 0x03 {
        fields.flag(0, FlagKind::Version(version));
    }
    let id_at = fields.input.at;
    let mut public_id = PublicId::Numeric(fields.number("the public identifier")?);
    if public_id == PublicId::Numeric(0) {
        let index = fields.number("the public identifier")?;
        public_id = PublicId::Text {
            index,
            span: Span::default(),
        };
    }
    let charset_at = fields.input.at;
    let charset = if fields.has_charset(version) {
        fields.number("the charset")?
    } else {
        0
    };
    let text = fields.charset(charset_at, charset, hint)?;
    let (table_length, string_table) = fields.table()?;
    if let PublicId::Text { index, span } = &mut public_id {
        *span = fields.public_id(id_at, *index, string_table)?;
    }
    let doctype = fields.doctype(id_at, public_id, hint)?;
    let body = string_table.end;
    Ok(Header {
        version,
        public_id,
        charset,
        text,
        table_length,
        string_table,
        doctype,
        body,
    })
}

/// Returns the offset of the string table's length in a WBXML 1.0 document, with or without a charset field in front,
/// as [`Fields::has_charset`] decides.
pub(crate) fn table_of_1_0(source: &[u8]) -> Option<u32> {
    let mut fields = Fields {
        input: Reader::new(source, 1),
        flags: &mut Vec::new(),
    };
    if fields.number("").ok()? == 0 {
        fields.number("").ok()?;
    }
    if fields.has_charset(0) {
        fields.number("").ok()?;
    }
    Some(fields.input.at as u32)
}

struct Fields<'s, 'f> {
    input: Reader<'s>,
    flags: &'f mut Vec<Flag>,
}

impl Fields<'_, '_> {
    fn flag(&mut self, at: usize, kind: FlagKind) {
        self.flags.push(Flag {
            at: at as u32,
            kind,
        });
    }

    fn number(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        let at = self.input.at;
        let number = self.input.number(field)?;
        if number.padded {
            self.flag(at, FlagKind::PaddedNumber);
        }
        Ok(number.value)
    }

    /// Whether a charset field follows. WBXML 1.0 has none, but some senders write one. The field is taken for a
    /// charset only if the standard reading, as the length of the string table, does not give a table of texts with a
    /// body after it. (Whether the input is long enough for the table says little: an edit that makes the document
    /// longer may change that.)
    fn has_charset(&mut self, version: u8) -> bool {
        if version != 0 {
            return true;
        }
        let mut ahead = self.input.clone();
        let first = ahead.number("").map(|number| number.value).ok();
        let follows = |mut input: Reader<'_>, table: Option<u32>| {
            let text = table.and_then(|length| input.take(length));
            text.is_some_and(|text| !text.iter().any(is_control)) && begins_a_body(&input)
        };
        if follows(ahead.clone(), first) || first.is_none_or(|mib| Charset::of_mib(mib).is_none()) {
            return false;
        }
        let second = ahead.number("").map(|number| number.value).ok();
        let found = follows(ahead, second);
        if found {
            self.flag(0, FlagKind::Version(version));
        }
        found
    }

    fn charset(&mut self, at: usize, mib: u32, hint: Hint<'_>) -> Result<Charset, DecodeError> {
        if mib == 0 {
            let Some(name) = hint.charset else {
                return Ok(Charset::Utf8);
            };
            return Charset::of_name(name).ok_or_else(|| DecodeError::charset(at, name));
        }
        let own = Charset::of_mib(mib)
            .ok_or_else(|| DecodeError::charset(at, &charset::describe(mib)))?;
        if let Some(transport) = hint
            .charset
            .filter(|name| Charset::of_name(name) != Some(own))
        {
            let transport = transport.into();
            self.flag(
                at,
                FlagKind::TransportCharset {
                    document: own.name(),
                    transport,
                },
            );
        }
        Ok(own)
    }

    fn table(&mut self) -> Result<(Span, Span), DecodeError> {
        let at = self.input.at;
        let length = self.number("the string table's length")?;
        let start = self.input.at as u32;
        if self.input.take(length).is_none() {
            return Err(fault(at, Fault::StringTable(length)));
        }
        Ok((
            Span::new(at as u32, start),
            Span::new(start, start + length),
        ))
    }

    fn public_id(&mut self, at: usize, index: u32, table: Span) -> Result<Span, DecodeError> {
        if index as usize >= table.len() {
            return Err(fault(at, Fault::PublicIdIndex(index)));
        }
        let start = table.start + index;
        let rest = Span::new(start, table.end).of(self.input.bytes);
        match memchr::memchr(0, rest) {
            Some(length) => Ok(Span::new(start, start + length as u32)),
            None => {
                self.flag(table.end as usize, FlagKind::UnterminatedTable);
                Ok(Span::new(start, table.end))
            }
        }
    }

    fn doctype(&mut self, at: usize, id: PublicId, hint: Hint<'_>) -> Result<DocType, DecodeError> {
        let (own, words) = match id {
            PublicId::Numeric(number) => (DocType::of_numeric(number), format!("{number:#04x}")),
            PublicId::Text { span, .. } => {
                let fpi = String::from_utf8_lossy(span.of(self.input.bytes));
                (DocType::of_fpi(&fpi), fpi.into_owned())
            }
        };
        let hinted = hint.media_type.and_then(DocType::of_media_type);
        match (own, hinted) {
            (Some(own), _) => {
                self.compare(at, own, hinted, hint);
                Ok(own)
            }
            (None, Some(hinted)) => {
                if id != PublicId::Numeric(0x01) {
                    self.flag(at, FlagKind::UnknownPublicId(words));
                }
                Ok(hinted)
            }
            (None, None) => Err(fault(at, Fault::PublicId(words))),
        }
    }

    fn compare(&mut self, at: usize, own: DocType, hinted: Option<DocType>, hint: Hint<'_>) {
        let media_type = hint.media_type.unwrap_or_default();
        let text = media_type.ends_with("+xml") || media_type.ends_with("/xml");
        if text || hinted.is_some_and(|hinted| hinted.space() != own.space()) {
            let media_type = media_type.into();
            self.flag(
                at,
                FlagKind::MediaType {
                    document: own.name(),
                    media_type,
                },
            );
        }
    }
}

/// Whether a byte does not occur in strings; every body has tokens among these bytes.
fn is_control(byte: &u8) -> bool {
    *byte < b' ' && !matches!(byte, 0 | b'\t' | b'\n' | b'\r')
}

fn begins_a_body(input: &Reader<'_>) -> bool {
    let Some(&byte) = input.bytes.get(input.at) else {
        return false;
    };
    byte == token::SWITCH_PAGE || byte & token::TOKEN >= token::LITERAL && byte != token::LITERAL
}
