//! Runs: a file may hold the records of several runs of dmtap, one after the other. Each run numbers its events from 1.

use super::EventRecord;

/// Detects where each run of a record begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Runs {
    last: u32,
}

impl Runs {
    /// Takes the next event of the record and returns whether it is the first event of another run.
    pub fn begins(&mut self, event: &EventRecord) -> bool {
        event.run != std::mem::replace(&mut self.last, event.run)
    }
}

/// Counts the runs of a file while it is read.
#[derive(Debug, Default)]
pub(super) struct RunCount {
    number: u32,
    last_seq: u64,
    /// The id of the run, from its `run` line: early versions wrote none.
    id: Option<String>,
    has_ended: bool,
}

impl RunCount {
    /// Takes the `run` line of a run. A record that was begun again at SIGHUP repeats the line.
    pub(super) fn line(&mut self, id: String) {
        self.has_ended |= self.last_seq > 0 && self.id.as_ref() != Some(&id);
        self.id = Some(id);
    }

    /// Returns the number of the run of the next event, from 0.
    pub(super) fn of(&mut self, event: &EventRecord) -> u32 {
        // The end of a session repeats the number of the event before it.
        let is_end = event.summary.is_some();
        if self.has_ended || !is_end && event.seq <= self.last_seq {
            self.number += 1;
        }
        self.has_ended = false;
        self.last_seq = event.seq;
        self.number
    }
}
