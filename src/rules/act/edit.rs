//! Steps that change the document, planned as edits.

use std::borrow::Cow;

use super::Planned;
use crate::dm::{Command, StatusCode};
use crate::markup::edit::{Edit, Fragment, Place as Spot};
use crate::markup::{Element, tag};
use crate::rules::place::Place;
use crate::rules::step::EditStep;
use crate::rules::survey::Selected;

impl Planned {
    /// Plans one step on one selected element.
    pub(super) fn edit(&mut self, step: &EditStep, element: Element<'_>, selected: &Selected) {
        let verb = step.name();
        match step {
            EditStep::SetStatus(code) => self.set_status(element, *code),
            EditStep::SetText { text, at } => self.set_text(verb, element, selected, text, at),
            EditStep::Remove { at } => self.remove(verb, element, selected, at.as_ref()),
        }
    }

    fn set_status(&mut self, element: Element<'_>, code: StatusCode) {
        let Some(status) = Command::of(element).and_then(Command::as_status) else {
            return;
        };
        let text = code.0.to_string();
        match status.data() {
            Some(data) => {
                let before = data.text().trim_ascii().to_owned();
                self.tell(data, "set-status", before, text.clone());
                self.edits.push(Edit::SetText {
                    element: data.id(),
                    text,
                });
            }
            None => self.add_data(element, text),
        }
    }

    /// A Status without Data gets one where the DTD has it: in front of the Items.
    fn add_data(&mut self, status: Element<'_>, text: String) {
        let Ok(fragment) = Fragment::parse(&format!("<Data>{text}</Data>")) else {
            return;
        };
        let last = status
            .elements()
            .take_while(|child| !child.is(tag::ITEM))
            .last();
        let place = last.map_or(Spot::FirstIn(status.id()), |last| Spot::After(last.id()));
        self.tell(status, "set-status", String::new(), text);
        self.edits.push(Edit::Insert { place, fragment });
    }

    fn set_text(
        &mut self,
        verb: &'static str,
        element: Element<'_>,
        selected: &Selected,
        text: &str,
        at: &Place,
    ) {
        for target in self.find(verb, element, selected, at) {
            self.tell(target, verb, target.text().into_owned(), text.into());
            self.edits.push(Edit::SetText {
                element: target.id(),
                text: text.into(),
            });
        }
    }

    fn remove(
        &mut self,
        verb: &'static str,
        element: Element<'_>,
        selected: &Selected,
        at: Option<&Place>,
    ) {
        let targets = match at {
            Some(at) => self.find(verb, element, selected, at),
            None => vec![element],
        };
        for target in targets {
            self.tell(target, verb, summary(target), String::new());
            self.edits.push(Edit::Remove { node: target.id() });
        }
    }
}

/// A removed element in a few words: its name and the node it is about, or its text.
pub(super) fn summary(element: Element<'_>) -> String {
    let uri = Command::of(element).and_then(Command::loc_uri);
    let about = uri.unwrap_or_else(|| match element.elements().next() {
        Some(_) => Cow::Borrowed(""),
        None => element.text(),
    });
    format!("{} {about}", element.local()).trim_end().to_owned()
}
