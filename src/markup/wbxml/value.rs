//! Texts and attributes, decoded from the source on demand.
//!
//! The decoder has already checked every token in these spans; should one be unreadable, its text is empty.

use std::borrow::Cow;

use super::attribute::literal_name;
use super::token::{ENTITY, LITERAL, OPAQUE, Reader, STR_I, STR_T, SWITCH_PAGE};
use super::{Header, custom_names, tables};
use crate::markup::arena::Node;
use crate::markup::{Document, Kind, NodeId};

/// Returns the characters of a text, or the value of an attribute.
pub(crate) fn value<'d>(document: &'d Document, header: &'d Header, id: NodeId) -> Cow<'d, str> {
    let node = document.node(id);
    match node.kind {
        Kind::Attribute => attribute_text(&document.source, header, node),
        Kind::Text | Kind::Opaque => {
            // Most texts are inline strings, whose end the node knows.
            if let [STR_I, text @ .., 0] = node.span.of(&document.source) {
                return header.text.text(text);
            }
            let mut input = Reader::new(&document.source, node.span.start as usize);
            piece(&mut input, header).unwrap_or_default()
        }
        Kind::Element | Kind::Cdata => Cow::Borrowed(""),
    }
}

/// Returns the name of an attribute, as XML would write it.
pub(crate) fn attribute_name<'d>(
    document: &'d Document,
    header: &'d Header,
    id: NodeId,
) -> Cow<'d, str> {
    name_of(&document.source, header, document.node(id))
}

/// Returns the name of an attribute node, as XML would write it; needs no document.
pub(crate) fn name_of<'s>(source: &'s [u8], header: &Header, attribute: Node) -> Cow<'s, str> {
    let (page, token) = page_and_token(attribute);
    if token != LITERAL {
        return match tables::start(page, token) {
            Some((name, _)) if header.has_attribute_tables() => Cow::Borrowed(name),
            _ => Cow::Owned(custom_names::unknown(page, token)),
        };
    }
    let mut input = Reader::new(source, attribute.span.start as usize + 1);
    let index = input.number("").map_or(0, |index| index.value);
    literal_name(source, header, index)
}

/// Returns the octets in an OPAQUE.
pub(crate) fn opaque_octets(document: &Document, id: NodeId) -> &[u8] {
    let span = document.node(id).span;
    let mut input = Reader::new(&document.source, span.start as usize + 1);
    let length = input.number("").map_or(0, |length| length.value);
    input.take(length).unwrap_or_default()
}

/// Returns the attribute page in force at an attribute, and its start token.
pub(crate) fn page_and_token(attribute: Node) -> (u8, u8) {
    ((attribute.name.0 >> 8) as u8, attribute.name.0 as u8)
}

/// Returns the string of the table that begins at `index`.
pub(crate) fn table_string<'s>(source: &'s [u8], header: &Header, index: u32) -> Option<&'s [u8]> {
    let rest = header.string_table.of(source).get(index as usize..)?;
    Some(&rest[..memchr::memchr(0, rest).unwrap_or(rest.len())])
}

/// A part of an attribute's value.
pub(crate) enum ValuePart<'s> {
    Text(Cow<'s, str>),
    /// OPAQUE, which should be text, but may be other octets.
    Octets(&'s [u8]),
}

/// Returns the value of an attribute.
pub(crate) fn attribute_text<'s>(source: &'s [u8], header: &Header, node: Node) -> Cow<'s, str> {
    let mut whole = Cow::Borrowed("");
    attribute_pieces(source, header, node, |piece| {
        let more = match piece {
            ValuePart::Text(text) => text,
            ValuePart::Octets(octets) => header.text.text(octets),
        };
        match whole.is_empty() {
            true => whole = more,
            false => whole.to_mut().push_str(&more),
        }
    });
    whole
}

/// Passes the parts of an attribute's value to `each`.
pub(crate) fn attribute_pieces<'s>(
    source: &'s [u8],
    header: &Header,
    node: Node,
    mut each: impl FnMut(ValuePart<'s>),
) {
    let (mut page, token) = page_and_token(node);
    let mut input = Reader::new(source, node.span.start as usize + 1);
    if token == LITERAL {
        let _ = input.number("");
    } else if let Some((_, prefix)) =
        tables::start(page, token).filter(|_| header.has_attribute_tables())
    {
        each(ValuePart::Text(Cow::Borrowed(prefix)));
    }
    while input.at < node.span.end as usize {
        let byte = source[input.at];
        match byte {
            SWITCH_PAGE => {
                page = source.get(input.at + 1).copied().unwrap_or_default();
                input.at += 2;
            }
            OPAQUE => {
                input.at += 1;
                let length = input.number("").map_or(0, |length| length.value);
                each(ValuePart::Octets(input.take(length).unwrap_or_default()));
            }
            STR_I | STR_T | ENTITY => each(ValuePart::Text(
                piece(&mut input, header).unwrap_or_default(),
            )),
            _ => {
                input.at += 1;
                let word = tables::value(page, byte).filter(|_| header.has_attribute_tables());
                each(ValuePart::Text(match word {
                    Some(word) => Cow::Borrowed(word),
                    None => Cow::Owned(custom_names::unknown(page, byte)),
                }));
            }
        }
    }
}

/// Returns the text of one STR_I, STR_T, ENTITY or OPAQUE.
fn piece<'d>(input: &mut Reader<'d>, header: &Header) -> Option<Cow<'d, str>> {
    let byte = input.byte("").ok()?;
    if byte == STR_I {
        return Some(header.text.text(input.terminated().ok()?));
    }
    let number = input.number("").ok()?.value;
    match byte {
        STR_T => Some(header.text.text(table_string(input.bytes, header, number)?)),
        ENTITY => Some(Cow::Owned(char::from_u32(number)?.to_string())),
        OPAQUE => Some(header.text.text(input.take(number)?)),
        _ => None,
    }
}
