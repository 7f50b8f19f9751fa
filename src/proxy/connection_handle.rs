//! What is known of a device's connection while it runs, and when it has been silent for too long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::settings::Limits;

/// A handle on a connection: clones act on the same one.
#[derive(Clone, Debug)]
pub(super) struct ConnectionHandle(Arc<State>);

#[derive(Debug, Default)]
struct State {
    reset: AtomicBool,
    begun: AtomicBool,
    moved: AtomicBool,
    exchanges: AtomicUsize,
    ending: AtomicBool,
    last: Mutex<Option<CloseSequence>>,
    away: Notify,
    stop: CancellationToken,
}

/// What is still to happen on a connection of HTTP/1.1 before it ends.
#[derive(Clone, Debug)]
pub(super) struct CloseSequence {
    /// Bytes to send that are no HTTP.
    pub(super) noise: Bytes,
    /// How long it stays open after them.
    pub(super) wait: Duration,
    pub(super) ending: CloseKind,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CloseKind {
    /// `close_notify` where TLS is spoken, and FIN.
    Close,
    /// RST.
    Reset,
}

/// Something that runs on a connection, which is not silent as long as it does.
#[derive(Debug)]
pub(super) struct ActivityGuard(ConnectionHandle);

impl Drop for ActivityGuard {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl ConnectionHandle {
    /// One whose waits end when `stop` is cancelled.
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self(Arc::new(State {
            stop,
            ..State::default()
        }))
    }

    /// Cancelled when dmtap stops, and nothing is to wait on this connection any more.
    pub(super) fn stop(&self) -> CancellationToken {
        self.0.stop.clone()
    }

    /// Lets nothing more pass; when hyper drops the connection, the peer sees a TCP RST.
    pub(super) fn reset(&self) {
        self.0.reset.store(true, Ordering::Release);
    }

    pub(super) fn is_reset(&self) -> bool {
        self.0.reset.load(Ordering::Acquire)
    }

    /// Ends the connection in this way once everything that was handed over is written. hyper writes no more.
    pub(super) fn finish(&self, last: CloseSequence) {
        *self.last() = Some(last);
        self.0.ending.store(true, Ordering::Release);
    }

    /// What is to happen before the end, if an end was ordered.
    pub(super) fn take_last(&self) -> Option<CloseSequence> {
        if !self.0.ending.load(Ordering::Acquire) {
            return None;
        }
        self.last().take()
    }

    fn last(&self) -> parking_lot::MutexGuard<'_, Option<CloseSequence>> {
        self.0.last.lock()
    }

    /// Lets the exchanges under way be the last ones: GOAWAY in HTTP/2.
    pub(super) fn go_away(&self) {
        self.0.away.notify_one();
    }

    /// Returns when a GOAWAY was requested.
    pub(super) async fn goaway_requested(&self) {
        self.0.away.notified().await;
    }

    /// Keeps the connection from being silent.
    pub(super) fn busy(&self) -> ActivityGuard {
        self.begin();
        ActivityGuard(self.clone())
    }

    /// Bytes moved.
    pub(super) fn note_activity(&self) {
        self.0.moved.store(true, Ordering::Relaxed);
    }

    /// An exchange begins.
    pub(super) fn begin(&self) {
        self.0.exchanges.fetch_add(1, Ordering::Relaxed);
        self.0.begun.store(true, Ordering::Relaxed);
    }

    /// An exchange is over; its response may still be on its way.
    pub(super) fn end(&self) {
        self.note_activity();
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
