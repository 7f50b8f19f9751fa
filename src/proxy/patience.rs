//! Waiting for a peer, but not for ever.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// A limit for each wait. It costs nothing while the peer is quick: the timer is made at the first wait, and one
/// that runs is set anew only when it goes off.
#[derive(Debug, Default)]
pub(super) struct Patience {
    limit: Duration,
    until: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit,
            until: None,
            timer: None,
        }
    }

    /// The longest wait.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// The peer did something: the next wait begins anew.
    pub(super) fn renew(&mut self) {
        self.until = None;
    }

    /// Ready when the wait took too long.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        let until = *self.until.get_or_insert_with(|| Instant::now() + limit);
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn a_renewed_wait_has_its_whole_limit() {
        let limit = Duration::from_millis(20);
        let mut patience = Patience::new(limit);
        let wait = poll_fn(|cx| patience.poll_end(cx));
        assert!(tokio::time::timeout(limit / 2, wait).await.is_err());
        patience.renew();
        let renewed = Instant::now();
        poll_fn(|cx| patience.poll_end(cx)).await;
        assert!(renewed.elapsed() >= limit);
    }
}
