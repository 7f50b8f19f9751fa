//! The engine: it evaluates one rule set for one message and returns a verdict.

use std::collections::HashMap;
use std::sync::Arc;

use super::answers::LinkedAnswers;
use super::chance::{DEFAULT_SEED, conversation_key};
use super::evaluation::Evaluation;
use super::index::Index;
use super::input::{HeldBack, RuleInput, RuleState};
use super::items::Selected;
use super::scenario::STARTED;
use super::verdict::Verdict;
use super::{Limit, Rule, Step};
use crate::flow::{EffectDetail, Side};

/// A set of rules, in file order. A `RuleSet` that exists is valid.
#[derive(Debug, Default)]
pub struct RuleSet {
    rules: Vec<Arc<Rule>>,
    requests: Index,
    responses: Index,
    seed: u64,
}

/// The error of two rules with the same name in one set; records could not distinguish them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two rules are named `{name}`: {first} and {second}")]
pub struct DuplicateName {
    /// The name of both rules.
    pub name: String,
    /// The file and line of the first rule.
    pub first: String,
    /// The file and line of the second rule.
    pub second: String,
}

impl RuleSet {
    /// Creates a set of these rules, as [`super::load::parse`] returns them for each file.
    ///
    /// # Errors
    /// [`DuplicateName`] if two rules have the same name; [`super::load::parse_beside`] reports it with both places.
    pub fn from_rules(
        rules: impl IntoIterator<Item = impl Into<Arc<Rule>>>,
    ) -> Result<Self, DuplicateName> {
        let rules: Vec<Arc<Rule>> = rules.into_iter().map(Into::into).collect();
        refuse_duplicates(&rules)?;
        Ok(Self {
            requests: Index::of(&rules, Side::Device),
            responses: Index::of(&rules, Side::Server),
            rules,
            seed: DEFAULT_SEED,
        })
    }

    /// Sets the seed for `chance`. The default is [`DEFAULT_SEED`].
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Returns the rules, in file order.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// Whether the set has no rules.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether a rule needs the bodies of this sender, so that they must be collected and decoded.
    ///
    /// A rule may also need a body of the other side: only requests name the session, and the command that a Status
    /// answers is in a message of the other direction.
    pub fn reads_bodies(&self, speaker: Side) -> bool {
        self.index(speaker).reads_bodies
    }

    fn index(&self, speaker: Side) -> &Index {
        match speaker {
            Side::Device => &self.requests,
            Side::Server => &self.responses,
        }
    }

    /// Evaluates the rules for a message. They act in file order; each sees the message as the rules before it left it.
    pub fn decide(&self, input: &RuleInput<'_>, rule_state: &mut dyn RuleState) -> Verdict {
        let index = self.index(input.speaker);
        let answers = LinkedAnswers::of(input);
        let mut evaluation = Evaluation::new(input, &answers, index, self.seed);
        let mut from = 0;
        while let Some(position) = evaluation.next(from) {
            from = position + 1;
            let Some(rule) = self.rules.get(position) else {
                break;
            };
            if !rule.concerns(input) || evaluation.note_broken_body(rule, position, rule_state) {
                continue;
            }
            let mut attempt = Attempt {
                rule,
                position,
                seed: self.seed,
                input,
                rule_state,
                advanced: None,
            };
            let Some(selection) = attempt.allowed(|| evaluation.select(rule)) else {
                continue;
            };
            let effect = evaluation.act(rule, &selection);
            let acted_on = match effect.changes.iter().any(EffectDetail::is_done) {
                true => selection.len(),
                false => 0,
            };
            let is_complete = effect.is_complete();
            attempt.rule_state.acted(position, acted_on, is_complete);
            evaluation.verdict.applied.push(effect);
            if acted_on == 0 {
                attempt.take_back();
            } else if rule.ends() || evaluation.verdict.answer.is_some() {
                break;
            }
        }
        evaluation.verdict
    }
}

/// Checks that no two rules have the same name.
///
/// # Errors
/// [`DuplicateName`] if two rules have the same name.
pub fn refuse_duplicates(rules: &[Arc<Rule>]) -> Result<(), DuplicateName> {
    let mut places = HashMap::new();
    for rule in rules {
        let place = (&*rule.file, rule.line);
        if let Some((file, line)) = places.insert(&*rule.name, place) {
            return Err(DuplicateName {
                name: rule.name.clone(),
                first: format!("{file}:{line}"),
                second: format!("{}:{}", rule.file, rule.line),
            });
        }
    }
    Ok(())
}

/// The attempt of one rule to act on a message.
struct Attempt<'a, 'f> {
    rule: &'a Rule,
    /// The position of the rule in the set.
    position: usize,
    seed: u64,
    input: &'a RuleInput<'f>,
    rule_state: &'a mut dyn RuleState,
    advanced: Option<Advanced<'a>>,
}

/// A change of a scenario's state.
struct Advanced<'a> {
    scenario: (Option<&'a str>, &'a str),
    key: String,
    /// The state before; `None` before any change.
    from: Option<Arc<str>>,
    to: &'a str,
}

impl Attempt<'_, '_> {
    /// Returns the matches that the rule acts on: those that its scenario and its limit allow.
    fn allowed(&mut self, find: impl FnOnce() -> Vec<Selected>) -> Option<Vec<Selected>> {
        let Some(scenario) = &self.rule.scenario else {
            return self.within_limit(find());
        };
        let key = scenario.per.key(self.input);
        let name = (self.rule.scope_name(), &*scenario.name);
        let state = self.rule_state.state(name, &key);
        if !scenario.suits(state.as_deref()) {
            self.rule_state.held_back(self.position, HeldBack::Scenario);
            return None;
        }
        let selection = self.within_limit(find())?;
        let Some(becomes) = &scenario.becomes else {
            return Some(selection);
        };
        // Another exchange may have changed the state in the meantime; then the rule does not act.
        let advanced = self
            .rule_state
            .advance(name, &key, state.as_deref(), becomes);
        if !advanced {
            return None;
        }
        self.advanced = Some(Advanced {
            scenario: name,
            key,
            from: state,
            to: becomes,
        });
        Some(selection)
    }

    /// Restores the former state of the scenario, because the rule could not act.
    fn take_back(&mut self) {
        if let Some(Advanced {
            scenario,
            key,
            from,
            to,
        }) = &self.advanced
        {
            let before = from.as_deref().unwrap_or(STARTED);
            self.rule_state.advance(*scenario, key, Some(*to), before);
        }
    }

    /// Returns the part of a selection that the rule's limit allows; `None` if nothing is left. Edits count nodes; a
    /// rule that only controls how the message is sent counts messages.
    fn within_limit(&mut self, mut selection: Vec<Selected>) -> Option<Vec<Selected>> {
        if let Some(limit) = self.rule.limit.filter(|_| !selection.is_empty()) {
            if !self.rule.steps.iter().any(Step::is_about_selected) {
                selection.truncate(1);
            }
            let key = limit.per.key(self.input);
            selection.retain(|_| self.allows_next(limit, &key));
            if selection.is_empty() {
                self.rule_state.held_back(self.position, HeldBack::Limit);
            }
        }
        (!selection.is_empty()).then_some(selection)
    }

    /// Whether the limit allows the rule to act on the next match.
    fn allows_next(&mut self, limit: Limit, key: &str) -> bool {
        let n = self.rule_state.count(self.position, key);
        let Some(chance) = limit.chance.filter(|_| limit.allows_match(n)) else {
            return limit.allows_match(n);
        };
        let line = conversation_key(self.input);
        let draw = self.rule_state.count(self.position, &format!("?{line}"));
        chance.is_drawn(self.seed, self.rule.name(), &line, draw)
            && (limit.times.is_none()
                || limit.allows_act(self.rule_state.count(self.position, &format!("!{key}"))))
    }
}
