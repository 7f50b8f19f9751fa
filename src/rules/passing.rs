//! One passage on its way through the book.

use std::sync::Arc;

use super::act;
use super::answers::Answers;
use super::index::Index;
use super::survey::{Selected, Survey};
use super::{Facts, Rule, Stage, Verdict};
use crate::flow::Applied;
use crate::markup::{self, Document, Hint, Limits, NodeId};
use crate::patch::Patch;

/// A passage as the rules so far have left it.
pub(super) struct Passing<'a> {
    facts: &'a Facts<'a>,
    index: &'a Index,
    document: Option<Arc<Document>>,
    answers: Option<Answers<'a>>,
    survey: Option<Survey>,
    verdict: Verdict,
}

impl<'a> Passing<'a> {
    /// A passage as it was received.
    pub(super) fn new(facts: &'a Facts<'a>, index: &'a Index) -> Self {
        Self {
            facts,
            index,
            document: facts.document.cloned(),
            answers: None,
            survey: None,
            verdict: Verdict::default(),
        }
    }

    /// What a rule finds: nothing where the passage does not suit it.
    pub(super) fn select(&mut self, number: usize, rule: &Rule) -> Vec<Selected> {
        if !rule.matcher.passage.holds(self.facts) {
            return Vec::new();
        }
        let Some(document) = &self.document else {
            let needs_document = rule.matcher.command.is_some() || rule.edits();
            return if needs_document { Vec::new() } else { whole() };
        };
        let Some(matcher) = &rule.matcher.command else {
            return whole();
        };
        let answers = self.answers.get_or_insert_with(|| Answers::of(self.facts));
        let survey = self
            .survey
            .get_or_insert_with(|| Survey::of(document, answers, self.index));
        survey.select(number, matcher, document, answers)
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
            applied
                .changes
                .extend(act::leave(step, self.facts, &mut self.verdict));
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
                self.accept(document, &patch);
                applied.patch = patch;
            }
            Err(error) => applied.changes = vec![act::not_applied("", error.to_string())],
        }
    }

    /// Goes on with the patched message, decoded afresh.
    fn accept(&mut self, document: &Document, patch: &Patch) {
        let body = patch.apply(document.source());
        let decoded = markup::decode(body.clone(), hint(self.facts), &Limits::default());
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
    let headers = match (facts.stage, facts.response) {
        (Stage::Response, Some(head)) => &head.headers,
        _ => &facts.request.headers,
    };
    let value = headers.get(http::header::CONTENT_TYPE);
    let Some(value) = value.and_then(|value| value.to_str().ok()) else {
        return Hint::default();
    };
    let mut parts = value.split(';').map(str::trim);
    let media_type = parts.next();
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"'))
    });
    Hint {
        media_type,
        charset,
    }
}
