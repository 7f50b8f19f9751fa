//! The thread that makes records: one record for each event, and one more for each session that ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::Sessions;
use super::event_queue::{EventQueue, NumberedEvent};
use super::sink_queue::SinkQueue;
use crate::flow::lint::Linter;
use crate::flow::{Event, SessionEnd};
use crate::record::analysis::AnalysedSession;
use crate::record::{EventRecord, Masking, lint};

/// Makes the records of events and delivers them, until no more events can come.
pub(super) fn run(
    events: &EventQueue,
    sinks: &[Arc<SinkQueue>],
    masking: Masking,
    sessions: Sessions,
) {
    let mut sessions = SessionStage {
        sessions,
        ..SessionStage::default()
    };
    while let Some(batch) = events.next() {
        let mut records = Vec::with_capacity(batch.len());
        for numbered in batch {
            let numbered = sessions.lint(numbered);
            let record = Arc::new(record_of(&numbered, masking));
            let ends = sessions.event(&record);
            records.push((record, numbered.bytes, numbered.without));
            // The end of a session directly follows the event that caused it.
            records.extend(ends.into_iter().map(|end| placed(sinks, end)));
        }
        deliver(sinks, &records);
    }
    let ends = sessions.finish().into_iter();
    let records: Vec<_> = ends.map(|end| placed(sinks, end)).collect();
    deliver(sinks, &records);
    for sink in sinks {
        sink.complete();
    }
}

/// A record, about how many bytes it keeps in memory, and the numbers of the sinks that do not get it.
type Placed = (Arc<EventRecord>, u64, Vec<usize>);

/// Reserves a place for the end of a session in every queue. It counts and is dropped like an event.
fn placed(sinks: &[Arc<SinkQueue>], end: Arc<EventRecord>) -> Placed {
    let bytes = serde_json::to_vec(&*end).map_or(0, |line| line.len());
    let bytes = (bytes + std::mem::size_of::<EventRecord>()) as u64;
    let numbered = sinks.iter().enumerate();
    let without = numbered.filter(|(_, sink)| !sink.place_end(bytes));
    let without = without.map(|(number, _)| number).collect();
    (end, bytes, without)
}

fn deliver(sinks: &[Arc<SinkQueue>], records: &[Placed]) {
    for (number, sink) in sinks.iter().enumerate() {
        let wanted = records
            .iter()
            .filter(|(.., without)| !without.contains(&number));
        let wanted = wanted.map(|(record, bytes, _)| (record.clone(), *bytes));
        sink.deliver(wanted);
    }
}

/// Follows the sessions of a run, and makes a record of each session that ends.
#[derive(Default)]
struct SessionStage {
    sessions: Sessions,
    linter: Linter,
    last: Option<Arc<EventRecord>>,
    /// Whether a step panicked: recording continues without session analysis and lint.
    has_failed: bool,
}

impl SessionStage {
    /// Returns the event with the linter's notes about its message added.
    fn lint(&mut self, mut numbered: NumberedEvent) -> NumberedEvent {
        if self.has_failed {
            return numbered;
        }
        let linter = &mut self.linter;
        let found = catch_unwind(AssertUnwindSafe(|| lint::of_event(linter, &numbered.event)));
        let Ok(found) = found else {
            tracing::error!("record: a message cannot be judged, recording continues without lint");
            self.has_failed = true;
            return numbered;
        };
        if let (false, Event::Request(message) | Event::Response(message)) =
            (found.is_empty(), &mut numbered.event)
        {
            Arc::make_mut(message).notes.extend(found);
        }
        numbered
    }

    fn event(&mut self, record: &Arc<EventRecord>) -> Vec<Arc<EventRecord>> {
        self.last = Some(record.clone());
        self.ended(|sessions| sessions.event(record))
    }

    fn finish(&mut self) -> Vec<Arc<EventRecord>> {
        self.ended(Sessions::finish)
    }

    fn ended(
        &mut self,
        ended: impl FnOnce(&Sessions) -> Vec<Arc<AnalysedSession>>,
    ) -> Vec<Arc<EventRecord>> {
        let Some(last) = self.last.as_ref().filter(|_| !self.has_failed) else {
            return Vec::new();
        };
        let ended = catch_unwind(AssertUnwindSafe(|| ended(&self.sessions)));
        let Ok(ended) = ended else {
            tracing::error!(
                "record: the sessions cannot be analysed, recording continues without them"
            );
            self.has_failed = true;
            return Vec::new();
        };
        // Summaries without a session also have events of their own.
        let is_session = |it: &Arc<AnalysedSession>| {
            it.summary.number.is_some() || it.summary.end != SessionEnd::Open
        };
        let records = ended
            .into_iter()
            .filter(is_session)
            .map(|session| last.session_end(session.summary.clone()));
        records.map(Arc::new).collect()
    }
}

/// Makes the record of an event. The content of an event that cannot be examined is not shown.
fn record_of(numbered: &NumberedEvent, masking: Masking) -> EventRecord {
    let NumberedEvent { seq, event, .. } = numbered;
    let made = catch_unwind(AssertUnwindSafe(|| EventRecord::of(*seq, event, masking)));
    made.unwrap_or_else(|_| {
        tracing::error!(
            seq,
            "record: the event could not be examined, its content is not shown"
        );
        EventRecord::unexamined(*seq, event)
    })
}
