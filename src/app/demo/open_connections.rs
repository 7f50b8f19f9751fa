//! Which connections have not ended yet.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::flow::{ConnectionId, Event, EventSink};
use crate::record::Journal;

/// Passes events on to the journal, and knows the connections that are there.
pub(super) struct OpenConnections {
    journal: Arc<Journal>,
    there: watch::Sender<HashSet<ConnectionId>>,
}

impl OpenConnections {
    pub(super) fn new(journal: Arc<Journal>) -> Self {
        let (there, _) = watch::channel(HashSet::new());
        Self { journal, there }
    }

    /// Waits until every opened connection has ended, but no longer than this.
    pub(super) async fn gone(&self, longest: Duration) {
        let mut there = self.there.subscribe();
        let gone = there.wait_for(HashSet::is_empty);
        let _ = tokio::time::timeout(longest, gone).await;
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
        // First the record, then the word that it is complete.
        self.journal.on_event(event);
        if let Some((id, is_there)) = change {
            self.there.send_modify(|there| {
                match is_there {
                    true => there.insert(id),
                    false => there.remove(&id),
                };
            });
        }
    }
}
