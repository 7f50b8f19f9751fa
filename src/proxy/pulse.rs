//! A stream of HTTP/2 whose device takes nothing: its window is shut, so that hyper asks for no more of the response,
//! and the connection is not silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

tokio::task_local! {
    static PULSE: Arc<Pulse>;
}

/// How a response on a stream is taken.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// Whether the device is to take the next piece.
    waits: AtomicBool,
    /// How often a piece was asked for.
    beats: AtomicU64,
}

impl Pulse {
    /// That of the stream on which this runs; none in HTTP/1.1.
    pub(super) fn current() -> Option<Arc<Self>> {
        PULSE.try_with(Clone::clone).ok()
    }

    /// A piece was asked for.
    pub(super) fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the next piece waits for the device alone.
    pub(super) fn wait(&self, waits: bool) {
        self.waits.store(waits, Ordering::Relaxed);
    }

    /// Returns when the device took nothing in a whole limit. Looks once per limit, so that it may take twice as long.
    async fn stopped(&self, limit: Duration) {
        let mut before = None;
        loop {
            tokio::time::sleep(limit).await;
            let waits = self.waits.load(Ordering::Relaxed);
            let beats = waits.then(|| self.beats.load(Ordering::Relaxed));
            if waits && beats == before {
                return;
            }
            before = beats;
        }
    }
}

/// Runs a stream until it ends, or its device takes nothing for too long: dropping it resets the stream.
pub(super) async fn run(stream: impl Future<Output: Send> + Send, limit: Duration) {
    let pulse = Arc::new(Pulse::default());
    let running = PULSE.scope(pulse.clone(), stream);
    tokio::select! {
        biased;
        _ = running => {}
        () = pulse.stopped(limit) => {}
    }
}
