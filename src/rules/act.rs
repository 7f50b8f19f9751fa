//! Steps at work: edits of a selection, and how the message leaves.

mod edit;
mod head;
mod idle;
mod protocol;
mod raw;
mod soap;
mod values;
mod wire_fault;

pub(super) use head::head;
pub(super) use idle::is_idle;
pub(super) use protocol::StepContext;
pub(super) use raw::{Body, raw};
pub(super) use soap::soap;
pub(super) use values::Values;
pub(super) use wire_fault::leave;

use std::sync::Arc;

use super::selector::Selected;
use super::selector::{SelectedElement, Selector};
use super::step::EditStep;
use super::{Rule, Step, SyntheticResponse, WhichResponse};
use crate::dm::compose::CmdIdAllocator;
use crate::flow::{EffectDetail, EffectKind, SessionEffects};
use crate::markup::edit::{Edit, NestedEdit};
use crate::markup::{Document, Element, Limits, NodeId};

/// The edits of one rule, with their effect details.
#[derive(Default)]
pub(super) struct Planned {
    pub(super) edits: Vec<NestedEdit>,
    /// Edits of protocol steps, which concern the message itself.
    own: Vec<Edit>,
    pub(super) changes: Vec<EffectDetail>,
    /// What its protocol steps cause in the session.
    pub(super) session_effects: SessionEffects,
    /// What the device gets in place of the server's answer.
    pub(super) answer: Option<SyntheticResponse>,
    /// Which response of two the device gets, where the request goes out twice.
    pub(super) duplicate: Option<WhichResponse>,
    rule: Arc<str>,
    /// The name of the step that is being planned.
    step: &'static str,
    fresh: Option<CmdIdAllocator>,
    unlisted: usize,
    /// Bytes of all that is put in: texts, values, copies and fragments.
    added: usize,
    /// Whether nothing of the rule is carried out; `changes` say why.
    pub(super) refused: bool,
}

struct Planning<'a, 'v> {
    document: &'a Document,
    limits: &'a Limits,
    values: &'a mut Values<'v>,
    planned: Planned,
}

/// The most changes of one rule in one message that are listed one by one.
const MOST_DETAILS: usize = 1_000;

/// `advance-scenario`: the engine moved the scenario on when it admitted the rule.
pub(super) fn advance_scenario(step: &'static str, rule: &Rule) -> EffectDetail {
    let scenario = rule.scenario.as_ref();
    EffectDetail::of_message(
        EffectKind::Scenario,
        step,
        "",
        scenario
            .and_then(|scenario| scenario.becomes.clone())
            .unwrap_or_default(),
    )
}

pub(super) fn edits(
    rule: &Rule,
    context: &StepContext<'_>,
    limits: &Limits,
    values: &mut Values<'_>,
    selection: &[Selected],
) -> Planned {
    let document = context.document;
    let steps = &rule.steps;
    let mut planning = Planning {
        document,
        limits,
        values,
        planned: Planned {
            rule: rule.name.as_str().into(),
            ..Planned::default()
        },
    };
    // What is inside another selected element goes with it.
    let mut behind = NodeId(0);
    let mut outermost = Vec::new();
    for (number, selected) in selection.iter().enumerate() {
        let Some(element) = document.element(selected.node) else {
            continue;
        };
        let is_inner = number > 0 && selected.node < behind;
        behind = behind.max(element.behind());
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
            planning.edit(step, selected);
        }
    }
    let reverses = |step: &&Step| matches!(step, Step::Edit(EditStep::Reverse));
    if let Some(reverse) = steps.iter().find(reverses) {
        planning.planned.step = reverse.name();
        planning.reverse(&outermost);
    }
    for step in steps {
        if let Step::Protocol(step) = step {
            planning.planned.protocol_step(step, context, selection);
        }
    }
    planning.finish()
}

/// Why a rule that would make a body larger than `most` bytes is not applied.
pub(super) fn too_large(most: usize) -> String {
    format!("the message would have more than {most} bytes, the limit of a body")
}

impl Planning<'_, '_> {
    /// The element at a place; a missing one is reported.
    fn find(&mut self, selected: &Selected, at: &Selector) -> Vec<SelectedElement> {
        let found = at.find(self.document, selected, self.limits);
        if found.is_empty() {
            self.refuse(selected, &format!("there is no {at}"));
        }
        found
    }

    /// Notes why a step could not act on a selected element.
    fn refuse(&mut self, selected: &Selected, why: &str) {
        let step = self.planned.step;
        let element = self.document.element(selected.node);
        self.planned.push_change(|| {
            let path = element.map(|element| element.path().to_string());
            EffectDetail::not_applied(&path.unwrap_or_default(), format!("{step}: {why}"))
        });
    }

    /// Notes what a step does at a place; `part` is what of the element, behind its path.
    fn push_detail(
        &mut self,
        spot: &SelectedElement,
        part: &str,
        kind: EffectKind,
        before: String,
        after: String,
    ) {
        let step = self.planned.step.into();
        self.planned.push_change(|| EffectDetail {
            path: format!("{}{part}", spot.path(self.document)),
            step,
            kind,
            before,
            after,
        });
    }

    /// Notes that so many bytes are put in; `false` where that alone is more than a message may have, so that the
    /// rule is not applied and nothing more need be planned.
    fn add(&mut self, bytes: usize) -> bool {
        self.planned.added = self.planned.added.saturating_add(bytes);
        !self.is_full()
    }

    /// Whether more is put in than a message may have in all: what is planned is not to take more memory than that.
    /// How long the message would be is known when the edits are a patch.
    fn is_full(&self) -> bool {
        self.planned.added > self.limits.bytes
    }

    fn push(&mut self, spot: &SelectedElement, edit: Edit) {
        let holders = spot.holders();
        self.planned.edits.push(NestedEdit { holders, edit });
    }

    fn finish(mut self) -> Planned {
        let own = std::mem::take(&mut self.planned.own).into_iter();
        self.planned.edits.extend(own.map(|edit| NestedEdit {
            holders: Vec::new(),
            edit,
        }));
        if self.is_full() {
            let why = too_large(self.limits.bytes);
            return Planned {
                changes: vec![EffectDetail::not_applied("", why)],
                refused: true,
                ..Planned::default()
            };
        }
        self.planned.drop_inner_removals(self.document);
        self.planned.push_omitted_count();
        self.planned
    }
}

impl Planned {
    /// Lists a change. A path takes time linear in the siblings: without a bound a large message would take it squared.
    fn push_change(&mut self, change: impl FnOnce() -> EffectDetail) {
        match self.changes.len() < MOST_DETAILS {
            true => self.changes.push(change()),
            false => self.unlisted += 1,
        }
    }

    fn detail(&mut self, at: Element<'_>, kind: EffectKind, before: String, after: String) {
        let step = self.step.into();
        self.push_change(|| EffectDetail {
            path: at.path().to_string(),
            step,
            kind,
            before,
            after,
        });
    }

    fn detail_of_message(&mut self, kind: EffectKind, before: &str, after: &str) {
        let change = EffectDetail::of_message(kind, self.step, before, after);
        self.changes.push(change);
    }

    fn push_omitted_count(&mut self) {
        let unlisted = self.unlisted;
        if let Some(last) = self.changes.last().filter(|_| unlisted > 0) {
            let kind = match last.is_done() {
                true => EffectKind::Other,
                false => EffectKind::NotApplied,
            };
            self.changes.push(EffectDetail {
                path: String::new(),
                kind,
                before: String::new(),
                after: format!("and {unlisted} more like these"),
                ..last.clone()
            });
        }
    }

    /// What goes takes what is inside along; removing that as well would clash.
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

fn removal(within: &NestedEdit) -> Option<NodeId> {
    match within.edit {
        Edit::Remove { node } if within.holders.is_empty() => Some(node),
        _ => None,
    }
}
