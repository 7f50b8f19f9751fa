//! Elements, attributes and texts as tokens, for whole documents and inserted fragments.
//!
//! A page switch is written only in front of a tag or attribute token that needs it.

use super::attribute::is_name;
use super::encode::{EncodeError, MOST_TIMES};
use super::strings::Strings;
use super::value::{ValuePart, attribute_pieces};
use super::{Charset, DocType, custom_names, tables, token::*};
use crate::markup::vocabulary::{self, Space};
use crate::markup::{Attribute, Document, Element, Encoding, Kind, NodeId, Text, meta};

/// The bytes written so far, with the pages in force at their end.
pub(crate) struct Writer<'w, 't> {
    pub(crate) out: Vec<u8>,
    pub(crate) doctype: DocType,
    pub(crate) charset: Charset,
    pub(crate) strings: &'w mut Strings<'t>,
    pub(crate) page: u8,
    pub(crate) attribute_page: u8,
    /// Whether documents in `Data` may become separate WBXML documents.
    pub(crate) embedding: Embedding,
}

/// The treatment of a document of another type that is markup in `Data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Embedding {
    /// It becomes a WBXML document in OPAQUE if `Meta/Type` announces one (`+wbxml`).
    Announced,
    /// It stays markup: the document written is itself embedded.
    Never,
}

/// The framing of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    String,
    Opaque,
}

/// An element whose END is not written yet.
struct Open<'d> {
    /// The node after its subtree.
    end: u32,
    /// The namespace that LITERAL children inherit.
    namespace: &'d str,
}

impl Writer<'_, '_> {
    /// Writes the subtree of `root`.
    ///
    /// # Errors
    /// [`EncodeError`] for a name that cannot be written.
    pub(crate) fn subtree(&mut self, root: Element<'_>) -> Result<(), EncodeError> {
        let document = root.document();
        let last = document.node(root.id()).next;
        let most = (1 << 20) + MOST_TIMES * document.source().len();
        let mut open: Vec<Open<'_>> = Vec::new();
        let mut at = root.id().0;
        loop {
            while open.last().is_some_and(|element| element.end == at) {
                open.pop();
                self.out.push(END);
            }
            if at >= last {
                return Ok(());
            }
            let Some(element) = document.element(NodeId(at)) else {
                at = self.run(document, NodeId(at));
                continue;
            };
            if let Some(embedded) = self.embedded(element) {
                self.opaque(&embedded);
                at = document.node(element.id()).next;
                continue;
            }
            let inherited = open.last().map_or("", |element| element.namespace);
            let namespace = self.head(element, inherited)?;
            if self.out.len() > most {
                return Err(EncodeError::TooLong);
            }
            at = self.behind_head(element, namespace, &mut open);
        }
    }

    /// Returns the node after an element's attributes; if the element has content, pushes it to `open`.
    fn behind_head<'d>(
        &self,
        element: Element<'d>,
        namespace: &'d str,
        open: &mut Vec<Open<'d>>,
    ) -> u32 {
        let end = element.document().node(element.id()).next;
        if has_content(element) {
            open.push(Open { end, namespace });
            element.id().0 + 1 + element.attributes().count() as u32
        } else {
            end
        }
    }

    /// Writes tag and attributes. Returns the namespace that LITERAL children inherit.
    fn head<'d>(
        &mut self,
        element: Element<'d>,
        inherited: &'d str,
    ) -> Result<&'d str, EncodeError> {
        let mut byte = if has_content(element) {
            WITH_CONTENT
        } else {
            0
        };
        if let Some((page, token)) = self.token_of(element) {
            if element.attributes().any(|attribute| is_carried(&attribute)) {
                byte |= WITH_ATTRIBUTES;
            }
            self.switch(page);
            self.out.push(byte | token);
            self.attributes(element, "")?;
            return Ok("");
        }
        self.literal_head(element, inherited, byte)
    }

    /// Writes tag and attributes of an element that is on no page of this document type, like [`Self::head`].
    fn literal_head<'d>(
        &mut self,
        element: Element<'d>,
        inherited: &'d str,
        mut byte: u8,
    ) -> Result<&'d str, EncodeError> {
        let namespace = self.namespace_of(element, inherited);
        let declares = namespace != inherited;
        let carried =
            |attribute: Attribute<'_>| is_carried(&attribute) && attribute.name() != "xmlns";
        let carries = element.attributes().any(carried);
        if declares || carries {
            byte |= WITH_ATTRIBUTES;
        }
        let index = self.name_index(element.local())?;
        self.out.push(byte | LITERAL);
        write_number(&mut self.out, index);
        if declares {
            self.attribute("xmlns", namespace)?;
        }
        self.attributes(element, "xmlns")?;
        if declares && !carries {
            self.out.push(END);
        }
        Ok(namespace)
    }

    /// Writes the carried attributes of an element except the one named `but`, and the END if there are any.
    fn attributes(&mut self, element: Element<'_>, but: &str) -> Result<(), EncodeError> {
        let mut any = false;
        for attribute in element.attributes().filter(is_carried) {
            if attribute.name() != but {
                self.carried(attribute)?;
                any = true;
            }
        }
        if any {
            self.out.push(END);
        }
        Ok(())
    }

    /// Writes one attribute of the source document. OPAQUE that is not text, in the value of a WBXML source, stays
    /// OPAQUE.
    fn carried(&mut self, attribute: Attribute<'_>) -> Result<(), EncodeError> {
        let document = attribute.document();
        let Encoding::Wbxml(header) = document.encoding() else {
            return self.attribute(&attribute.name(), &attribute.value());
        };
        let node = document.node(attribute.id());
        let (mut front, mut pieces) = (String::new(), Vec::new());
        attribute_pieces(document.source(), header, node, |piece| match piece {
            ValuePart::Octets(octets) if !header.text.holds(octets) => {
                pieces.push(ValuePart::Octets(octets));
            }
            ValuePart::Octets(octets) if pieces.is_empty() => front += &header.text.text(octets),
            ValuePart::Octets(octets) => pieces.push(ValuePart::Text(header.text.text(octets))),
            ValuePart::Text(text) if pieces.is_empty() => front += &text,
            ValuePart::Text(text) => pieces.push(ValuePart::Text(text)),
        });
        self.attribute(&attribute.name(), &front)?;
        for piece in pieces {
            match piece {
                ValuePart::Text(text) => self.text(&text, Form::String),
                ValuePart::Octets(octets) => self.opaque(octets),
            }
        }
        Ok(())
    }

    /// Writes one attribute: as tokens of the tables if possible, otherwise as LITERAL and string.
    ///
    /// # Errors
    /// [`EncodeError::Name`] for a name that cannot be a LITERAL.
    pub(crate) fn attribute(&mut self, name: &str, value: &str) -> Result<(), EncodeError> {
        let tables = self.doctype == DocType::Prov;
        let known = if tables {
            tables::find_start(name, value, self.attribute_page)
        } else {
            None
        };
        let raw = || custom_names::token_of_unknown(name).filter(|(_, token)| is_start(*token));
        if let Some((page, token, prefix)) =
            known.or_else(|| raw().map(|(page, token)| (page, token, "")))
        {
            self.switch_attributes(page);
            self.out.push(token);
            self.attribute_text(&value[prefix.len()..]);
            return Ok(());
        }
        let index = self.name_index(name)?;
        self.out.push(LITERAL);
        write_number(&mut self.out, index);
        self.attribute_text(value);
        Ok(())
    }

    /// Writes a value, or the rest of one: as value tokens if they cover all of it, otherwise as a string.
    fn attribute_text(&mut self, text: &str) {
        let mut tokens = Vec::new();
        let mut rest = text;
        while self.doctype == DocType::Prov
            && let Some((token, word)) = tables::find_value(rest, self.attribute_page)
        {
            tokens.push(token);
            rest = &rest[word.len()..];
        }
        match (text.is_empty(), rest.is_empty()) {
            (true, _) => {}
            (_, true) => self.out.extend(tokens),
            _ => self.text(text, Form::String),
        }
    }

    /// Writes a text. A text with NUL becomes OPAQUE, since strings end with NUL; characters that the charset lacks
    /// become ENTITY tokens, which are not possible in OPAQUE.
    pub(crate) fn text(&mut self, text: &str, form: Form) {
        let has = |character| self.charset.has(character);
        let framed = form == Form::Opaque || text.contains('\0');
        if framed && text.chars().all(has) {
            let mut octets = Vec::with_capacity(text.len());
            self.charset.write(&mut octets, text);
            return self.opaque(&octets);
        }
        let mut rest = text;
        loop {
            let charset = self.charset;
            let end = rest.find(|c| !charset.has(c)).unwrap_or(rest.len());
            if end != 0 || text.is_empty() {
                self.out.push(STR_I);
                charset.write(&mut self.out, &rest[..end]);
                self.out.push(0);
            }
            let Some(character) = rest[end..].chars().next() else {
                return;
            };
            self.out.push(ENTITY);
            write_number(&mut self.out, character.into());
            rest = &rest[end + character.len_utf8()..];
            if rest.is_empty() {
                return;
            }
        }
    }

    pub(crate) fn opaque(&mut self, octets: &[u8]) {
        self.out.push(OPAQUE);
        write_number(&mut self.out, octets.len() as u32);
        self.out.extend_from_slice(octets);
    }

    /// Writes consecutive texts from `first` on: in XML a run of text and CDATA becomes one string. Returns the node
    /// after them.
    fn run(&mut self, document: &Document, first: NodeId) -> u32 {
        let node = document.node(first);
        let Some(text) = Text::of(document, first) else {
            return first.0 + 1;
        };
        if document.is_wbxml() {
            match (node.kind, node.span.of(document.source()).first()) {
                (Kind::Opaque, _) => self.opaque(&text.octets()),
                (_, Some(&ENTITY)) => {
                    self.out.push(ENTITY);
                    let character = text.value().chars().next().unwrap_or(' ');
                    write_number(&mut self.out, character.into());
                }
                _ => self.text(&text.value(), Form::String),
            }
            return first.0 + 1;
        }
        let (mut whole, parent) = (text.value(), document.parent(first));
        let mut at = first.0 + 1;
        while let Some(more) =
            Text::of(document, NodeId(at)).filter(|_| document.parent(NodeId(at)) == parent)
        {
            whole.to_mut().push_str(&more.value());
            at += 1;
        }
        self.text(&whole, Form::String);
        at
    }

    pub(crate) fn switch(&mut self, page: u8) {
        if page != self.page {
            self.out.extend([SWITCH_PAGE, page]);
            self.page = page;
        }
    }

    pub(crate) fn switch_attributes(&mut self, page: u8) {
        if page != self.attribute_page {
            self.out.extend([SWITCH_PAGE, page]);
            self.attribute_page = page;
        }
    }

    /// Returns page and token of an element's name in this document type.
    fn token_of(&self, element: Element<'_>) -> Option<(u8, u8)> {
        let Some((space, token)) = element.name().token() else {
            return custom_names::token_of_unknown(element.local()).filter(|(page, token)| {
                (0x05..0x40).contains(token) && self.doctype.tag(*page, *token).is_none()
            });
        };
        // Provisioning has most names on both pages; in other types each name has one page.
        let here = self.doctype == DocType::Prov
            && self.doctype.tag(self.page, token) == Some(element.name());
        let page = if here {
            Some(self.page)
        } else {
            self.doctype.page_of_space(space)
        };
        page.map(|page| (page, token))
    }

    /// Returns the namespace of an element that is written as LITERAL.
    fn namespace_of<'d>(&self, element: Element<'d>, inherited: &'d str) -> &'d str {
        match (element.space(), element.foreign_namespace()) {
            (Some(space), _) => self.doctype.namespace(space),
            (None, None) => "",
            (None, Some(namespace)) => match Space::of_namespace(namespace) {
                None => namespace,
                known if known == Space::of_namespace(inherited) => inherited,
                // For example a misspelt `delete` among commands: tokens pass no namespace on, so it declares its own.
                Some(_) => namespace,
            },
        }
    }

    fn name_index(&mut self, name: &str) -> Result<u32, EncodeError> {
        if !is_name(name) || !name.chars().all(|c| self.charset.has(c)) {
            return Err(EncodeError::Name(name.into()));
        }
        let mut bytes = Vec::with_capacity(name.len());
        self.charset.write(&mut bytes, name);
        Ok(self.strings.index(&bytes))
    }

    /// Returns the WBXML document for `element`, if it is a document root and its `Meta/Type` ends in `+wbxml`.
    fn embedded(&self, element: Element<'_>) -> Option<Vec<u8>> {
        use vocabulary::tag::{DATA, DEV_INF, MGMT_TREE, TYPE};
        let root = self.embedding == Embedding::Announced
            && (element.is(DEV_INF) || element.is(MGMT_TREE));
        let data = element.parent().filter(|parent| root && parent.is(DATA))?;
        let media_type = meta::field(data, TYPE)?.text();
        let announced = media_type
            .trim_ascii()
            .to_ascii_lowercase()
            .ends_with("+wbxml");
        announced.then(|| super::encode::embedded(element).ok())?
    }
}

/// Whether an attribute is written in WBXML: declarations of the tables' namespaces are not, as pages imply them.
fn is_carried(attribute: &Attribute<'_>) -> bool {
    let name = attribute.name();
    let declares = name == "xmlns" || name.starts_with("xmlns:");
    !declares || Space::of_namespace(&attribute.value()).is_none()
}

fn has_content(element: Element<'_>) -> bool {
    let document = element.document();
    let node = document.node(element.id());
    element.attributes().count() as u32 + element.id().0 + 1 < node.next
}

fn is_start(token: u8) -> bool {
    (0x05..0x40).contains(&token) || (0x45..0x80).contains(&token)
}
