//! The rule book in force, and what its rules counted.
//!
//! ```text
//!  RuleBook ── in force ─► Edition ── rule n ─► Standing (number, hits)
//!     │ known: name ─► rule, Standing              │ number
//!     └─────────────── InMemoryState ◄───────────────┘   what limits counted,
//!                                                      the states of scenarios
//! ```
//!
//! An edition is never changed. A rule that says the same in the next one keeps its standing, and with it its
//! counts.

mod hits;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

pub use hits::Hits;
use hits::{Growing, Hitting};

use super::context::now;
use crate::conversation::InMemoryState;
use crate::rules::engine::{Completeness, RuleSet, RuleState};
use crate::rules::rule::Rule;

/// The rules in force. They can be exchanged while the proxy runs; an exchange keeps those it began with.
#[derive(Debug)]
pub struct LiveRules {
    edition: RwLock<Arc<RuleSnapshot>>,
    known: Mutex<Known>,
    memory: Arc<Mutex<InMemoryState>>,
}

/// The rules of the book by name, in force or resting.
#[derive(Debug, Default)]
struct Known {
    rules: HashMap<String, (Rule, Arc<RuleStats>)>,
    numbers: RuleNumber,
    /// Every rule that was in the book in this run, by name, as it was last.
    run: HashMap<String, Ran>,
}

/// What a rule of some name did in a run.
#[derive(Clone, Debug)]
struct Ran {
    rule: Rule,
    /// When the name came up first.
    number: RuleNumber,
    hits: Arc<Growing>,
}

/// The number a rule keeps for as long as it says the same, whichever snapshots it stands in.
type RuleNumber = usize;

/// What is known of a rule beside what it says.
#[derive(Debug)]
struct RuleStats {
    number: RuleNumber,
    hits: Hitting,
}

impl LiveRules {
    /// A book that begins with these rules.
    pub fn new(rules: Arc<RuleSet>) -> Self {
        let memory = Arc::<Mutex<InMemoryState>>::default();
        let mut known = Known::default();
        let edition = RuleSnapshot::new(rules, &[], &mut known, &memory);
        Self {
            edition: RwLock::new(Arc::new(edition)),
            known: Mutex::new(known),
            memory,
        }
    }

    /// The rules for an exchange that begins now.
    pub(super) fn current(&self) -> Arc<RuleSnapshot> {
        let edition = self.edition.read().unwrap_or_else(PoisonError::into_inner);
        edition.clone()
    }

    /// Puts other rules in force, for exchanges to come. A rule keeps its hits, and what its limit counted, if
    /// one of the same name that says the same was known before, in force or resting.
    pub fn replace(&self, rules: Arc<RuleSet>) {
        self.publish(rules, &[]);
    }

    /// As [`Self::replace`]; the rules that are `resting` keep what they counted until they are back in force.
    pub fn publish(&self, rules: Arc<RuleSet>, resting: &[Rule]) {
        let mut known = lock(&self.known);
        let edition = Arc::new(RuleSnapshot::new(rules, resting, &mut known, &self.memory));
        *self.edition.write().unwrap_or_else(PoisonError::into_inner) = edition;
        let numbers = known.rules.values().map(|(_, standing)| standing.number);
        lock(&self.memory).keep(&numbers.collect());
    }

    /// How often a rule acted; `None` if there is none of this name.
    pub fn hits(&self, name: &str) -> Option<Hits> {
        let known = lock(&self.known);
        let (_, standing) = known.rules.get(name)?;
        Some(standing.hits.read())
    }

    /// How often the rules of this name acted in the whole run.
    pub fn hits_in_run(&self, name: &str) -> Option<Hits> {
        let known = lock(&self.known);
        Some(known.run.get(name)?.hits.read())
    }

    /// The rules that were in the book in this run and are not any more, as they were last, with how often they acted;
    /// of more than 20,000 names those that came first.
    pub fn left(&self) -> Vec<(Rule, Hits)> {
        let known = lock(&self.known);
        let mut left: Vec<&Ran> = known.run.values().collect();
        left.retain(|ran| !known.rules.contains_key(&ran.rule.name));
        left.sort_by_key(|ran| ran.number);
        let told = left.iter().map(|ran| (ran.rule.clone(), ran.hits.read()));
        told.collect()
    }

    /// Begins everything anew: hits since then, what limits counted, the states of scenarios.
    pub fn reset(&self) {
        let known = lock(&self.known);
        *lock(&self.memory) = InMemoryState::default();
        for (_, standing) in known.rules.values() {
            standing.hits.reset();
        }
    }
}

impl Known {
    /// The standing a rule has had so far, or a new one.
    fn standing(&mut self, rule: &Rule) -> Arc<RuleStats> {
        match self.rules.get(&rule.name) {
            Some((known, standing)) if known.is_same_rule(rule) => standing.clone(),
            _ => {
                self.numbers += 1;
                Arc::new(RuleStats {
                    number: self.numbers,
                    hits: Hitting::on(self.run(rule, self.numbers)),
                })
            }
        }
    }

    /// Where a rule counts for the whole run; `number` is its own if its name is new.
    fn run(&mut self, rule: &Rule, number: RuleNumber) -> Arc<Growing> {
        if let Some(ran) = self.run.get_mut(&rule.name) {
            ran.rule = rule.clone();
            return ran.hits.clone();
        }
        let hits = Arc::<Growing>::default();
        if self.run.len() < MOST_NAMES {
            let ran = Ran {
                rule: rule.clone(),
                number,
                hits: hits.clone(),
            };
            self.run.insert(rule.name.clone(), ran);
        }
        hits
    }
}

/// Rules that are in force together.
#[derive(Debug)]
pub(super) struct RuleSnapshot {
    pub(super) rules: Arc<RuleSet>,
    /// One for each rule.
    standings: Vec<Arc<RuleStats>>,
    memory: Arc<Mutex<InMemoryState>>,
}

impl RuleSnapshot {
    /// The edition of these rules; afterwards only they and those that rest are known.
    fn new(
        rules: Arc<RuleSet>,
        resting: &[Rule],
        known: &mut Known,
        memory: &Arc<Mutex<InMemoryState>>,
    ) -> Self {
        let standing = |rule: &Rule| (rule.clone(), known.standing(rule));
        let all = rules.rules().iter().chain(resting);
        let all: Vec<(Rule, Arc<RuleStats>)> = all.map(standing).collect();
        let standings = all.iter().map(|(_, standing)| standing.clone());
        let standings = standings.take(rules.rules().len()).collect();
        let named = all.into_iter().map(|known| (known.0.name.clone(), known));
        known.rules = named.collect();
        Self {
            rules,
            standings,
            memory: memory.clone(),
        }
    }

    /// A tally that takes the lock for each count.
    pub(super) fn tally(&self) -> impl RuleState {
        SharedTally(self)
    }
}

struct SharedTally<'a>(&'a RuleSnapshot);

impl RuleState for SharedTally<'_> {
    fn count(&mut self, rule: usize, scope: &str) -> u64 {
        let standing = self.0.standings.get(rule);
        let number = standing.map_or(0, |standing| standing.number);
        lock(&self.0.memory).count(number, scope)
    }

    fn acted(&mut self, rule: usize, finds: usize, extent: Completeness) {
        if let Some(standing) = self.0.standings.get(rule) {
            standing.hits.acted(finds, extent, now());
        }
    }

    fn state(&mut self, scenario: &str, scope: &str) -> Option<Arc<str>> {
        lock(&self.0.memory).state(scenario, scope)
    }

    fn advance(&mut self, scenario: &str, scope: &str, from: Option<&str>, to: &str) -> bool {
        lock(&self.0.memory).advance(scenario, scope, from, to)
    }
}

/// Names of rules whose hits are kept for the whole run.
const MOST_NAMES: usize = 20_000;

/// A panic elsewhere leaves what these locks guard whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "\
        [[rule]]\nname = \"a\"\nstage = \"request\"\nmatch.path = \"/\"\nstep = { reset = true }\n\
        [[rule]]\nname = \"b\"\nstage = \"request\"\nmatch.path = \"/\"\nstep = { reset = true }\n";

    fn rules(text: &str) -> Arc<RuleSet> {
        let rules = crate::rules::load::parse_all([("test.toml", text)]);
        Arc::new(rules.unwrap())
    }

    /// Counts once over the run.
    fn count(edition: &RuleSnapshot, rule: usize) -> u64 {
        edition.tally().count(rule, "")
    }

    #[test]
    fn each_rule_and_scope_has_a_count_of_its_own() {
        let book = LiveRules::new(rules(RULES));
        let edition = book.current();
        let mut tally = edition.tally();
        let counted = [(0, "a"), (0, "a"), (0, "b"), (1, "a"), (0, "a")]
            .map(|(rule, scope)| tally.count(rule, scope));
        assert_eq!(counted, [1, 2, 1, 1, 3]);
    }

    #[test]
    fn a_rule_that_says_the_same_goes_on_counting_wherever_it_stands() {
        let book = LiveRules::new(rules(RULES));
        let before = book.current();
        assert_eq!(count(&before, 1), 1);
        before.tally().acted(1, 3, Completeness::Whole);
        let comment_and_order = "# Now b is first.\n\
            [[rule]]\nstage = \"request\"\nname = \"b\" # the same\nmatch.path = \"/\"\n[[rule.step]]\nreset = true\n\
            [[rule]]\nname = \"a\"\nstage = \"response\"\nstep = { reset = true }\n";
        book.replace(rules(comment_and_order));
        // What began before goes on with its own edition, and counts together with what began later.
        assert_eq!(count(&before, 1), 2);
        assert_eq!(count(&book.current(), 0), 3);
        assert_eq!(book.hits("b").unwrap().finds, 3);
        assert_eq!(count(&before, 0), 1);
        assert_eq!(count(&book.current(), 1), 1, "a says something else now");
    }

    #[test]
    fn a_rule_that_rests_keeps_its_counts_and_one_that_left_does_not() {
        let check = |resting: &[Rule], expected: u64| {
            let book = LiveRules::new(rules(RULES));
            assert_eq!(count(&book.current(), 1), 1);
            let without_b = RuleSet::from_rules(rules(RULES).rules()[..1].to_vec());
            book.publish(Arc::new(without_b.unwrap()), resting);
            book.replace(rules(RULES));
            assert_eq!(count(&book.current(), 1), expected);
        };
        check(&rules(RULES).rules()[1..], 2);
        check(&[], 1);
    }

    #[test]
    fn hits_tell_messages_and_finds_until_they_are_reset() {
        let book = LiveRules::new(rules(RULES));
        let edition = book.current();
        let (whole, part) = (Completeness::Whole, Completeness::Part);
        for (finds, extent) in [(1, whole), (3, whole), (1, part), (0, part)] {
            edition.tally().acted(0, finds, extent);
        }
        count(&edition, 0);
        let hits = book.hits("a").unwrap();
        assert_eq!((hits.messages, hits.finds), (3, 5));
        assert_eq!((hits.failed, hits.partly), (2, 1));
        assert!(hits.last.is_some());
        assert_eq!(book.hits("b"), Some(Hits::default()));
        assert_eq!(book.hits("c"), None);
        book.reset();
        assert_eq!(book.hits("a"), Some(Hits::default()));
        assert_eq!(count(&edition, 0), 1);
        assert_eq!(book.hits_in_run("a"), Some(hits));
    }

    #[test]
    fn what_rules_did_in_a_run_outlives_them_and_is_one_for_each_name() {
        let book = LiveRules::new(rules(RULES));
        let before = book.current();
        before.tally().acted(0, 1, Completeness::Whole);
        assert!(book.left().is_empty());
        book.replace(Arc::default());
        // What began before still counts.
        before.tally().acted(0, 1, Completeness::Whole);
        let left = |book: &LiveRules| -> Vec<(String, u64)> {
            let left = book.left().into_iter();
            left.map(|(rule, hits)| (rule.name, hits.messages))
                .collect()
        };
        assert_eq!(left(&book), [("a".into(), 2), ("b".into(), 0)]);
        book.replace(rules(RULES));
        assert!(book.left().is_empty());
        book.current().tally().acted(0, 1, Completeness::Whole);
        assert_eq!(book.hits("a").unwrap().messages, 1);
        assert_eq!(book.hits_in_run("a").unwrap().messages, 3);
    }

    #[test]
    fn the_state_of_a_scenario_outlives_its_rules_until_it_is_reset() {
        let book = LiveRules::new(rules(RULES));
        let state = |book: &LiveRules| book.current().tally().state("story", "s1");
        assert!(book.current().tally().advance("story", "s1", None, "over"));
        book.replace(Arc::default());
        assert_eq!(state(&book).as_deref(), Some("over"));
        book.reset();
        assert_eq!(state(&book), None);
    }
}
