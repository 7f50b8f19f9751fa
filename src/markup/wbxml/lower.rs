//! Edits to splices of a WBXML source.
//!
//! Every edit becomes a job at an offset; the jobs run in source order, and with them runs what is known of
//! the code pages: those in force in the source, and those in force in what is written. Where a splice
//! leaves the two apart, the next surviving token that relies on its page gets a SWITCH_PAGE in front:
//!
//! ```text
//! source   6B | 00 01 47 .. 01 00 00 4F .. 01     Meta's child is page 1, Data page 0
//! removed       ^^^^^^^^^^^                        its switch goes with it; the one of Data stays
//! ```

mod pages;
mod place;
mod tag;

use std::collections::BTreeMap;

use self::pages::{Pages, Track};
use self::place::Places;
use self::tag::TagEdit;
use super::strings::Strings;
use super::token::write_number;
use super::writer::{Embedding, Form, Writer};
use super::{EncodeError, Header};
use crate::markup::edit::{Edit, EditError, Fragment, Place};
use crate::markup::{Document, Encoding, Kind, NodeId};
use crate::patch::{Span, Splice};

/// The splices that carry out `edits`, which must not overlap on the tree. Texts keep their form; what is
/// inserted is written as tokens of the pages in force, and new names go to the end of the string table.
///
/// # Errors
/// [`EditError::Unfit`] for a node of the wrong kind, [`EditError::Unwritable`] for a name that no LITERAL
/// can hold.
pub fn lower(document: &Document, edits: &[Edit]) -> Result<Vec<Splice>, EditError> {
    let Encoding::Wbxml(header) = document.encoding() else {
        return Err(EditError::Unwritable("the document is not WBXML".into()));
    };
    let mut jobs = Jobs {
        places: Places::new(document),
        jobs: Vec::new(),
        tags: BTreeMap::new(),
    };
    for edit in edits {
        jobs.add(edit)?;
    }
    Run::new(document, header).all(jobs.in_order())
}

/// A piece of work at one place of the source.
struct Job<'e> {
    span: Span,
    /// Which of several jobs at one offset comes first.
    rank: Rank,
    act: Act<'e>,
}

enum Act<'e> {
    Insert(&'e Fragment),
    Remove,
    SetText(&'e str, Form),
    EditTag(TagEdit<'e>),
}

/// The order of jobs at one offset: first child, behind an elder sibling, last child, in front of a node,
/// and then what happens to the node itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    First,
    Behind,
    Last,
    InFront,
    Node,
}

struct Jobs<'d, 'e> {
    places: Places<'d>,
    jobs: Vec<Job<'e>>,
    tags: BTreeMap<u32, TagEdit<'e>>,
}

impl<'e> Jobs<'_, 'e> {
    fn add(&mut self, edit: &'e Edit) -> Result<(), EditError> {
        match edit {
            Edit::SetText { element, text } => self.set_text(*element, text),
            Edit::SetAttribute {
                element,
                name,
                value,
            } => {
                self.expect(*element, &[Kind::Element], "set attribute")?;
                self.tag(*element).set.push((name, value));
                Ok(())
            }
            Edit::Remove { node } => self.remove(*node),
            Edit::Insert { place, fragment } => self.insert(*place, fragment),
            Edit::Replace { node, fragment } => {
                self.expect(*node, &[Kind::Element], "replace")?;
                let span = self.places.with_switches(*node);
                self.push(span, Rank::Node, Act::Insert(fragment));
                Ok(())
            }
        }
    }

    fn set_text(&mut self, element: NodeId, text: &'e str) -> Result<(), EditError> {
        self.expect(element, &[Kind::Element], "set text")?;
        if !self.places.is_open(element) {
            if !text.is_empty() {
                self.tag(element).text = Some(text);
            }
            return Ok(());
        }
        let (span, form) = self.places.content(element);
        self.push(span, Rank::Node, Act::SetText(text, form));
        Ok(())
    }

    fn remove(&mut self, node: NodeId) -> Result<(), EditError> {
        let document = self.places.document;
        self.expect(
            node,
            &[Kind::Element, Kind::Text, Kind::Opaque, Kind::Attribute],
            "remove",
        )?;
        let span = match document.node(node).kind {
            Kind::Attribute => {
                let element = NodeId(document.node(node).parent);
                self.tag(element).removed.push(node);
                return Ok(());
            }
            Kind::Element if node.0 == 0 => return Err(self.unfit("remove", node)),
            Kind::Element => self.places.with_switches(node),
            _ => document.node(node).span,
        };
        self.push(span, Rank::Node, Act::Remove);
        Ok(())
    }

    fn insert(&mut self, place: Place, fragment: &'e Fragment) -> Result<(), EditError> {
        let (Place::Before(node) | Place::After(node) | Place::FirstIn(node) | Place::LastIn(node)) =
            place;
        let inside = matches!(place, Place::FirstIn(_) | Place::LastIn(_));
        let kinds: &[Kind] = if inside {
            &[Kind::Element]
        } else {
            &[Kind::Element, Kind::Text, Kind::Opaque]
        };
        self.expect(node, kinds, "insert")?;
        if inside && !self.places.is_open(node) {
            let tag = self.tag(node);
            let list = if matches!(place, Place::FirstIn(_)) {
                &mut tag.first
            } else {
                &mut tag.last
            };
            list.push(fragment);
            return Ok(());
        }
        if !inside && node.0 == 0 {
            return Err(self.unfit("insert", node));
        }
        let (at, rank) = match place {
            Place::Before(_) => (self.places.before(node), Rank::InFront),
            Place::After(_) => (self.places.document.node(node).span.end, Rank::Behind),
            Place::FirstIn(_) => (self.places.behind_tag(node), Rank::First),
            Place::LastIn(_) => (self.places.behind_children(node), Rank::Last),
        };
        self.push(Span::at(at), rank, Act::Insert(fragment));
        Ok(())
    }

    fn push(&mut self, span: Span, rank: Rank, act: Act<'e>) {
        self.jobs.push(Job { span, rank, act });
    }

    fn tag(&mut self, element: NodeId) -> &mut TagEdit<'e> {
        self.tags.entry(element.0).or_default()
    }

    fn expect(&self, node: NodeId, kinds: &[Kind], edit: &'static str) -> Result<(), EditError> {
        match self.places.document.kind(node) {
            Some(kind) if kinds.contains(&kind) => Ok(()),
            _ => Err(self.unfit(edit, node)),
        }
    }

    fn unfit(&self, edit: &'static str, node: NodeId) -> EditError {
        let document = self.places.document;
        let around = |node| {
            document
                .nodes
                .get(node as usize)
                .map(|inner| NodeId(inner.parent))
        };
        let element = document
            .element(node)
            .or_else(|| document.element(around(node.0)?));
        let path = element.map_or_else(
            || format!("node {}", node.0),
            |element| element.path().to_string(),
        );
        EditError::Unfit { edit, path }
    }

    fn in_order(self) -> Vec<Job<'e>> {
        let Self {
            places,
            mut jobs,
            tags,
        } = self;
        for (element, mut edit) in tags {
            let element = NodeId(element);
            edit.element = element;
            let span = Span::new(
                places.document.node(element).span.start,
                places.behind_tag(element),
            );
            jobs.push(Job {
                span,
                rank: Rank::Node,
                act: Act::EditTag(edit),
            });
        }
        jobs.sort_by_key(|job| (job.span.start, job.rank, job.span.end));
        jobs
    }
}

/// The jobs being carried out.
struct Run<'d> {
    header: &'d Header,
    track: Track<'d>,
    strings: Strings<'d>,
    splices: Vec<Splice>,
}

impl<'d> Run<'d> {
    fn new(document: &'d Document, header: &'d Header) -> Self {
        let mut strings = Strings::new(header.string_table.of(document.source()));
        let track = Track::new(document, header);
        if header.string_table.is_empty() && track.has_literal_attributes() {
            // Without a table they can only be the implied `xmlns` of index 0, and must stay that.
            strings.index("xmlns");
        }
        Self {
            header,
            track,
            strings,
            splices: Vec::new(),
        }
    }

    fn all(mut self, jobs: Vec<Job<'_>>) -> Result<Vec<Splice>, EditError> {
        let present = self.strings.added().len();
        for job in jobs {
            self.track.advance(job.span.start, &mut self.splices);
            let mut writer = Writer {
                out: Vec::new(),
                doctype: self.header.doctype,
                charset: self.header.text,
                strings: &mut self.strings,
                page: self.track.written.tag,
                attribute_page: self.track.written.attribute,
                embedding: Embedding::Announced,
            };
            let mut span = job.span;
            match &job.act {
                Act::Remove => {}
                Act::Insert(fragment) => writer
                    .subtree(fragment.document().root())
                    .map_err(unwritable)?,
                Act::SetText(text, form) => writer.text(text, *form),
                Act::EditTag(edit) => {
                    edit.write(self.track.document, self.track.source.tag, &mut writer)
                        .map_err(unwritable)?;
                }
            }
            let written = Pages {
                tag: writer.page,
                attribute: writer.attribute_page,
            };
            let mut with = writer.out;
            if let Act::EditTag(edit) = &job.act
                && !edit.opens()
            {
                span = tag::trim(span, &mut with, self.track.document.source());
            }
            if !(span.is_empty() && with.is_empty()) {
                self.splices.push(Splice { span, with });
            }
            self.track.replaced(job.span.end, written);
        }
        let end = self.track.document.node(NodeId(0)).span.end;
        self.track.finish(end, &mut self.splices);
        if self.strings.added().len() > present {
            self.append_strings();
        }
        Ok(self.splices)
    }

    /// The string table grows at its end, in front of all that happens in the body.
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

fn unwritable(error: EncodeError) -> EditError {
    EditError::Unwritable(error.to_string())
}
