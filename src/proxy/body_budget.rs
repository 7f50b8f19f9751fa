//! The memory for bodies that are read: the received bytes, the decompressed bytes, and the decoded tree.
//!
//! A small body takes memory from a reserve as its bytes come. A large body requests everything that it may need before
//! its first byte is read, and holds nothing while it waits: so bodies cannot deadlock over memory.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A budget of bytes for all connections.
#[derive(Debug)]
pub(super) struct BodyBudget {
    reserve: Arc<Semaphore>,
    large: Arc<Semaphore>,
    /// The sizes of both parts, in bytes.
    sizes: [usize; 2],
    wait: Duration,
}

/// A part of the budget, returned when dropped.
#[derive(Debug, Default)]
pub(super) struct BudgetPermit {
    reserve: Option<OwnedSemaphorePermit>,
    large: Option<OwnedSemaphorePermit>,
}

impl BodyBudget {
    /// Creates a budget in which a body waits for memory at most `wait`.
    pub(super) fn new(bytes: usize, wait: Duration) -> Self {
        let bytes = bytes.min(u32::MAX as usize);
        let reserve = bytes / SMALL_BODIES_DIVISOR;
        let sizes = [reserve, bytes - reserve];
        let [reserve, large] = sizes.map(|bytes| Arc::new(Semaphore::new(bytes)));
        Self {
            reserve,
            large,
            sizes,
            wait,
        }
    }

    /// Returns the size of the whole budget, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.sizes.iter().sum()
    }

    /// Adds `bytes` for a small body to a permit. Returns `false` if there is no memory.
    pub(super) async fn add(&self, permit: &mut BudgetPermit, bytes: usize) -> bool {
        match take(&self.reserve, bytes) {
            Some(more) => merge(&mut permit.reserve, more),
            None if permit.is_large() => return self.add_now(permit, bytes),
            None => return self.announce(permit, bytes).await,
        }
        true
    }

    /// Adds `bytes` to the permit of a body that must not wait any more. Returns `false` if there is no memory.
    pub(super) fn add_now(&self, permit: &mut BudgetPermit, bytes: usize) -> bool {
        let more = take(&self.large, bytes);
        let got = more.is_some();
        if let Some(more) = more {
            merge(&mut permit.large, more);
        }
        got
    }

    /// Requests everything that a large body may need. Waits until others return their memory, and returns whether it
    /// got enough. A body that needs more than the part for large bodies gets all of that part.
    pub(super) async fn announce(&self, permit: &mut BudgetPermit, bytes: usize) -> bool {
        // `new` keeps the size within u32.
        let count = bytes.min(self.sizes[1]) as u32;
        let waiting = self.large.clone().acquire_many_owned(count);
        let Ok(Ok(more)) = tokio::time::timeout(self.wait, waiting).await else {
            return false;
        };
        merge(&mut permit.large, more);
        true
    }
}

fn take(part: &Arc<Semaphore>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    let count = u32::try_from(bytes).ok()?;
    part.clone().try_acquire_many_owned(count).ok()
}

fn merge(held: &mut Option<OwnedSemaphorePermit>, more: OwnedSemaphorePermit) {
    match held {
        Some(held) => held.merge(more),
        None => *held = Some(more),
    }
}

impl BudgetPermit {
    /// Whether the body requested its memory in advance.
    pub(super) fn is_large(&self) -> bool {
        self.large.is_some()
    }

    /// Returns the bytes that the permit holds.
    pub(super) fn bytes(&self) -> usize {
        let parts = [&self.reserve, &self.large].into_iter().flatten();
        parts.map(OwnedSemaphorePermit::num_permits).sum()
    }

    /// Returns the memory beyond `bytes` to the budget, the requested memory first.
    pub(super) fn keep(&mut self, bytes: usize) {
        let mut excess = self.bytes().saturating_sub(bytes);
        for held in [&mut self.large, &mut self.reserve] {
            let Some(permits) = held else { continue };
            let less = excess.min(permits.num_permits());
            if less > 0 {
                drop(permits.split(less));
                excess -= less;
            }
        }
    }
}

/// The divisor of the budget that gives the reserve for small bodies.
const SMALL_BODIES_DIVISOR: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(bytes: usize) -> BodyBudget {
        BodyBudget::new(bytes, Duration::from_millis(50))
    }

    #[tokio::test(start_paused = true)]
    async fn large_bodies_leave_the_reserve_to_small_ones() {
        let budget = budget(1000);
        let mut large = BudgetPermit::default();
        assert!(budget.announce(&mut large, 5000).await);
        assert_eq!(large.bytes(), 750);
        let mut small = BudgetPermit::default();
        assert!(budget.add(&mut small, 250).await);
        assert!(!budget.add(&mut small, 1).await);
        drop(large);
        assert!(budget.add(&mut small, 1).await);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_announced_and_is_not_needed_is_given_back() {
        let budget = budget(1000);
        let mut first = BudgetPermit::default();
        assert!(budget.announce(&mut first, 700).await);
        first.keep(100);
        assert_eq!(first.bytes(), 100);
        let mut second = BudgetPermit::default();
        assert!(!budget.announce(&mut second, 700).await);
        assert!(budget.announce(&mut second, 650).await);
    }
}
