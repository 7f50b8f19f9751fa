//! A rule: a stage, a matcher, a limit, and steps.

use std::sync::Arc;

use http::HeaderName;

use super::{ConnectionMatcher, Limit, Matcher, Per, RuleError, RuleInput, Scenario, Stage, Step};
use crate::flow::Side;
use crate::rules::glob::Glob;

/// One rule. The rules that [`super::load`] returns are valid.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The name, unique in the rule set.
    pub name: String,
    /// The file that the rule was read from, for messages.
    pub file: Arc<str>,
    /// The command-line option that made the rule, with its argument; one option may make two rules.
    pub option: Option<Arc<str>>,
    /// The line of its `[[rule]]`, from 1.
    pub line: usize,
    /// The scope of the rule, which limits it to the exchanges of one test; `None` for every exchange.
    pub scope: Option<RuleScope>,
    /// The stage at which the rule is evaluated.
    pub stage: Stage,
    /// The conditions on messages, and the selection of commands.
    pub matcher: Matcher,
    /// The limit on how often the rule acts; `None` for every match.
    pub limit: Option<Limit>,
    /// The scenario that the rule takes part in; `None` if it acts in every state.
    pub scenario: Option<Scenario>,
    /// The actions, in order.
    pub steps: Vec<Step>,
    /// Whether later rules are not evaluated for a message that this rule acted on.
    pub end: bool,
    /// The conditions on connections, for the stage `connection`.
    pub connection: ConnectionMatcher,
    /// Warnings about the rule, which loads all the same.
    pub warnings: Vec<RuleError>,
}

/// The exchanges of one test: those whose request names the scope, and those of the device that the scope is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleScope {
    /// The name of the scope; case matters.
    pub name: Arc<str>,
    /// A pattern for the Source of the device's messages.
    pub device: Option<Glob>,
}

/// The header field that names the scope of an exchange; with a control API, dmtap does not pass it on to servers.
pub const SCOPE_HEADER: HeaderName = HeaderName::from_static("x-dmtap-scope");

impl RuleScope {
    /// Whether an exchange belongs to the scope.
    fn has(&self, input: &RuleInput<'_>) -> bool {
        let mut names = input.request.headers.get_all(SCOPE_HEADER).iter();
        let is_bound = |device: &Glob| {
            let session = input.session;
            session.is_some_and(|session| device.matches(&session.key.device))
        };
        names.any(|name| name.as_bytes() == self.name.as_bytes())
            || self.device.as_ref().is_some_and(is_bound)
    }
}

impl Rule {
    /// Creates a rule that acts on every message or connection of its stage.
    pub fn new(name: String, stage: Stage, steps: Vec<Step>) -> Self {
        Self {
            name,
            file: Arc::from(""),
            option: None,
            line: 1,
            scope: None,
            stage,
            matcher: Matcher::default(),
            limit: None,
            scenario: None,
            steps,
            end: false,
            connection: ConnectionMatcher::default(),
            warnings: Vec::new(),
        }
    }

    /// Returns the name of the rule.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name of the rule's scope.
    pub fn scope_name(&self) -> Option<&str> {
        self.scope.as_ref().map(|scope| &*scope.name)
    }

    /// Whether the two rules have the same content; their files, lines and options do not count.
    pub fn is_same_rule(&self, other: &Self) -> bool {
        let content = |rule: &Self| Self {
            file: Arc::default(),
            option: None,
            line: 1,
            // Warnings hold places in the file.
            warnings: Vec::new(),
            ..rule.clone()
        };
        std::ptr::eq(self, other) || content(self) == content(other)
    }

    /// Whether later rules are not evaluated for a message that this rule acted on.
    pub fn ends(&self) -> bool {
        self.end || self.steps.iter().any(Step::ends)
    }

    /// Whether an exchange belongs to the scope of the rule.
    pub(super) fn concerns(&self, input: &RuleInput<'_>) -> bool {
        self.scope.as_ref().is_none_or(|scope| scope.has(input))
    }

    /// Whether a step edits the document, or needs it.
    pub(super) fn edits(&self) -> bool {
        self.steps.iter().any(Step::looks_inside)
    }

    /// Whether a step changes the bytes of the body.
    pub(super) fn is_raw(&self) -> bool {
        self.steps.iter().any(Step::is_raw)
    }

    /// Whether dmtap must read the bodies of `speaker` to evaluate the rule.
    pub(super) fn reads(&self, speaker: Side) -> bool {
        self.matcher.needs_links()
            || self.steps.iter().any(Step::promises)
            || self.stage == Stage::of(speaker) && self.reads_body()
            || speaker == Side::Device && self.needs_session()
    }

    /// Whether the rule needs the body of its own stage, for its matcher or for a step.
    fn reads_body(&self) -> bool {
        self.edits()
            || self.is_raw()
            || self.matcher.reads_document()
            || self.stage == Stage::Response && self.steps.iter().any(Step::cuts_body)
            || self.steps.iter().any(Step::depends_on_reading)
    }

    /// Whether the rule needs the session of a message, which only the bodies of requests name.
    fn needs_session(&self) -> bool {
        let counted = |per| matches!(per, Per::Session | Per::Device);
        let limit = |limit: Limit| limit.chance.is_some() || counted(limit.per);
        let is_bound = |scope: &RuleScope| scope.device.is_some();
        self.matcher.needs_session()
            || self.scope.as_ref().is_some_and(is_bound)
            || self.steps.iter().any(Step::depends_on_reading)
            || self.limit.is_some_and(limit)
            || self.scenario.as_ref().is_some_and(|s| counted(s.per))
    }
}
