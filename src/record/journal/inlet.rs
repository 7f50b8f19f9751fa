//! Where events get their numbers, and wait for the thread that makes their records.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::broadcast;

use super::{QUEUE, Subscription};
use crate::flow::Event;
use crate::record::EventRecord;

/// Events whose records are not made yet. Their places in the queues of the sinks bound them.
#[derive(Default)]
pub(super) struct Inlet {
    state: Mutex<State>,
    /// Events came, or none will any more.
    filled: Condvar,
    subscribers: AtomicUsize,
}

/// Numbers are given and queued under one lock, so sinks see them in order. Nobody waits under it.
#[derive(Default)]
struct State {
    seq: u64,
    closed: bool,
    waiting: VecDeque<Numbered>,
    /// Whether the thread sleeps until it is woken.
    idle: bool,
    /// Where subscribers get records, once there was one.
    shown: Option<broadcast::Sender<Arc<EventRecord>>>,
}

/// An event with its number.
pub(super) struct Numbered {
    pub(super) seq: u64,
    pub(super) event: Event,
    /// About how many bytes it keeps in memory.
    pub(super) bytes: u64,
    /// The sinks that do not get it, by their place among all; mostly none.
    pub(super) without: Vec<usize>,
}

impl Inlet {
    /// Numbers an event. `place` gives it its places in the queues, and says whether any sink gets it and whether one
    /// has no room for it.
    pub(super) fn put(&self, place: impl FnOnce(u64) -> (Numbered, bool, bool)) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        state.seq += 1;
        let (numbered, is_wanted, is_urgent) = place(state.seq);
        let has_room = state.shown.is_some() && state.waiting.len() < QUEUE;
        if is_wanted || has_room {
            state.waiting.push_back(numbered);
        }
        if state.idle || is_urgent {
            self.filled.notify_one();
        }
    }

    /// The next events, a few at a time; `None` where no more can come.
    ///
    /// A thread that is woken for each event costs the traffic more than what it does. So it sleeps a moment after it
    /// worked, without asking to be woken, and finds all that came meanwhile.
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
        if state.waiting.is_empty() {
            // Subscribers learn that this was all.
            state.shown = None;
            return None;
        }
        let few = state.waiting.len().min(BATCH);
        Some(state.waiting.drain(..few).collect())
    }

    /// No more events; how many there were.
    pub(super) fn close(&self) -> u64 {
        let mut state = self.state.lock();
        state.closed = true;
        self.filled.notify_one();
        state.seq
    }

    pub(super) fn has_subscribers(&self) -> bool {
        self.subscribers.load(Ordering::Relaxed) > 0
    }

    pub(super) fn subscribe(self: &Arc<Self>) -> Subscription {
        let mut state = self.state.lock();
        let (closed, seq) = (state.closed, state.seq);
        let shown = state
            .shown
            .get_or_insert_with(|| broadcast::channel(SHOWN).0);
        let records = shown.subscribe();
        if closed {
            state.shown = None;
        }
        self.subscribers.fetch_add(1, Ordering::Relaxed);
        Subscription::new(self.clone(), records, seq)
    }

    pub(super) fn unsubscribe(&self) {
        self.subscribers.fetch_sub(1, Ordering::Relaxed);
        let mut state = self.state.lock();
        if !self.has_subscribers() {
            state.shown = None;
        }
    }

    /// Shows a record to all subscribers; of a large one only what it is about.
    pub(super) fn show(&self, record: Arc<EventRecord>, bytes: u64) {
        if !self.has_subscribers() {
            return;
        }
        let record = match bytes > LARGEST_SHOWN {
            true => Arc::new(record.without_content()),
            false => record,
        };
        if let Some(shown) = &self.state.lock().shown {
            // That nobody is there any more is no failure.
            let _ = shown.send(record);
        }
    }
}

/// How long the thread sleeps after it worked.
const PAUSE: Duration = Duration::from_millis(1);

/// Events of which the records are made before the sinks get them.
const BATCH: usize = 32;

/// Records that wait for a subscriber at most.
const SHOWN: usize = 256;

/// The largest event that subscribers see whole, in bytes: 64 MiB wait for them at most.
const LARGEST_SHOWN: u64 = (64 << 20) / SHOWN as u64;
