//! Lowering of edits to splices of a WBXML source.
//!
//! Each edit gets an offset in the source, and the edits run in the order of their offsets. A walk tracks the code
//! pages in force in the source, and those in force in the output. If a splice makes the two differ, the next surviving
//! token that relies on its page gets a SWITCH_PAGE in front:
//!
//! ```text
//! source   6B | 00 01 47 .. 01 00 00 4F .. 01     Meta's child is page 1, Data page 0
//! removed       ^^^^^^^^^^^                        its switch goes with it; the one of Data stays
//! ```

mod copied;
mod pages;
mod place;
mod placed_edit;
mod tag;

use self::copied::pages_of_originals;
use self::pages::{PageTracker, Pages};
use self::placed_edit::{EditAction, PlacedEdit, PlacedEdits};
use super::strings::Strings;
use super::token::{LITERAL, write_number};
use super::value::page_and_token;
use super::writer::{Embedding, Form, Writer};
use super::{EncodeError, Header, header};
use crate::markup::arena::Node;
use crate::markup::edit::{Edit, EditError};
use crate::markup::{Document, Encoding, Kind, NodeId, Text};
use crate::patch::{Patch, Span, Splice};

/// Returns the splices that carry out `edits`, which must fit their nodes and not overlap on the tree. Texts keep their
/// form; inserted markup is written as tokens of the pages in force, and new names are appended to the string table.
///
/// # Errors
/// [`EditError::Unwritable`] for a name that a LITERAL cannot hold.
pub(crate) fn lower(document: &Document, edits: &[Edit]) -> Result<Vec<Splice>, EditError> {
    let Encoding::Wbxml(header) = document.encoding() else {
        return Err(EditError::Unwritable("the document is not WBXML".into()));
    };
    let mut placed = PlacedEdits::new(document, pages_of_originals(document, header, edits));
    for edit in edits {
        placed.add(edit)?;
    }
    Run::new(document, header).all(placed.in_order())
}

/// The state while edits are carried out.
struct Run<'d> {
    header: &'d Header,
    pages: PageTracker<'d>,
    strings: Strings<'d>,
    splices: Vec<Splice>,
}

impl<'d> Run<'d> {
    fn new(document: &'d Document, header: &'d Header) -> Self {
        let mut strings = Strings::new(header.string_table.of(document.source()));
        let is_literal =
            |node: Node| node.kind == Kind::Attribute && page_and_token(node).1 == LITERAL;
        if header.string_table.is_empty() && document.nodes.from(0).any(is_literal) {
            // Without a table these can only be the implied `xmlns` of index 0, which must keep its meaning.
            strings.index(b"xmlns");
        }
        Self {
            header,
            pages: PageTracker::new(document, header),
            strings,
            splices: Vec::new(),
        }
    }

    fn all(mut self, placed: Vec<PlacedEdit<'_>>) -> Result<Vec<Splice>, EditError> {
        let present = self.strings.added().len();
        for edit in placed {
            self.one(&edit)
                .map_err(|error| EditError::Unwritable(error.to_string()))?;
        }
        let end = self.pages.document.node(NodeId(0)).span.end;
        self.pages.finish(end, &mut self.splices);
        if self.strings.added().len() > present {
            self.append_strings();
        }
        self.keep_header()?;
        Ok(self.splices)
    }

    fn one(&mut self, edit: &PlacedEdit<'_>) -> Result<(), EncodeError> {
        self.pages.advance(edit.span.start, &mut self.splices);
        let (document, page) = (self.pages.document, self.pages.source.tag);
        let mut writer = Writer {
            out: Vec::new(),
            doctype: self.header.doctype,
            charset: self.header.text,
            strings: &mut self.strings,
            page: self.pages.written.tag,
            attribute_page: self.pages.written.attribute,
            embedding: Embedding::Announced,
        };
        match &edit.action {
            EditAction::Remove => {}
            EditAction::Insert(inserted) => inserted.write(&mut writer)?,
            EditAction::SetText(text, form) => writer.text(text, *form),
            EditAction::PatchText(text, patch) => patched(document, *text, patch, &mut writer)?,
            EditAction::EditTag(element, edit) => {
                edit.write(document, *element, page, &mut writer)?
            }
        }
        let (tag, attribute) = (writer.page, writer.attribute_page);
        let (mut span, mut with) = (edit.span, writer.out);
        let trims = match &edit.action {
            EditAction::EditTag(_, edit) => !edit.opens(),
            action => matches!(action, EditAction::PatchText(..)),
        };
        if trims {
            span = tag::trim(span, &mut with, document.source());
        }
        if !(span.is_empty() && with.is_empty()) {
            self.splices.push(Splice { span, with });
        }
        self.pages.replaced(edit.span.end, Pages { tag, attribute });
        Ok(())
    }

    /// Checks that the header still reads the same. WBXML 1.0 has no charset field, yet some documents have one, which
    /// only the bytes after it reveal; an edit of these bytes may change how the header reads.
    fn keep_header(&self) -> Result<(), EditError> {
        let source = self.pages.document.source();
        let same = self.header.version != 0 || {
            let patch = Patch::new(self.splices.clone()).unwrap_or_default();
            header::table_of_1_0(&patch.apply(source)) == Some(self.header.table_length.start)
        };
        let why = "the WBXML 1.0 header in front of this would read as another";
        same.then_some(())
            .ok_or_else(|| EditError::Unwritable(why.into()))
    }

    /// Appends the added strings to the string table. Its splices come first, since the table precedes the body.
    fn append_strings(&mut self) {
        let table = self.header.string_table;
        let added = self.strings.added();
        let mut length = Vec::new();
        write_number(&mut length, (table.len() + added.len()) as u32);
        let grown = Splice {
            span: Span::at(table.end),
            with: added.to_vec(),
        };
        self.splices.splice(
            0..0,
            [
                Splice {
                    span: self.header.table_length,
                    with: length,
                },
                grown,
            ],
        );
    }
}

/// Writes a text with a patched value, as the same token: OPAQUE, or a string.
fn patched(
    document: &Document,
    text: NodeId,
    patch: &Patch,
    writer: &mut Writer<'_, '_>,
) -> Result<(), EncodeError> {
    let Some(text) = Text::of(document, text) else {
        return Ok(());
    };
    let octets = patch.apply(&text.octets().into_owned().into());
    if text.kind() == Kind::Opaque {
        writer.opaque(&octets);
        return Ok(());
    }
    let characters = std::str::from_utf8(&octets).map_err(|_| EncodeError::Octets)?;
    writer.text(characters, Form::String);
    Ok(())
}
