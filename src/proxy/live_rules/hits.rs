//! How often a rule acted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::flow::Timestamp;
use crate::rules::Completeness;

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
    /// When it last acted.
    pub last: Option<Timestamp>,
}

/// The hits of a rule while they grow: since counts began anew, and in the whole run.
#[derive(Debug, Default)]
pub(super) struct RuleHits {
    since: HitCounters,
    /// Shared by all rules that have had this name.
    run: Arc<HitCounters>,
}

/// Numbers that grow. Readers may see one before the other.
#[derive(Debug, Default)]
pub(super) struct HitCounters {
    messages: AtomicU64,
    finds: AtomicU64,
    failed: AtomicU64,
    partly: AtomicU64,
    /// In microseconds; 0 for never.
    last: AtomicU64,
}

impl RuleHits {
    /// Hits that count from now on, on top of those of a run.
    pub(super) fn on(run: Arc<HitCounters>) -> Self {
        let since = HitCounters::default();
        Self { since, run }
    }

    /// It acted on so many finds of a message; on none: it could not act.
    pub(super) fn acted(&self, finds: usize, extent: Completeness, now: Timestamp) {
        self.since.acted(finds, extent, now);
        self.run.acted(finds, extent, now);
    }

    pub(super) fn read(&self) -> Hits {
        self.since.read()
    }

    /// What is read begins anew; the run does not.
    pub(super) fn reset(&self) {
        self.since.reset();
    }
}

impl HitCounters {
    /// It acted on so many finds of a message; on none: it could not act.
    fn acted(&self, finds: usize, extent: Completeness, now: Timestamp) {
        if finds == 0 || extent == Completeness::Part {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        if finds == 0 {
            return;
        }
        if extent == Completeness::Part {
            self.partly.fetch_add(1, Ordering::Relaxed);
        }
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.finds.fetch_add(finds as u64, Ordering::Relaxed);
        self.last.fetch_max(now.0, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Hits {
        let last = self.last.load(Ordering::Relaxed);
        Hits {
            messages: self.messages.load(Ordering::Relaxed),
            finds: self.finds.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            partly: self.partly.load(Ordering::Relaxed),
            last: (last > 0).then_some(Timestamp(last)),
        }
    }

    fn reset(&self) {
        let counts = [&self.messages, &self.finds, &self.failed, &self.partly];
        for number in counts.into_iter().chain([&self.last]) {
            number.store(0, Ordering::Relaxed);
        }
    }
}
