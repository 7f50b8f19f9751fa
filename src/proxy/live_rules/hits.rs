//! How often a rule acted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::flow::Timestamp;
use crate::rules::{Completeness, HeldBack, Stage};

/// How often a rule acted, as far as is known now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// Messages it acted on.
    pub messages: u64,
    /// What it acted on in them: commands, or the message itself.
    pub finds: u64,
    /// Messages in which it found something and a step could not act.
    pub failed: u64,
    /// Those among them in which the rule acted all the same, and did a part of what it says.
    pub partly: u64,
    /// Messages in which it matched and its limit excluded every match.
    pub limited: u64,
    /// Messages that it did not look into because its scenario was in another state.
    pub waited: u64,
    /// Messages of its stage, or connections, that came while it was known, whether it matched or not.
    pub came: u64,
    /// When it last acted.
    pub last: Option<Timestamp>,
}

/// How many connections, requests and responses the rules were asked about.
#[derive(Debug, Default)]
pub(super) struct Arrivals([AtomicU64; 3]);

impl Arrivals {
    pub(super) fn count(&self, stage: Stage) {
        self.of(stage).fetch_add(1, Ordering::Relaxed);
    }

    fn of(&self, stage: Stage) -> &AtomicU64 {
        let [connections, requests, responses] = &self.0;
        match stage {
            Stage::Connection => connections,
            Stage::Request => requests,
            Stage::Response => responses,
        }
    }
}

/// The hits of a rule while they grow. The counter covers the run; reads subtract its value at
/// the last reset.
#[derive(Debug)]
pub(super) struct RuleHits {
    /// Shared by all rules that have had this name.
    run: Arc<HitCounters>,
    /// The hits of the run at the last reset.
    before: Mutex<Hits>,
}

/// Numbers that grow.
#[derive(Debug)]
pub(super) struct HitCounters {
    arrivals: Arc<Arrivals>,
    stage: Stage,
    /// What had come before the rule.
    before: u64,
    /// All but what came.
    hits: Mutex<Hits>,
}

impl RuleHits {
    /// Hits that count from now on, and in those of a run.
    pub(super) fn on(run: Arc<HitCounters>) -> Self {
        let before = Mutex::new(run.read());
        Self { run, before }
    }

    /// It acted on so many finds of a message; on none: it could not act.
    pub(super) fn acted(&self, finds: usize, extent: Completeness, now: Timestamp) {
        self.run.acted(finds, extent, now);
    }

    /// It looked at a message, and was kept from acting.
    pub(super) fn held_back(&self, by: HeldBack) {
        let mut hits = self.run.hits.lock();
        match by {
            HeldBack::Limit => hits.limited += 1,
            HeldBack::Scenario => hits.waited += 1,
        }
    }

    pub(super) fn read(&self) -> Hits {
        self.run.read().since(&self.before.lock())
    }

    /// Those of the whole run.
    pub(super) fn read_run(&self) -> Hits {
        self.run.read()
    }

    /// What is read begins anew; the run does not.
    pub(super) fn reset(&self) {
        *self.before.lock() = self.run.read();
    }
}

impl Hits {
    /// Those that came after the ones before.
    fn since(self, before: &Self) -> Self {
        let messages = self.messages.saturating_sub(before.messages);
        Self {
            messages,
            finds: self.finds.saturating_sub(before.finds),
            failed: self.failed.saturating_sub(before.failed),
            partly: self.partly.saturating_sub(before.partly),
            limited: self.limited.saturating_sub(before.limited),
            waited: self.waited.saturating_sub(before.waited),
            came: self.came.saturating_sub(before.came),
            last: self.last.filter(|_| messages > 0),
        }
    }
}

impl HitCounters {
    /// Counters of a rule of this stage that begins now.
    pub(super) fn new(arrivals: Arc<Arrivals>, stage: Stage) -> Self {
        Self {
            before: arrivals.of(stage).load(Ordering::Relaxed),
            arrivals,
            stage,
            hits: Mutex::default(),
        }
    }

    /// It acted on so many finds of a message; on none: it could not act.
    fn acted(&self, finds: usize, extent: Completeness, now: Timestamp) {
        let is_part = extent == Completeness::Part;
        let mut hits = self.hits.lock();
        hits.failed += u64::from(finds == 0 || is_part);
        if finds > 0 {
            hits.partly += u64::from(is_part);
            hits.messages += 1;
            hits.finds += finds as u64;
            hits.last = hits.last.max(Some(now));
        }
    }

    pub(super) fn read(&self) -> Hits {
        let came = self.arrivals.of(self.stage).load(Ordering::Relaxed);
        Hits {
            came: came.saturating_sub(self.before),
            ..*self.hits.lock()
        }
    }
}
