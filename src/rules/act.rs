//! Execution of steps: edits of the selection, and the delivery of the message.

mod edit;
mod fault;
mod head;
mod protocol;
mod raw;
mod values;

pub(super) use fault::fault;
pub(super) use head::head;
pub(super) use raw::{Body, raw};
pub(super) use values::Values;

use std::sync::Arc;

use super::items::Selected;
use super::place::{ElementPlace, FoundElement};
use super::step::EditStep;
use super::{Rule, RuleInput, Step, SyntheticResponse, WhichResponse};
use crate::flow::{EffectDetail, EffectKind, OwedByRule, SessionEffects};
use crate::markup::edit::{Edit, NestedEdit};
use crate::markup::{Document, Element, NodeId};

/// The result of planning the edits and protocol steps of one rule.
#[derive(Default)]
pub(super) struct Planned {
    pub(super) edits: Vec<NestedEdit>,
    pub(super) changes: Vec<EffectDetail>,
    /// The effects of the protocol steps on the session.
    pub(super) session_effects: SessionEffects,
    /// The answer that the device gets instead of the server's.
    pub(super) answer: Option<SyntheticResponse>,
    /// The one of two responses that the device gets, if the request is sent twice.
    pub(super) duplicate: Option<WhichResponse>,
}

/// The state of planning one rule for a message, as earlier rules left the message.
pub(super) struct Planning<'a, 'v> {
    input: &'a RuleInput<'a>,
    document: &'a Document,
    /// The obligations from earlier rules about the same message.
    owed: &'a [OwedByRule],
    selection: &'a [Selected],
    values: &'a mut Values<'v>,
    rule: Arc<str>,
    /// The name of the step that is being planned.
    step: &'static str,
    planned: Planned,
    unlisted: usize,
    /// The number of bytes added so far: texts, values, copies and fragments.
    added: usize,
}

/// The most changes that are listed one by one for one rule in one message.
const MOST_DETAILS: usize = 1_000;

/// Returns the effect of `advance-scenario`. The engine set the state of the scenario when it allowed the rule to act.
pub(super) fn advance_scenario(step: &'static str, rule: &Rule) -> EffectDetail {
    let scenario = rule.scenario.as_ref();
    let becomes = scenario.and_then(|scenario| scenario.becomes.as_deref());
    EffectDetail::of_message(EffectKind::Scenario, step, "", becomes.unwrap_or_default())
}

/// Returns the reason why a rule that would make a body larger than `most` bytes is not applied.
pub(super) fn too_large(most: usize) -> String {
    format!("the message would have more than {most} bytes, the limit of a body")
}

impl<'a, 'v> Planning<'a, 'v> {
    pub(super) fn new(
        rule: &Rule,
        input: &'a RuleInput<'a>,
        document: &'a Document,
        owed: &'a [OwedByRule],
        selection: &'a [Selected],
        values: &'a mut Values<'v>,
    ) -> Self {
        Self {
            input,
            document,
            owed,
            selection,
            values,
            rule: rule.name.as_str().into(),
            step: "",
            planned: Planned::default(),
            unlisted: 0,
            added: 0,
        }
    }

    /// Plans the edits and protocol steps among these steps.
    ///
    /// # Errors
    /// The reason why nothing of the rule is carried out.
    pub(super) fn plan(mut self, steps: &[Step]) -> Result<Planned, String> {
        let outermost = self.edit_each(steps);
        let reverses = |step: &&Step| matches!(step, Step::Edit(EditStep::Reverse));
        if let Some(reverse) = steps.iter().find(reverses) {
            self.step = reverse.name();
            self.reverse(&outermost);
        }
        for step in steps {
            if let Step::Protocol(step) = step {
                self.protocol_step(step);
            }
        }
        if self.is_full() {
            return Err(too_large(self.input.limits.bytes));
        }
        self.drop_inner_removals();
        self.note_unlisted();
        Ok(self.planned)
    }

    /// Plans the edits of each selected element; returns the elements that are not inside another selected element.
    fn edit_each(&mut self, steps: &[Step]) -> Vec<&'a Selected> {
        // Changes of a selected element as a whole also cover what is inside it.
        let mut behind = NodeId(0);
        let mut outermost = Vec::new();
        for (number, selected) in self.selection.iter().enumerate() {
            let Some(element) = self.document.element(selected.node) else {
                continue;
            };
            let is_inner = number > 0 && selected.node < behind;
            behind = behind.max(element.next_after());
            if !is_inner {
                outermost.push(selected);
            }
            for step in steps {
                let Step::Edit(step) = step else {
                    continue;
                };
                if number > 0 && step.is_done_once() || is_inner && step.takes_all_in() {
                    continue;
                }
                self.edit(step, selected);
            }
        }
        outermost
    }

    /// Finds the elements at a place; records that the step was not applied if there are none.
    fn find(&mut self, selected: &Selected, at: &ElementPlace) -> Vec<FoundElement> {
        let found = at.find(self.document, selected, self.input.limits);
        if found.is_empty() {
            self.not_applied(selected, &format!("there is no {at}"));
        }
        found
    }

    /// Counts added bytes. Returns `false` if they alone exceed the limit of a message: the rule is then not applied,
    /// and planning can stop.
    fn add(&mut self, bytes: usize) -> bool {
        self.added = self.added.saturating_add(bytes);
        !self.is_full()
    }

    /// Whether the added bytes alone exceed the limit of a message, which bounds the memory of a plan. The length of
    /// the changed message is known only when the edits are a patch.
    fn is_full(&self) -> bool {
        self.added > self.input.limits.bytes
    }

    /// Plans an edit, and lists its effect at a place; `part` follows the path of the element, such as `@name`.
    fn change(
        &mut self,
        spot: &FoundElement,
        part: &str,
        kind: EffectKind,
        [before, after]: [String; 2],
        edit: Edit,
    ) {
        let document = self.document;
        let path = || format!("{}{part}", spot.path(document));
        self.note(path, kind, before, after);
        self.push(spot.holders(), edit);
    }

    /// Plans an edit at an element of the message itself, and lists it.
    fn change_at(&mut self, at: Element<'_>, kind: EffectKind, texts: [String; 2], edit: Edit) {
        self.change(&FoundElement::of(at), "", kind, texts, edit);
    }

    /// Plans another text for an element of the message.
    fn put(&mut self, kind: EffectKind, at: Element<'_>, text: String) {
        let texts = [at.text().into_owned(), text.clone()];
        let element = at.id();
        self.change_at(at, kind, texts, Edit::SetText { element, text });
    }

    /// Plans the removal of an element of the message.
    fn take_away(&mut self, at: Element<'_>) {
        let texts = [edit::summary(at), String::new()];
        let node = at.id();
        self.change_at(at, EffectKind::Removed, texts, Edit::Remove { node });
    }

    /// Plans an edit in the document inside these elements; without elements, in the message itself.
    fn push(&mut self, holders: Vec<NodeId>, edit: Edit) {
        self.planned.edits.push(NestedEdit { holders, edit });
    }

    /// Lists a change. A path takes time linear in the number of siblings; without a bound, a large message would take
    /// quadratic time.
    fn list(&mut self, change: impl FnOnce() -> EffectDetail) {
        match self.planned.changes.len() < MOST_DETAILS {
            true => self.planned.changes.push(change()),
            false => self.unlisted += 1,
        }
    }

    fn note(
        &mut self,
        path: impl FnOnce() -> String,
        kind: EffectKind,
        before: String,
        after: String,
    ) {
        let step = self.step;
        self.list(|| EffectDetail {
            path: path(),
            ..EffectDetail::of_message(kind, step, before, after)
        });
    }

    fn note_of_message(&mut self, kind: EffectKind, before: &str, after: &str) {
        let change = EffectDetail::of_message(kind, self.step, before, after);
        self.planned.changes.push(change);
    }

    /// Lists why a step could not act on a selected element.
    fn not_applied(&mut self, selected: &Selected, why: &str) {
        let why = format!("{}: {why}", self.step);
        let element = self.document.element(selected.node);
        self.list(|| {
            let path = element.map(|element| element.path().to_string());
            EffectDetail::not_applied(&path.unwrap_or_default(), why)
        });
    }

    fn note_unlisted(&mut self) {
        let (unlisted, changes) = (self.unlisted, &mut self.planned.changes);
        if let Some(last) = changes.last().filter(|_| unlisted > 0) {
            let kind = match last.is_done() {
                true => EffectKind::Other,
                false => EffectKind::NotApplied,
            };
            changes.push(EffectDetail {
                path: String::new(),
                kind,
                before: String::new(),
                after: format!("and {unlisted} more like these"),
                ..last.clone()
            });
        }
    }

    /// Drops removals inside a removed element. They would conflict with its removal.
    fn drop_inner_removals(&mut self) {
        let edits = &mut self.planned.edits;
        let mut removed: Vec<NodeId> = edits.iter().filter_map(removal).collect();
        removed.sort_unstable();
        edits.retain(|edit| {
            let node = removal(edit).and_then(|node| self.document.element(node));
            let mut around = std::iter::successors(node, |e| e.parent()).skip(1);
            !around.any(|element| removed.binary_search(&element.id()).is_ok())
        });
    }
}

fn removal(within: &NestedEdit) -> Option<NodeId> {
    match within.edit {
        Edit::Remove { node } if within.holders.is_empty() => Some(node),
        _ => None,
    }
}
