//! The queue of one sink: bounded in events and in bytes; no wait for it is endless.
//!
//! An event gets its place in the order of event numbers, without waiting. If there is no room yet, the exchange waits
//! afterwards, without holding a lock. So a queue exceeds its bounds by at most one event for each waiting exchange,
//! which that exchange would hold in memory anyway. The record of an event follows later: an event counts from the
//! moment it has a place.
//!
//! Small and large events have separate bounds, so that a device with small messages does not wait behind the bodies of
//! other devices.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::{JournalLimits, SinkSummary, WhenFull};
use crate::record::{EventRecord, Sink};

/// The records that one sink has not taken yet.
pub(super) struct SinkQueue {
    /// The name of the sink.
    pub(super) name: String,
    limits: JournalLimits,
    when_full: WhenFull,
    state: Mutex<State>,
    /// Signals that records came, or that no more will come.
    filled: Condvar,
    /// Signals that there is room again, or that nobody needs to wait for room any more.
    drained: Condvar,
    /// Signals that the sink's thread wrote something, or ended.
    moved: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Entry>,
    /// The numbers of events that got a place, and of events that were taken out.
    put: u64,
    taken: u64,
    /// The bytes of these events, by [`Size`].
    put_bytes: [u64; 2],
    taken_bytes: [u64; 2],
    dropped: u64,
    /// The sink that is to replace the present one.
    replacement: Option<Box<dyn Sink>>,
    /// Whether the sink's thread sleeps until something comes.
    idle: bool,
    waiters: u32,
    /// Whether the traffic puts in nothing more.
    closed: bool,
    /// Whether nothing more is delivered.
    complete: bool,
    /// Whether nothing more is taken out.
    dead: bool,
    /// Whether an event waited too long for room.
    given_up: bool,
    ended: Option<Ended>,
}

/// A record, and about how many bytes its event keeps in memory.
pub(super) type Entry = (Arc<EventRecord>, u64);

/// The result of asking for a place in the queue.
pub(super) enum Place {
    /// The event has a place; its record is to be delivered.
    Taken,
    /// The event has a place, but there was no room: [`SinkQueue::wait`] waits for it with this ticket.
    Crowded(Ticket),
    /// The event is left out. The value is the number of events left out so far.
    Dropped(u64),
    /// The sink takes nothing more.
    Ended,
}

/// The class of an event; each class has its own byte limit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    Small,
    Large,
}

/// The position of an event in the queue.
#[derive(Clone, Copy)]
pub(super) struct Ticket {
    before: u64,
    size: Size,
    /// The bytes of the same [`Size`] that were put in before the event, and the bytes of the event.
    bytes_before: u64,
    bytes: u64,
}

/// The result of a sink's thread.
#[derive(Default)]
pub(super) struct Ended {
    pub(super) written: u64,
    pub(super) failure: Option<String>,
}

impl Ended {
    pub(super) fn failed(why: String) -> Self {
        Self {
            written: 0,
            failure: Some(why),
        }
    }
}

/// The next task of a sink's thread.
pub(super) enum Next {
    Write(Arc<EventRecord>),
    /// The first unflushed event has waited long enough: flush.
    Flush,
    /// Use this sink from now on.
    Replace(Box<dyn Sink>),
    End,
}

impl SinkQueue {
    pub(super) fn new(name: String, limits: JournalLimits, when_full: WhenFull) -> Self {
        Self {
            name,
            limits,
            when_full,
            state: Mutex::default(),
            filled: Condvar::new(),
            drained: Condvar::new(),
            moved: Condvar::new(),
        }
    }

    /// Gives an event of `bytes` bytes its place, without waiting.
    pub(super) fn place(&self, bytes: u64) -> Place {
        let mut state = self.state.lock();
        if state.closed || state.dead {
            return Place::Ended;
        }
        self.place_in(&mut state, bytes)
    }

    fn place_in(&self, state: &mut State, bytes: u64) -> Place {
        let size = self.limits.size_of(bytes);
        let ticket = Ticket {
            before: state.put,
            size,
            bytes_before: state.put_bytes[size as usize],
            bytes,
        };
        let has_room = state.has_room(ticket, self.limits);
        if !has_room && self.when_full == WhenFull::DropNewest {
            state.dropped += 1;
            return Place::Dropped(state.dropped);
        }
        state.put += 1;
        state.put_bytes[size as usize] += bytes;
        match has_room {
            true => Place::Taken,
            false => Place::Crowded(ticket),
        }
    }

    /// Gives the end of a session its place; returns `false` if it gets none. This call never blocks: a full queue
    /// drops the event, or makes later traffic wait. After the traffic has ended there is always room.
    pub(super) fn place_end(&self, bytes: u64) -> bool {
        let mut state = self.state.lock();
        if state.dead {
            return false;
        }
        !matches!(self.place_in(&mut state, bytes), Place::Dropped(_))
    }

    /// Puts in records, in order. Each already has a place.
    pub(super) fn deliver(&self, records: impl Iterator<Item = Entry>) {
        let mut state = self.state.lock();
        if state.dead {
            return;
        }
        state.waiting.extend(records);
        if state.idle {
            self.filled.notify_one();
        }
    }

    /// Returns whether there is room for a ticket by now.
    pub(super) fn has_room(&self, ticket: Ticket) -> bool {
        self.state.lock().has_room(ticket, self.limits)
    }

    /// Waits for room. Gives up on the sink if it takes nothing for [`JournalLimits::patience`]; then nobody waits for
    /// it any more.
    pub(super) fn wait(&self, ticket: Ticket) {
        let mut state = self.state.lock();
        let has_room = |state: &State| state.has_room(ticket, self.limits);
        state.waiters += 1;
        wait_for_sink(&self.drained, &mut state, self.limits.patience, has_room);
        state.waiters -= 1;
        if has_room(&state) {
            return;
        }
        state.given_up = true;
        drop(self.stop(state));
        tracing::error!(
            sink = self.name,
            patience = ?self.limits.patience,
            "record: the output took no event in this time, nothing more is written there"
        );
    }

    /// Ends the queue and returns the remaining records, which the caller drops after the lock is released.
    fn stop(&self, mut state: MutexGuard<'_, State>) -> VecDeque<Entry> {
        state.dead = true;
        self.drained.notify_all();
        self.filled.notify_one();
        std::mem::take(&mut state.waiting)
    }

    /// Returns the next task. Waits until there is one, but not longer than until `flush_at`.
    pub(super) fn next(&self, flush_at: Option<Instant>) -> Next {
        let patience = flush_at.map(|at| at.saturating_duration_since(Instant::now()));
        let mut state = self.state.lock();
        if state.closed {
            self.moved.notify_one();
        }
        if patience == Some(Duration::ZERO) && !state.dead {
            return Next::Flush;
        }
        state.idle = true;
        let idle = |state: &mut State| {
            let has_work = !state.waiting.is_empty() || state.replacement.is_some();
            !has_work && !state.is_over()
        };
        match patience {
            None => self.filled.wait_while(&mut state, idle),
            Some(patience) => {
                self.filled.wait_while_for(&mut state, idle, patience);
            }
        }
        state.idle = false;
        if let Some(sink) = state.replacement.take() {
            return Next::Replace(sink);
        }
        let Some((record, bytes)) = state.waiting.pop_front() else {
            return match state.is_over() {
                true => Next::End,
                false => Next::Flush,
            };
        };
        state.taken += 1;
        let size = self.limits.size_of(bytes);
        state.taken_bytes[size as usize] += bytes;
        if state.waiters > 0 {
            self.drained.notify_all();
        }
        Next::Write(record)
    }

    /// Whether nothing more is taken out, because the sink failed.
    pub(super) fn is_dead(&self) -> bool {
        self.state.lock().dead
    }

    /// Replaces the present sink.
    pub(super) fn replace(&self, sink: Box<dyn Sink>) {
        self.state.lock().replacement = Some(sink);
        self.filled.notify_one();
    }

    /// Accepts no more events from the traffic.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.filled.notify_one();
        self.drained.notify_all();
    }

    /// Notes that every record was delivered.
    pub(super) fn complete(&self) {
        self.state.lock().complete = true;
        self.filled.notify_one();
    }

    /// Notes that the sink's thread has ended; the first call counts.
    pub(super) fn ended(&self, ended: Ended) {
        let mut state = self.state.lock();
        state.ended.get_or_insert(ended);
        let left = self.stop(state);
        self.moved.notify_one();
        drop(left);
    }

    /// Waits for the end of the sink's thread and returns its result. The sink has failed if the thread makes no
    /// progress for [`JournalLimits::farewell`], or if the sink was given up before.
    pub(super) fn end(&self) -> SinkSummary {
        let mut state = self.state.lock();
        let is_over = |state: &State| state.ended.is_some() || state.dead;
        wait_for_sink(&self.moved, &mut state, self.limits.farewell, is_over);
        let ended = state.ended.take().filter(|_| !state.given_up);
        let dropped = state.dropped;
        drop(state);
        let ended = ended.unwrap_or_else(|| {
            tracing::error!(sink = self.name, "record: {STUCK}");
            Ended::failed(STUCK.to_owned())
        });
        if dropped > 0 {
            tracing::warn!(sink = self.name, dropped, "record: events were left out");
        }
        SinkSummary {
            name: self.name.clone(),
            written: ended.written,
            dropped,
            failure: ended.failure,
        }
    }
}

/// Waits until `is_done`, or until the sink took nothing for `limit`. A sink that is slow but still takes events is not
/// stuck.
fn wait_for_sink(
    signal: &Condvar,
    state: &mut MutexGuard<'_, State>,
    limit: Duration,
    is_done: impl Fn(&State) -> bool,
) {
    let (mut taken, mut since) = (state.taken, Instant::now());
    while !is_done(state) {
        let left = limit.saturating_sub(since.elapsed());
        if left.is_zero() {
            return;
        }
        signal.wait_for(state, left);
        if state.taken != taken {
            (taken, since) = (state.taken, Instant::now());
        }
    }
}

impl State {
    /// Returns whether nothing more can come.
    fn is_over(&self) -> bool {
        self.closed && self.complete && self.put == self.taken || self.dead
    }

    /// Returns whether an event has room: few enough events are in front of it, and their bytes fit. The first event of
    /// its size has room whatever its bytes.
    fn has_room(&self, ticket: Ticket, limits: JournalLimits) -> bool {
        let in_front = ticket.before.saturating_sub(self.taken);
        let taken = self.taken_bytes[ticket.size as usize];
        let bytes_in_front = ticket.bytes_before.saturating_sub(taken);
        let most = limits.bytes_of(ticket.size);
        let fits = bytes_in_front == 0 || bytes_in_front + ticket.bytes <= most;
        in_front < limits.events && fits || self.closed || self.dead
    }
}

impl JournalLimits {
    fn size_of(self, bytes: u64) -> Size {
        match bytes > self.bytes / SMALL {
            true => Size::Large,
            false => Size::Small,
        }
    }

    fn bytes_of(self, size: Size) -> u64 {
        let reserve = self.bytes / RESERVE;
        match size {
            Size::Small => reserve,
            Size::Large => self.bytes - reserve,
        }
    }
}

/// The error of a sink whose thread does not finish.
const STUCK: &str = "writing there did not finish";

/// An event is small up to the byte limit divided by this: 128 KiB of 64 MiB.
const SMALL: u64 = 512;

/// The byte limit divided by this is reserved for small events.
const RESERVE: u64 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_sessions_count_for_the_bounds_and_are_dropped_as_events_are() {
        let limits = JournalLimits {
            events: 3,
            bytes: 1 << 20,
            ..JournalLimits::default()
        };
        let dropping = SinkQueue::new(String::new(), limits, WhenFull::DropNewest);
        let placed = (0..5).filter(|_| dropping.place_end(100)).count();
        assert_eq!(placed, 3);
        assert!(matches!(dropping.place(1), Place::Dropped(3)));
        // A blocking queue loses none, and the traffic waits for them.
        let blocking = SinkQueue::new(String::new(), limits, WhenFull::Block);
        assert_eq!((0..5).filter(|_| blocking.place_end(100)).count(), 5);
        assert!(matches!(blocking.place(1), Place::Crowded(_)));
        // The byte limit applies, too.
        let dropping = SinkQueue::new(
            String::new(),
            JournalLimits {
                bytes: 4_000,
                ..limits
            },
            WhenFull::DropNewest,
        );
        let placed = (0..3).filter(|_| dropping.place_end(2_000)).count();
        assert_eq!(placed, 1);
        // After the traffic has ended, every end is kept.
        dropping.close();
        assert!(dropping.place_end(2_000));
    }
}
