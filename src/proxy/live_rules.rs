//! The rule set in force, and the counters of its rules.
//!
//! ```text
//!  LiveRules ── in force ─► RuleSnapshot ── rule n ─► RuleStats (number, hits)
//!     │ known: name ─► rule, RuleStats             │ number
//!     └─────────────── InMemoryState ◄───────────────┘   the counts of limits,
//!                                                      the states of scenarios
//! ```
//!
//! A snapshot never changes. If a rule has the same content in the next snapshot, it keeps its stats, and with them its
//! counts.

mod hits;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

pub use hits::Hits;
use hits::{Arrivals, HitCounters};

use super::clock::now;
use crate::conversation::InMemoryState;
use crate::rules::rule::Rule;
use crate::rules::{HeldBack, RuleSet, RuleState, Stage};

/// The rules in force. They can be replaced while the proxy runs; an exchange keeps the rules that it began with.
#[derive(Debug)]
pub struct LiveRules {
    snapshot: RwLock<Arc<RuleSnapshot>>,
    known: Mutex<Known>,
    memory: Arc<Mutex<InMemoryState>>,
}

/// The rules by name, enabled or disabled.
#[derive(Debug, Default)]
struct Known {
    rules: HashMap<String, (Arc<Rule>, Arc<RuleStats>)>,
    numbers: RuleNumber,
    arrivals: Arc<Arrivals>,
    /// The last version of each rule of this run, by name.
    run: HashMap<String, Ran>,
}

/// The record of a rule in this run.
#[derive(Clone, Debug)]
struct Ran {
    rule: Arc<Rule>,
    /// The position of the name in the order in which names appeared.
    number: RuleNumber,
    hits: Arc<HitCounters>,
}

/// The number that a rule keeps while its content is the same, in all snapshots.
type RuleNumber = usize;

/// The identity and the counters of a rule.
#[derive(Debug)]
struct RuleStats {
    number: RuleNumber,
    /// The hits of all rules that have had this name.
    run: Arc<HitCounters>,
    /// The hits of the run when this rule began, and at the last reset.
    before: Mutex<Hits>,
}

impl LiveRules {
    /// Creates the rules in force.
    pub fn new(rules: Arc<RuleSet>) -> Self {
        let memory = Arc::<Mutex<InMemoryState>>::default();
        let mut known = Known::default();
        let snapshot = RuleSnapshot::new(rules, &[], &mut known, &memory);
        Self {
            snapshot: RwLock::new(Arc::new(snapshot)),
            known: Mutex::new(known),
            memory,
        }
    }

    /// Returns the rules for an exchange that begins now.
    pub(super) fn current(&self) -> Arc<RuleSnapshot> {
        self.snapshot.read().clone()
    }

    /// Puts other rules in force for later exchanges. A rule keeps its hits and the counts of its limit if a rule with
    /// the same name and content was known before. The `disabled` rules keep their counts until they are enabled again.
    pub fn publish(&self, rules: Arc<RuleSet>, disabled: &[Arc<Rule>]) {
        let mut known = self.known.lock();
        let snapshot = Arc::new(RuleSnapshot::new(rules, disabled, &mut known, &self.memory));
        *self.snapshot.write() = snapshot;
        let numbers = known.rules.values().map(|(_, stats)| stats.number);
        self.memory.lock().keep(&numbers.collect());
    }

    /// Returns how often a rule acted; `None` if no rule has this name.
    pub fn hits(&self, name: &str) -> Option<Hits> {
        let known = self.known.lock();
        let (_, stats) = known.rules.get(name)?;
        Some(stats.run.read().since(&stats.before.lock()))
    }

    /// Returns how often the rules with this name acted in the whole run; for names beyond the first 20,000, how often
    /// the current rule did.
    pub fn hits_in_run(&self, name: &str) -> Option<Hits> {
        let known = self.known.lock();
        if let Some(ran) = known.run.get(name) {
            return Some(ran.hits.read());
        }
        let (_, stats) = known.rules.get(name)?;
        Some(stats.run.read())
    }

    /// Returns the rules of this run that are not in the set any more, in their last version, with their hits. Only the
    /// first 20,000 names are kept.
    pub fn removed(&self) -> Vec<(Rule, Hits)> {
        let known = self.known.lock();
        let mut removed: Vec<&Ran> = known.run.values().collect();
        removed.retain(|ran| !known.rules.contains_key(&ran.rule.name));
        removed.sort_by_key(|ran| ran.number);
        let removed = removed
            .iter()
            .map(|ran| (Rule::clone(&ran.rule), ran.hits.read()));
        removed.collect()
    }

    /// Resets the hits, the counts of limits and the states of scenarios of this scope; `None`: of the rules
    /// without a scope.
    pub fn reset(&self, scope: Option<&str>) {
        let known = self.known.lock();
        let reset = known.rules.values();
        let reset = reset.filter(|(rule, _)| rule.scope_name() == scope);
        let mut numbers = HashSet::new();
        for (_, stats) in reset {
            *stats.before.lock() = stats.run.read();
            numbers.insert(stats.number);
        }
        self.memory.lock().forget(&numbers, scope);
    }
}

impl Known {
    /// Returns the stats that a rule has so far, or new ones.
    fn stats(&mut self, rule: &Arc<Rule>) -> Arc<RuleStats> {
        match self.rules.get(&rule.name) {
            Some((known, stats)) if known.is_same_rule(rule) => stats.clone(),
            _ => {
                self.numbers += 1;
                let run = self.run(rule, self.numbers);
                Arc::new(RuleStats {
                    number: self.numbers,
                    before: Mutex::new(run.read()),
                    run,
                })
            }
        }
    }

    /// Returns the counters of a rule for the whole run. `number` is the number of the rule if its name is new.
    fn run(&mut self, rule: &Arc<Rule>, number: RuleNumber) -> Arc<HitCounters> {
        if let Some(ran) = self.run.get_mut(&rule.name) {
            ran.rule = rule.clone();
            return ran.hits.clone();
        }
        let hits = Arc::new(HitCounters::new(self.arrivals.clone(), rule.stage));
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

/// The rules that are in force together.
#[derive(Debug)]
pub(super) struct RuleSnapshot {
    pub(super) rules: Arc<RuleSet>,
    /// The stats of each rule, in the order of `rules`.
    stats: Vec<Arc<RuleStats>>,
    arrivals: Arc<Arrivals>,
    memory: Arc<Mutex<InMemoryState>>,
}

impl RuleSnapshot {
    /// Creates the snapshot of these rules. Afterwards only these rules and the disabled ones are known.
    fn new(
        rules: Arc<RuleSet>,
        disabled: &[Arc<Rule>],
        known: &mut Known,
        memory: &Arc<Mutex<InMemoryState>>,
    ) -> Self {
        let stats = |rule: &Arc<Rule>| (rule.clone(), known.stats(rule));
        let all = rules.rules().iter().chain(disabled);
        let all: Vec<(Arc<Rule>, Arc<RuleStats>)> = all.map(stats).collect();
        let stats = all.iter().map(|(_, stats)| stats.clone());
        let stats = stats.take(rules.rules().len()).collect();
        let named = all.into_iter().map(|known| (known.0.name.clone(), known));
        known.rules = named.collect();
        Self {
            rules,
            stats,
            arrivals: known.arrivals.clone(),
            memory: memory.clone(),
        }
    }

    /// Counts a connection or a message for which the rules are asked.
    pub(super) fn count_arrival(&self, stage: Stage) {
        self.arrivals.count(stage);
    }

    /// Returns a tally that takes the lock for each count.
    pub(super) fn tally(&self) -> impl RuleState {
        self
    }
}

impl RuleState for &RuleSnapshot {
    fn count(&mut self, rule: usize, key: &str) -> u64 {
        let stats = self.stats.get(rule);
        let number = stats.map_or(0, |stats| stats.number);
        self.memory.lock().count(number, key)
    }

    fn acted(&mut self, rule: usize, matches: usize, is_complete: bool) {
        if let Some(stats) = self.stats.get(rule) {
            stats.run.acted(matches, is_complete, now());
        }
    }

    fn held_back(&mut self, rule: usize, by: HeldBack) {
        if let Some(stats) = self.stats.get(rule) {
            stats.run.held_back(by);
        }
    }

    fn state(&mut self, scenario: (Option<&str>, &str), key: &str) -> Option<Arc<str>> {
        self.memory.lock().state(scenario, key)
    }

    fn advance(
        &mut self,
        scenario: (Option<&str>, &str),
        key: &str,
        from: Option<&str>,
        to: &str,
    ) -> bool {
        self.memory.lock().advance(scenario, key, from, to)
    }
}

/// The most names of rules whose hits are kept for the whole run.
const MOST_NAMES: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "\
        [[rule]]\nname = \"a\"\nstage = \"request\"\nmatch.path = \"/\"\nstep = { reset = true }\n\
        [[rule]]\nname = \"b\"\nstage = \"request\"\nmatch.path = \"/\"\nstep = { reset = true }\n";

    fn rules(text: &str) -> Arc<RuleSet> {
        let rules = crate::rules::load::parse("test.toml", text).unwrap();
        Arc::new(RuleSet::from_rules(rules).unwrap())
    }

    /// Counts once, over the whole run.
    fn count(snapshot: &RuleSnapshot, rule: usize) -> u64 {
        snapshot.tally().count(rule, "")
    }

    #[test]
    fn each_rule_and_key_has_a_count_of_its_own() {
        let live = LiveRules::new(rules(RULES));
        let snapshot = live.current();
        let mut tally = snapshot.tally();
        let counted = [(0, "a"), (0, "a"), (0, "b"), (1, "a"), (0, "a")]
            .map(|(rule, key)| tally.count(rule, key));
        assert_eq!(counted, [1, 2, 1, 1, 3]);
    }

    #[test]
    fn a_rule_that_says_the_same_goes_on_counting_wherever_it_stands() {
        let live = LiveRules::new(rules(RULES));
        let before = live.current();
        assert_eq!(count(&before, 1), 1);
        before.tally().acted(1, 3, true);
        let comment_and_order = "# Now b is first.\n\
            [[rule]]\nstage = \"request\"\nname = \"b\" # the same\nmatch.path = \"/\"\n[[rule.step]]\nreset = true\n\
            [[rule]]\nname = \"a\"\nstage = \"response\"\nstep = { reset = true }\n";
        live.publish(rules(comment_and_order), &[]);
        // An exchange that began before keeps its snapshot, and counts together with later ones.
        assert_eq!(count(&before, 1), 2);
        assert_eq!(count(&live.current(), 0), 3);
        assert_eq!(live.hits("b").unwrap().matches, 3);
        assert_eq!(count(&before, 0), 1);
        assert_eq!(count(&live.current(), 1), 1, "a says something else now");
    }

    #[test]
    fn a_rule_that_rests_keeps_its_counts_and_one_that_left_does_not() {
        let check = |disabled: &[Arc<Rule>], expected: u64| {
            let live = LiveRules::new(rules(RULES));
            assert_eq!(count(&live.current(), 1), 1);
            let without_b = RuleSet::from_rules(rules(RULES).rules()[..1].to_vec());
            live.publish(Arc::new(without_b.unwrap()), disabled);
            live.publish(rules(RULES), &[]);
            assert_eq!(count(&live.current(), 1), expected);
        };
        check(&rules(RULES).rules()[1..], 2);
        check(&[], 1);
    }

    #[test]
    fn hits_count_messages_and_matches_until_they_are_reset() {
        let live = LiveRules::new(rules(RULES));
        let snapshot = live.current();
        for (matches, is_complete) in [(1, true), (3, true), (1, false), (0, false)] {
            snapshot.tally().acted(0, matches, is_complete);
        }
        count(&snapshot, 0);
        let hits = live.hits("a").unwrap();
        assert_eq!((hits.messages, hits.matches), (3, 5));
        assert_eq!((hits.failed, hits.partly), (2, 1));
        assert!(hits.last.is_some());
        assert_eq!(live.hits("b"), Some(Hits::default()));
        assert_eq!(live.hits("c"), None);
        live.reset(None);
        assert_eq!(live.hits("a"), Some(Hits::default()));
        assert_eq!(count(&snapshot, 0), 1);
        assert_eq!(live.hits_in_run("a"), Some(hits));
    }

    #[test]
    fn what_rules_did_in_a_run_outlives_them_and_is_one_for_each_name() {
        let live = LiveRules::new(rules(RULES));
        let before = live.current();
        before.tally().acted(0, 1, true);
        assert!(live.removed().is_empty());
        live.publish(Arc::default(), &[]);
        // An exchange that began before still counts.
        before.tally().acted(0, 1, true);
        let removed = |live: &LiveRules| -> Vec<(String, u64)> {
            let removed = live.removed().into_iter();
            removed
                .map(|(rule, hits)| (rule.name, hits.messages))
                .collect()
        };
        assert_eq!(removed(&live), [("a".into(), 2), ("b".into(), 0)]);
        live.publish(rules(RULES), &[]);
        assert!(live.removed().is_empty());
        live.current().tally().acted(0, 1, true);
        assert_eq!(live.hits("a").unwrap().messages, 1);
        assert_eq!(live.hits_in_run("a").unwrap().messages, 3);
    }

    #[test]
    fn a_rule_beyond_the_names_that_are_kept_has_its_hits_too() {
        let live = LiveRules::new(rules(RULES));
        let ran = live.known.lock().run["a"].clone();
        let names = (0..MOST_NAMES).map(|number| (number.to_string(), ran.clone()));
        live.known.lock().run.extend(names);
        live.publish(rules(&RULES.replace("\"b\"", "\"late\"")), &[]);
        live.current().tally().acted(1, 1, true);
        live.reset(None);
        assert!(!live.known.lock().run.contains_key("late"));
        assert_eq!(live.hits_in_run("late").unwrap().messages, 1);
    }

    #[test]
    fn the_state_of_a_scenario_outlives_its_rules_until_it_is_reset() {
        let live = LiveRules::new(rules(RULES));
        let scenario = (None, "scenario");
        let state = |live: &LiveRules| live.current().tally().state(scenario, "s1");
        assert!(live.current().tally().advance(scenario, "s1", None, "over"));
        live.publish(Arc::default(), &[]);
        assert_eq!(state(&live).as_deref(), Some("over"));
        live.reset(Some("scope"));
        assert_eq!(state(&live).as_deref(), Some("over"));
        live.reset(None);
        assert_eq!(state(&live), None);
    }
}
