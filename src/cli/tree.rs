//! A document as a tree for people, and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::dm::{AlertCode, StatusCode};
use crate::markup::{Document, Element, Encoding, Kind, tag};

/// Each node on a line: its offset, its name, its text, the name of a code, the length of a long text.
pub(super) fn annotated(document: &Document) -> String {
    let mut out = header(document);
    for element in document.elements() {
        let depth = std::iter::successors(element.parent(), |e| e.parent()).count();
        let _ = write!(
            out,
            "{:>7}  {}{}",
            element.span().start,
            "  ".repeat(depth),
            element.local()
        );
        for attribute in element.attributes() {
            let _ = write!(out, " {}={:?}", attribute.name(), attribute.value());
        }
        text(&mut out, element);
        if let Some(meaning) = meaning(element) {
            let _ = write!(out, "   ← {meaning}");
        }
        out.push('\n');
    }
    for flag in document.flags() {
        let _ = writeln!(out, "{:>7}  ! {}", flag.at, flag.kind);
    }
    out
}

fn header(document: &Document) -> String {
    match document.encoding() {
        Encoding::Xml(_) => format!("XML, {} bytes\n", document.source().len()),
        Encoding::Wbxml(header) => format!(
            "WBXML 1.{}, {:?}, charset {}, string table {} bytes, {} bytes\n",
            header.version,
            header.doctype,
            header.charset,
            header.string_table.len(),
            document.source().len()
        ),
    }
}

fn text(out: &mut String, element: Element<'_>) {
    for text in element.texts() {
        let octets = text.octets();
        let form = match text.kind() {
            Kind::Cdata => " CDATA",
            Kind::Opaque => " OPAQUE",
            _ => "",
        };
        let _ = match std::str::from_utf8(&octets) {
            Ok(text) if text.chars().all(|c| !c.is_control() || c.is_whitespace()) => {
                let shown: String = text.chars().take(LONGEST).collect();
                let more = if shown.len() < text.len() { "…" } else { "" };
                write!(out, "{form} {shown:?}{more}")
            }
            _ => write!(out, "{form} {} octets", octets.len()),
        };
        if octets.len() > LONGEST {
            let _ = write!(out, " ({} bytes)", octets.len());
        }
    }
}

/// What a code in this element means.
fn meaning(element: Element<'_>) -> Option<&'static str> {
    if !element.is(tag::DATA) {
        return None;
    }
    let code: u16 = element.text().trim().parse().ok()?;
    let parent = element.parent()?;
    match () {
        () if parent.is(tag::STATUS) => StatusCode(code).name(),
        () if parent.is(tag::ALERT) => AlertCode(code).name(),
        () => None,
    }
}

/// The whole tree as JSON.
pub(super) fn json(document: &Document) -> Value {
    let encoding = if document.is_wbxml() { "wbxml" } else { "xml" };
    let flags: Vec<Value> = document
        .flags()
        .iter()
        .map(|f| json!({"at": f.at, "what": f.kind.to_string()}))
        .collect();
    // Depth is bounded by the decoder's limit, so that recursion here is too.
    json!({"v": 1, "encoding": encoding, "bytes": document.source().len(), "flags": flags,
        "root": element_json(document.root())})
}

fn element_json(element: Element<'_>) -> Value {
    let span = element.span();
    let mut value = json!({"name": element.local(), "span": [span.start, span.end]});
    let attributes: serde_json::Map<String, Value> = element
        .attributes()
        .map(|a| (a.name().into_owned(), a.value().into()))
        .collect();
    if !attributes.is_empty() {
        value["attributes"] = attributes.into();
    }
    if element.texts().next().is_some() {
        match std::str::from_utf8(&element.octets()) {
            Ok(text) => value["text"] = text.into(),
            Err(_) => value["base64"] = base64_of(&element.octets()).into(),
        }
    }
    let children: Vec<Value> = element.elements().map(element_json).collect();
    if !children.is_empty() {
        value["children"] = children.into();
    }
    value
}

fn base64_of(octets: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(octets)
}

/// Characters of a text that are shown.
const LONGEST: usize = 120;
