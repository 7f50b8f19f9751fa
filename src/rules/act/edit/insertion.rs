//! Steps that insert elements: new ones, copies, and moved ones.

use std::collections::BTreeMap;

use super::summary;
use crate::flow::EffectKind;
use crate::markup::edit::{Edit, Place};
use crate::markup::{NodeId, tag};
use crate::rules::act::Planning;
use crate::rules::items::Selected;
use crate::rules::place::{ElementPlace, FoundElement};
use crate::rules::step::{Neighbour, Relation};
use crate::rules::template::Template;
use crate::rules::value::True;

impl Planning<'_, '_> {
    pub(super) fn insert(&mut self, selected: &Selected, template: &Template, to: &Neighbour) {
        for spot in self.find(selected, &to.at) {
            let Some((text, fragment)) = self.fragment(selected, template, &spot) else {
                continue;
            };
            let place = to.relation.to(spot.node);
            let edit = Edit::Insert { place, fragment };
            self.change(&spot, "", EffectKind::Inserted, [String::new(), text], edit);
        }
    }

    pub(super) fn copy(&mut self, selected: &Selected, from: &ElementPlace, to: &Neighbour) {
        let sources = self.find(selected, from);
        for target in self.find(selected, &to.at) {
            for source in &sources {
                self.copy_to(EffectKind::Copied, selected, source, &target, to.relation);
            }
        }
    }

    /// Plans the step `move`.
    pub(super) fn relocate(&mut self, selected: &Selected, from: &ElementPlace, to: &Neighbour) {
        let sources = self.find(selected, from);
        let targets = self.find(selected, &to.at);
        let [target] = &targets[..] else {
            if targets.len() > 1 {
                let why = format!("there are {} {}: number one of them", targets.len(), to.at);
                self.not_applied(selected, &why);
            }
            return;
        };
        for source in &sources {
            if self.copy_to(EffectKind::Moved, selected, source, target, to.relation) {
                let node = source.node;
                self.push(source.holders(), Edit::Remove { node });
            }
        }
    }

    /// Plans a copy of one element next to or inside another; returns `false` if that is not possible.
    fn copy_to(
        &mut self,
        kind: EffectKind,
        selected: &Selected,
        source: &FoundElement,
        target: &FoundElement,
        relation: Relation,
    ) -> bool {
        let document = self.document;
        if source.holders() != target.holders() {
            self.not_applied(selected, "an element stays in its document");
            return false;
        }
        let (element, neighbour) = (source.element(document), target.element(document));
        if !self.add(element.span().len()) {
            return false;
        }
        let after = format!("{} {}", relation.words(), neighbour.local());
        let edit = Edit::Copy {
            place: relation.to(target.node),
            node: source.node,
            texts: Vec::new(),
        };
        self.change(source, "", kind, [summary(element), after], edit);
        true
    }

    pub(super) fn duplicate(&mut self, selected: &Selected, at: &ElementPlace, ids: Option<True>) {
        let document = self.document;
        for spot in self.find(selected, at) {
            let element = spot.element(document);
            let inside = (spot.node.0..element.next_after().0).map(NodeId);
            let texts: Vec<(NodeId, String)> = match ids {
                None => Vec::new(),
                Some(True) => inside
                    .filter_map(|id| spot.document(document).element(id))
                    .filter(|element| element.is(tag::CMD_ID))
                    .map(|id| (id.id(), self.values.next_cmd_id()))
                    .collect(),
            };
            let after = match texts.first() {
                Some((_, id)) => format!("after itself, with CmdID {id}"),
                None => "after itself".into(),
            };
            if !self.add(element.span().len()) {
                return;
            }
            let edit = Edit::Copy {
                place: Place::After(spot.node),
                node: spot.node,
                texts,
            };
            let summaries = [summary(element), after];
            self.change(&spot, "", EffectKind::Copied, summaries, edit);
        }
    }

    pub(in crate::rules::act) fn reverse(&mut self, outermost: &[&Selected]) {
        let mut families: BTreeMap<NodeId, Vec<&Selected>> = BTreeMap::new();
        for selected in outermost {
            let parent = self.document.parent(selected.node);
            families.entry(parent).or_default().push(selected);
        }
        for siblings in families.values() {
            if let [alone] = siblings[..] {
                self.not_applied(alone, "no sibling of it is selected");
            }
            for (selected, place) in siblings.iter().zip(siblings.iter().rev()) {
                if selected.node != place.node {
                    self.exchange(selected.node, place.node);
                }
            }
        }
    }

    fn exchange(&mut self, node: NodeId, place: NodeId) {
        let document = self.document;
        let Some((element, there)) = document.element(node).zip(document.element(place)) else {
            return;
        };
        let after = format!("to the place of {}", summary(there));
        let copy = Edit::Copy {
            place: Place::Before(place),
            node,
            texts: Vec::new(),
        };
        self.change_at(element, EffectKind::Moved, [summary(element), after], copy);
        self.push(Vec::new(), Edit::Remove { node });
    }
}

impl Relation {
    pub(in crate::rules::act) fn to(self, node: NodeId) -> Place {
        match self {
            Self::Before => Place::Before(node),
            Self::After => Place::After(node),
            Self::FirstIn => Place::FirstIn(node),
            Self::LastIn => Place::LastIn(node),
        }
    }

    fn words(self) -> String {
        <&str>::from(self).replace('-', " ")
    }
}
