//! The memory set aside for bodies that are held while somebody reads them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A budget of bytes over all connections.
#[derive(Debug)]
pub(super) struct Room {
    free: Arc<Semaphore>,
    bytes: usize,
}

/// A part of it, given back when dropped.
#[derive(Debug)]
pub(super) struct Hold {
    _bytes: OwnedSemaphorePermit,
}

impl Room {
    pub(super) fn new(bytes: usize) -> Self {
        let bytes = bytes.min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(bytes)),
            bytes,
        }
    }

    /// All of it, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds `bytes` to a hold. Waits up to `limit` for others to give theirs back, and says whether it got them.
    pub(super) async fn grow(
        &self,
        hold: &mut Option<Hold>,
        bytes: usize,
        limit: Duration,
    ) -> bool {
        let Ok(count) = u32::try_from(bytes) else {
            return false;
        };
        let more = match self.free.clone().try_acquire_many_owned(count) {
            Ok(more) => more,
            Err(_) => {
                let waiting = self.free.clone().acquire_many_owned(count);
                let Ok(Ok(more)) = tokio::time::timeout(limit, waiting).await else {
                    return false;
                };
                more
            }
        };
        match hold {
            Some(hold) => hold._bytes.merge(more),
            None => *hold = Some(Hold { _bytes: more }),
        }
        true
    }
}
