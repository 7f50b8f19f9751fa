//! Numbers events and queues them for the thread that makes their records.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::broadcast;

use super::{QUEUE, Subscription};
use crate::flow::Event;
use crate::record::EventRecord;

/// The events whose records are not made yet. Their number is bounded by their places in the queues of the sinks.
#[derive(Default)]
pub(super) struct Inlet {
    state: Mutex<State>,
    /// Signals that events came, or that no more will come.
    filled: Condvar,
    subscribers: AtomicUsize,
}

/// Events are numbered and queued under one lock, so that sinks see them in order. Nobody waits while holding it.
#[derive(Default)]
struct State {
    seq: u64,
    closed: bool,
    waiting: VecDeque<Numbered>,
    /// Whether the thread sleeps until it is woken.
    idle: bool,
    /// The channel to the subscribers, while there are any.
    shown: Option<broadcast::Sender<Arc<EventRecord>>>,
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
    /// Numbers an event. `place` reserves its places in the queues. It returns the numbered event, whether any sink
    /// gets it, and whether any sink has no room for it.
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
        if state.waiting.is_empty() {
            // Subscribers learn that no more records come.
            state.shown = None;
            return None;
        }
        let few = state.waiting.len().min(BATCH);
        Some(state.waiting.drain(..few).collect())
    }

    /// Accepts no more events and returns how many there were.
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

    /// Sends a record to all subscribers; of a large event, without commands and bodies.
    pub(super) fn show(&self, record: Arc<EventRecord>, bytes: u64) {
        if !self.has_subscribers() {
            return;
        }
        let record = match bytes > LARGEST_SHOWN {
            true => Arc::new(record.without_content()),
            false => record,
        };
        if let Some(shown) = &self.state.lock().shown {
            // It is not a failure if all subscribers have gone.
            let _ = shown.send(record);
        }
    }
}

/// How long the thread sleeps after its work.
const PAUSE: Duration = Duration::from_millis(1);

/// The most events whose records are made before the sinks get them.
const BATCH: usize = 32;

/// The most records that wait for a subscriber.
const SHOWN: usize = 256;

/// The largest event that subscribers see in full, in bytes: so at most 64 MiB wait for them.
const LARGEST_SHOWN: u64 = (64 << 20) / SHOWN as u64;
