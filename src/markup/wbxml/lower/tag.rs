//! Rewritten tags: with other attributes, or with content for an element that had none.

use super::copied::Inserted;
use crate::markup::wbxml::EncodeError;
use crate::markup::wbxml::token::{END, LITERAL, Reader, TOKEN, WITH_ATTRIBUTES, WITH_CONTENT};
use crate::markup::wbxml::token_scanner::{ScannedToken, TokenScanner};
use crate::markup::wbxml::value::page_and_token;
use crate::markup::wbxml::writer::{Form, Writer};
use crate::markup::{Document, NodeId};
use crate::patch::Span;

/// All changes of one element's tag.
#[derive(Default)]
pub(super) struct TagEdit<'e> {
    pub(super) removed: Vec<NodeId>,
    pub(super) set: Vec<(&'e str, &'e str)>,
    /// The content for an element that had none, not even an END.
    pub(super) first: Vec<Inserted<'e>>,
    pub(super) text: Option<&'e str>,
    pub(super) last: Vec<Inserted<'e>>,
}

impl TagEdit<'_> {
    /// Writes the whole tag of `element`. `page` is the tag page in force in the source.
    pub(super) fn write(
        &self,
        document: &Document,
        element: NodeId,
        page: u8,
        writer: &mut Writer<'_, '_>,
    ) -> Result<(), EncodeError> {
        let source = document.source();
        let start = document.node(element).span.start as usize;
        let mut tag = Reader::new(source, start + 1);
        let mut byte = source[start];
        if byte & TOKEN == LITERAL {
            let _ = tag.number("a checked LITERAL");
        } else {
            writer.switch(page);
        }
        let at = writer.out.len();
        writer.out.extend_from_slice(&source[start..tag.at]);
        let any = self.attributes(document, element, writer)?;
        byte = byte & !WITH_ATTRIBUTES | if any { WITH_ATTRIBUTES } else { 0 };
        if self.opens() {
            byte |= WITH_CONTENT;
            self.content(writer)?;
        }
        writer.out[at] = byte;
        Ok(())
    }

    /// Whether the element gets content, and with it an END.
    pub(super) fn opens(&self) -> bool {
        !self.first.is_empty() || self.text.is_some() || !self.last.is_empty()
    }

    fn content(&self, writer: &mut Writer<'_, '_>) -> Result<(), EncodeError> {
        for inserted in &self.first {
            inserted.write(writer)?;
        }
        if let Some(text) = self.text {
            writer.text(text, Form::String);
        }
        for inserted in &self.last {
            inserted.write(writer)?;
        }
        writer.out.push(END);
        Ok(())
    }

    /// Writes the attribute list with its END if any attribute remains: old ones unchanged, then new ones.
    fn attributes(
        &self,
        document: &Document,
        element: NodeId,
        writer: &mut Writer<'_, '_>,
    ) -> Result<bool, EncodeError> {
        let mut set = self.set.clone();
        let mut any = false;
        for attribute in document
            .element(element)
            .into_iter()
            .flat_map(|element| element.attributes())
        {
            if self.removed.contains(&attribute.id()) {
                continue;
            }
            any = true;
            match set.iter().position(|(name, _)| *name == attribute.name()) {
                Some(changed) => {
                    let (name, value) = set.remove(changed);
                    writer.attribute(name, value)?;
                }
                None => copy(document, attribute.id(), writer),
            }
        }
        for (name, value) in set {
            any = true;
            writer.attribute(name, value)?;
        }
        if any {
            writer.out.push(END);
        }
        Ok(any)
    }
}

/// Copies an attribute from the source, on the page that it needs.
fn copy(document: &Document, attribute: NodeId, writer: &mut Writer<'_, '_>) {
    let node = document.node(attribute);
    let mut tokens = TokenScanner::new(document.source(), node.span.start as usize);
    tokens.in_attributes = true;
    let (page, _) = page_and_token(node);
    let mut behind = None;
    let mut relies = false;
    while tokens.at() < node.span.end as usize {
        match tokens.next() {
            Some(ScannedToken::Switch(page)) => behind = Some(page),
            Some(ScannedToken::Start(byte)) => relies |= byte != LITERAL,
            Some(ScannedToken::Value) => relies |= behind.is_none(),
            Some(_) => {}
            None => break,
        }
    }
    if relies {
        writer.switch_attributes(page);
    }
    writer
        .out
        .extend_from_slice(node.span.of(document.source()));
    writer.attribute_page = behind.unwrap_or(writer.attribute_page);
}

/// Shrinks a replacement by the equal bytes at both ends.
pub(super) fn trim(span: Span, with: &mut Vec<u8>, source: &[u8]) -> Span {
    let old = span.of(source);
    let same = |(a, b): &(&u8, &u8)| a == b;
    let front = old.iter().zip(with.iter()).take_while(same).count();
    let back = old[front..]
        .iter()
        .rev()
        .zip(with[front..].iter().rev())
        .take_while(same)
        .count();
    with.truncate(with.len() - back);
    with.drain(..front);
    Span::new(span.start + front as u32, span.end - back as u32)
}
