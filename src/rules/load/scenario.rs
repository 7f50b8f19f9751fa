//! The check of the `scenario` tables of rules, and of whether every required state can be reached.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use hashlink::LinkedHashSet;

use super::report::{MOST_ERRORS, Report, Table};
use crate::nearest::closest;
use crate::rules::mistake::{Mistake, list_first};
use crate::rules::scenario::STARTED;
use crate::rules::{Rule, RuleError, Scenario};

#[derive(Default)]
pub(super) struct Scenarios(Vec<Act>);

struct Act {
    scenario: Scenario,
    file: Arc<str>,
    text: Arc<str>,
    line: usize,
    /// The place of `requires`, otherwise of `becomes`.
    span: Range<usize>,
    /// The place of `per`; the whole table if there is no `per`.
    per: Range<usize>,
    reported: bool,
}

impl Scenarios {
    /// Adds the scenario of a rule, from `table`. Returns whether it is valid. `whole` is `false` if a part of the
    /// table is wrong.
    pub(super) fn enter(
        &mut self,
        scenario: Scenario,
        table: Table<'_>,
        whole: bool,
        report: &mut Report<'_>,
    ) -> bool {
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
            report
                .wrong(
                    table.value_span("becomes"),
                    "the scenario becomes what it is",
                )
                .label("`requires` names the same state")
                .help("leave `becomes` out to stay in this act");
            return false;
        }
        let state = match scenario.requires {
            Some(_) => "requires",
            None => "becomes",
        };
        self.0.push(Act {
            scenario,
            file: report.file().clone(),
            text: report.text().clone(),
            line: report.line(table.span().start),
            span: table.value_span(state),
            per: table.value_span("per"),
            reported: true,
        });
        true
    }

    /// Adds the scenario of a rule that was loaded before.
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

    /// Returns the errors of scenarios as a whole: states that no rule sets, and rules of one scenario with different
    /// `per`.
    pub(super) fn errors(&self) -> Vec<RuleError> {
        let mut scenarios: BTreeMap<&str, Vec<&Act>> = BTreeMap::new();
        for act in &self.0 {
            scenarios.entry(&act.scenario.name).or_default().push(act);
        }
        let mut wrong = Vec::new();
        for acts in scenarios.values() {
            let reached = reached_states(acts);
            let mut reported = HashSet::new();
            for act in acts.iter().filter(|act| act.reported) {
                if acts[0].scenario.per != act.scenario.per {
                    wrong.push((act, Some(acts[0])));
                }
                let required = act.scenario.requires.as_deref();
                let missing = required.filter(|state| !reached.contains(state));
                if missing.is_some_and(|state| reported.insert(state)) {
                    wrong.push((act, None));
                }
            }
        }
        let more = wrong.split_off(wrong.len().min(MOST_ERRORS));
        // The texts suggest similar words, which takes time; so only the printed ones are made.
        let errors = wrong.iter().map(|(act, other)| match other {
            Some(other) => act.other_per(other),
            None => act.never(&reached_states(&scenarios[&*act.scenario.name])),
        });
        let last = more.last();
        let last = last.map(|(act, _)| act.wrong(Mistake::default()).and_more(more.len()));
        errors.chain(last).collect()
    }
}

/// Returns the reachable states of a scenario, in the order in which they are reached. Each act is examined once, when
/// the state that it requires is reached.
fn reached_states<'a>(acts: &[&'a Act]) -> LinkedHashSet<&'a str> {
    let mut reached = LinkedHashSet::new();
    let mut next = VecDeque::from([STARTED]);
    let mut waiting: HashMap<&str, Vec<&str>> = HashMap::new();
    for act in acts {
        let (required, becomes) = (&act.scenario.requires, act.scenario.becomes.as_deref());
        match required {
            Some(required) => waiting.entry(required).or_default().extend(becomes),
            None => next.extend(becomes),
        }
    }
    while let Some(state) = next.pop_front() {
        if reached.insert(state) {
            next.extend(waiting.remove(state).into_iter().flatten());
        }
    }
    reached
}

impl Act {
    fn wrong(&self, mistake: Mistake) -> RuleError {
        RuleError::new(&self.file, &self.text, self.span.clone(), mistake)
    }

    fn never(&self, reached: &LinkedHashSet<&str>) -> RuleError {
        let reached: Vec<&str> = reached.iter().copied().collect();
        let name = &self.scenario.name;
        let state = self.scenario.requires.as_deref().unwrap_or_default();
        let title = format!("scenario `{name}` is never in the state `{state}`");
        let mistake = Mistake::new(title).label(match closest(state, &reached) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "no rule that can act brings it about".into(),
        });
        let states = format!("its states are {}", list_first(&reached));
        self.wrong(mistake.help(states).help(format!(
            "a rule brings it about with scenario = {{ name = \"{name}\", becomes = \"{state}\" }}"
        )))
    }

    /// Returns the error of a `per` that differs from the first rule's: such rules never see each other's state.
    fn other_per(&self, first: &Self) -> RuleError {
        let title = format!(
            "scenario `{}` has a state per {} here, and per {} elsewhere",
            self.scenario.name,
            self.scenario.per.name(),
            first.scenario.per.name()
        );
        let help = format!(
            "write the same `per` in every rule of the scenario; the other one is in {}, line {}",
            first.file, first.line
        );
        let mistake = Mistake::new(title).label("these are states of their own");
        RuleError::new(&self.file, &self.text, self.per.clone(), mistake.help(help))
    }
}
