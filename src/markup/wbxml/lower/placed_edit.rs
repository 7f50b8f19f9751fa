//! Edits with their offsets in the source, sorted in the order in which they run.

use std::collections::BTreeMap;

use super::copied::{Copies, Inserted};
use super::place::Places;
use super::tag::TagEdit;
use crate::markup::edit::{Edit, EditError, Place, Rank};
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
    EditTag(TagEdit<'e>),
}

/// Collects edits and determines their offsets.
pub(super) struct PlacedEdits<'d, 'e> {
    places: Places<'d>,
    placed: Vec<PlacedEdit<'e>>,
    tags: BTreeMap<u32, TagEdit<'e>>,
    copies: Copies,
}

impl<'d, 'e> PlacedEdits<'d, 'e> {
    pub(super) fn new(document: &'d Document, copies: Copies) -> Self {
        Self {
            places: Places::new(document),
            placed: Vec::new(),
            tags: BTreeMap::new(),
            copies,
        }
    }

    /// Adds one edit.
    pub(super) fn add(&mut self, edit: &'e Edit) -> Result<(), EditError> {
        match edit {
            Edit::SetText { element, text } => self.set_text(*element, text),
            Edit::PatchText { text, patch } => {
                self.expect(*text, &[Kind::Text, Kind::Opaque], edit.name())?;
                let span = self.places.document.node(*text).span;
                self.push(span, Rank::Node, EditAction::PatchText(*text, patch));
                Ok(())
            }
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
            Edit::Insert { place, fragment } => {
                self.insert(*place, Inserted::Fragment(fragment), edit.name())
            }
            Edit::Copy { place, .. } => match self.copies.next() {
                Some(copied) => self.insert(*place, Inserted::Copy(copied), edit.name()),
                None => Ok(()),
            },
            Edit::Replace { node, fragment } => {
                self.expect(*node, &[Kind::Element], "replace")?;
                let span = self.places.with_switches(*node);
                let inserted = Inserted::Fragment(fragment);
                self.push(span, Rank::Node, EditAction::Insert(inserted));
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
        self.push(span, Rank::Node, EditAction::SetText(text, form));
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
                let element = document.parent(node);
                self.tag(element).removed.push(node);
                return Ok(());
            }
            Kind::Element if node.0 == 0 => return Err(self.unfit("remove", node)),
            Kind::Element => self.places.with_switches(node),
            _ => document.node(node).span,
        };
        self.push(span, Rank::Node, EditAction::Remove);
        Ok(())
    }

    fn insert(
        &mut self,
        place: Place,
        inserted: Inserted<'e>,
        edit: &'static str,
    ) -> Result<(), EditError> {
        let (Place::Before(node) | Place::After(node) | Place::FirstIn(node) | Place::LastIn(node)) =
            place;
        let inside = matches!(place, Place::FirstIn(_) | Place::LastIn(_));
        let kinds: &[Kind] = if inside {
            &[Kind::Element]
        } else {
            &[Kind::Element, Kind::Text, Kind::Opaque]
        };
        self.expect(node, kinds, edit)?;
        if inside && !self.places.is_open(node) {
            let tag = self.tag(node);
            let list = if matches!(place, Place::FirstIn(_)) {
                &mut tag.first
            } else {
                &mut tag.last
            };
            list.push(inserted);
            return Ok(());
        }
        if !inside && node.0 == 0 {
            return Err(self.unfit(edit, node));
        }
        let (at, rank) = match place {
            Place::Before(_) => (self.places.before(node), Rank::InFront),
            Place::After(_) => (self.places.document.node(node).span.end, Rank::Behind),
            Place::FirstIn(_) => (self.places.behind_tag(node), Rank::First),
            Place::LastIn(_) => (self.places.behind_children(node), Rank::Last),
        };
        self.push(Span::at(at), rank, EditAction::Insert(inserted));
        Ok(())
    }

    fn push(&mut self, span: Span, rank: Rank, action: EditAction<'e>) {
        self.placed.push(PlacedEdit { span, rank, action });
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
        let element = document.kind(node).and_then(|_| {
            let own = document.element(node);
            own.or_else(|| document.element(document.parent(node)))
        });
        let path = element.map_or_else(
            || format!("node {}", node.0),
            |element| element.path().to_string(),
        );
        EditError::Unfit { edit, path }
    }

    /// Returns the edits in the order in which they run.
    pub(super) fn in_order(self) -> Vec<PlacedEdit<'e>> {
        let Self {
            places,
            mut placed,
            tags,
            ..
        } = self;
        for (element, mut edit) in tags {
            let element = NodeId(element);
            edit.element = element;
            let span = Span::new(
                places.document.node(element).span.start,
                places.behind_tag(element),
            );
            placed.push(PlacedEdit {
                span,
                rank: Rank::Node,
                action: EditAction::EditTag(edit),
            });
        }
        placed.sort_by_key(|edit| (edit.span.start, edit.rank, edit.span.end));
        placed
    }
}
