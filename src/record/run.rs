//! Runs: a file may hold the records of several runs of dmtap, one behind the other, and each counts from 1.

use super::EventRecord;

/// Which run of a record an event belongs to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Runs {
    run: u32,
    last_seq: u64,
}

impl Runs {
    /// The number of the run that this event is of, from 0.
    pub fn of(&mut self, event: &EventRecord) -> u32 {
        // The end of a session has the number of the event before it.
        if event.summary.is_none() {
            self.run += u32::from(event.seq <= self.last_seq);
            self.last_seq = event.seq;
        }
        self.run
    }
}
