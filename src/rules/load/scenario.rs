//! The `scenario` table of a rule, and whether every state of the scenarios can be reached.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::deserialize::MOST_KEYS;
use super::report::{MOST_ERRORS, Report, Table};
use crate::nearest::closest;
use crate::rules::mistake::list;
use crate::rules::scenario::STARTED;
use crate::rules::{Rule, RuleError, Scenario};

#[derive(Default)]
pub(super) struct Scenarios(Vec<Act>);

struct Act {
    scenario: Scenario,
    file: Arc<str>,
    text: Arc<str>,
    line: usize,
    /// The state that it requires, or else the one that it becomes.
    span: Range<usize>,
    /// What it has a state for; the whole table where there is no `per`.
    per: Range<usize>,
    reported: bool,
}

impl Scenarios {
    /// Notes an act, as it stands in `table`, and whether it is one; `whole` is `false` where a part of the table is
    /// wrong.
    pub(super) fn enter(
        &mut self,
        scenario: Scenario,
        table: Table<'_>,
        whole: bool,
        report: &mut Report<'_>,
    ) -> bool {
        let value = |key| table.value(key).map(|value| value.span());
        if scenario.requires.is_none() && scenario.becomes.is_none() {
            if whole {
                let title = "this scenario asks nothing and changes nothing";
                report.wrong(table.span(), title).help(format!(
                    "requires = \"{STARTED}\" looks in the first act only, becomes = \"refused\" begins another"
                ));
            }
            return false;
        }
        if scenario.requires == scenario.becomes {
            let becomes = value("becomes").unwrap_or(table.span());
            report
                .wrong(becomes, "the scenario becomes what it is")
                .label("`requires` names the same state")
                .help("leave `becomes` out to stay in this act");
            return false;
        }
        let state = value("requires").or_else(|| value("becomes"));
        self.0.push(Act {
            scenario,
            file: report.file().clone(),
            text: report.text().clone(),
            line: report.line(table.span().start),
            span: state.unwrap_or(table.span()),
            per: value("per").unwrap_or(table.span()),
            reported: true,
        });
        true
    }

    /// Takes note of the act of a rule that was loaded before.
    pub(super) fn know(&mut self, rule: &Rule) {
        let act = rule.scenario.iter().map(|scenario| Act {
            scenario: scenario.clone(),
            file: rule.file.clone(),
            text: Arc::default(),
            line: rule.line,
            span: 0..0,
            per: 0..0,
            reported: false,
        });
        self.0.extend(act);
    }

    /// Errors of scenarios as a whole: states that no rule sets, and rules of one scenario that
    /// do not share its state. Each scenario is examined once.
    pub(super) fn errors(&self) -> Vec<RuleError> {
        let mut scenarios: HashMap<&str, Vec<&Act>> = HashMap::new();
        for act in &self.0 {
            scenarios.entry(&act.scenario.name).or_default().push(act);
        }
        let mut reported = HashSet::new();
        let mut reached: HashMap<&str, Reached<'_>> = HashMap::new();
        let mut errors = Errors::default();
        for act in self.0.iter().filter(|act| act.reported) {
            let name = &*act.scenario.name;
            let acts = scenarios.get(name).map_or(&[][..], Vec::as_slice);
            if let Some(first) = acts.first()
                && first.scenario.per != act.scenario.per
            {
                errors.add_error(act, || act.other_per(first));
            }
            let reached = reached.entry(name).or_insert_with(|| Reached::by(acts));
            let required = act.scenario.requires.as_deref();
            let missing = required.filter(|state| !reached.known.contains(state));
            if let Some(state) = missing.filter(|state| reported.insert((name, *state))) {
                errors.add_error(act, || act.never(state, &reached.order));
            }
        }
        errors.all()
    }
}

/// The first [`MOST_ERRORS`] errors of the scenarios, and the number of the others.
#[derive(Default)]
struct Errors<'a> {
    errors: Vec<RuleError>,
    untold: usize,
    last: Option<&'a Act>,
}

impl<'a> Errors<'a> {
    /// Error texts name near words, which takes a while: they are made only for errors that are printed.
    fn add_error(&mut self, act: &'a Act, error: impl FnOnce() -> RuleError) {
        if self.errors.len() < MOST_ERRORS {
            return self.errors.push(error());
        }
        self.untold += 1;
        self.last = Some(act);
    }

    fn all(mut self) -> Vec<RuleError> {
        let last = self.last.map(|act| act.wrong(String::new()));
        self.errors
            .extend(last.map(|last| last.and_more(self.untold)));
        self.errors
    }
}

struct Reached<'a> {
    known: HashSet<&'a str>,
    /// In the order in which they are brought about.
    order: Vec<&'a str>,
}

impl<'a> Reached<'a> {
    /// Each act is looked at when the state it requires is reached, and never again.
    fn by(acts: &[&'a Act]) -> Self {
        let mut waiting: HashMap<&str, Vec<&'a str>> = HashMap::new();
        let mut reached = Self {
            known: HashSet::from([STARTED]),
            order: vec![STARTED],
        };
        for act in acts {
            let Some(becomes) = act.scenario.becomes.as_deref() else {
                continue;
            };
            match act.scenario.requires.as_deref() {
                Some(required) => waiting.entry(required).or_default().push(becomes),
                None => reached.add(becomes),
            }
        }
        let mut at = 0;
        while let Some(state) = reached.order.get(at).copied() {
            at += 1;
            let next = waiting.remove(state).unwrap_or_default();
            next.into_iter().for_each(|state| reached.add(state));
        }
        reached
    }

    fn add(&mut self, state: &'a str) {
        if self.known.insert(state) {
            self.order.push(state);
        }
    }
}

impl Act {
    fn wrong(&self, title: String) -> RuleError {
        RuleError::new(&self.file, &self.text, self.span.clone(), title)
    }

    fn never(&self, state: &str, reached: &[&str]) -> RuleError {
        let name = &self.scenario.name;
        let title = format!("scenario `{name}` is never in the state `{state}`");
        let mut error = self.wrong(title);
        error.label(match closest(state, reached) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "no rule that can act brings it about".into(),
        });
        error.help(match reached.get(..MOST_KEYS) {
            Some(first) if reached.len() > MOST_KEYS => {
                let more = reached.len() - MOST_KEYS;
                format!("its states are {} and {more} more", list(first))
            }
            _ => format!("its states are {}", list(reached)),
        });
        error.help(format!(
            "a rule brings it about with scenario = {{ name = \"{name}\", becomes = \"{state}\" }}"
        ));
        error
    }

    /// Rules of one scenario with different `per` never see each other's state.
    fn other_per(&self, first: &Self) -> RuleError {
        let (own, other) = (self.scenario.per, first.scenario.per);
        let name = &self.scenario.name;
        let title = format!(
            "scenario `{name}` has a state per {} here, and per {} elsewhere",
            own.name(),
            other.name()
        );
        let mut error = RuleError::new(&self.file, &self.text, self.per.clone(), title);
        error.label("these are states of their own");
        error.help(format!(
            "write the same `per` in every rule of the scenario; the other one is in {}, line {}",
            first.file, first.line
        ));
        error
    }
}
