//! What is known of a device's connection while it runs, and when it has been silent for too long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::settings::Limits;

/// A handle on a connection: clones act on the same one.
#[derive(Clone, Debug, Default)]
pub(super) struct Line(Arc<State>);

#[derive(Debug, Default)]
struct State {
    reset: AtomicBool,
    begun: AtomicBool,
    moved: AtomicBool,
    exchanges: AtomicUsize,
}

impl Line {
    /// Lets nothing more pass; when hyper drops the connection, the peer sees a TCP RST.
    pub(super) fn reset(&self) {
        self.0.reset.store(true, Ordering::Release);
    }

    pub(super) fn is_reset(&self) -> bool {
        self.0.reset.load(Ordering::Acquire)
    }

    /// Bytes moved.
    pub(super) fn moved(&self) {
        self.0.moved.store(true, Ordering::Relaxed);
    }

    /// An exchange begins.
    pub(super) fn begin(&self) {
        self.0.exchanges.fetch_add(1, Ordering::Relaxed);
        self.0.begun.store(true, Ordering::Relaxed);
    }

    /// An exchange is over; its response may still be on its way.
    pub(super) fn end(&self) {
        self.moved();
        self.0.exchanges.fetch_sub(1, Ordering::Release);
    }

    /// Returns when no request came within its limit, or when nothing ran and nothing moved for a whole limit.
    /// Silence is looked at once per limit, so that it may last up to twice as long.
    pub(super) async fn silence(&self, limits: &Limits) -> &'static str {
        tokio::time::sleep(limits.head).await;
        if !self.0.begun.load(Ordering::Relaxed) {
            return "no request came in time";
        }
        // A response that stands still on its way out has a limit of its own, which comes first.
        let limit = limits.head.max(limits.body);
        loop {
            self.0.moved.store(false, Ordering::Relaxed);
            tokio::time::sleep(limit).await;
            let runs = self.0.exchanges.load(Ordering::Acquire) > 0;
            if !runs && !self.0.moved.load(Ordering::Relaxed) {
                return "nothing moved for too long";
            }
        }
    }
}
