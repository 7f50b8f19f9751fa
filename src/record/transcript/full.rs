//! Values in full, under the line of their command: text, documents inside, certificates, tokens, octets.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::block::line;
use super::text_buffer::{Style, TextBuffer};
use crate::dm::{Certificate, Command};
use crate::markup::convert::{XmlOptions, to_xml};
use crate::markup::{Document, Element, EmbeddedResult, Limits};
use crate::record::model::{CommandRecord, EventRecord};

/// The body of an event as a document, for the values in it.
pub(super) fn document(record: &EventRecord) -> Option<Arc<Document>> {
    let body = record.body.as_ref()?;
    let document = body.document(record.head.as_ref(), &Limits::default())?;
    Some(Arc::new(document))
}

/// The whole value of an item of a command, where its line shows only a part of it.
pub(super) fn value(
    page: &mut TextBuffer,
    document: &Document,
    command: &CommandRecord,
    item: usize,
) {
    let shown = command.items.get(item).and_then(|item| item.data.as_ref());
    let Some(shown) = shown.filter(|shown| !shown.masked) else {
        return;
    };
    let mut elements = document.elements();
    let element = elements.find(|element| element.span().start == command.span.0);
    let items = element.and_then(Command::of).map(|command| command.items());
    let Some(data) = items.and_then(|mut items| items.nth(item)?.data()) else {
        return;
    };
    let inside = data.open(&Limits::default());
    if let EmbeddedResult::Document(embedded) = inside {
        let wrapping = embedded.wrapping().name();
        row(page, Style::Faint, &format!("inside, {wrapping}:"));
        return xml(page, embedded.document());
    }
    if shown.markup {
        return children(page, data);
    }
    let octets = data.octets();
    let text = std::str::from_utf8(&octets).ok();
    if let Some(words) = text.and_then(|text| certificate(text).or_else(|| token(text))) {
        return words
            .lines()
            .for_each(|words| row(page, Style::Text, words));
    }
    match text.filter(|_| shown.cut && !shown.hex) {
        Some(text) => text.lines().for_each(|text| row(page, Style::Text, text)),
        None if shown.hex => octets.chunks(ROW).for_each(|octets| {
            let hex: String = octets.iter().map(|octet| format!("{octet:02x} ")).collect();
            row(page, Style::Text, &hex);
        }),
        None => {}
    }
}

fn row(page: &mut TextBuffer, style: Style, text: &str) {
    line(page).put(Style::Text, "        ");
    page.quoted(style, text, usize::MAX).end();
}

fn xml(page: &mut TextBuffer, document: &Document) {
    let xml = to_xml(document, &XmlOptions::indented()).xml;
    xml.lines().for_each(|text| row(page, Style::Text, text));
}

/// The elements in a value, as they stand in the message.
fn children(page: &mut TextBuffer, data: Element<'_>) {
    let source = data.document().source();
    for child in data.elements() {
        match data.document().is_wbxml() {
            true => row(page, Style::Text, &child.text()),
            false => {
                let text = String::from_utf8_lossy(child.span().of(source));
                text.lines().for_each(|text| row(page, Style::Text, text));
            }
        }
    }
}

/// A certificate in base64 or PEM.
fn certificate(text: &str) -> Option<String> {
    let lines = text.lines().filter(|line| !line.starts_with("-----"));
    let base64: String = lines
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .collect();
    let der = STANDARD.decode(base64).ok()?;
    let read = Certificate::read(&der)?;
    let day = |seconds: i64| {
        let moment = jiff::Timestamp::from_second(seconds).unwrap_or_default();
        moment.strftime("%Y-%m-%d").to_string()
    };
    Some(format!(
        "certificate of {}\nissued by {}\nvalid from {} to {}, thumbprint {}",
        read.subject,
        read.issuer,
        day(read.not_before),
        day(read.not_after),
        read.thumbprint
    ))
}

/// The header and the claims of a JSON Web Token; never its signature.
fn token(text: &str) -> Option<String> {
    let mut parts = text.trim().split('.');
    let (header, claims, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    let decoded = |part: &str| -> Option<serde_json::Value> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    };
    let (header, claims) = (decoded(header)?, decoded(claims)?);
    parts
        .next()
        .is_none()
        .then(|| format!("token {header}\n{claims}"))
}

/// Octets in one row.
const ROW: usize = 32;
