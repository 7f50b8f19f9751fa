//! Steps at work: edits of a selection, and how the message leaves.

mod edit;
mod leave;
mod soap;
mod story;

pub(super) use leave::leave;
pub(super) use soap::soap;
pub(super) use story::Scene;

use std::sync::Arc;

use super::place::Place;
use super::step::Keep;
use super::survey::Selected;
use super::{Answer, Rule, Step};
use crate::flow::own::FreshIds;
use crate::flow::{Change, Promised};
use crate::markup::edit::Edit;
use crate::markup::{Document, Element, NodeId};

/// The edits of one rule, with what is told about them.
#[derive(Default)]
pub(super) struct Planned {
    pub(super) edits: Vec<Edit>,
    pub(super) changes: Vec<Change>,
    /// What its stories promise for later messages.
    pub(super) promised: Vec<Promised>,
    /// What the device gets in place of the server's answer.
    pub(super) answer: Option<Answer>,
    /// Which response of two the device gets, where the request goes out twice.
    pub(super) duplicate: Option<Keep>,
    rule: Arc<str>,
    fresh: Option<FreshIds>,
    untold: usize,
}

/// Changes of one rule in one message that are told one by one.
const MOST_TOLD: usize = 1_000;

/// The edits that the steps of a rule make on a selection.
pub(super) fn edits(rule: &Rule, scene: &Scene<'_>, selection: &[Selected]) -> Planned {
    let mut planned = Planned {
        rule: rule.name.as_str().into(),
        ..Planned::default()
    };
    for selected in selection {
        let Some(element) = scene.document.element(selected.node) else {
            continue;
        };
        for step in &rule.steps {
            if let Step::Edit(step) = step {
                planned.edit(step, element, selected);
            }
        }
    }
    for step in &rule.steps {
        if let Step::Story(story) = step {
            planned.story(story, scene, selection);
        }
    }
    planned.drop_inner_removals(scene.document);
    planned.tell_how_many_more();
    planned
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
