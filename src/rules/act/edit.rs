//! Steps that change the document, planned as edits.

mod insertion;

use std::borrow::Cow;

use super::Planning;
use crate::dm::compose;
use crate::dm::{Command, StatusCode};
use crate::flow::EffectKind;
use crate::markup::edit::{Edit, Fragment, NestedEdit, Place};
use crate::markup::{Element, tag};
use crate::rules::items::{Items, Selected};
use crate::rules::place::{ElementPlace, FoundElement};
use crate::rules::step::EditStep;
use crate::rules::template::{Escape, Template};

impl Planning<'_, '_> {
    pub(super) fn edit(&mut self, step: &EditStep, selected: &Selected) {
        self.step = step.name();
        match step {
            EditStep::SetStatus(code) => self.set_status(selected, code.status()),
            EditStep::SetText { text, at } => self.set_text(selected, text, at),
            EditStep::SetAttribute { name, value, at } => {
                self.set_attribute(selected, &name.0, value, at);
            }
            EditStep::RemoveAttribute { name, at } => self.remove_attribute(selected, &name.0, at),
            EditStep::Insert(new) => self.insert(selected, &new.what.0, &new.to),
            EditStep::Replace { fragment, at } => self.replace(selected, &fragment.0, at),
            EditStep::Remove { at } => self.remove(selected, at),
            EditStep::Copy(copied) => self.copy(selected, &copied.what, &copied.to),
            EditStep::Move(moved) => self.relocate(selected, &moved.what, &moved.to),
            EditStep::Duplicate { at, new_ids } => self.duplicate(selected, at, *new_ids),
            // `reverse` is planned for the whole selection.
            EditStep::Reverse => {}
        }
    }

    fn set_status(&mut self, selected: &Selected, code: StatusCode) {
        let element = self.document.element(selected.node);
        let command = element.and_then(Command::of);
        let Some(status) = command.and_then(Command::as_status) else {
            return;
        };
        let text = code.0.to_string();
        match status.data() {
            Some(data) => {
                let texts = [data.text().trim_ascii().to_owned(), text.clone()];
                let element = data.id();
                let edit = Edit::SetText { element, text };
                self.change_at(data, EffectKind::Status, texts, edit);
            }
            None => self.add_data(status.element(), text),
        }
    }

    /// Adds a Data to a Status without one, at its position in the DTD: before the Items.
    fn add_data(&mut self, status: Element<'_>, text: String) {
        let Ok(fragment) = Fragment::parse(&compose::leaf("Data", &text)) else {
            return;
        };
        let children = status.elements();
        let last = children.take_while(|child| !child.is(tag::ITEM)).last();
        let place = last.map_or(Place::FirstIn(status.id()), |last| Place::After(last.id()));
        let edit = Edit::Insert { place, fragment };
        self.change_at(status, EffectKind::Status, [String::new(), text], edit);
    }

    fn set_text(&mut self, selected: &Selected, template: &Template, at: &ElementPlace) {
        let document = self.document;
        for spot in self.find(selected, at) {
            let before = spot.element(document).text().into_owned();
            let Some(text) = self.filled(template, selected, &before) else {
                continue;
            };
            if !self.add(text.len()) {
                return;
            }
            let texts = [before, text.clone()];
            let element = spot.node;
            let edit = Edit::SetText { element, text };
            self.change(&spot, "", EffectKind::Changed, texts, edit);
        }
    }

    fn set_attribute(
        &mut self,
        selected: &Selected,
        name: &str,
        template: &Template,
        at: &ElementPlace,
    ) {
        let document = self.document;
        for spot in self.find(selected, at) {
            let target = spot.element(document);
            let attribute = target.attribute(name);
            let before = attribute.map_or(String::new(), |a| a.value().into_owned());
            let Some(value) = self.filled(template, selected, &before) else {
                continue;
            };
            if !self.add(value.len()) {
                return;
            }
            let declares = |planned: &NestedEdit| {
                matches!(&planned.edit, Edit::SetAttribute { element, name, .. }
                    if *element == spot.node && name.strip_prefix("xmlns:") == Some(MSFT))
                    && planned.holders == spot.holders()
            };
            if let Some(uri) = undeclared(name, target)
                && !self.planned.edits.iter().any(declares)
            {
                let texts = [String::new(), uri.to_owned()];
                self.put_attribute(&spot, format!("xmlns:{MSFT}"), texts);
            }
            self.put_attribute(&spot, name.to_owned(), [before, value]);
        }
    }

    fn put_attribute(&mut self, spot: &FoundElement, name: String, [before, value]: [String; 2]) {
        let part = format!("@{name}");
        let edit = Edit::SetAttribute {
            element: spot.node,
            name,
            value: value.clone(),
        };
        self.change(spot, &part, EffectKind::Changed, [before, value], edit);
    }

    /// Returns the filled template, where `before` is the present value. If it cannot be filled, lists the reason.
    fn filled(&mut self, template: &Template, selected: &Selected, before: &str) -> Option<String> {
        let values = &mut self.values;
        let filled = values.fill(template, Escape::Nothing, Some(selected), Some(before));
        filled.map_err(|why| self.not_applied(selected, &why)).ok()
    }

    fn remove_attribute(&mut self, selected: &Selected, name: &str, at: &ElementPlace) {
        let document = self.document;
        for spot in self.find(selected, at) {
            let Some(attribute) = spot.element(document).attribute(name) else {
                self.not_applied(selected, &format!("{at} has no attribute {name}"));
                continue;
            };
            let texts = [attribute.value().into_owned(), String::new()];
            let node = attribute.id();
            let part = format!("@{name}");
            self.change(
                &spot,
                &part,
                EffectKind::Changed,
                texts,
                Edit::Remove { node },
            );
        }
    }

    fn replace(&mut self, selected: &Selected, template: &Template, at: &ElementPlace) {
        let document = self.document;
        for spot in self.find(selected, at) {
            let Some((text, fragment)) = self.fragment(selected, template, &spot) else {
                continue;
            };
            let before = summary(spot.element(document));
            let node = spot.node;
            let edit = Edit::Replace { node, fragment };
            self.change(&spot, "", EffectKind::Replaced, [before, text], edit);
        }
    }

    /// Removes an element. If the matcher selected only some Items of the command, and the step removes the selected
    /// command, only these Items are removed.
    fn remove(&mut self, selected: &Selected, at: &ElementPlace) {
        let document = self.document;
        let of_command = document.element(selected.node).and_then(Command::of);
        let items = of_command.map_or(0, |command| command.items().count());
        let spots = match &selected.items {
            Items::Only(some) if at.is_selected() && some.len() < items => {
                let some = some.iter().filter_map(|id| document.element(*id));
                some.map(FoundElement::of).collect()
            }
            _ => self.find(selected, at),
        };
        for spot in spots {
            let before = summary(spot.element(document));
            let texts = [before, String::new()];
            let node = spot.node;
            self.change(&spot, "", EffectKind::Removed, texts, Edit::Remove { node });
        }
    }

    /// Returns the text of a filled template and its element, for a place in the message. If the template gives no
    /// valid element, lists the reason.
    fn fragment(
        &mut self,
        selected: &Selected,
        template: &Template,
        spot: &FoundElement,
    ) -> Option<(String, Fragment)> {
        let values = &mut self.values;
        let filled = values.fill(template, Escape::Markup, Some(selected), None);
        let parsed = filled.and_then(|text| match Fragment::parse(&text) {
            Ok(fragment) => Ok((text, fragment)),
            Err(error) => Err(format!("the element is not XML: {error}")),
        });
        let (text, fragment) = parsed
            .map_err(|why| self.not_applied(selected, &why))
            .ok()?;
        let placed = spot.holders().is_empty();
        let placed = placed.then(|| compose::in_namespace(self.document, &text, &fragment));
        let fragment = placed.flatten().unwrap_or(fragment);
        self.add(text.len()).then_some((text, fragment))
    }
}

/// Describes an element in a few words: its name, and the node that it is about or its text.
pub(super) fn summary(element: Element<'_>) -> String {
    let uri = Command::of(element).and_then(Command::loc_uri);
    let about = uri.unwrap_or_else(|| match element.elements().next() {
        Some(_) => Cow::Borrowed(""),
        None => element.text(),
    });
    format!("{} {about}", element.local()).trim_end().to_owned()
}

/// Returns the namespace that must be declared at this element for the prefix of an attribute; `None` if the prefix is
/// not `msft`, or is declared here or above.
fn undeclared(name: &str, element: Element<'_>) -> Option<&'static str> {
    let (prefix, _) = name.split_once(':')?;
    let declaration = format!("xmlns:{MSFT}");
    let mut around = std::iter::successors(Some(element), |element| element.parent());
    let is_declared = around.any(|element| element.attribute(&declaration).is_some());
    (prefix == MSFT && !is_declared).then_some(MSFT_NAMESPACE)
}

/// The prefix of Microsoft's attributes, and its namespace (MS-MDM §2.2.4.3).
const MSFT: &str = "msft";
const MSFT_NAMESPACE: &str = "http://schemas.microsoft.com/MobileDevice/MDM";
