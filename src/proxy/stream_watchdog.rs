//! A watchdog for HTTP/2 streams whose device takes nothing. The stream's window is then closed, so that hyper polls no
//! more of the response, while the connection itself is not silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

tokio::task_local! {
    static WATCHDOG: Arc<StreamWatchdog>;
}

/// The state of how a device takes a response on a stream.
#[derive(Debug, Default)]
pub(super) struct StreamWatchdog {
    /// Whether the device must take the next piece.
    waits: AtomicBool,
    /// How often a piece was polled.
    polls: AtomicU64,
}

impl StreamWatchdog {
    /// Returns the watchdog of the stream on which this runs; `None` in HTTP/1.1.
    pub(super) fn current() -> Option<Arc<Self>> {
        WATCHDOG.try_with(Clone::clone).ok()
    }

    /// Notes that a piece was polled.
    pub(super) fn note_poll(&self) {
        self.polls.fetch_add(1, Ordering::Relaxed);
    }

    /// Sets whether the next piece waits only for the device.
    pub(super) fn wait(&self, waits: bool) {
        self.waits.store(waits, Ordering::Relaxed);
    }

    /// Returns when the device took nothing for a whole limit. It checks once per limit, so that it may take twice as
    /// long.
    async fn stopped(&self, limit: Duration) {
        let mut before = None;
        loop {
            tokio::time::sleep(limit).await;
            let waits = self.waits.load(Ordering::Relaxed);
            let polls = waits.then(|| self.polls.load(Ordering::Relaxed));
            if waits && polls == before {
                return;
            }
            before = polls;
        }
    }
}

/// Runs a stream until it ends, or until its device takes nothing for too long. Dropping the stream resets it.
pub(super) async fn run(stream: impl Future<Output: Send> + Send, limit: Duration) {
    let watchdog = Arc::new(StreamWatchdog::default());
    let running = WATCHDOG.scope(watchdog.clone(), stream);
    tokio::select! {
        biased;
        _ = running => {}
        () = watchdog.stopped(limit) => {}
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    /// Returns how long a stream runs whose response polls a piece every `pace`. `waits` says whether it waits for the
    /// device.
    async fn lasted(pieces: u32, pace: Duration, waits: bool) -> Duration {
        let begun = Instant::now();
        let stream = async {
            let watchdog = StreamWatchdog::current().unwrap();
            watchdog.wait(waits);
            for _ in 0..pieces {
                tokio::time::sleep(pace).await;
                watchdog.note_poll();
            }
        };
        run(stream, Duration::from_secs(30)).await;
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_when_its_device_takes_nothing_in_a_whole_limit() {
        let seconds = Duration::from_secs;
        assert_eq!(lasted(10, seconds(20), true).await.as_secs(), 200);
        // Nothing was taken in the second limit.
        assert_eq!(lasted(1, seconds(600), true).await.as_secs(), 60);
        assert_eq!(lasted(1, seconds(600), false).await.as_secs(), 600);
    }
}
