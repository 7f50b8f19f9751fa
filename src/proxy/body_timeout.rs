//! Timeouts for waiting for a peer.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::headers::NO_CONTINUE;
use super::settings::Limits;

/// A limit for each wait, and a limit for all waits together. Bytes that move extend the second one again, so that a
/// peer slower than [`MIN_BYTES_PER_SECOND`] uses it up. A fast peer costs nothing: the timer is created at the first wait, and a
/// running timer is reset only when it fires.
#[derive(Debug, Default)]
pub(super) struct BodyTimeout {
    limit: Duration,
    /// The limit for the first wait, if the peer may wait for 100 (Continue) in vain.
    first: Option<Duration>,
    whole: Duration,
    /// The rest of the limit for all waits.
    left: Duration,
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// How a wait took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stall {
    /// Nothing moved for this time.
    Silent(Duration),
    /// Nothing came for this time from a device that may wait for 100 (Continue).
    InVain(Duration),
    /// Too little moved in this time.
    Slow(Duration),
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(limit) => write!(f, "nothing came for {limit:?}"),
            Self::InVain(limit) => write!(f, "nothing came for {limit:?}; {NO_CONTINUE}"),
            Self::Slow(limit) => write!(
                f,
                "fewer than {MIN_BYTES_PER_SECOND} bytes a second came for {limit:?}"
            ),
        }
    }
}

impl BodyTimeout {
    /// Creates the timeout for bodies.
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limit: limits.body,
            first: None,
            whole: limits.slow,
            left: limits.slow,
            since: None,
            timer: None,
        }
    }

    /// Creates the timeout for the body of a device that may wait for 100 (Continue) in vain.
    pub(super) fn in_vain(limits: &Limits) -> Self {
        Self {
            first: Some(limits.expect.min(limits.body)),
            ..Self::new(limits)
        }
    }

    /// Creates the timeout for a stream of events: only the silence between two of them is limited.
    pub(super) fn of_events(limits: &Limits) -> Self {
        Self {
            whole: MAX_EVENTS_TIME,
            left: MAX_EVENTS_TIME,
            ..Self::new(limits)
        }
    }

    /// Returns how the wait took too long. Call it only after it did.
    pub(super) fn stall(&self) -> Stall {
        match self.first {
            Some(first) => Stall::InVain(first),
            None if self.left < self.limit => Stall::Slow(self.whole),
            None => Stall::Silent(self.limit),
        }
    }

    /// Notes that the peer moved this many bytes, so that a new wait begins.
    pub(super) fn renew(&mut self, bytes: usize) {
        self.first = None;
        if let Some(since) = self.since.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
        if self.left < self.whole {
            let earned = Duration::from_secs_f64(bytes as f64 / f64::from(MIN_BYTES_PER_SECOND));
            self.left = self.whole.min(self.left + earned);
        }
    }

    /// Returns `Ready` when the wait takes too long.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let until = since + self.first.unwrap_or(self.limit).min(self.left);
        let timer = &mut self.timer;
        let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= until {
                return Poll::Ready(());
            }
            timer.as_mut().reset(until);
        }
    }
}

/// The bytes a second at which a peer may be slow without limit.
const MIN_BYTES_PER_SECOND: u32 = 1024;
/// The longest time of all waits for a stream of events together.
const MAX_EVENTS_TIME: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn timeout(limit: u64, slow: u64) -> BodyTimeout {
        BodyTimeout::new(&Limits {
            body: Duration::from_secs(limit),
            slow: Duration::from_secs(slow),
            ..Limits::default()
        })
    }

    async fn wait(timeout: &mut BodyTimeout, seconds: u64) -> bool {
        let wait = poll_fn(|cx| timeout.poll_end(cx));
        let wait = tokio::time::timeout(Duration::from_secs(seconds), wait);
        wait.await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewed_wait_has_its_whole_limit() {
        let mut timeout = timeout(20, 1000);
        assert!(!wait(&mut timeout, 10).await);
        timeout.renew(1);
        let renewed = Instant::now();
        assert!(wait(&mut timeout, 100).await);
        assert!(renewed.elapsed() >= Duration::from_secs(20));
        assert_eq!(timeout.stall(), Stall::Silent(Duration::from_secs(20)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_device_that_began_to_send_does_not_wait_for_100() {
        let limits = Limits::default();
        let mut timeout = BodyTimeout::in_vain(&limits);
        let begun = Instant::now();
        assert!(wait(&mut timeout, 100).await);
        assert!(begun.elapsed() < Duration::from_secs(6));
        assert_eq!(timeout.stall(), Stall::InVain(limits.expect));
        let mut timeout = BodyTimeout::in_vain(&limits);
        assert!(!wait(&mut timeout, 1).await);
        timeout.renew(1);
        assert!(!wait(&mut timeout, 50).await);
        assert!(wait(&mut timeout, 50).await);
        assert_eq!(timeout.stall(), Stall::Silent(limits.body));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_sends_a_byte_now_and_then_is_not_waited_for_for_ever() {
        let mut timeout = timeout(60, 120);
        // Bytes that came quickly before do not extend the limit beyond its full length.
        timeout.renew(16 << 20);
        let begun = Instant::now();
        while !wait(&mut timeout, 5).await {
            timeout.renew(1);
        }
        assert_eq!(timeout.stall(), Stall::Slow(Duration::from_secs(120)));
        let took = begun.elapsed().as_secs();
        assert!((115..130).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_sends_a_kibibyte_a_second_may_go_on() {
        let mut timeout = timeout(60, 120);
        for _ in 0..1000 {
            assert!(!wait(&mut timeout, 5).await);
            timeout.renew(5 * 1024);
        }
    }
}
