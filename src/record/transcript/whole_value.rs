//! Prints values in full below the line of their command: text, embedded documents, certificates, tokens, octets.

use std::collections::HashMap;

use super::block::line;
use super::text_buffer::{Style, TextBuffer};
use crate::dm::token::{base64_octets, jwt};
use crate::dm::{Certificate, CertificateRequest, Command, Item};
use crate::markup::convert::{XmlLayout, to_xml};
use crate::markup::{Document, Element, Embedded, EmbeddedResult, Limits};
use crate::record::model::enrollment::day;
use crate::record::model::{CommandRecord, EventRecord, ItemRecord};

/// Returns the body of an event as a document.
pub(super) fn document(record: &EventRecord) -> Option<Document> {
    let body = record.body.as_ref()?;
    body.document(record.head.as_ref(), &Limits::default())
}

/// The elements of a document by the offset of their first byte.
pub(super) type Elements<'d> = HashMap<u32, Element<'d>>;

/// Returns the elements of a document by offset.
pub(super) fn elements(document: &Document) -> Elements<'_> {
    let elements = document.elements();
    elements
        .map(|element| (element.span().start, element))
        .collect()
}

/// Returns the Data of each item of a command.
pub(super) fn data<'d>(
    elements: &Elements<'d>,
    command: &CommandRecord,
) -> Vec<Option<Element<'d>>> {
    let element = elements.get(&command.span.0);
    let command = element.and_then(|element| Command::of(*element));
    let items = command.into_iter().flat_map(Command::items);
    items.map(Item::data).collect()
}

/// Prints the whole value of an item if the line of its command shows only a part of it.
pub(super) fn value(out: &mut TextBuffer, data: Element<'_>, item: &ItemRecord) {
    let shown = item.data.as_ref();
    // The body has a mask in place of each secret, too; a value that is entirely secret has nothing to show.
    let Some(shown) = shown.filter(|shown| !shown.is_hidden()) else {
        return;
    };
    if let EmbeddedResult::Document(embedded) = data.open(&Limits::default()) {
        return inside(out, &embedded);
    }
    if shown.markup {
        return children(out, data);
    }
    let octets = data.octets();
    let text = std::str::from_utf8(&octets).ok();
    if let Some(words) = text.and_then(unfolded) {
        return words.lines().for_each(|words| row(out, Style::Text, words));
    }
    match text.filter(|_| shown.cut && !shown.hex) {
        Some(text) => text.lines().for_each(|text| row(out, Style::Text, text)),
        None if shown.hex => octets.chunks(ROW).for_each(|octets| {
            let hex: String = octets.iter().map(|octet| format!("{octet:02x} ")).collect();
            row(out, Style::Text, &hex);
        }),
        None => {}
    }
}

/// Returns the whole text of an item, for the line of its command.
pub(super) fn text(data: Element<'_>) -> Option<String> {
    String::from_utf8(data.octets().into_owned()).ok()
}

/// Prints a message of enrollment or a provisioning document in full, if the layout asks for it.
pub(super) fn enrollment(out: &mut TextBuffer, record: &EventRecord) {
    if out.layout.full
        && record.enrollment.is_some()
        && let Some(document) = document(record)
    {
        whole(out, &document, &Limits::default());
    }
}

/// Prints a document other than SyncML, its embedded documents, and the contents of its certificates and tokens.
fn whole(out: &mut TextBuffer, document: &Document, limits: &Limits) {
    xml(out, document);
    for element in document.elements() {
        if let EmbeddedResult::Document(embedded) = element.open(limits) {
            row(out, Style::Faint, &format!("{}:", element.local()));
            inside(out, &embedded);
            continue;
        }
        let attributes = element.attributes();
        let value = attributes.filter_map(|attribute| unfolded(&attribute.value()));
        for words in value.chain(unfolded(&element.text())) {
            row(out, Style::Faint, &format!("{}:", element.local()));
            let lines = words.lines();
            lines.for_each(|words| row(out, Style::Text, words));
        }
    }
}

/// Prints a document that is the text of an element. Recursion ends with [`Limits::embedded`].
fn inside(out: &mut TextBuffer, embedded: &Embedded) {
    let wrapping = embedded.wrapping().name();
    row(out, Style::Faint, &format!("inside, {wrapping}:"));
    whole(out, embedded.document(), embedded.limits());
}

fn row(out: &mut TextBuffer, style: Style, text: &str) {
    line(out).put(Style::Text, "        ");
    out.quoted(style, text, usize::MAX).end();
}

fn xml(out: &mut TextBuffer, document: &Document) {
    let xml = to_xml(document, XmlLayout::Indented).xml;
    xml.lines().for_each(|text| row(out, Style::Text, text));
}

/// Prints the elements in a value, as the message has them.
fn children(out: &mut TextBuffer, data: Element<'_>) {
    let source = data.document().source();
    for child in data.elements() {
        match data.document().is_wbxml() {
            true => row(out, Style::Text, &child.text()),
            false => {
                let text = String::from_utf8_lossy(child.span().of(source));
                text.lines().for_each(|text| row(out, Style::Text, text));
            }
        }
    }
}

/// Describes a value that is a certificate, a certificate request, a signed message (PKCS#7) or a token; `None` for any
/// other value.
pub fn unfolded(text: &str) -> Option<String> {
    // A shorter value cannot be one of these.
    match text.len() > SHORTEST {
        true => certificates(text).or_else(|| token(text)),
        false => None,
    }
}

/// Describes certificates and requests in base64 or PEM.
fn certificates(text: &str) -> Option<String> {
    let lines = text.lines().filter(|line| !line.starts_with("-----"));
    let base64: String = lines.collect();
    let der = base64_octets(base64.as_bytes())?;
    if let Some(read) = Certificate::read(&der) {
        return Some(certificate(&read));
    }
    if let Some(read) = CertificateRequest::read(&der) {
        return Some(request(&read));
    }
    let mut words: Vec<String> = Certificate::in_signed(&der)
        .iter()
        .map(certificate)
        .collect();
    words.extend(CertificateRequest::read_signed(&der).as_ref().map(request));
    (!words.is_empty()).then(|| format!("signed message (PKCS#7) with\n{}", words.join("\n")))
}

fn certificate(read: &Certificate) -> String {
    format!(
        "certificate of {}\nissued by {}\nvalid from {} to {}, thumbprint {}",
        read.subject,
        read.issuer,
        day(read.not_before),
        day(read.not_after),
        read.thumbprint
    )
}

fn request(read: &CertificateRequest) -> String {
    format!(
        "request for a certificate of {}\n{}, {}",
        read.subject, read.key, read.signature
    )
}

/// Returns the header and claims of a token, without its signature.
fn token(text: &str) -> Option<String> {
    let [header, claims] = jwt(text)?;
    Some(format!("token {header}\n{claims}"))
}

/// A value must be longer than this to be examined, in bytes.
const SHORTEST: usize = 32;

/// The number of octets in one row.
const ROW: usize = 32;
