//! Conversion of a tree of either encoding to XML text.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{Charset, escape, is_allowed};
use crate::markup::convert::{Adaptations, Added, Nesting, Replacement, XmlForms, XmlLayout};
use crate::markup::wbxml::DocType;
use crate::markup::wbxml::token::STR_I;
use crate::markup::{Document, Element, Encoding, Kind, NodeId, Space, Text};

/// Writes the document; `adaptations` gets the differences from the source beyond those of `forms`.
pub(crate) fn write(
    document: &Document,
    layout: XmlLayout,
    forms: &XmlForms,
    adaptations: &mut Adaptations,
) -> String {
    let doctype = doctype(document);
    let mut writer = Writer {
        out: Vec::with_capacity(document.source().len() + document.len() * TAG_BYTES),
        doctype,
        layout,
        forms,
        adaptations,
    };
    for id in document.top_ids() {
        if let Some(root) = document.element(id) {
            writer.element(root, "", 0);
        } else if let Some(text) = Text::of(document, id) {
            writer.text(document.root(), &text.value(), text.kind());
        }
        if layout == XmlLayout::Indented {
            writer.out.push(b'\n');
        }
    }
    String::from_utf8(writer.out).expect("only UTF-8 is written")
}

/// Returns the document type, which determines the namespaces; `None` for XML, which declares its namespaces itself.
fn doctype(document: &Document) -> Option<DocType> {
    match document.encoding() {
        Encoding::Xml(_) => None,
        Encoding::Wbxml(header) => Some(header.doctype),
    }
}

struct Writer<'w> {
    out: Vec<u8>,
    doctype: Option<DocType>,
    layout: XmlLayout,
    forms: &'w XmlForms,
    adaptations: &'w mut Adaptations,
}

impl Writer<'_> {
    /// Writes an element inside the default namespace `around`, at depth `level`. [`crate::markup::Limits`] bounds the
    /// depth.
    fn element(&mut self, element: Element<'_>, around: &str, level: usize) {
        if self.forms.added.get(&element.id()) == Some(&Added::Meta) {
            self.added_meta(around, level);
        }
        let name = name(element);
        self.out.push(b'<');
        self.raw(&name);
        let namespace = self.namespace(element, around);
        if has_attributes(element) {
            self.attributes(element);
        }
        let start = self.out.len();
        self.content(element, &namespace, level);
        if self.out.len() == start {
            return self.raw("/>");
        }
        self.raw("</");
        self.raw(&name);
        self.out.push(b'>');
    }

    /// Writes the content between the tags, with the `>` in front of it; writes nothing if there is no content.
    fn content(&mut self, element: Element<'_>, namespace: &str, level: usize) {
        match self.forms.replaced.get(&element.id()) {
            Some(Replacement::Text(text)) => {
                self.out.push(b'>');
                return self.text(element, text, Kind::Text);
            }
            Some(Replacement::Document(inner)) => {
                self.out.push(b'>');
                return self.embedded(element, inner, namespace, level);
            }
            None => {}
        }
        let document = element.document();
        let is_content = |id: &NodeId| document.kind(*id) != Some(Kind::Attribute);
        let mut content = element.child_ids().filter(is_content).peekable();
        let adds_format = self.forms.added.get(&element.id()) == Some(&Added::Format);
        if content.peek().is_none() && !adds_format {
            return;
        }
        self.out.push(b'>');
        let layout = match self.layout {
            XmlLayout::Indented if element.texts().next().is_none() => XmlLayout::Indented,
            _ => XmlLayout::Compact,
        };
        if adds_format {
            self.line(layout, level + 1);
            self.added_format(namespace);
        }
        for id in content {
            if let Some(text) = Text::of(document, id) {
                self.source_text(element, text);
            } else if let Some(child) = document.element(id) {
                self.line(layout, level + 1);
                self.element(child, namespace, level + 1);
            }
        }
        self.line(layout, level);
    }

    /// Writes a text of the source. Almost all texts of WBXML are ASCII in one inline string: these are written as they
    /// stand there, without a look at their charset.
    fn source_text(&mut self, element: Element<'_>, text: Text<'_>) {
        let start = self.out.len();
        if self.doctype.is_some()
            && let [STR_I, plain @ .., 0] = text.span().of(element.document().source())
            && plain.is_ascii()
            && let Ok(plain) = std::str::from_utf8(plain)
            && escape::text(&mut self.out, plain, Charset::Utf8).is_ok()
        {
            return;
        }
        self.out.truncate(start);
        self.text(element, &text.value(), text.kind());
    }

    /// Writes the attributes, each name only once: WBXML may repeat one (F22), XML may not.
    fn attributes(&mut self, element: Element<'_>) {
        let mut written = BTreeSet::new();
        for attribute in element.attributes() {
            let name = attribute.name();
            if self.doctype.is_some() && !written.insert(name.clone()) {
                let change = format!("the second attribute {name} is left out");
                self.adaptations.push((element.id(), change));
                continue;
            }
            self.attribute(element, &name, &attribute.value());
        }
    }

    fn attribute(&mut self, element: Element<'_>, name: &str, value: &str) {
        self.raw(" ");
        self.raw(name);
        self.raw("=\"");
        self.escaped(element, value, |out, value| {
            escape::attribute(out, value, b'"', Charset::Utf8)
        });
        self.raw("\"");
    }

    /// Declares the default namespace of a WBXML element if it changes, and returns the one now in force.
    fn namespace<'n>(&mut self, element: Element<'n>, around: &'n str) -> Cow<'n, str> {
        let Some(doctype) = self.doctype else {
            return Cow::Borrowed("");
        };
        if has_attributes(element)
            && let Some(written) = element.attribute("xmlns")
        {
            return written.value();
        }
        let wanted = match element.space() {
            Some(space) => doctype.namespace(space),
            None => match element.foreign_namespace() {
                Some(uri) => uri,
                // A token outside the tables is taken to be in the surrounding namespace.
                None if element.local().starts_with("unknown_") => around,
                None => "",
            },
        };
        if wanted != around {
            self.attribute(element, "xmlns", wanted);
        }
        Cow::Borrowed(wanted)
    }

    fn text(&mut self, element: Element<'_>, text: &str, kind: Kind) {
        self.escaped(element, text, |out, text| match kind {
            Kind::Cdata => escape::cdata(out, text, Charset::Utf8),
            _ => escape::text(out, text, Charset::Utf8),
        });
    }

    /// Writes a text with `write`; U+FFFD replaces each character that XML forbids. Notes that in `adaptations`, also if
    /// U+FFFD already stands for octets that were not text.
    fn escaped(
        &mut self,
        element: Element<'_>,
        text: &str,
        write: impl Fn(&mut Vec<u8>, &str) -> Result<(), char>,
    ) {
        let start = self.out.len();
        let may_be_replaced = self.doctype.is_some() && !text.is_ascii();
        let change = match write(&mut self.out, text) {
            Ok(()) if may_be_replaced && text.contains(char::REPLACEMENT_CHARACTER) => {
                "what is no text is shown as U+FFFD"
            }
            Ok(()) => return,
            Err(_) => {
                self.out.truncate(start);
                let is_forbidden = |c: char| !is_allowed(c);
                let text = text.replace(is_forbidden, "\u{FFFD}");
                let written = write(&mut self.out, &text);
                debug_assert!(written.is_ok(), "forbidden characters are replaced");
                "characters that XML forbids are replaced by U+FFFD"
            }
        };
        self.adaptations.push((element.id(), change.into()));
    }

    /// Writes an embedded document inside an element.
    fn embedded(&mut self, holder: Element<'_>, inner: &Document, around: &str, level: usize) {
        let (forms, mut adaptations) = XmlForms::of(inner, Nesting::Embedded);
        let mut writer = Writer {
            out: std::mem::take(&mut self.out),
            doctype: doctype(inner),
            layout: self.layout,
            forms: &forms,
            adaptations: &mut adaptations,
        };
        writer.line(self.layout, level + 1);
        writer.element(inner.root(), around, level + 1);
        writer.line(self.layout, level);
        self.out = writer.out;
        let inside = adaptations
            .into_iter()
            .map(|(_, text)| (holder.id(), format!("inside: {text}")));
        self.adaptations.extend(inside);
    }

    fn added_meta(&mut self, around: &str, level: usize) {
        self.raw("<Meta>");
        let layout = self.layout;
        self.line(layout, level + 1);
        self.added_format(around);
        self.line(layout, level);
        self.raw("</Meta>");
        self.line(layout, level);
    }

    fn added_format(&mut self, around: &str) {
        let namespace = self
            .doctype
            .map_or("", |doctype| doctype.namespace(Space::MetInf));
        if namespace == around {
            return self.raw("<Format>b64</Format>");
        }
        self.raw(&format!("<Format xmlns=\"{namespace}\">b64</Format>"));
    }

    /// Begins a line if the layout has lines.
    fn line(&mut self, layout: XmlLayout, level: usize) {
        if layout == XmlLayout::Indented {
            self.out.push(b'\n');
            self.out.resize(self.out.len() + level * 2, b' ');
        }
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}

/// Whether there are attributes; looks at the first child only.
fn has_attributes(element: Element<'_>) -> bool {
    let first = element.child_ids().next();
    first.is_some_and(|id| element.document().kind(id) == Some(Kind::Attribute))
}

/// Returns the name in an element's tag: with its prefix if the source is XML.
fn name(element: Element<'_>) -> Cow<'_, str> {
    match element.document().encoding() {
        Encoding::Xml(header) => header.charset.text(element.tag_name()),
        Encoding::Wbxml(_) => Cow::Borrowed(element.local()),
    }
}

/// The estimated size of tags per node: half that of an element with a text, which has two nodes.
const TAG_BYTES: usize = 12;
