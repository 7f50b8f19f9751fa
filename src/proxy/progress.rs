//! The progress of a request on its way to the server, and the check whether it takes too long.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

use super::body::End;
use super::failure::Failure;
use super::settings::Limits;

/// The progress of sending a body. The body and the tasks that wait for its result share it.
#[derive(Debug)]
pub(super) struct Progress {
    /// The time of the last progress, in microseconds after [`START`]: bytes were taken, or the body ended.
    moved: AtomicU64,
    end: OnceLock<End>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            moved: AtomicU64::new(micros(Instant::now())),
            end: OnceLock::new(),
        }
    }

    /// Notes that bytes were taken.
    pub(super) fn note_moved(&self) {
        self.moved.store(micros(Instant::now()), Ordering::Relaxed);
    }

    /// Notes that the body ended. The first end counts.
    pub(super) fn note_end(&self, end: End) {
        self.note_moved();
        let _ = self.end.set(end);
    }

    /// Returns the failure when the server takes too long to take the request, or, once it was sent, to answer.
    pub(super) async fn overdue(&self, limits: &Limits) -> Failure {
        // Bytes are taken only after the connection was made.
        let to_take = limits.body + limits.connect;
        loop {
            let sent = self.end.get().is_some();
            let limit = if sent { limits.response } else { to_take };
            let until = *START + Duration::from_micros(self.moved.load(Ordering::Relaxed)) + limit;
            let now = Instant::now();
            if now >= until {
                let what = if sent {
                    "no response"
                } else {
                    "the server did not take the request"
                };
                let why = format!("{what} within {limit:?}");
                return Failure::of_server(StatusCode::GATEWAY_TIMEOUT, why);
            }
            // If the last byte is taken right after this check, the limit of the response is still observed.
            tokio::time::sleep_until(until.min(now + limits.response)).await;
        }
    }

    /// Returns the failure on the device's side, if any.
    pub(super) fn failure(&self) -> Option<Failure> {
        match self.end.get()? {
            End::Whole | End::Dropped => None,
            End::Stalled(stall) => Some(Failure::stalled_request(*stall)),
            End::Broken => Some(Failure::broken_request()),
            End::Malformed => Some(Failure::malformed_request()),
        }
    }
}

fn micros(now: Instant) -> u64 {
    // u64 is enough for the microseconds of half a million years.
    now.saturating_duration_since(*START).as_micros() as u64
}

/// The moment from which the others are counted.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_clock_for_the_response_starts_when_the_request_was_sent() {
        let seconds = Duration::from_secs;
        let limits = Limits {
            body: seconds(20),
            connect: seconds(10),
            response: seconds(60),
            ..Limits::default()
        };
        let progress = Progress::new();
        let begun = Instant::now();
        let sending = async {
            for _ in 0..9 {
                tokio::time::sleep(seconds(25)).await;
                progress.note_moved();
            }
            tokio::time::sleep(seconds(25)).await;
            progress.note_end(End::Whole);
        };
        let (_, failure) = tokio::join!(sending, progress.overdue(&limits));
        assert_eq!(begun.elapsed().as_secs(), 10 * 25 + 60);
        assert_eq!(failure.status, StatusCode::GATEWAY_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_takes_nothing_is_given_up_after_both_limits() {
        let limits = Limits::default();
        let (progress, begun) = (Progress::new(), Instant::now());
        progress.overdue(&limits).await;
        let took = begun.elapsed();
        assert_eq!(took.as_secs(), (limits.body + limits.connect).as_secs());
    }
}
