//! Attribute lists (WAP-192 §5.8.3): starts, LITERALs, and the tokens of their values.

use std::borrow::Cow;

use super::decode::Decoder;
use super::token::{fault, *};
use super::value::{attribute_text, name_of, table_string};
use super::{Fault, Header, tables};
use crate::markup::error::MOST_ATTRIBUTES;
use crate::markup::vocabulary::NameId;
use crate::markup::{Charset, DecodeError, FlagKind, Kind};

/// Returns the name that a LITERAL attribute refers to.
pub(crate) fn literal_name<'s>(source: &'s [u8], header: &Header, index: u32) -> Cow<'s, str> {
    if implies_xmlns(header, index) {
        return Cow::Borrowed("xmlns");
    }
    let name = table_string(source, header, index);
    header.text.text(name.unwrap_or_default())
}

/// Whether the reference is the one that some phones send for `xmlns`, without a string table.
pub(crate) fn implies_xmlns(header: &Header, index: u32) -> bool {
    index == 0 && header.string_table.is_empty()
}

/// Decodes the bytes as a name that is valid in XML.
pub(crate) fn checked_name(bytes: &[u8], charset: Charset) -> Option<Cow<'_, str>> {
    // In US-ASCII documents, names in UTF-8 are accepted, too.
    let is_text = Charset::Utf8.holds(bytes) || charset.holds(bytes);
    let name = is_text.then(|| charset.text(bytes))?;
    is_name(&name).then_some(name)
}

/// Whether this is an XML name: ASCII letters, digits and signs, anything beyond ASCII, at most one colon inside.
pub(crate) fn is_name(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
    let later = |c: char| first(c) || c.is_ascii_digit() || matches!(c, '-' | '.' | '\u{B7}');
    let mut parts = name.split(':');
    let good = |part: &str| part.starts_with(first) && part.chars().all(later);
    let both = parts.next().is_some_and(good) && parts.next().is_none_or(good);
    both && parts.next().is_none()
}

/// Returns the value of the `xmlns` attribute of the element itself.
pub(super) fn namespace<'s>(decoder: &Decoder<'s>, element: u32) -> Option<Cow<'s, str>> {
    let (source, header) = (decoder.input.bytes, decoder.header);
    let mut attributes = decoder.nodes.from(element + 1);
    let xmlns = attributes.find(|node| name_of(source, header, *node) == "xmlns")?;
    Some(attribute_text(source, header, xmlns))
}

impl Decoder<'_> {
    /// Reads the attributes of `element`, including the END of their list.
    pub(super) fn attributes(&mut self, element: u32) -> Result<(), DecodeError> {
        let mut current = None;
        loop {
            let at = self.input.at;
            let byte = self.input.byte("an attribute list")?;
            match byte {
                END => {
                    self.settle_switch();
                    return self.end_of_list(at, element);
                }
                SWITCH_PAGE => {
                    self.settle_switch();
                    self.attribute_page = self.input.byte("a page switch")?;
                    self.idle_switch = Some(at);
                }
                STR_I | STR_T | ENTITY | OPAQUE => {
                    self.settle_switch();
                    self.piece(at, byte)?;
                    self.extend(at, current)?;
                    if byte == OPAQUE {
                        self.check_octets(at);
                    }
                }
                PI => return Err(fault(at, Fault::ProcessingInstruction)),
                EXT_I_0..=EXT_I_2 | EXT_T_0..=EXT_T_2 | EXT_0..=EXT_2 => {
                    return Err(fault(at, Fault::Extension(byte)));
                }
                LITERAL_C | LITERAL_A | LITERAL_AC => return Err(fault(at, Fault::Reserved(byte))),
                0x80.. => {
                    self.idle_switch = None;
                    self.check_token(at, tables::value(self.attribute_page, byte).is_some(), byte);
                    self.extend(at, current)?;
                }
                _ => {
                    self.idle_switch = None;
                    current = Some(self.start(at, byte, element)?);
                }
            }
        }
    }

    /// Adds the attribute that begins with this token; its node keeps page and token instead of a name.
    fn start(&mut self, at: usize, byte: u8, element: u32) -> Result<u32, DecodeError> {
        if byte == LITERAL {
            self.literal_start(at)?;
        } else {
            let known = tables::start(self.attribute_page, byte).is_some();
            self.check_token(at, known, byte);
        }
        if self.nodes.len() - element as usize > MOST_ATTRIBUTES {
            return Err(DecodeError::too_large(at, "attributes", MOST_ATTRIBUTES));
        }
        let name = NameId(u16::from(self.attribute_page) << 8 | u16::from(byte));
        self.push(at, Kind::Attribute, name, element)
    }

    fn literal_start(&mut self, at: usize) -> Result<(), DecodeError> {
        let index = self.number("a LITERAL")?;
        if implies_xmlns(self.header, index) {
            self.flag(at, FlagKind::ImpliedXmlns);
            return Ok(());
        }
        let name = self.table_string(at, index)?;
        match checked_name(name, self.header.text) {
            Some(_) => Ok(()),
            None => {
                let name = self.header.text.text(name).into_owned();
                Err(fault(at, Fault::Name(name)))
            }
        }
    }

    /// Flags OPAQUE that is not text in a value: WBXML keeps it, but XML cannot express it.
    fn check_octets(&mut self, at: usize) {
        let mut opaque = Reader::new(self.input.bytes, at + 1);
        let length = opaque.number("").map_or(0, |length| length.value);
        let octets = opaque.take(length).unwrap_or_default();
        if !self.header.text.holds(octets) {
            let why = "octets that are no text stand in the value of an attribute";
            self.flag(at, FlagKind::Other(why.into()));
        }
    }

    fn check_token(&mut self, at: usize, in_tables: bool, token: u8) {
        if !in_tables || !self.header.has_attribute_tables() {
            self.flag(
                at,
                FlagKind::UnknownAttribute {
                    page: self.attribute_page,
                    token,
                },
            );
        }
    }

    /// Extends the attribute to the end of the value token that was just read.
    fn extend(&mut self, at: usize, current: Option<u32>) -> Result<(), DecodeError> {
        let Some(attribute) = current else {
            return Err(fault(at, Fault::StrayValue));
        };
        self.nodes.extend(attribute, self.input.at as u32);
        Ok(())
    }

    fn end_of_list(&mut self, at: usize, element: u32) -> Result<(), DecodeError> {
        let source = self.input.bytes;
        match self.nodes.len() - (element as usize + 1) {
            0 => {
                self.flag(at, FlagKind::EmptyAttributeList);
                return Ok(());
            }
            1 => return Ok(()),
            _ => {}
        }
        let attributes = self.nodes.from(element + 1);
        let mut names: Vec<_> = attributes
            .map(|node| (name_of(source, self.header, node), node.span.start))
            .collect();
        names.sort_unstable();
        let doubled = names.windows(2).find(|pair| pair[0].0 == pair[1].0);
        if let Some(again) = doubled.map(|pair| (pair[1].0.clone().into_owned(), pair[1].1)) {
            self.flag(again.1 as usize, FlagKind::DuplicateAttribute(again.0));
        }
        Ok(())
    }
}
