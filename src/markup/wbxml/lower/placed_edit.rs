//! Edits with their offsets in the source, sorted in the order in which they run.

use std::collections::BTreeMap;

use super::copied::{Copied, Inserted};
use super::pages::Pages;
use super::place;
use super::tag::TagEdit;
use crate::markup::edit::{Edit, EditError, Place, Rank, copy};
use crate::markup::wbxml::writer::Form;
use crate::markup::{Document, Kind, NodeId};
use crate::patch::{Patch, Span};

/// One change, with the bytes of the source that it replaces.
pub(super) struct PlacedEdit<'e> {
    pub(super) span: Span,
    /// The order among several changes at one offset.
    rank: Rank,
    pub(super) action: EditAction<'e>,
}

pub(super) enum EditAction<'e> {
    Insert(Inserted<'e>),
    Remove,
    SetText(&'e str, Form),
    PatchText(NodeId, &'e Patch),
    EditTag(NodeId, TagEdit<'e>),
}

/// Collects edits, which must fit their nodes, and determines their offsets.
pub(super) struct PlacedEdits<'d, 'e> {
    document: &'d Document,
    placed: Vec<PlacedEdit<'e>>,
    tags: BTreeMap<NodeId, TagEdit<'e>>,
    /// The pages in force in front of each element that is copied.
    pages: BTreeMap<NodeId, Pages>,
}

impl<'d, 'e> PlacedEdits<'d, 'e> {
    pub(super) fn new(document: &'d Document, pages: BTreeMap<NodeId, Pages>) -> Self {
        Self {
            document,
            placed: Vec::new(),
            tags: BTreeMap::new(),
            pages,
        }
    }

    /// Adds one edit.
    pub(super) fn add(&mut self, edit: &'e Edit) -> Result<(), EditError> {
        match edit {
            Edit::SetText { element, text } => self.set_text(*element, text),
            Edit::PatchText { text, patch } => {
                let span = self.document.node(*text).span;
                self.push(span, Rank::Node, EditAction::PatchText(*text, patch));
            }
            Edit::SetAttribute {
                element,
                name,
                value,
            } => self.tag(*element).set.push((name, value)),
            Edit::Remove { node } => self.remove(*node),
            Edit::Insert { place, fragment } => self.insert(*place, Inserted::Fragment(fragment)),
            Edit::Copy { place, node, texts } => {
                let bytes = copy::bytes(self.document, *node, texts)?;
                let pages = self.pages.get(node).copied().unwrap_or_default();
                self.insert(*place, Inserted::Copy(Copied { bytes, pages }));
            }
            Edit::Replace { node, fragment } => {
                let span = place::with_switches(self.document, *node);
                let inserted = Inserted::Fragment(fragment);
                self.push(span, Rank::Node, EditAction::Insert(inserted));
            }
        }
        Ok(())
    }

    fn set_text(&mut self, element: NodeId, text: &'e str) {
        if place::is_open(self.document, element) {
            let (span, form) = place::content(self.document, element);
            self.push(span, Rank::Node, EditAction::SetText(text, form));
        } else if !text.is_empty() {
            self.tag(element).text = Some(text);
        }
    }

    fn remove(&mut self, node: NodeId) {
        let document = self.document;
        let span = match document.node(node).kind {
            Kind::Attribute => {
                let element = document.parent(node);
                return self.tag(element).removed.push(node);
            }
            Kind::Element => place::with_switches(document, node),
            _ => document.node(node).span,
        };
        self.push(span, Rank::Node, EditAction::Remove);
    }

    fn insert(&mut self, place: Place, inserted: Inserted<'e>) {
        let document = self.document;
        let (at, rank) = match place {
            Place::Before(node) => (place::before(document, node), Rank::InFront),
            Place::After(node) => (document.node(node).span.end, Rank::Behind),
            Place::FirstIn(element) if !place::is_open(document, element) => {
                return self.tag(element).first.push(inserted);
            }
            Place::LastIn(element) if !place::is_open(document, element) => {
                return self.tag(element).last.push(inserted);
            }
            Place::FirstIn(element) => (place::behind_tag(document, element), Rank::First),
            Place::LastIn(element) => (place::behind_children(document, element), Rank::Last),
        };
        self.push(Span::at(at), rank, EditAction::Insert(inserted));
    }

    fn push(&mut self, span: Span, rank: Rank, action: EditAction<'e>) {
        self.placed.push(PlacedEdit { span, rank, action });
    }

    fn tag(&mut self, element: NodeId) -> &mut TagEdit<'e> {
        self.tags.entry(element).or_default()
    }

    /// Returns the edits in the order in which they run.
    pub(super) fn in_order(mut self) -> Vec<PlacedEdit<'e>> {
        for (element, edit) in std::mem::take(&mut self.tags) {
            let start = self.document.node(element).span.start;
            let span = Span::new(start, place::behind_tag(self.document, element));
            self.push(span, Rank::Node, EditAction::EditTag(element, edit));
        }
        self.placed
            .sort_by_key(|edit| (edit.span.start, edit.rank, edit.span.end));
        self.placed
    }
}
