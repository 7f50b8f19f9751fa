//! The `scenario` table of a rule, and whether the stories of a book can be played to their end.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::read::{self, Report, Table};
use super::suggest::{closest, list};
use crate::rules::scenario::STARTED;
use crate::rules::{Per, Rule, RuleError, Scenario};

pub(super) const KEYS: [&str; 4] = ["name", "requires", "becomes", "per"];

pub(super) fn scenario(table: Table<'_>, report: &mut Report) -> Option<Scenario> {
    let before = report.count();
    table.refuse_other_keys(&KEYS, report);
    if !table.means("name", &KEYS) {
        report
            .wrong(table.span(), "this scenario has no name")
            .help("rules of one name share its state: name = \"two-acts\"");
    }
    let name = text(table, "name", report);
    let requires = text(table, "requires", report);
    let becomes = text(table, "becomes", report);
    let per = match table.value("per") {
        Some(value) => read::one_of(value, "per", &Per::ALL, report),
        None => Some(Per::default()),
    };
    if report.count() > before {
        return None;
    }
    if requires.is_none() && becomes.is_none() {
        report
            .wrong(table.span(), "this scenario asks nothing and changes nothing")
            .help(format!(
                "requires = \"{STARTED}\" looks in the first act only, becomes = \"refused\" begins another"
            ));
        return None;
    }
    if let Some(value) = table.value("becomes").filter(|_| requires == becomes) {
        report
            .wrong(value.span(), "the scenario becomes what it is")
            .label("`requires` names the same state")
            .help("leave `becomes` out to stay in this act");
        return None;
    }
    Some(Scenario {
        name: name?,
        requires,
        becomes,
        per: per?,
    })
}

/// A text that is not empty.
fn text(table: Table<'_>, key: &str, report: &mut Report) -> Option<String> {
    let value = table.value(key)?;
    let text = read::text(value, key, report)?.trim();
    if text.is_empty() {
        report.wrong(value.span(), format!("`{key}` is empty"));
        return None;
    }
    Some(text.to_owned())
}

/// The acts of all stories of a book.
#[derive(Default)]
pub(super) struct Stories(Vec<Act>);

struct Act {
    scenario: Scenario,
    file: Arc<str>,
    text: Arc<str>,
    line: usize,
    span: Range<usize>,
    /// Whether what is wrong with it is told.
    told: bool,
}

impl Stories {
    /// Notes an act, as it stands in `table`.
    pub(super) fn enter(&mut self, scenario: Scenario, table: Table<'_>, report: &Report) {
        let key = ["requires", "becomes"]
            .into_iter()
            .find(|key| table.value(key).is_some());
        let value = key.and_then(|key| table.value(key));
        self.0.push(Act {
            scenario,
            file: report.file().clone(),
            text: report.text().clone(),
            line: report.line(table.span().start),
            span: value.map_or(table.span(), |value| value.span()),
            told: true,
        });
    }

    /// Takes note of the act of a rule that was loaded before.
    pub(super) fn know(&mut self, rule: &Rule) {
        let act = rule.scenario.iter().map(|scenario| Act {
            scenario: scenario.clone(),
            file: rule.file.clone(),
            text: Arc::default(),
            line: rule.line,
            span: 0..0,
            told: false,
        });
        self.0.extend(act);
    }

    /// What is wrong with stories as a whole: states that no rule brings about, and rules of one story that
    /// do not share its state.
    pub(super) fn errors(&self) -> Vec<RuleError> {
        let mut told = HashSet::new();
        let mut errors = Vec::new();
        for act in self.0.iter().filter(|act| act.told) {
            let name = &*act.scenario.name;
            let acts: Vec<&Act> = self.0.iter().filter(|a| a.scenario.name == name).collect();
            errors.extend(acts.first().and_then(|first| act.other_scope(first)));
            let reached = reached(&acts);
            let required = act.scenario.requires.as_deref();
            let missing = required.filter(|state| !reached.contains(state));
            if let Some(state) = missing.filter(|state| told.insert((name, state.to_string()))) {
                errors.push(act.never(state, &reached));
            }
        }
        errors
    }
}

/// The states a story can be in.
fn reached<'a>(acts: &[&'a Act]) -> Vec<&'a str> {
    let mut reached = vec![STARTED];
    loop {
        let next = acts.iter().find_map(|act| {
            let becomes = act.scenario.becomes.as_deref()?;
            let required = act.scenario.requires.as_deref();
            let can = required.is_none_or(|required| reached.contains(&required));
            (can && !reached.contains(&becomes)).then_some(becomes)
        });
        match next {
            Some(state) => reached.push(state),
            None => return reached,
        }
    }
}

impl Act {
    fn never(&self, state: &str, reached: &[&str]) -> RuleError {
        let name = &self.scenario.name;
        let title = format!("scenario `{name}` is never in the state `{state}`");
        let mut error = RuleError::new(&self.file, &self.text, self.span.clone(), title);
        error.label(match closest(state, reached) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "no rule that can act brings it about".into(),
        });
        error.help(format!("its states are {}", list(reached)));
        error.help(format!(
            "a rule brings it about with scenario = {{ name = \"{name}\", becomes = \"{state}\" }}"
        ));
        error
    }

    /// Rules that keep the state of one story for different things never see each other's.
    fn other_scope(&self, first: &Self) -> Option<RuleError> {
        let (own, other) = (self.scenario.per, first.scenario.per);
        if own == other {
            return None;
        }
        let name = &self.scenario.name;
        let title = format!(
            "scenario `{name}` has a state per {} here, and per {} elsewhere",
            own.name(),
            other.name()
        );
        let mut error = RuleError::new(&self.file, &self.text, self.span.clone(), title);
        error.label("these are states of their own");
        error.help(format!(
            "write the same `per` in every rule of the scenario; the other one is in {}, line {}",
            first.file, first.line
        ));
        Some(error)
    }
}
