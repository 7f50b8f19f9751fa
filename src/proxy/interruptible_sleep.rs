//! Waits that rules ordered: they end early where dmtap is about to stop.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// A wait, made when it is first polled and gone when it is over.
pub(super) struct InterruptibleSleep {
    stop: CancellationToken,
    timer: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl fmt::Debug for InterruptibleSleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pause").finish_non_exhaustive()
    }
}

impl InterruptibleSleep {
    /// One that ends when `stop` is cancelled.
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self { stop, timer: None }
    }

    /// Whether dmtap stops; a wait that was begun is over then.
    pub(super) fn is_stopped(&mut self) -> bool {
        let stopped = self.stop.is_cancelled();
        if stopped {
            self.timer = None;
        }
        stopped
    }

    /// Ready after `time`, or when dmtap stops.
    pub(super) fn poll(&mut self, time: Duration, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_then(time, Duration::ZERO, cx)
    }

    /// Ready so long after that, in any case: what was sent last needs it to leave.
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

    /// Ready at a moment, or when dmtap stops.
    pub(super) fn poll_until(&mut self, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let stop = &self.stop;
        let timer = self.timer.get_or_insert_with(|| {
            let stop = stop.clone();
            Box::pin(async move {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    () = sleep_until(until) => {}
                }
            })
        });
        ready!(timer.as_mut().poll(cx));
        self.timer = None;
        Poll::Ready(())
    }
}

/// Returns after `time`, or when dmtap stops.
pub(super) async fn wait(stop: &CancellationToken, time: Duration) {
    if time.is_zero() {
        return;
    }
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = sleep(time) => {}
    }
}
