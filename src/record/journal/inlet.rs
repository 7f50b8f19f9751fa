//! Numbers events and queues them for the thread that makes their records.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::flow::Event;

/// The events whose records are not made yet. Their number is bounded by their places in the queues of the sinks.
#[derive(Default)]
pub(super) struct Inlet {
    state: Mutex<State>,
    /// Signals that events came, or that no more will come.
    filled: Condvar,
}

/// Events are numbered and queued under one lock, so that sinks see them in order. Nobody waits while holding it.
#[derive(Default)]
struct State {
    seq: u64,
    closed: bool,
    waiting: VecDeque<Numbered>,
    /// Whether the thread sleeps until it is woken.
    idle: bool,
}

/// An event with its number.
pub(super) struct Numbered {
    pub(super) seq: u64,
    pub(super) event: Event,
    /// About how many bytes the event keeps in memory.
    pub(super) bytes: u64,
    /// The numbers of the sinks that do not get the event; mostly none.
    pub(super) without: Vec<usize>,
}

impl Inlet {
    /// Numbers an event. `place` reserves its places in the queues. It returns the numbered event if any sink gets it,
    /// and whether any sink has no room for it.
    pub(super) fn put(&self, place: impl FnOnce(u64) -> (Option<Numbered>, bool)) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        state.seq += 1;
        let (numbered, is_urgent) = place(state.seq);
        state.waiting.extend(numbered);
        if state.idle || is_urgent {
            self.filled.notify_one();
        }
    }

    /// Waits for the next events and returns a few of them; `None` if no more can come.
    ///
    /// Waking the thread for each event costs the traffic more than the event itself. So after its work the thread
    /// sleeps a moment without asking to be woken, and then takes all events that came meanwhile.
    pub(super) fn next(&self) -> Option<Vec<Numbered>> {
        let mut state = self.state.lock();
        if state.waiting.is_empty() && !state.closed {
            self.filled.wait_for(&mut state, PAUSE);
        }
        while state.waiting.is_empty() && !state.closed {
            state.idle = true;
            self.filled.wait(&mut state);
            state.idle = false;
        }
        let few = state.waiting.len().min(BATCH);
        (few > 0).then(|| state.waiting.drain(..few).collect())
    }

    /// Accepts no more events and returns how many there were.
    pub(super) fn close(&self) -> u64 {
        let mut state = self.state.lock();
        state.closed = true;
        self.filled.notify_one();
        state.seq
    }
}

/// How long the thread sleeps after its work.
const PAUSE: Duration = Duration::from_millis(1);

/// The most events whose records are made before the sinks get them.
const BATCH: usize = 32;
