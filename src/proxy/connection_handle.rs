//! The state of a device's connection while it runs, and the check whether it has been silent for too long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::settings::Limits;

/// A handle on a connection. Clones act on the same connection.
#[derive(Clone, Debug)]
pub(super) struct ConnectionHandle(Arc<State>);

#[derive(Debug, Default)]
struct State {
    reset: AtomicBool,
    begun: AtomicBool,
    moved: AtomicBool,
    exchanges: AtomicUsize,
    /// Whether bytes came since the last exchange began or ended, and whether they begin like a request.
    heard: Mutex<Option<bool>>,
    last: Mutex<Option<CloseSequence>>,
    away: Notify,
    stop: CancellationToken,
}

/// The steps that an HTTP/1.1 connection still has to do before it ends.
#[derive(Clone, Debug)]
pub(super) struct CloseSequence {
    /// The bytes to send that are not HTTP.
    pub(super) noise: Bytes,
    /// The time for which the connection stays open after the bytes.
    pub(super) wait: Duration,
    pub(super) ending: CloseKind,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CloseKind {
    /// `close_notify` if the connection uses TLS, then FIN.
    Close,
    /// RST.
    Reset,
}

/// A guard for something that runs on a connection. The connection does not count as silent while it exists.
#[derive(Debug)]
pub(super) struct ActivityGuard(ConnectionHandle);

impl Drop for ActivityGuard {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl ConnectionHandle {
    /// Creates a handle whose waits end when `stop` is cancelled.
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self(Arc::new(State {
            stop,
            ..State::default()
        }))
    }

    /// Returns the token that is cancelled when dmtap stops, so that nothing waits on this connection any more.
    pub(super) fn stop(&self) -> CancellationToken {
        self.0.stop.clone()
    }

    /// Stops all traffic. When hyper drops the connection, the peer sees a TCP RST.
    pub(super) fn reset(&self) {
        self.0.reset.store(true, Ordering::Release);
    }

    pub(super) fn is_reset(&self) -> bool {
        self.0.reset.load(Ordering::Acquire)
    }

    /// Ends the connection in this way, after everything that was handed over is written. hyper writes nothing more.
    pub(super) fn finish(&self, last: CloseSequence) {
        *self.0.last.lock() = Some(last);
    }

    /// Takes the steps before the end, if an end was ordered.
    pub(super) fn take_last(&self) -> Option<CloseSequence> {
        self.0.last.lock().take()
    }

    /// Lets the exchanges in progress be the last ones: sends GOAWAY in HTTP/2.
    pub(super) fn go_away(&self) {
        self.0.away.notify_one();
    }

    /// Returns when a GOAWAY was requested.
    pub(super) async fn goaway_requested(&self) {
        self.0.away.notified().await;
    }

    /// Returns a guard that keeps the connection from counting as silent.
    pub(super) fn busy(&self) -> ActivityGuard {
        self.begin();
        ActivityGuard(self.clone())
    }

    /// Notes that bytes moved.
    pub(super) fn note_activity(&self) {
        self.0.moved.store(true, Ordering::Relaxed);
    }

    /// Notes that an exchange begins.
    pub(super) fn begin(&self) {
        self.0.exchanges.fetch_add(1, Ordering::Relaxed);
        self.0.begun.store(true, Ordering::Relaxed);
        *self.0.heard.lock() = None;
    }

    /// Notes the bytes that hyper got. The rest of a body may come after its exchange ended, and HTTP/2 begins with a
    /// preface like a request of its own.
    pub(super) fn note_heard(&self, bytes: &[u8]) {
        let method = bytes.iter().take_while(|byte| byte.is_ascii_uppercase());
        let method = method.count();
        let is_method = method > 0 && matches!(bytes.get(method), None | Some(b' '));
        let is_request = is_method && !bytes.starts_with(b"PRI ");
        self.0.heard.lock().get_or_insert(is_request);
    }

    /// Whether the beginning of another request came.
    pub(super) fn has_begun_request(&self) -> bool {
        self.0.exchanges.load(Ordering::Acquire) == 0 && *self.0.heard.lock() == Some(true)
    }

    /// Notes that an exchange is over. Its response may still be on its way.
    pub(super) fn end(&self) {
        self.note_activity();
        *self.0.heard.lock() = None;
        self.0.exchanges.fetch_sub(1, Ordering::Release);
    }

    /// Returns the reason when no request came within its limit, or when nothing ran and nothing moved for a whole
    /// limit. Silence is checked once per limit, so that it may last up to twice as long.
    pub(super) async fn silence(&self, limits: &Limits) -> &'static str {
        tokio::time::sleep(limits.head).await;
        if !self.0.begun.load(Ordering::Relaxed) {
            return "no request came in time";
        }
        // A response that is stuck on its way out has a limit of its own, which comes first.
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
