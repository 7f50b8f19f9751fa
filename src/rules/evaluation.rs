//! The evaluation of a rule set for one message.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};

use super::act::{self, Body, Planning, Values};
use super::answers::LinkedAnswers;
use super::index::Index;
use super::items::Items;
use super::items::Selected;
use super::matcher::{Kinds, MatchContext};
use super::selection::Commands;
use super::step::{FaultStep, ScenarioStep};
use super::{HeadStep, HeldBack, RawStep, Rule, RuleInput, RuleState, Stage, Step, Verdict};
use crate::dm::dialect::MediaKind;
use crate::flow::{EffectDetail, RuleEffect, Side, media};
use crate::markup::{self, Document, Limits, NodeId};
use crate::patch::Patch;

/// The state of the evaluation: the message as the rules so far left it.
pub(super) struct Evaluation<'a> {
    input: &'a RuleInput<'a>,
    answers: &'a LinkedAnswers<'a>,
    index: &'a Index,
    /// The seed for jitter and noise.
    seed: u64,
    /// The rules that have a text of the message as an index key; changes of the document do not affect them.
    by_text: BTreeSet<usize>,
    document: Option<Arc<Document>>,
    /// The commands of the current document.
    commands: Option<Commands>,
    /// The rules that may match the current document.
    candidates: Option<Vec<usize>>,
    pub(super) verdict: Verdict,
    /// The reason why there is no document any more, if a rule broke it.
    broken: Option<String>,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(
        input: &'a RuleInput<'a>,
        answers: &'a LinkedAnswers<'a>,
        index: &'a Index,
        seed: u64,
    ) -> Self {
        Self {
            input,
            answers,
            index,
            seed,
            by_text: index.with_texts_of(input),
            document: input.document.cloned(),
            commands: None,
            candidates: None,
            verdict: Verdict::default(),
            broken: input.why_unread.map(str::to_owned),
        }
    }

    /// Returns the position of the first rule from `from` on that may match. Rules without an index key in the message
    /// are never touched, however many there are.
    pub(super) fn next(&mut self, from: usize) -> Option<usize> {
        if self.broken.is_some() {
            // Each later rule gets its entry in the record, saying that it can match nothing any more.
            return Some(from);
        }
        let candidates = match self.candidates.take() {
            Some(candidates) => candidates,
            None => self.candidates(),
        };
        let at = candidates.partition_point(|position| *position < from);
        let next = candidates.get(at).copied();
        self.candidates = Some(candidates);
        next
    }

    /// Returns the rules that may match the current message, in order.
    fn candidates(&mut self) -> Vec<usize> {
        let index = self.index;
        let mut candidates = Vec::new();
        let mut kinds = Kinds::NONE;
        if index.asks_of_commands()
            && let Some(commands) = self.commands()
        {
            kinds = commands.kinds;
            candidates.extend(&commands.by_key);
        }
        candidates.extend(index.keyless(kinds));
        candidates.extend(&self.by_text);
        candidates.sort_unstable();
        candidates.dedup();
        candidates
    }

    /// Notes for the record that a rule looks for something in a body that an earlier rule broke, or that could not be
    /// read. Returns whether to skip the rule for that.
    pub(super) fn note_broken_body(
        &mut self,
        rule: &Rule,
        position: usize,
        rule_state: &mut dyn RuleState,
    ) -> bool {
        let Some(why) = &self.broken else {
            return false;
        };
        if rule.stage != Stage::of(self.input.speaker) {
            return true;
        }
        let why_unread = self.input.why_unread;
        let reads = rule.edits() || rule.matcher.reads_document();
        let looks = reads || why_unread.is_some() && rule.is_raw();
        let media_type = media::hint(self.input.headers()).media_type;
        let may_be_document = MediaKind::by(media_type) == MediaKind::Markup;
        let context = self.context();
        if looks
            && (why_unread.is_none() || !reads || may_be_document)
            && rule.matcher.holds_of_message(&context)
            && rule.matcher.may_pass_filter(&context)
        {
            let changes = vec![EffectDetail::not_applied("", why.clone())];
            let applied = RuleEffect::new(rule.name(), changes);
            self.verdict.applied.push(applied);
            if let Some(why) = why_unread {
                rule_state.held_back(position, HeldBack::Unread(why));
            }
        }
        looks
    }

    /// Returns the nodes that a rule selects; none if the rule does not match the message.
    pub(super) fn select(&mut self, rule: &Rule) -> Vec<Selected> {
        let matcher = &rule.matcher;
        // Validation sets `kinds` of the outermost matcher if the rule selects commands.
        let selects = matcher.kinds.is_some();
        if selects && !self.commands().is_some_and(|all| all.may_match(matcher)) {
            return Vec::new();
        }
        if !matcher.holds_of_message(&self.context()) {
            return Vec::new();
        }
        if !selects {
            let lacking =
                rule.edits() && self.document.is_none() || rule.is_raw() && self.body().is_none();
            let found = !lacking && matcher.holds(&self.context()) && !self.is_idle(rule);
            return if found { whole() } else { Vec::new() };
        }
        self.commands();
        match (&self.commands, &self.document) {
            (Some(commands), Some(document)) => commands.select(matcher, document, &self.context()),
            _ => Vec::new(),
        }
    }

    /// Whether no step of a rule about the whole message has anything to do: `replace-text` and `remove-header` find
    /// nothing, or the body is empty and the steps damage or cut a body. A device on the way to enrollment gets an empty
    /// body first, from the GET of discovery.
    fn is_idle(&self, rule: &Rule) -> bool {
        let is_empty = || self.bytes().is_some_and(|bytes| bytes.is_empty());
        rule.steps.iter().all(|step| match step {
            Step::Raw(RawStep::ReplaceText { pattern, .. }) => {
                !self.body().is_some_and(|body| body.matches(&pattern.0))
            }
            Step::Head(HeadStep::RemoveHeader(name)) => {
                let mut headers = self.input.headers().clone();
                self.verdict.edit_headers(&mut headers);
                !headers.contains_key(&name.0)
            }
            Step::Raw(RawStep::Flip(_) | RawStep::Truncate(_)) => is_empty(),
            // A request without a body is whole, and its device is still disconnected.
            Step::Fault(FaultStep::LimitData(_)) => {
                self.input.speaker == Side::Server && is_empty()
            }
            _ => false,
        })
    }

    /// Returns the current message, for matchers.
    fn context(&self) -> MatchContext<'_> {
        MatchContext {
            input: self.input,
            document: self.document.as_deref(),
            answers: self.answers,
        }
    }

    /// Returns the commands of the current document; they are read on first use.
    fn commands(&mut self) -> Option<&Commands> {
        let document = self.document.as_ref()?;
        let commands = &mut self.commands;
        Some(commands.get_or_insert_with(|| Commands::of(document, self.answers, self.index)))
    }

    /// Carries out the steps of a rule: its edits, and the changes of bytes on top of them, become one patch; other
    /// steps change the head and the delivery.
    pub(super) fn act(&mut self, rule: &Rule, selection: &[Selected]) -> RuleEffect {
        let mut applied = RuleEffect::new(rule.name(), Vec::new());
        // Templates are filled from the message as the rule found it.
        let (document, bytes) = (self.document.clone(), self.bytes());
        let mut values = Values::new(self.input, document.as_deref(), self.answers);
        let planned = match &document {
            Some(document) => self.edit(rule, document, &mut values, selection, &mut applied),
            None => true,
        };
        let selected = selection.first();
        for step in &rule.steps {
            let verdict = &mut self.verdict;
            let change = match step {
                Step::Edit(_) | Step::Protocol(_) | Step::Connection(_) => continue,
                Step::Head(step) => act::head(step, self.input, &mut values, selected, verdict),
                Step::Raw(step) => {
                    let Some(found) = bytes.as_ref().filter(|_| planned) else {
                        continue;
                    };
                    match self.raw(step, &mut values, selected) {
                        Ok((patch, change)) => {
                            let body = patch.apply(&self.bytes().unwrap_or_default());
                            applied.patch = applied.patch.then(&patch, found);
                            self.accept(rule, body);
                            change
                        }
                        Err(why) => EffectDetail::declined(step.name(), &why),
                    }
                }
                Step::Scenario(step @ ScenarioStep::AdvanceScenario) => {
                    act::advance_scenario(step.name(), rule)
                }
                Step::Fault(step) => {
                    let document = self.document.as_deref();
                    act::fault(step, rule, self.seed, self.input, document, verdict)
                }
            };
            applied.changes.push(change);
        }
        applied
    }

    /// Carries out the edits of a rule. Returns `false` if the changes of bytes on top of them must not run either: the
    /// edits failed, or an answer replaces the message.
    fn edit(
        &mut self,
        rule: &Rule,
        document: &Document,
        values: &mut Values<'_>,
        selection: &[Selected],
        applied: &mut RuleEffect,
    ) -> bool {
        let limits = self.input.limits;
        let owed = &self.verdict.session_effects.owed;
        let planning = Planning::new(rule, self.input, document, owed, selection, values);
        let planned = match planning.plan(&rule.steps) {
            Ok(planned) => planned,
            Err(why) => {
                applied.changes = vec![EffectDetail::not_applied("", why)];
                return false;
            }
        };
        applied.changes = planned.changes;
        if let Some(answer) = planned.answer {
            // The answer replaces the message, so its edits would have no effect.
            self.verdict.answer = Some(answer);
            self.verdict.session_effects.extend(planned.session_effects);
            return false;
        }
        let patch = markup::edit::plan_within(document, &planned.edits, limits);
        let patch = patch.map_err(|error| error.to_string());
        match patch.and_then(|patch| fitting(patch, document.source(), limits)) {
            Ok(patch) => {
                self.verdict.duplicate = planned.duplicate.or(self.verdict.duplicate);
                self.verdict.session_effects.extend(planned.session_effects);
                if !planned.edits.is_empty() {
                    self.accept(rule, patch.apply(document.source()));
                    applied.patch = patch;
                }
                true
            }
            Err(why) => {
                applied.changes = vec![EffectDetail::not_applied("", why)];
                false
            }
        }
    }

    /// Applies a step to the current body; returns the patch and its description.
    fn raw(
        &self,
        step: &RawStep,
        values: &mut Values<'_>,
        selected: Option<&Selected>,
    ) -> Result<(Patch, EffectDetail), String> {
        if let Some(why) = bodiless(self.input, self.verdict.status()) {
            return Err(why.into());
        }
        let Some(body) = self.body() else {
            return Err("the body was not read".into());
        };
        let (patch, change) = act::raw(step, &body, values, selected)?;
        Ok((fitting(patch, &body.bytes, self.input.limits)?, change))
    }

    /// Takes over a changed body, and decodes it again.
    fn accept(&mut self, rule: &Rule, body: Bytes) {
        let was_read = self.document.is_some() || self.broken.is_some();
        let hint = media::hint(self.input.headers());
        let decoded = markup::decode(body.clone(), hint, self.input.limits);
        self.broken = decoded.as_ref().err().filter(|_| was_read).map(|error| {
            let name = rule.name();
            format!("the body does not decode any more after rule `{name}`: {error}")
        });
        // A body that a step broke on purpose is still sent; the rules that follow only have no tree of it.
        self.document = decoded.ok().map(Arc::new);
        self.commands = None;
        self.candidates = None;
        self.verdict.document = self.document.clone();
        self.verdict.body = Some(body);
    }

    /// Returns the current body, with its content codings undone; `None` if it was not read.
    fn bytes(&self) -> Option<Bytes> {
        let received = || self.input.document.map(|document| document.source());
        let now = self.verdict.body.as_ref();
        now.or_else(received).or(self.input.body).cloned()
    }

    /// Returns the current body with its document.
    fn body(&self) -> Option<Body<'_>> {
        Some(Body {
            bytes: self.bytes()?,
            document: self.document.as_deref(),
            limits: self.input.limits,
        })
    }
}

/// Returns the reason why the message cannot have a body, if there is one (RFC 9110 §6.4.1). `made` is the status that
/// rules made.
fn bodiless(input: &RuleInput<'_>, made: Option<StatusCode>) -> Option<&'static str> {
    let response = input.response.filter(|_| input.speaker == Side::Server)?;
    if input.request.method == Method::HEAD {
        return Some("a response to HEAD has no body");
    }
    let statuses = [Some(response.status), made];
    statuses.into_iter().flatten().find_map(|it| match it {
        StatusCode::NO_CONTENT => Some("a response with status 204 has no body"),
        StatusCode::NOT_MODIFIED => Some("a response with status 304 has no body"),
        _ => None,
    })
}

/// Returns the patch, if the patched body is not longer than the limit of a body.
fn fitting(patch: Patch, source: &Bytes, limits: &Limits) -> Result<Patch, String> {
    let splices = patch.splices().iter();
    let added: usize = splices.clone().map(|splice| splice.with.len()).sum();
    let taken: usize = splices.map(|splice| splice.span.len()).sum();
    let length = (source.len() - taken).saturating_add(added);
    match length <= limits.bytes.max(source.len()) {
        true => Ok(patch),
        false => Err(act::too_large(limits.bytes)),
    }
}

/// Selects the message as a whole: its root element.
fn whole() -> Vec<Selected> {
    vec![Selected {
        node: NodeId(0),
        items: Items::All,
    }]
}
