//! The connections that have not ended yet.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::flow::{ConnectionId, Event, EventSink};
use crate::record::Journal;

/// An event sink that passes events on to the journal, and keeps the open connections.
pub(super) struct OpenConnections {
    journal: Arc<Journal>,
    open: watch::Sender<HashSet<ConnectionId>>,
}

impl OpenConnections {
    pub(super) fn new(journal: Arc<Journal>) -> Self {
        let (open, _) = watch::channel(HashSet::new());
        Self { journal, open }
    }

    /// Waits until all connections have ended, but no longer than `longest`.
    pub(super) async fn all_ended(&self, longest: Duration) {
        let mut open = self.open.subscribe();
        let all_ended = open.wait_for(HashSet::is_empty);
        let _ = tokio::time::timeout(longest, all_ended).await;
    }
}

impl EventSink for OpenConnections {
    fn on_event(&self, event: Event) {
        let change = match &event {
            Event::ConnectionDecided { connection, .. } => Some((*connection, true)),
            Event::Opened(connection) => Some((connection.id, true)),
            Event::Refused { connection, .. } | Event::Closed { connection, .. } => {
                Some((*connection, false))
            }
            _ => None,
        };
        // The record gets the event first: an ended connection means that its record is complete.
        self.journal.on_event(event);
        if let Some((id, is_open)) = change {
            self.open.send_modify(|open| {
                match is_open {
                    true => open.insert(id),
                    false => open.remove(&id),
                };
            });
        }
    }
}
