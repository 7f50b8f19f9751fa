//! Records for somebody who looks on while they are made.

use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::inlet::Inlet;
use crate::record::EventRecord;
use crate::record::model::EventKind;

/// Live records. Whoever takes them too slowly misses some: neither the traffic nor a file waits.
pub struct Subscription {
    inlet: Arc<Inlet>,
    records: broadcast::Receiver<Arc<EventRecord>>,
    /// The number of the last event taken.
    last: u64,
}

/// A record as a subscriber gets it.
#[derive(Clone, Debug)]
pub struct Live {
    /// The record; of a very large event without commands and bodies.
    pub record: Arc<EventRecord>,
    /// How many events between this one and the one before were missed.
    pub missed: u64,
}

impl Subscription {
    pub(super) fn new(
        inlet: Arc<Inlet>,
        records: broadcast::Receiver<Arc<EventRecord>>,
        last: u64,
    ) -> Self {
        Self {
            inlet,
            records,
            last,
        }
    }

    /// Waits for the next record; `None` once the journal is closed and all were taken.
    pub async fn next(&mut self) -> Option<Live> {
        loop {
            let record = match self.records.recv().await {
                Ok(record) => record,
                // The numbers of the events tell how many.
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return None,
            };
            // It has the number of the event before it.
            if record.event == EventKind::Session {
                return Some(Live { record, missed: 0 });
            }
            // One that was numbered before this subscription began.
            if record.seq <= self.last {
                continue;
            }
            let missed = record.seq - self.last - 1;
            self.last = record.seq;
            return Some(Live { record, missed });
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.inlet.unsubscribe();
    }
}
