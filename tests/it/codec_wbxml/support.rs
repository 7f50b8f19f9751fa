//! Trees as one line of text, and bytes from hexadecimal.

use dmtap::markup::{self, Document, Element, Hint, Kind, Limits};

/// `SyncML(SyncHdr(VerDTD("1.2")) SyncBody(Final))`; attributes as `@name="value"`, OPAQUE as text.
pub(crate) fn outline(document: &Document) -> String {
    write(document.root(), |_| true, quoted)
}

/// The same without namespace declarations, which code pages replace.
pub(crate) fn shape(document: &Document) -> String {
    shape_with(document, quoted)
}

/// The same with another view on an element's text.
pub(crate) fn shape_with(document: &Document, text: fn(Element<'_>) -> String) -> String {
    write(document.root(), |name| !name.starts_with("xmlns"), text)
}

/// The same without any attribute.
pub(crate) fn shape_without_attributes(
    document: &Document,
    text: fn(Element<'_>) -> String,
) -> String {
    write(document.root(), |_| false, text)
}

fn quoted(element: Element<'_>) -> String {
    let text = element.text();
    if text.is_empty() {
        String::new()
    } else {
        format!("{text:?}")
    }
}

fn write(element: Element<'_>, shown: fn(&str) -> bool, text: fn(Element<'_>) -> String) -> String {
    let mut parts = Vec::new();
    for attribute in element
        .attributes()
        .filter(|attribute| shown(&attribute.name()))
    {
        parts.push(format!("@{}={:?}", attribute.name(), attribute.value()));
    }
    parts.extend(Some(text(element)).filter(|text| !text.is_empty()));
    parts.extend(element.elements().map(|child| write(child, shown, text)));
    match parts.is_empty() {
        true => element.local().into(),
        false => format!("{}({})", element.local(), parts.join(" ")),
    }
}

/// Hexadecimal with white space; 'text' in quotes is itself.
pub(crate) fn bytes(written: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, piece) in written.split('\'').enumerate() {
        if at % 2 == 1 {
            out.extend_from_slice(piece.as_bytes());
            continue;
        }
        let digits: Vec<u8> = piece.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        for pair in digits.chunks(2) {
            let pair = std::str::from_utf8(pair).unwrap();
            out.push(u8::from_str_radix(pair, 16).unwrap());
        }
    }
    out
}

pub(crate) fn decode(source: &[u8]) -> Result<Document, markup::DecodeError> {
    decode_as(source, Hint::default())
}

pub(crate) fn decode_as(source: &[u8], hint: Hint<'_>) -> Result<Document, markup::DecodeError> {
    let document = markup::decode(source.to_vec().into(), hint, &Limits::default())?;
    if document.is_wbxml() {
        assert_spans(&document);
    }
    Ok(document)
}

/// Every node lies inside its parent, behind its elder sibling, and begins and ends as its kind does.
fn assert_spans(document: &Document) {
    for element in document.elements() {
        let span = element.span();
        let mut from = span.start;
        for id in element.child_ids() {
            let child = document.span(id).unwrap();
            assert!(
                span.covers(child) && child.start >= from,
                "{element:?}: {child:?}"
            );
            from = child.end;
            let first = child.of(document.source())[0];
            match document.kind(id).unwrap() {
                Kind::Text => assert!(matches!(first, 0x02 | 0x03 | 0x83), "{first:#x}"),
                Kind::Opaque => assert_eq!(first, 0xC3),
                _ => {}
            }
        }
    }
}

pub(crate) fn flags(document: &Document) -> Vec<(u32, &'static str)> {
    document
        .flags()
        .iter()
        .map(|f| (f.at, f.kind.id().unwrap_or("-")))
        .collect()
}
