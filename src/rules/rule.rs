//! A rule: a stage, a matcher, a limit, and steps.

use std::sync::Arc;

use http::HeaderName;

use super::{ConnectionMatcher, Limit, Matcher, Per, RuleError, RuleInput, Scenario, Stage, Step};
use crate::rules::glob::Glob;

/// One rule. Those that [`super::load`] gives are valid.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name, unique in the rule set.
    pub name: String,
    /// The file it was read from, for people.
    pub file: Arc<str>,
    /// The option of the command line that made it, with its argument; one option may make two rules.
    pub option: Option<Arc<str>>,
    /// The line its `[[rule]]` stands in, from 1.
    pub line: usize,
    /// The scope it belongs to: other exchanges do not concern it. `None`: every exchange does.
    pub scope: Option<RuleScope>,
    /// When it looks.
    pub stage: Stage,
    /// Where it acts.
    pub matcher: Matcher,
    /// How often it acts; `None`: always.
    pub limit: Option<Limit>,
    /// The scenario state in which it acts; `None`: in every state.
    pub scenario: Option<Scenario>,
    /// What it does, in order.
    pub steps: Vec<Step>,
    /// Whether no further rule is asked where it acted.
    pub end: bool,
    /// Where it acts at the stage of connections.
    pub connection: ConnectionMatcher,
    /// What is odd about it, although it loads.
    pub warnings: Vec<RuleError>,
}

/// The exchanges of one test: those whose request names the scope, and those of the device that it is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleScope {
    /// Its name; case matters.
    pub name: Arc<str>,
    /// A pattern for the Source of the device's messages.
    pub device: Option<Glob>,
}

/// Names the scope that an exchange belongs to; with a control API, no server gets it.
pub const SCOPE_HEADER: HeaderName = HeaderName::from_static("x-dmtap-scope");

impl RuleScope {
    /// Whether an exchange belongs to it.
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
    /// A rule that acts on every message or connection of its stage.
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

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of its scope.
    pub fn scope_name(&self) -> Option<&str> {
        self.scope.as_ref().map(|scope| &*scope.name)
    }

    /// Whether it says the same as another rule, wherever the two stand.
    pub fn is_same_rule(&self, other: &Self) -> bool {
        if std::ptr::eq(self, other) {
            return true;
        }
        // The exhaustive pattern makes the compiler ask for a decision about each new field.
        let Self {
            name,
            file: _,
            option: _,
            line: _,
            scope,
            stage,
            matcher,
            limit,
            scenario,
            steps,
            end,
            connection,
            // They point at places of the file.
            warnings: _,
        } = self;
        *name == other.name
            && *scope == other.scope
            && *stage == other.stage
            && *matcher == other.matcher
            && *limit == other.limit
            && *scenario == other.scenario
            && *steps == other.steps
            && *end == other.end
            && *connection == other.connection
    }

    /// Whether no further rule is asked where it acted.
    pub fn ends(&self) -> bool {
        self.end || self.steps.iter().any(Step::ends)
    }

    /// Whether an exchange belongs to the scope of the rule.
    pub(super) fn concerns(&self, input: &RuleInput<'_>) -> bool {
        self.scope.as_ref().is_none_or(|scope| scope.has(input))
    }

    /// Whether some step edits the document, or needs it.
    pub(super) fn edits(&self) -> bool {
        self.steps.iter().any(Step::looks_inside)
    }

    /// Whether some step changes the bytes of the body.
    pub(super) fn is_raw(&self) -> bool {
        self.steps.iter().any(Step::is_raw)
    }

    /// Whether it cannot be decided unless the bodies of `stage` are read.
    pub(super) fn reads(&self, stage: Stage) -> bool {
        self.asks_links()
            || self.steps.iter().any(Step::promises)
            || self.stage == stage && self.reads_body()
            || stage == Stage::Request && self.asks_session()
    }

    /// Whether it selects commands, or the body's whole document for an edit.
    fn reads_body(&self) -> bool {
        self.edits()
            || self.is_raw()
            || self.matcher.reads_document()
            || self.steps.iter().any(Step::depends_on_reading)
    }

    /// Whether it asks which session a message belongs to, which only the bodies of requests name.
    fn asks_session(&self) -> bool {
        let counted = |per| matches!(per, Per::Session | Per::Device);
        let limit = |limit: Limit| limit.chance.is_some() || counted(limit.per);
        let is_bound = |scope: &RuleScope| scope.device.is_some();
        self.matcher.asks_session()
            || self.scope.as_ref().is_some_and(is_bound)
            || self.steps.iter().any(Step::depends_on_reading)
            || self.limit.is_some_and(limit)
            || self.scenario.as_ref().is_some_and(|s| counted(s.per))
    }

    /// Whether it asks which command an answer refers to, which stands in a body that went the other way.
    fn asks_links(&self) -> bool {
        self.matcher.asks_links()
    }
}
