//! The counters of how often a rule acted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::flow::Timestamp;
use crate::rules::{HeldBack, Stage};

/// How often a rule acted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "HitsReport")]
pub struct Hits {
    /// The messages on which the rule acted; connections for a rule of that stage.
    pub messages: u64,
    /// The matches in them on which the rule acted.
    #[serde(rename = "finds")]
    pub matches: u64,
    /// The messages in which the rule matched and a step could not act.
    pub failed: u64,
    /// The messages among `failed` on which the rule acted in part.
    pub partly: u64,
    /// The messages in which the rule matched and its limit excluded every match.
    #[serde(rename = "limited")]
    pub excluded_by_limit: u64,
    /// The messages that the rule did not examine because its scenario was in another state.
    #[serde(skip)]
    pub excluded_by_scenario: u64,
    /// The messages whose body the rule needed and dmtap could not read, and the reason of the last one.
    #[serde(skip)]
    pub excluded_unread: (u64, Option<&'static str>),
    /// The messages of the rule's stage, or connections, that came while the rule was known, whether it matched or not.
    #[serde(skip)]
    pub arrived: u64,
    /// The time of the last hit: RFC 3339, in UTC.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "in_words")]
    #[schemars(with = "Option<String>")]
    pub last: Option<Timestamp>,
}

fn in_words<S: Serializer>(time: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    let micros = time.map(|time| i64::try_from(time.0).unwrap_or(i64::MAX));
    let time = micros.and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
    to.collect_str(&time.unwrap_or_default())
}

/// The numbers of connections, requests and responses for which the rules were asked.
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

/// The growing hits of a rule name over the whole run.
#[derive(Debug)]
pub(super) struct HitCounters {
    arrivals: Arc<Arrivals>,
    stage: Stage,
    /// The number of arrivals before the rule.
    arrived_before: u64,
    /// All counters except `arrived`.
    hits: Mutex<Hits>,
}

impl Hits {
    /// Returns the hits since an earlier reading.
    pub(super) fn since(self, before: &Self) -> Self {
        let since = |count: fn(&Self) -> u64| count(&self).saturating_sub(count(before));
        let messages = since(|hits| hits.messages);
        Self {
            messages,
            matches: since(|hits| hits.matches),
            failed: since(|hits| hits.failed),
            partly: since(|hits| hits.partly),
            excluded_by_limit: since(|hits| hits.excluded_by_limit),
            excluded_by_scenario: since(|hits| hits.excluded_by_scenario),
            excluded_unread: (since(|hits| hits.excluded_unread.0), self.excluded_unread.1),
            arrived: since(|hits| hits.arrived),
            last: self.last.filter(|_| messages > 0),
        }
    }
}

impl HitCounters {
    /// Creates the counters for a rule of this stage that begins now.
    pub(super) fn new(arrivals: Arc<Arrivals>, stage: Stage) -> Self {
        Self {
            arrived_before: arrivals.of(stage).load(Ordering::Relaxed),
            arrivals,
            stage,
            hits: Mutex::default(),
        }
    }

    /// Counts a message in which the rule acted on this many matches. Zero means that it could not act.
    pub(super) fn acted(&self, matches: usize, is_complete: bool, now: Timestamp) {
        let mut hits = self.hits.lock();
        hits.failed += u64::from(matches == 0 || !is_complete);
        if matches > 0 {
            hits.partly += u64::from(!is_complete);
            hits.messages += 1;
            hits.matches += matches as u64;
            hits.last = hits.last.max(Some(now));
        }
    }

    /// Counts a message in which the rule was kept from acting.
    pub(super) fn held_back(&self, by: HeldBack) {
        let mut hits = self.hits.lock();
        match by {
            HeldBack::Limit => hits.excluded_by_limit += 1,
            HeldBack::Scenario => hits.excluded_by_scenario += 1,
            HeldBack::Unread(why) => hits.excluded_unread = (hits.excluded_unread.0 + 1, Some(why)),
        }
    }

    pub(super) fn read(&self) -> Hits {
        let arrived = self.arrivals.of(self.stage).load(Ordering::Relaxed);
        Hits {
            arrived: arrived.saturating_sub(self.arrived_before),
            ..*self.hits.lock()
        }
    }
}
