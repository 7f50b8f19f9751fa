//! Where the characters of a node stand in the source, without what frames them.

use std::ops::Range;

use crate::markup::{Document, Element, Encoding, Kind, NodeId};
use crate::patch::Span;

/// Adds the characters of an element and of all inside it.
pub(super) fn element(element: Element<'_>, fills: &mut Vec<Range<usize>>) {
    for id in element.child_ids() {
        match element.document().element(id) {
            Some(child) => self::element(child, fills),
            None if own_attribute(element, id) => {}
            None => node(element.document(), id, fills),
        }
    }
}

/// A namespace declaration or the like: what it says is no secret, and the tree needs it.
fn own_attribute(element: Element<'_>, id: NodeId) -> bool {
    let mut attributes = element.attributes().filter(|a| a.id() == id);
    attributes.any(|a| {
        let name = a.name();
        name.starts_with("xmlns") || NO_SECRETS.contains(&&*name)
    })
}

/// Attributes of secret elements that say how they are written (WS-Security 1.0 §6.2, §6.3).
const NO_SECRETS: [&str; 4] = ["ValueType", "EncodingType", "Type", "wsu:Id"];

/// Adds the characters of a text or the value of an attribute.
pub(super) fn node(document: &Document, id: NodeId, fills: &mut Vec<Range<usize>>) {
    let (Some(span), Some(kind)) = (document.span(id), document.kind(id)) else {
        return;
    };
    let written = span.of(document.source());
    let start = span.start as usize;
    if let Encoding::Wbxml(_) = document.encoding() {
        return tokens(document, span, kind, fills);
    }
    let inner = match kind {
        Kind::Text => trim(written),
        Kind::Cdata => "<![CDATA[".len()..written.len().saturating_sub("]]>".len()),
        Kind::Attribute => quoted(written),
        Kind::Element | Kind::Opaque => 0..0,
    };
    fills.push(start + inner.start..start + inner.end);
}

fn trim(written: &[u8]) -> Range<usize> {
    let front = written.len() - written.trim_ascii_start().len();
    front..front + written.trim_ascii().len()
}

fn quoted(written: &[u8]) -> Range<usize> {
    let close = written.len().saturating_sub(1);
    let open = written.last().and_then(|q| memchr::memchr(*q, written));
    let open = open.map_or(close, |at| at + 1);
    open.min(close)..close
}

/// Adds the characters of WBXML tokens: STR_I up to its NUL, OPAQUE behind its length, the entry of the string
/// table that STR_T refers to, the number of an ENTITY (WBXML 1.3 §5.8.4).
fn tokens(document: &Document, span: Span, kind: Kind, fills: &mut Vec<Range<usize>>) {
    let source = document.source();
    let end = span.end as usize;
    let mut at = span.start as usize;
    if kind == Kind::Attribute {
        // The start token; LITERAL (0x04) is followed by an index.
        let literal = source.get(at) == Some(&0x04);
        at += 1;
        at = if literal { number(source, at).1 } else { at };
    }
    while at < end.min(source.len()) {
        let token = source[at];
        at += 1;
        match token {
            0x03 => {
                let len = memchr::memchr(0, &source[at..end]).unwrap_or(end - at);
                fills.push(at..at + len);
                at += len + 1;
            }
            0xC3 => {
                let (len, from) = number(source, at);
                at = from.saturating_add(len).min(end);
                fills.push(from.min(at)..at);
            }
            0x83 => {
                let value = document_text(document, span, kind);
                fills.extend(in_table(document, &value));
                at = number(source, at).1;
            }
            0x02 => {
                let (_, next) = number(source, at);
                // The last byte becomes a `*` too, 0x2A: a number of one byte.
                fills.push(next.saturating_sub(1)..next);
                at = next;
            }
            0x00 => at += 1,
            _ => {}
        }
    }
}

/// A multi-byte integer and the place behind it.
fn number(source: &[u8], mut at: usize) -> (usize, usize) {
    let mut value = 0usize;
    while let Some(byte) = source.get(at) {
        at += 1;
        value = value << 7 | usize::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            break;
        }
    }
    (value, at)
}

fn document_text(document: &Document, span: Span, kind: Kind) -> String {
    let holder = document.elements().find_map(|element| match kind {
        Kind::Attribute => element
            .attributes()
            .find(|a| a.span() == span)
            .map(|a| a.value().into_owned()),
        _ => element
            .texts()
            .find(|t| t.span() == span)
            .map(|t| t.value().into_owned()),
    });
    holder.unwrap_or_default()
}

/// Where a value stands in the string table, which lies in front of the root.
fn in_table(document: &Document, value: &str) -> Option<Range<usize>> {
    let front = document.root().span().start as usize;
    let table = document.source().get(..front)?;
    let at = memchr::memmem::find(table, value.as_bytes())?;
    (!value.is_empty()).then_some(at..at + value.len())
}
