//! Octets in XML (OMA-TS-DM_TND-V1_2_1 §7.7.2): WBXML sends them raw, XML as base64 that `Format` declares.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Adaptations, Added, Replacement, Replacements};
use crate::markup::xml::is_allowed;
use crate::markup::{Document, Element, Hint, Kind, Limits, NodeId, Text, meta, tag, wbxml};

/// The differences of the XML form of a WBXML document, by element.
#[derive(Debug, Default)]
pub(crate) struct XmlForms {
    pub(crate) replaced: Replacements,
    pub(crate) added: BTreeMap<NodeId, Added>,
}

/// Whether a document is a message or is embedded in the `Data` of one. Documents inside an embedded one stay octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nesting {
    TopLevel,
    Embedded,
}

impl XmlForms {
    /// Returns the changes that XML needs in `document`, and a description of each.
    pub(crate) fn of(document: &Document, nesting: Nesting) -> (Self, Adaptations) {
        let (mut forms, mut adaptations) = (Self::default(), Vec::new());
        if document.is_wbxml() {
            for element in document.elements() {
                forms.element(element, nesting, &mut adaptations);
            }
        }
        (forms, adaptations)
    }

    fn element(&mut self, element: Element<'_>, nesting: Nesting, adaptations: &mut Adaptations) {
        let Some(text) = first_text(element) else {
            return;
        };
        // Fast path for almost all elements; the checks below cost more.
        if text.kind() == Kind::Text && !element.is(tag::DATA) && is_text(element) {
            return;
        }
        if nesting == Nesting::TopLevel
            && let Some(inner) = embedded(element)
        {
            adaptations.push((
                element.id(),
                "the WBXML document inside is written as markup".into(),
            ));
            self.replaced
                .insert(element.id(), Replacement::Document(Box::new(inner)));
            return;
        }
        let format = if element.is(tag::DATA) {
            meta::field(element, tag::FORMAT)
        } else {
            None
        };
        let is_raw = format.is_some_and(|format| format.text().trim() == "bin");
        if !is_raw && is_text(element) {
            return;
        }
        let base64 = STANDARD.encode(element.octets());
        adaptations.push((element.id(), "binary data is written in base64".into()));
        if element.is(tag::DATA) {
            self.announce(element, format, base64.len(), adaptations);
        }
        self.replaced
            .insert(element.id(), Replacement::Text(base64));
    }

    /// Declares in `Meta` that `data` is now base64 of this length.
    fn announce(
        &mut self,
        data: Element<'_>,
        format: Option<Element<'_>>,
        length: usize,
        adaptations: &mut Adaptations,
    ) {
        let own_meta = data.parent().and_then(|item| meta::near(item, tag::META));
        if let Some(size) = own_meta.and_then(|meta| meta::near(meta, tag::SIZE)) {
            adaptations.push((
                size.id(),
                format!("Size {} is now {length}", size.text().trim()),
            ));
            self.replaced
                .insert(size.id(), Replacement::Text(length.to_string()));
        }
        self.announce_format(data, own_meta, format, adaptations);
    }

    fn announce_format(
        &mut self,
        data: Element<'_>,
        own_meta: Option<Element<'_>>,
        format: Option<Element<'_>>,
        adaptations: &mut Adaptations,
    ) {
        // The Format of a command also holds for its other items. So it changes there only if it is bin, which makes
        // all of them base64.
        let own = |format: &Element<'_>| {
            own_meta.is_some_and(|meta| {
                format
                    .parent()
                    .is_some_and(|parent| parent.id() == meta.id())
            })
        };
        let format = format.filter(|format| own(format) || format.text().trim() == "bin");
        match (format, own_meta) {
            (Some(format), _) if format.text().trim() == "b64" => {
                adaptations.push((data.id(), "Format said b64 of what was not base64".into()));
            }
            (Some(format), _) => {
                let before = self
                    .replaced
                    .insert(format.id(), Replacement::Text("b64".into()));
                if before.is_none() {
                    let was = format.text();
                    adaptations.push((format.id(), format!("Format {} is now b64", was.trim())));
                }
            }
            (None, Some(meta)) => {
                adaptations.push((meta.id(), "Format b64 is added".into()));
                self.added.insert(meta.id(), Added::Format);
            }
            (None, None) if data.parent().is_some_and(|item| item.is(tag::ITEM)) => {
                adaptations.push((data.id(), "Meta with Format b64 is added".into()));
                self.added.insert(data.id(), Added::Meta);
            }
            (None, None) => {}
        }
    }
}

/// Returns the first text of an element that holds only texts.
fn first_text(element: Element<'_>) -> Option<Text<'_>> {
    let document = element.document();
    let is_content = |id: &NodeId| document.kind(*id) != Some(Kind::Attribute);
    let text = Text::of(document, element.child_ids().find(is_content)?)?;
    let is_last = text.id().0 + 1 == element.next_after().0;
    (is_last || element.elements().next().is_none()).then_some(text)
}

/// Whether all octets of an element are text that XML can hold.
fn is_text(element: Element<'_>) -> bool {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r');
    // Almost all texts are one plain STR_I. `fold` checks several bytes at a time, `all` would check one.
    let written = element
        .raw_only_text()
        .and_then(|text| text.strip_suffix(b"\0"));
    written.is_some_and(|text| text.iter().fold(true, |plain, byte| plain & is_plain(byte)))
        || std::str::from_utf8(&element.octets()).is_ok_and(|text| text.chars().all(is_allowed))
}

/// Returns the WBXML document that is the whole content of an element, if it decodes.
fn embedded(element: Element<'_>) -> Option<Document> {
    let mut texts = element.texts();
    let only = texts.next().filter(|text| text.kind() == Kind::Opaque)?;
    if texts.next().is_some() {
        return None;
    }
    let octets = only.octets();
    if !wbxml::embedded_candidate(&octets) {
        return None;
    }
    let source = bytes::Bytes::copy_from_slice(&octets);
    wbxml::decode::decode(source, Hint::default(), &Limits::default()).ok()
}
