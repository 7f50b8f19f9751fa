//! Records for live viewers.

use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::inlet::Inlet;
use crate::record::EventRecord;
use crate::record::model::EventKind;

/// A receiver of live records. A receiver that is too slow misses some; neither the traffic nor a file waits for it.
pub struct Subscription {
    inlet: Arc<Inlet>,
    records: broadcast::Receiver<Arc<EventRecord>>,
    /// The number of the last event received.
    last: u64,
}

/// A record for a subscriber.
#[derive(Clone, Debug)]
pub struct LiveRecord {
    /// The record; for a very large event, without commands and bodies.
    pub record: Arc<EventRecord>,
    /// The number of events that were missed since the record before.
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

    /// Waits for the next record; returns `None` once the journal is closed and all records were received.
    pub async fn next(&mut self) -> Option<LiveRecord> {
        loop {
            let record = match self.records.recv().await {
                Ok(record) => record,
                // The numbers of the events show how many were missed.
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return None,
            };
            // The end of a session repeats the number of the event before it.
            if record.event == EventKind::Session {
                return Some(LiveRecord { record, missed: 0 });
            }
            // This event was numbered before the subscription began.
            if record.seq <= self.last {
                continue;
            }
            let missed = record.seq - self.last - 1;
            self.last = record.seq;
            return Some(LiveRecord { record, missed });
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.inlet.unsubscribe();
    }
}
