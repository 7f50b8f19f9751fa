//! Waits that rules order. They end early when dmtap is about to stop.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// A wait that begins when it is first polled and can be used again when it is over.
pub(super) struct InterruptibleSleep {
    stop: CancellationToken,
    timer: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl fmt::Debug for InterruptibleSleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InterruptibleSleep").finish_non_exhaustive()
    }
}

impl InterruptibleSleep {
    /// Creates a wait that ends when `stop` is cancelled.
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self { stop, timer: None }
    }

    /// Whether dmtap stops. A wait in progress is dropped then.
    pub(super) fn is_stopped(&mut self) -> bool {
        let stopped = self.stop.is_cancelled();
        if stopped {
            self.timer = None;
        }
        stopped
    }

    /// Polls a wait that ends after `time`, or when dmtap stops.
    pub(super) fn poll(&mut self, time: Duration, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_then(time, Duration::ZERO, cx)
    }

    /// Polls a wait that ends `rest` after [`Self::poll`] would end. `rest` is never cut short: bytes that were sent
    /// last need it to leave. Only the times of the first poll count.
    pub(super) fn poll_then(
        &mut self,
        time: Duration,
        rest: Duration,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let stop = &self.stop;
        let timer = self.timer.get_or_insert_with(|| {
            let stop = stop.clone();
            Box::pin(async move {
                wait(&stop, time).await;
                if !rest.is_zero() {
                    sleep(rest).await;
                }
            })
        });
        ready!(timer.as_mut().poll(cx));
        self.timer = None;
        Poll::Ready(())
    }
}

/// Waits for `time`, or until dmtap stops.
pub(super) async fn wait(stop: &CancellationToken, time: Duration) {
    if !time.is_zero() {
        stop.run_until_cancelled(sleep(time)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_early_when_dmtap_stops_and_what_was_sent_last_leaves_all_the_same() {
        let (minute, second) = (Duration::from_secs(60), Duration::from_secs(1));
        for (stops, rest, expected) in [
            (false, Duration::ZERO, minute),
            (false, second, minute + second),
            (true, Duration::ZERO, second),
            (true, second, 2 * second),
        ] {
            let stop = CancellationToken::new();
            let mut sleep = InterruptibleSleep::new(stop.clone());
            let begun = Instant::now();
            let stopping = async {
                tokio::time::sleep(second).await;
                if stops {
                    stop.cancel();
                }
            };
            tokio::join!(stopping, poll_fn(|cx| sleep.poll_then(minute, rest, cx)));
            let took = begun.elapsed();
            let slack = Duration::from_millis(10);
            assert!(
                took >= expected && took < expected + slack,
                "{took:?} {expected:?}"
            );
        }
    }
}
