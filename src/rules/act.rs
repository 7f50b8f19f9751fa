//! Steps at work: edits of a selection, and how the message leaves.

mod edit;
mod leave;

pub(super) use leave::leave;

use super::Step;
use super::place::Place;
use super::survey::Selected;
use crate::flow::Change;
use crate::markup::edit::Edit;
use crate::markup::{Document, Element, NodeId};

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
                Step::Edit(step) => planned.edit(step, element, selected),
                Step::Leave(_) | Step::Admit(_) => {}
            }
        }
    }
    planned.drop_inner_removals(document);
    planned.tell_how_many_more();
    planned
}

/// Tells that a rule found something and could not do what it says there.
pub(in crate::rules) fn not_applied(path: &str, why: String) -> Change {
    Change {
        path: path.into(),
        step: "not applied",
        before: String::new(),
        after: why,
    }
}

impl Planned {
    /// What stands at a place; that nothing does is told.
    fn find<'d>(
        &mut self,
        verb: &'static str,
        element: Element<'d>,
        selected: &Selected,
        at: &Place,
    ) -> Vec<Element<'d>> {
        let found = at.find(element, &selected.items);
        if found.is_empty() && self.changes.len() >= MOST_TOLD {
            self.untold += 1;
        } else if found.is_empty() {
            let why = format!("{}: there is no {at}", verb);
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
