//! A rule: a stage, a matcher, a limit, and steps.

use std::sync::Arc;

use http::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;
use strum::IntoStaticStr;

use super::chance::Chance;
use super::{ConnectionMatcher, Facts, Matcher, RuleError, Scenario, Stage, Step};
use crate::rules::glob::Glob;
use crate::rules::load::LimitTable;
use crate::rules::value::schema_of_table;

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

/// How often a rule acts on its matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "LimitTable")]
pub struct Limit {
    /// Matches passed over first.
    pub skip: u64,
    /// Of the matches after those, each so many-th one: 3 is the third, the sixth and so on.
    pub every: u64,
    /// Matches acted on of these; `None`: all of them.
    pub times: Option<u64>,
    /// Which of the matches after those are acted on, by chance; `None`: each.
    pub chance: Option<Chance>,
    /// What has a count of its own.
    pub per: Per,
}

/// What a limit counts within.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize, JsonSchema, IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Per {
    /// A DM session; the connection where none is known.
    #[default]
    Session,
    /// A device, by the Source of its messages; the connection where none is known.
    Device,
    /// A connection of a device.
    Connection,
    /// The run of dmtap.
    Run,
    /// The IP address of devices, of connections only.
    #[serde(skip)]
    #[schemars(skip)]
    Peer,
}

impl RuleScope {
    /// Whether an exchange belongs to it.
    fn has(&self, facts: &Facts<'_>) -> bool {
        let mut names = facts.request.headers.get_all(SCOPE_HEADER).iter();
        let is_bound = |device: &Glob| {
            let session = facts.session;
            session.is_some_and(|session| device.matches(&session.key.device))
        };
        names.any(|name| name.as_bytes() == self.name.as_bytes())
            || self.device.as_ref().is_some_and(is_bound)
    }
}

impl Limit {
    /// Whether the `n`th match is one of those that `skip` and `every` leave, and within `times`, which counts by
    /// itself where there is chance.
    pub(super) fn admits(self, n: u64) -> bool {
        let after = n.saturating_sub(self.skip);
        let is_left = after > 0 && after.is_multiple_of(self.every);
        is_left && (self.chance.is_some() || self.allows(after / self.every))
    }

    /// Whether it allows to act for the `n`th time.
    pub(super) fn allows(self, n: u64) -> bool {
        self.times.is_none_or(|times| n <= times)
    }
}

impl Per {
    /// Its name in rule files.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// What a message is counted under.
    pub fn key(self, facts: &Facts<'_>) -> String {
        match (self, facts.session) {
            (Self::Run, _) => String::new(),
            (Self::Session, Some(tag)) => format!("s{}", tag.number),
            (Self::Device, Some(tag)) => format!("d{}", tag.key.device),
            _ => facts.connection.id.to_string(),
        }
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
    pub(super) fn concerns(&self, facts: &Facts<'_>) -> bool {
        self.scope.as_ref().is_none_or(|scope| scope.has(facts))
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

schema_of_table!(Limit, LimitTable);
