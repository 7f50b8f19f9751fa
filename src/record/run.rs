//! Runs: a file may hold the records of several runs of dmtap, one after the other. Each run numbers its events from 1.

use super::EventRecord;

/// Detects where each run of a record begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Runs {
    last_seq: u64,
}

impl Runs {
    /// Takes the next event of the record and returns whether it is the first event of another run.
    pub fn begins(&mut self, event: &EventRecord) -> bool {
        // The end of a session repeats the number of the event before it.
        if event.summary.is_some() {
            return false;
        }
        event.seq <= std::mem::replace(&mut self.last_seq, event.seq)
    }
}
