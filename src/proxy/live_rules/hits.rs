//! How often a rule acted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::flow::Timestamp;
use crate::rules::{Completeness, HeldBack, Stage};

/// Hits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "HitsReport")]
pub struct Hits {
    /// Messages it acted on; connections at that stage.
    pub messages: u64,
    /// What it acted on in them.
    pub finds: u64,
    /// Messages in which it matched and a step could not act.
    pub failed: u64,
    /// Those among them on which it acted in part.
    pub partly: u64,
    /// Messages in which it matched and its limit excluded every match.
    pub limited: u64,
    /// Messages that it did not look into because its scenario was in another state.
    #[serde(skip)]
    pub waited: u64,
    /// Messages of its stage, or connections, that came while it was known, whether it matched or not.
    #[serde(skip)]
    pub came: u64,
    /// When it last acted: RFC 3339, in UTC.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "in_words")]
    #[schemars(with = "Option<String>")]
    pub last: Option<Timestamp>,
}

fn in_words<S: Serializer>(time: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    let micros = time.map(|time| i64::try_from(time.0).unwrap_or(i64::MAX));
    let time = micros.and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
    to.collect_str(&time.unwrap_or_default())
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

/// The hits of a name over the whole run, while they grow.
#[derive(Debug)]
pub(super) struct HitCounters {
    arrivals: Arc<Arrivals>,
    stage: Stage,
    /// What had come before the rule.
    before: u64,
    /// All but what came.
    hits: Mutex<Hits>,
}

impl Hits {
    /// Those that came after the ones before.
    pub(super) fn since(self, before: &Self) -> Self {
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
    pub(super) fn acted(&self, finds: usize, extent: Completeness, now: Timestamp) {
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

    /// It looked at a message, and was kept from acting.
    pub(super) fn held_back(&self, by: HeldBack) {
        let mut hits = self.hits.lock();
        match by {
            HeldBack::Limit => hits.limited += 1,
            HeldBack::Scenario => hits.waited += 1,
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
