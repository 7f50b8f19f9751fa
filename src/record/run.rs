//! Runs: a file may hold the records of several runs of dmtap, one behind the other, and each counts from 1.

use super::EventRecord;

/// Where the runs of a record begin.
#[derive(Clone, Copy, Debug, Default)]
pub struct Runs {
    last_seq: u64,
}

impl Runs {
    /// Takes in an event of the record; whether it is the first one of another run.
    pub fn begins(&mut self, event: &EventRecord) -> bool {
        // The end of a session has the number of the event before it.
        if event.summary.is_some() {
            return false;
        }
        event.seq <= std::mem::replace(&mut self.last_seq, event.seq)
    }
}
