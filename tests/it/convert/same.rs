//! Conversion there and back: the content of a document stays the same in either encoding. Tests and the fuzz target
//! share this check.

use bytes::Bytes;
use dmtap::markup::convert::{XmlLayout, to_xml};
use dmtap::markup::wbxml::{self, WbxmlOptions, encode};
use dmtap::markup::{self, DecodeError, Document, Element, Hint, Kind, Limits, Text};

/// Writes the document as XML and as WBXML: what is read back says the same, and what is written again is the
/// same.
pub(crate) fn check(document: &Document) {
    through_xml(document);
    through_wbxml(document);
}

/// Reads what was written.
fn decode(source: impl Into<Bytes>) -> Result<Document, DecodeError> {
    // What is written may be a little deeper and longer than what was read.
    let limits = Limits {
        depth: 80,
        ..Limits::default()
    };
    markup::decode(source.into(), Hint::default(), &limits)
}

fn through_xml(document: &Document) {
    let [compact, indented] =
        [XmlLayout::Compact, XmlLayout::Indented].map(|layout| to_xml(document, layout));
    assert_eq!(compact.adaptations, indented.adaptations);
    let read = |xml: &str| decode(xml.to_owned()).unwrap_or_else(|error| panic!("{error}: {xml}"));
    if document.elements().any(|e| e.attributes().count() > 99) {
        return; // A declaration more is one too many.
    }
    let again = read(&compact.xml);
    if compact.adaptations.is_empty() {
        assert_eq!(said(&again), said(document), "{}", compact.xml);
    }
    assert_eq!(said(&read(&indented.xml)), said(&again), "{}", indented.xml);
    // Once empty texts and indentation are gone, what is written is what was read.
    let twice = to_xml(&again, XmlLayout::Compact);
    assert_eq!(twice.adaptations, []);
    let again = read(&twice.xml);
    assert_eq!(to_xml(&again, XmlLayout::Compact).xml, twice.xml);
}

fn through_wbxml(document: &Document) {
    let options = WbxmlOptions::default();
    let Ok(written) = encode(document, &options) else {
        return;
    };
    let again = decode(written.clone()).unwrap_or_else(|error| panic!("{error}: {written:02X?}"));
    // Octets stay octets, whatever the charset of the document makes of them.
    let said = |document| said_with(document, octets);
    assert_eq!(said(&again), said(document), "{written:02X?}");
    assert_eq!(encode(&again, &options).as_ref(), Ok(&written));
    through_xml(&again);
}

/// One thing said, in document order.
#[derive(Debug, PartialEq)]
enum Said {
    /// An element begins.
    Element(String),
    /// Name and value of an attribute; namespace declarations are not reported.
    Attribute(String, String),
    /// The octets of all texts up to the next tag.
    Text(Vec<u8>),
    /// The element ends.
    End,
}

/// All that a document says. White space alone beside elements is indentation.
fn said(document: &Document) -> Vec<Said> {
    said_with(document, characters)
}

/// The same with what a text beside elements says.
fn said_with(document: &Document, beside: Beside) -> Vec<Said> {
    let mut out = Vec::new();
    element(&mut out, document.root(), Embedded::Opened, beside);
    out
}

type Beside = fn(Text<'_>) -> Vec<u8>;

/// Octets beside elements are written as characters in XML.
fn characters(text: Text<'_>) -> Vec<u8> {
    text.value().as_bytes().to_vec()
}

fn octets(text: Text<'_>) -> Vec<u8> {
    text.octets().into_owned()
}

#[derive(Clone, Copy, PartialEq)]
enum Embedded {
    Opened,
    Closed,
}

/// The depth is bounded by the limits of decoding.
fn element(out: &mut Vec<Said>, element: Element<'_>, embedded: Embedded, beside: Beside) {
    out.push(Said::Element(element.local().into()));
    for attribute in element.attributes() {
        let name = attribute.name();
        if name != "xmlns" && !name.starts_with("xmlns:") {
            out.push(Said::Attribute(name.into(), attribute.value().into()));
        }
    }
    match inner(element).filter(|_| embedded == Embedded::Opened) {
        Some(document) => {
            for root in document.roots() {
                self::element(out, root, Embedded::Closed, beside);
            }
        }
        None => content(out, element, embedded, beside),
    }
    out.push(Said::End);
}

fn content(out: &mut Vec<Said>, element: Element<'_>, embedded: Embedded, beside: Beside) {
    let mixed = element.elements().next().is_some();
    let mut texts = element.texts();
    let mut run = Vec::new();
    for id in element.child_ids() {
        match element.document().kind(id) {
            Some(Kind::Element) => {
                flush(out, &mut run, mixed);
                let child = element.document().element(id).expect("its kind says so");
                self::element(out, child, embedded, beside);
            }
            Some(Kind::Attribute) | None => {}
            Some(_) if mixed => {
                run.extend(texts.next().map(beside).unwrap_or_default());
            }
            Some(_) => run.extend_from_slice(&texts.next().map(Text::octets).unwrap_or_default()),
        }
    }
    flush(out, &mut run, mixed);
}

fn flush(out: &mut Vec<Said>, run: &mut Vec<u8>, mixed: bool) {
    let run = std::mem::take(run);
    let indentation = mixed && run.iter().all(u8::is_ascii_whitespace);
    if !run.is_empty() && !indentation {
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
