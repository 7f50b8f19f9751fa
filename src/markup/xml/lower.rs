//! Lowering of edits to splices of an XML source.
//!
//! Each edit becomes a separate splice, except for an empty tag that gets content: `<Data a="1" />` has no place for
//! it, so all changes of the tag and its new content become one splice over the whole tag.

mod copied;
mod part;

use std::collections::BTreeMap;

use super::attribute::quoted;
use super::{Charset, escape, is_white, name, tag_name};
use crate::markup::edit::{Edit, EditError, Fragment, Place, Rank};
use crate::markup::{Document, Encoding, Kind, NodeId};
use crate::patch::{Patch, Span, Splice};

/// Returns the splices that carry out `edits`, which must fit their nodes and not overlap on the tree.
///
/// # Errors
/// [`EditError::Unwritable`] for characters that XML cannot hold, and for fragments that the document's charset cannot
/// hold.
pub(crate) fn lower(document: &Document, edits: &[Edit]) -> Result<Vec<Splice>, EditError> {
    let Encoding::Xml(header) = document.encoding() else {
        return Err(EditError::Unwritable("the document is not XML".into()));
    };
    let mut lowering = Lowering {
        document,
        charset: header.charset,
        splices: Vec::new(),
        tags: BTreeMap::new(),
    };
    for edit in edits {
        lowering.add(edit)?;
    }
    lowering.finish()
}

struct Lowering<'d> {
    document: &'d Document,
    charset: Charset,
    splices: Vec<(Rank, Splice)>,
    tags: BTreeMap<u32, TagEdit>,
}

/// The changes of one start tag, and the new content if the element has only this empty tag.
#[derive(Default)]
struct TagEdit {
    attributes: Vec<Splice>,
    first: Vec<u8>,
    last: Vec<u8>,
}

/// The positions of the parts of an element.
struct Parts {
    /// The end of its name.
    name_end: u32,
    /// The end of its last attribute; without attributes, the end of its name.
    attributes_end: u32,
    /// The span between its tags; `None` for an empty tag.
    content: Option<Span>,
}

impl Lowering<'_> {
    fn add(&mut self, edit: &Edit) -> Result<(), EditError> {
        match edit {
            Edit::SetText { element, text } => self.set_text(*element, text),
            Edit::PatchText { text, patch } => {
                let node = self.document.node(*text);
                let written = node.span.of(&self.document.source);
                let splices = part::splices(node.kind, written, self.charset, patch)?;
                for splice in splices {
                    let (from, to) = (splice.span.start, splice.span.end);
                    let span = Span::new(node.span.start + from, node.span.start + to);
                    if node.kind == Kind::Attribute {
                        let with = splice.with;
                        let element = self.document.parent(*text);
                        self.tag(element).attributes.push(Splice { span, with });
                        continue;
                    }
                    let rank = match span.start == node.span.end {
                        true => Rank::InText,
                        false => Rank::Node,
                    };
                    self.push(rank, span, splice.with);
                }
                Ok(())
            }
            Edit::SetAttribute {
                element,
                name,
                value,
            } => self.set_attribute(*element, name, value),
            Edit::Remove { node } => {
                self.remove(*node);
                Ok(())
            }
            Edit::Replace { node, fragment } => {
                let with = self.fragment(fragment)?;
                self.push(Rank::Node, self.document.node(*node).span, with);
                Ok(())
            }
            Edit::Insert { place, fragment } => {
                let with = self.fragment(fragment)?;
                self.insert(*place, with);
                Ok(())
            }
            Edit::Copy { place, node, texts } => {
                let with = self.copied(*place, *node, texts)?;
                self.insert(*place, with);
                Ok(())
            }
        }
    }

    fn set_text(&mut self, element: NodeId, text: &str) -> Result<(), EditError> {
        let mut with = Vec::new();
        let is_cdata = |id| self.document.node(id).kind == Kind::Cdata;
        let was_cdata = self
            .document
            .element(element)
            .is_some_and(|e| e.child_ids().any(is_cdata));
        let written = match was_cdata {
            true => escape::cdata(&mut with, text, self.charset),
            false => escape::text(&mut with, text, self.charset),
        };
        written.map_err(unwritable)?;
        match self.parts(element).content {
            Some(content) => self.push(Rank::Node, content, with),
            None => self.tag(element).first = with,
        }
        Ok(())
    }

    fn set_attribute(&mut self, element: NodeId, name: &str, value: &str) -> Result<(), EditError> {
        if !name::is_name(name) || !name.chars().all(|c| self.charset.has(c)) {
            let why = format!("`{name}` cannot be the name of an attribute here");
            return Err(EditError::Unwritable(why));
        }
        let mut with = Vec::new();
        let there = self
            .document
            .element(element)
            .and_then(|e| e.attribute(name));
        let span = match there.map(|attribute| attribute.span()) {
            Some(span) => {
                let written = span.of(&self.document.source);
                let quote = written.last().copied().unwrap_or(b'"');
                escape::attribute(&mut with, value, quote, self.charset).map_err(unwritable)?;
                let old = quoted(written).len() as u32;
                Span::new(span.end - 1 - old, span.end - 1)
            }
            None => {
                self.new_attribute(&mut with, name, value)?;
                Span::at(self.parts(element).attributes_end)
            }
        };
        self.tag(element).attributes.push(Splice { span, with });
        Ok(())
    }

    /// Appends an attribute, with a blank in front.
    fn new_attribute(&self, out: &mut Vec<u8>, name: &str, value: &str) -> Result<(), EditError> {
        out.push(b' ');
        self.charset.write(out, name);
        out.extend_from_slice(b"=\"");
        escape::attribute(out, value, b'"', self.charset).map_err(unwritable)?;
        out.push(b'"');
        Ok(())
    }

    fn remove(&mut self, node: NodeId) {
        let (span, source) = (self.document.node(node).span, &self.document.source);
        if self.document.node(node).kind != Kind::Attribute {
            return self.push(Rank::Node, span, Vec::new());
        }
        let before = source[..span.start as usize].iter().rev();
        let white = before.take_while(|&&byte| is_white(byte)).count() as u32;
        let span = Span::new(span.start - white, span.end);
        let element = self.document.parent(node);
        self.tag(element).attributes.push(Splice {
            span,
            with: Vec::new(),
        });
    }

    fn insert(&mut self, place: Place, with: Vec<u8>) {
        let (rank, at) = match place {
            Place::Before(node) => (Rank::InFront, self.document.node(node).span.start),
            Place::After(node) => (Rank::Behind, self.document.node(node).span.end),
            Place::FirstIn(element) => match self.parts(element).content {
                Some(content) => (Rank::First, content.start),
                None => {
                    return self.tag(element).first.extend(with);
                }
            },
            Place::LastIn(element) => match self.parts(element).content {
                Some(content) => (Rank::Last, content.end),
                None => {
                    return self.tag(element).last.extend(with);
                }
            },
        };
        self.push(rank, Span::at(at), with);
    }

    fn finish(mut self) -> Result<Vec<Splice>, EditError> {
        for (element, edit) in std::mem::take(&mut self.tags) {
            if edit.first.is_empty() && edit.last.is_empty() {
                let rank = |splice| (Rank::Node, splice);
                self.splices.extend(edit.attributes.into_iter().map(rank));
                continue;
            }
            let with = self.opened(NodeId(element), edit)?;
            self.push(Rank::Node, self.document.node(NodeId(element)).span, with);
        }
        self.splices.sort_by_key(|(rank, _)| *rank);
        Ok(self.splices.into_iter().map(|(_, splice)| splice).collect())
    }

    /// Turns an empty tag into a start tag, the new content, and an end tag.
    fn opened(&self, element: NodeId, edit: TagEdit) -> Result<Vec<u8>, EditError> {
        let (start, parts) = (self.document.node(element).span.start, self.parts(element));
        let mut splices = edit.attributes;
        for splice in &mut splices {
            splice.span = Span::new(splice.span.start - start, splice.span.end - start);
        }
        let patch = Patch::new(splices).map_err(|overlap| EditError::Overlap {
            path: format!("byte {}", overlap.at + start),
        })?;
        let source = &self.document.source;
        let tag = source.slice(start as usize..parts.attributes_end as usize);
        let mut with = Vec::from(patch.apply(&tag));
        with.push(b'>');
        with.extend_from_slice(&edit.first);
        with.extend_from_slice(&edit.last);
        with.extend_from_slice(b"</");
        with.extend_from_slice(Span::new(start + 1, parts.name_end).of(source));
        with.push(b'>');
        Ok(with)
    }

    fn parts(&self, element: NodeId) -> Parts {
        let node = self.document.node(element);
        let written = node.span.of(&self.document.source);
        let name_end = node.span.start + 1 + tag_name(written).len() as u32;
        let attributes = self
            .document
            .element(element)
            .and_then(|e| e.attributes().last());
        let attributes_end = attributes.map_or(name_end, |attribute| attribute.span().end);
        let behind = Span::new(attributes_end, node.span.end).of(&self.document.source);
        let closing = memchr::memchr(b'>', behind).unwrap_or_default();
        let is_empty = closing > 0 && behind[closing - 1] == b'/';
        let content = (!is_empty).then(|| {
            let end = memchr::memrchr(b'<', written).unwrap_or_default() as u32;
            Span::new(attributes_end + closing as u32 + 1, node.span.start + end)
        });
        Parts {
            name_end,
            attributes_end,
            content,
        }
    }

    /// Returns the fragment's root as written, in the charset of the document.
    fn fragment(&self, fragment: &Fragment) -> Result<Vec<u8>, EditError> {
        let fragment = fragment.document();
        let written = fragment.root().span().of(fragment.source());
        if self.charset == Charset::Utf8 || written.is_ascii() {
            return Ok(written.into());
        }
        let text = Charset::Utf8.text(written);
        if let Some(character) = text.chars().find(|c| !self.charset.has(*c)) {
            let why = format!(
                "write `&#x{:X};` for {character:?}: the document's charset lacks it",
                u32::from(character)
            );
            return Err(EditError::Unwritable(why));
        }
        let mut out = Vec::with_capacity(written.len());
        self.charset.write(&mut out, &text);
        Ok(out)
    }

    fn push(&mut self, rank: Rank, span: Span, with: Vec<u8>) {
        self.splices.push((rank, Splice { span, with }));
    }

    fn tag(&mut self, element: NodeId) -> &mut TagEdit {
        self.tags.entry(element.0).or_default()
    }
}

fn unwritable(character: char) -> EditError {
    let code = u32::from(character);
    EditError::Unwritable(format!(
        "XML cannot hold the character U+{code:04X}: write the data in base64, with Format b64"
    ))
}
