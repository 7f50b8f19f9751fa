//! Numbers events and queues them for the thread that makes their records.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::flow::{CapturedBody, CapturedMessage, Event};

/// The events whose records are not made yet. Their number is bounded by their places in the queues of the sinks.
#[derive(Default)]
pub(super) struct EventQueue {
    state: Mutex<State>,
    /// Signals that events came, or that no more will come.
    filled: Condvar,
}

/// Events are numbered and queued under one lock, so that sinks see them in order. Nobody waits while holding it.
#[derive(Default)]
struct State {
    seq: u64,
    closed: bool,
    waiting: VecDeque<NumberedEvent>,
    /// Whether the thread sleeps until it is woken.
    idle: bool,
}

/// An event with its number.
pub(super) struct NumberedEvent {
    pub(super) seq: u64,
    pub(super) event: Event,
    /// About how many bytes the event keeps in memory.
    pub(super) bytes: u64,
    /// The numbers of the sinks that do not get the event; mostly none.
    pub(super) without: Vec<usize>,
}

impl EventQueue {
    /// Numbers an event. `place` reserves its places in the queues. It returns the numbered event if any sink gets it,
    /// and whether any sink has no room for it.
    pub(super) fn put(&self, place: impl FnOnce(u64) -> (Option<NumberedEvent>, bool)) {
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
    pub(super) fn next(&self) -> Option<Vec<NumberedEvent>> {
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

/// Returns about how many bytes an event keeps in memory. Documents of earlier messages, which links refer to, are kept
/// by their session.
pub(super) fn weight(event: &Event) -> u64 {
    let bytes = match event {
        Event::Request(captured) | Event::Response(captured) => of_captured(captured),
        Event::Refused { why, .. } | Event::Malformed { why, .. } | Event::Failed { why, .. } => {
            why.len()
        }
        _ => 0,
    };
    (bytes + std::mem::size_of::<CapturedMessage>()) as u64
}

fn of_captured(captured: &CapturedMessage) -> usize {
    let CapturedBody {
        received,
        plain,
        sent,
        parsed,
        sent_document,
    } = &captured.body;
    let changed = received.as_ptr() != sent.as_ptr();
    let documents = parsed.document().into_iter().chain(sent_document);
    let documents = documents.map(|document| {
        let source = document.source();
        let shared = source.as_ptr() == received.as_ptr() || source.as_ptr() == sent.as_ptr();
        let own = if shared { 0 } else { source.len() };
        own + document.len() * NODE
    });
    let applied = captured.applied.iter().flat_map(|applied| {
        let splices = applied.patch.splices().iter().map(|s| s.with.len());
        let changes = applied.changes.iter();
        splices.chain(changes.map(|c| c.path.len() + c.before.len() + c.after.len()))
    });
    let notes = captured.notes.iter().map(|note| note.text.len());
    let heads = captured.head.headers().iter();
    let heads = heads.map(|(name, value)| name.as_str().len() + value.len());
    received.len()
        + plain.as_ref().map_or(0, |plain| plain.len())
        + if changed { sent.len() } else { 0 }
        + documents.sum::<usize>()
        + applied.sum::<usize>()
        + notes.sum::<usize>()
        + heads.sum::<usize>()
        + captured.links.len() * LINK
}

/// The bytes that are counted for a node of a document; its entry in the arena takes 12.
const NODE: usize = 20;

/// The bytes of a link to an answered command.
const LINK: usize = 24;
