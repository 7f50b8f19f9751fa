//! Steps at work: edits of a selection, and how the message leaves.

use std::borrow::Cow;

use super::place::Place;
use super::survey::Selected;
use super::{Facts, Step, Verdict};
use crate::dm::{Command, StatusCode};
use crate::flow::{Change, Op};
use crate::markup::edit::{Edit, Fragment, Place as Spot};
use crate::markup::{Document, Element, NodeId, tag};

/// The edits of one rule, with what is told about them.
#[derive(Default)]
pub(super) struct Planned {
    pub(super) edits: Vec<Edit>,
    pub(super) changes: Vec<Change>,
    untold: usize,
}

/// Changes of one rule in one message that are told one by one.
const MOST_TOLD: usize = 1_000;

/// The edits that the steps make on a selection.
pub(super) fn edits(steps: &[Step], document: &Document, selection: &[Selected]) -> Planned {
    let mut planned = Planned::default();
    for selected in selection {
        let Some(element) = document.element(selected.node) else {
            continue;
        };
        for step in steps {
            match step {
                Step::SetStatus(code) => planned.set_status(element, *code),
                Step::SetText { text, at } => planned.set_text(step, element, selected, text, at),
                Step::Remove { at } => planned.remove(step, element, selected, at.as_ref()),
                Step::Answer(_) | Step::Delay(_) | Step::Reset => {}
            }
        }
    }
    planned.drop_inner_removals(document);
    planned.tell_how_many_more();
    planned
}

/// Notes how the message leaves, and tells it.
pub(super) fn leave(step: &Step, facts: &Facts<'_>, verdict: &mut Verdict) -> Option<Change> {
    let mut change = Change {
        path: String::new(),
        step: step.name(),
        before: String::new(),
        after: String::new(),
    };
    match step {
        Step::SetStatus(_) | Step::SetText { .. } | Step::Remove { .. } => return None,
        Step::Answer(answer) => {
            change.before = facts
                .response
                .map_or_else(String::new, |head| head.status.to_string());
            change.after = answer.status.to_string();
            verdict.answer = Some(answer.clone());
        }
        Step::Delay(time) => {
            change.after = format!("{time:?}");
            verdict.delivery.ops.push(Op::Wait(*time));
        }
        Step::Reset => verdict.delivery.ops.push(Op::Reset),
    }
    Some(change)
}

/// Tells that a rule found something and could not do what it says there.
pub(super) fn not_applied(path: &str, why: String) -> Change {
    Change {
        path: path.into(),
        step: "not applied",
        before: String::new(),
        after: why,
    }
}

impl Planned {
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
        step: &Step,
        element: Element<'_>,
        selected: &Selected,
        text: &str,
        at: &Place,
    ) {
        for target in self.find(step, element, selected, at) {
            self.tell(target, step.name(), target.text().into_owned(), text.into());
            self.edits.push(Edit::SetText {
                element: target.id(),
                text: text.into(),
            });
        }
    }

    fn remove(
        &mut self,
        step: &Step,
        element: Element<'_>,
        selected: &Selected,
        at: Option<&Place>,
    ) {
        let targets = match at {
            Some(at) => self.find(step, element, selected, at),
            None => vec![element],
        };
        for target in targets {
            self.tell(target, step.name(), summary(target), String::new());
            self.edits.push(Edit::Remove { node: target.id() });
        }
    }

    /// What stands at a place; that nothing does is told.
    fn find<'d>(
        &mut self,
        step: &Step,
        element: Element<'d>,
        selected: &Selected,
        at: &Place,
    ) -> Vec<Element<'d>> {
        let found = at.find(element, &selected.items);
        if found.is_empty() && self.changes.len() >= MOST_TOLD {
            self.untold += 1;
        } else if found.is_empty() {
            let why = format!("{}: there is no {at}", step.name());
            let path = element.path();
            self.changes.push(not_applied(path.as_str(), why));
        }
        found
    }

    fn tell(&mut self, at: Element<'_>, step: &'static str, before: String, after: String) {
        // A path takes time linear in the siblings: without a bound a large message would take it squared.
        if self.changes.len() >= MOST_TOLD {
            self.untold += 1;
            return;
        }
        self.changes.push(Change {
            path: at.path().to_string(),
            step,
            before,
            after,
        });
    }

    fn tell_how_many_more(&mut self) {
        let (untold, last) = (self.untold, self.changes.last());
        let Some(step) = last.filter(|_| untold > 0).map(|change| change.step) else {
            return;
        };
        self.changes.push(Change {
            path: String::new(),
            step,
            before: String::new(),
            after: format!("and {untold} more like these"),
        });
    }

    /// A command that goes takes the commands inside it along; removing those as well would clash.
    fn drop_inner_removals(&mut self, document: &Document) {
        let mut removed: Vec<NodeId> = self.edits.iter().filter_map(removal).collect();
        removed.sort_unstable();
        self.edits.retain(|edit| {
            let node = removal(edit).and_then(|node| document.element(node));
            let mut around = std::iter::successors(node, |e| e.parent()).skip(1);
            !around.any(|element| removed.binary_search(&element.id()).is_ok())
        });
    }
}

fn removal(edit: &Edit) -> Option<NodeId> {
    match edit {
        Edit::Remove { node } => Some(*node),
        _ => None,
    }
}

/// A removed element in a few words: its name and the node it is about, or its text.
fn summary(element: Element<'_>) -> String {
    let uri = Command::of(element).and_then(Command::loc_uri);
    let about = uri.unwrap_or_else(|| match element.elements().next() {
        Some(_) => Cow::Borrowed(""),
        None => element.text(),
    });
    format!("{} {about}", element.local()).trim_end().to_owned()
}
