//! How often a rule acted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::flow::Timestamp;

/// How often a rule acted, as far as is known now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// Messages it acted on.
    pub messages: u64,
    /// What it acted on in them: commands, or the message itself.
    pub finds: u64,
    /// Messages in which it found something and could not act.
    pub failed: u64,
    /// When it last acted.
    pub last: Option<Timestamp>,
}

/// The hits of a rule while they grow. Readers may see one number before the other.
#[derive(Debug, Default)]
pub(super) struct Hitting {
    messages: AtomicU64,
    finds: AtomicU64,
    failed: AtomicU64,
    /// In microseconds; 0 for never.
    last: AtomicU64,
}

impl Hitting {
    /// It acted on so many finds of a message; on none: it could not act.
    pub(super) fn acted(&self, finds: usize, now: Timestamp) {
        if finds == 0 {
            self.failed.fetch_add(1, Ordering::Relaxed);
            return;
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
            last: (last > 0).then_some(Timestamp(last)),
        }
    }

    pub(super) fn reset(&self) {
        for number in [&self.messages, &self.finds, &self.failed, &self.last] {
            number.store(0, Ordering::Relaxed);
        }
    }
}
