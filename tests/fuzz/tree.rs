//! What a document says, whatever its encoding, as a list that can be compared.

use bytes::Bytes;
use dmtap::markup::{self, Document, Element, Hint, Kind, Limits, Text, wbxml};

/// One thing said, in document order.
#[derive(Debug, PartialEq)]
pub enum Said {
    /// An element begins.
    Element(String),
    /// Name and value of an attribute; namespace declarations are not told.
    Attribute(String, String),
    /// The octets of all texts up to the next tag.
    Text(Vec<u8>),
    /// The element ends.
    End,
}

/// All that a document says. White space alone beside elements is indentation.
pub fn said(document: &Document) -> Vec<Said> {
    let mut out = Vec::new();
    element(&mut out, document.root(), Embedded::Opened);
    out
}

#[derive(Clone, Copy, PartialEq)]
enum Embedded {
    Opened,
    Closed,
}

/// The depth is bounded by the limits of decoding.
fn element(out: &mut Vec<Said>, element: Element<'_>, embedded: Embedded) {
    out.push(Said::Element(element.local().into()));
    for attribute in element.attributes() {
        let name = attribute.name();
        if name != "xmlns" && !name.starts_with("xmlns:") {
            out.push(Said::Attribute(name.into(), attribute.value().into()));
        }
    }
    match inner(element).filter(|_| embedded == Embedded::Opened) {
        Some(document) => self::element(out, document.root(), Embedded::Closed),
        None => content(out, element, embedded),
    }
    out.push(Said::End);
}

fn content(out: &mut Vec<Said>, element: Element<'_>, embedded: Embedded) {
    let mixed = element.elements().next().is_some();
    let mut texts = element.texts();
    let mut run = Vec::new();
    for id in element.child_ids() {
        match element.document().kind(id) {
            Some(Kind::Element) => {
                flush(out, &mut run, mixed);
                let child = element.document().element(id).expect("its kind says so");
                self::element(out, child, embedded);
            }
            Some(Kind::Attribute) | None => {}
            Some(_) if mixed => {
                // Octets beside elements are written as characters.
                let text = texts.next().map(Text::value).unwrap_or_default();
                run.extend_from_slice(text.as_bytes());
            }
            Some(_) => run.extend_from_slice(&texts.next().map(Text::octets).unwrap_or_default()),
        }
    }
    flush(out, &mut run, mixed);
}

fn flush(out: &mut Vec<Said>, run: &mut Vec<u8>, mixed: bool) {
    let run = std::mem::take(run);
    let is_white = |octets: &[u8]| octets.iter().all(u8::is_ascii_whitespace);
    if !run.is_empty() && !(mixed && is_white(&run)) {
        out.push(Said::Text(run));
    }
}

/// The WBXML document that is all an element holds.
fn inner(element: Element<'_>) -> Option<Document> {
    let mut texts = element.texts();
    let only = texts.next().filter(|text| text.kind() == Kind::Opaque)?;
    if texts.next().is_some() || element.elements().next().is_some() {
        return None;
    }
    let octets = only.octets();
    let source = wbxml::embedded_candidate(&octets).then(|| Bytes::copy_from_slice(&octets))?;
    markup::decode(source, Hint::default(), &Limits::default()).ok()
}
