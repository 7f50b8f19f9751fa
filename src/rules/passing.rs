//! One passage on its way through the book.

use std::sync::Arc;

use super::act;
use super::answers::Answers;
use super::index::Index;
use super::matcher::Look;
use super::survey::{Selected, Survey};
use super::{Facts, Rule, Stage, Step, Verdict};
use crate::flow::{Applied, media};
use crate::markup::{self, Document, Hint, NodeId};
use crate::patch::Patch;

/// A passage as the rules so far have left it.
pub(super) struct Passing<'a> {
    facts: &'a Facts<'a>,
    index: &'a Index,
    /// Rules under a word of the passage, whatever becomes of its document.
    hits: Vec<usize>,
    document: Option<Arc<Document>>,
    answers: Option<Answers<'a>>,
    survey: Option<Survey>,
    verdict: Verdict,
    /// Why there is no document any more, where a rule broke it.
    broken: Option<String>,
}

impl<'a> Passing<'a> {
    /// A passage as it was received.
    pub(super) fn new(facts: &'a Facts<'a>, index: &'a Index) -> Self {
        Self {
            facts,
            index,
            hits: index.of_passage(facts),
            document: facts.document.cloned(),
            answers: None,
            survey: None,
            verdict: Verdict::default(),
            broken: None,
        }
    }

    /// The number of the first rule from `from` on that may find something. Rules none of whose keys occurs
    /// are never touched, however many there are.
    pub(super) fn next(&mut self, from: usize) -> Option<usize> {
        if self.broken.is_some() {
            // Each is to tell that it can find nothing any more.
            return Some(from);
        }
        let free = self.index.next_free(from);
        let at = self.hits.partition_point(|hit| *hit < from);
        let first = [free, self.hits.get(at).copied()]
            .into_iter()
            .flatten()
            .min();
        if !self.index.asks_commands() {
            return first;
        }
        let hit = self.survey().and_then(|survey| survey.next_hit(from));
        first.into_iter().chain(hit).min()
    }

    /// Whether a rule looks for something in a body that one before it broke; that is told.
    pub(super) fn is_lost_on(&mut self, rule: &Rule) -> bool {
        let Some(why) = &self.broken else {
            return false;
        };
        if rule.stage != self.facts.stage {
            return true;
        }
        let looks = rule.edits() || rule.matcher.reads_document();
        if looks && rule.matcher.passage.holds(&self.look()) {
            self.verdict.applied.push(Applied {
                rule: rule.name.clone(),
                changes: vec![act::not_applied("", why.clone())],
                patch: Patch::default(),
            });
        }
        looks
    }

    /// What a rule finds: nothing where the passage does not suit it.
    pub(super) fn select(&mut self, rule: &Rule) -> Vec<Selected> {
        let matcher = &rule.matcher;
        if let Some(command) = &matcher.command
            && !self.survey().is_some_and(|survey| survey.may_hold(command))
        {
            return Vec::new();
        }
        if !matcher.passage.holds(&self.look()) {
            return Vec::new();
        }
        if !matcher.selects_commands() {
            let lacking = rule.edits() && self.document.is_none();
            let found = !lacking && matcher.holds(&self.look());
            return if found { whole() } else { Vec::new() };
        }
        self.survey();
        match (&self.survey, &self.document) {
            (Some(survey), Some(document)) => {
                let command = matcher.command.as_ref();
                let kinds = command.map_or_else(|| matcher.kinds(), |command| command.kinds);
                survey.select(kinds, matcher, document, &self.look())
            }
            _ => Vec::new(),
        }
    }

    /// What matchers look at: the passage as it is now.
    fn look(&self) -> Look<'_> {
        Look {
            facts: self.facts,
            document: self.document.as_deref(),
            answers: self.answers.as_ref(),
        }
    }

    /// The survey of the document as it is now; made when first asked for.
    fn survey(&mut self) -> Option<&Survey> {
        let document = self.document.as_ref()?;
        let answers = self.answers.get_or_insert_with(|| Answers::of(self.facts));
        let survey = &mut self.survey;
        Some(survey.get_or_insert_with(|| Survey::of(document, answers, self.index)))
    }

    /// Carries out the steps of a rule: its edits as one patch, and how the message is to leave.
    pub(super) fn act(&mut self, rule: &Rule, selection: &[Selected]) {
        let mut applied = Applied {
            rule: rule.name.clone(),
            changes: Vec::new(),
            patch: Patch::default(),
        };
        if let Some(document) = self.document.clone() {
            self.edit(rule, &document, selection, &mut applied);
        }
        for step in &rule.steps {
            match step {
                Step::Edit(_) => {}
                Step::Leave(step) => {
                    let change = act::leave(step, self.facts, &mut self.verdict);
                    applied.changes.push(change);
                }
            }
        }
        self.verdict.applied.push(applied);
    }

    fn edit(
        &mut self,
        rule: &Rule,
        document: &Document,
        selection: &[Selected],
        applied: &mut Applied,
    ) {
        let planned = act::edits(&rule.steps, document, selection);
        applied.changes = planned.changes;
        if planned.edits.is_empty() {
            return;
        }
        match markup::edit::plan(document, &planned.edits) {
            Ok(patch) => {
                self.accept(rule, document, &patch);
                applied.patch = patch;
            }
            Err(error) => applied.changes = vec![act::not_applied("", error.to_string())],
        }
    }

    /// Goes on with the patched message, decoded afresh.
    fn accept(&mut self, rule: &Rule, document: &Document, patch: &Patch) {
        let body = patch.apply(document.source());
        let decoded = markup::decode(body.clone(), hint(self.facts), self.facts.limits);
        self.broken = decoded.as_ref().err().map(|error| {
            let name = rule.name();
            format!("the body does not decode any more after rule `{name}`: {error}")
        });
        // What a step broke on purpose still leaves; there is just no tree of it for the rules that follow.
        self.document = decoded.ok().map(Arc::new);
        self.survey = None;
        self.verdict.document = self.document.clone();
        self.verdict.body = Some(body);
    }

    /// What is to happen.
    pub(super) fn into_verdict(self) -> Verdict {
        self.verdict
    }
}

/// The message as a whole: its root element.
fn whole() -> Vec<Selected> {
    vec![Selected {
        node: NodeId(0),
        items: Vec::new(),
    }]
}

/// What the header says of the body.
fn hint<'a>(facts: &'a Facts<'_>) -> Hint<'a> {
    media::hint(match (facts.stage, facts.response) {
        (Stage::Response, Some(head)) => &head.headers,
        _ => &facts.request.headers,
    })
}
