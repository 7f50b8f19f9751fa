//! The journal: numbers events, makes their records on one thread, and passes the records to the sinks. Each sink has
//! its own queue and thread.

mod examine;
mod inlet;
mod queue;
mod sessions;
mod subscription;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, thread};

use parking_lot::Mutex;

use super::{Masking, Renew, Sink};
use crate::error_text;
use crate::flow::{Event, EventSink};
use examine::examine;
use inlet::{Inlet, Numbered};
use queue::{Bounds, Next, Place, Queue, Ticket, Waited};
pub use sessions::Sessions;
pub use subscription::{LiveRecord, Subscription};

/// The most events that wait for one sink.
pub const QUEUE: usize = 1024;

/// The most bytes that the events waiting for one sink keep in memory, bodies and trees together. A single event may be
/// larger. A quarter of the bytes is reserved for small events.
pub const QUEUE_BYTES: u64 = 64 << 20;

/// How long traffic waits for a sink with [`WhenFull::Block`]. A sink that takes no event in all this time has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How long [`Journal::close`] waits for a sink that makes no progress.
pub const FAREWELL: Duration = Duration::from_secs(5);

/// How long the first unflushed event stays in a sink's buffer, whether more events come or not. So a record is never
/// further behind than this, and a busy sink does not need a system call for every event.
pub const FLUSH_AFTER: Duration = Duration::from_millis(20);

/// The action for an event when a sink's queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The traffic waits, at most [`PATIENCE`]. The record has no gap.
    Block,
    /// The event is left out and counted.
    DropNewest,
}

/// Numbers events from 1 and hands their records to every sink.
pub struct Journal {
    inlet: Arc<Inlet>,
    lanes: Arc<[Lane]>,
    renewals: Mutex<Vec<(String, Box<dyn Renew>)>>,
    patience: Duration,
    farewell: Duration,
    written: Mutex<Option<Result<Summary, CloseError>>>,
}

/// One sink of a journal, with its queue.
struct Lane {
    name: String,
    queue: Arc<Queue>,
    /// The reason why the sink has no thread.
    stillborn: Option<String>,
}

/// The result of a sink's thread.
#[derive(Default)]
struct Ended {
    written: u64,
    failure: Option<String>,
}

/// The result of a journal, known when the journal is closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The number of events received.
    pub events: u64,
    /// The sinks in the order in which they were added.
    pub sinks: Vec<SinkSummary>,
}

/// The result of one sink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkSummary {
    /// The name of the sink.
    pub name: String,
    /// The number of events that the sink wrote.
    pub written: u64,
    /// The number of events left out because the queue was full.
    pub dropped: u64,
    /// The reason why the sink stopped, if it failed.
    pub failure: Option<String>,
}

/// A record that is incomplete because a sink failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record is not complete: {}", failures(.0))]
pub struct CloseError(pub Summary);

/// Builds a journal.
pub struct Builder {
    sinks: Vec<(String, Box<dyn Sink>, WhenFull)>,
    renewals: Vec<(String, Box<dyn Renew>)>,
    masking: Masking,
    sessions: Sessions,
    bounds: Bounds,
    patience: Duration,
    farewell: Duration,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            sinks: Vec::new(),
            renewals: Vec::new(),
            masking: Masking::default(),
            sessions: Sessions::default(),
            bounds: Bounds {
                events: QUEUE as u64,
                bytes: QUEUE_BYTES,
            },
            patience: PATIENCE,
            farewell: FAREWELL,
        }
    }
}

impl Builder {
    /// Adds a sink. Failures are reported under `name`, usually the file.
    pub fn sink(
        mut self,
        name: impl Into<String>,
        sink: Box<dyn Sink>,
        when_full: WhenFull,
    ) -> Self {
        self.sinks.push((name.into(), sink, when_full));
        self
    }

    /// Lets [`Journal::renew`] replace the sink of this name.
    pub fn renewal(mut self, name: impl Into<String>, renew: Box<dyn Renew>) -> Self {
        self.renewals.push((name.into(), renew));
        self
    }

    /// Sets whether secrets are masked in the records; by default they are.
    pub fn masking(mut self, masking: Masking) -> Self {
        self.masking = masking;
        self
    }

    /// Follows the sessions in `sessions`, so that others can query them during the run.
    pub fn sessions(mut self, sessions: Sessions) -> Self {
        self.sessions = sessions;
        self
    }

    /// Sets how many events may wait for one sink; the default is [`QUEUE`].
    pub fn capacity(mut self, events: usize) -> Self {
        self.bounds.events = events as u64;
        self
    }

    /// Sets how many bytes the events that wait for one sink may keep; the default is [`QUEUE_BYTES`].
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bounds.bytes = bytes;
        self
    }

    /// Sets how long traffic waits for a sink; the default is [`PATIENCE`].
    pub fn patience(mut self, limit: Duration) -> Self {
        self.patience = limit;
        self
    }

    /// Sets how long closing waits for a sink that makes no progress; the default is [`FAREWELL`].
    pub fn farewell(mut self, limit: Duration) -> Self {
        self.farewell = limit;
        self
    }

    /// Starts the thread that makes records, and one thread for each sink. A sink whose thread does not start has
    /// failed; [`Journal::close`] reports it.
    pub fn start(self) -> Journal {
        let lanes = self.sinks.into_iter().map(|(name, sink, when_full)| {
            let queue = Arc::new(Queue::new(self.bounds, when_full));
            let started = spawn(name.clone(), sink, queue.clone());
            Lane::new(name, queue, started)
        });
        let mut lanes: Arc<[Lane]> = lanes.collect();
        let inlet = Arc::new(Inlet::default());
        let (inlet_of_thread, lanes_of_thread) = (inlet.clone(), lanes.clone());
        let run = move || {
            examine(
                &inlet_of_thread,
                &lanes_of_thread,
                self.masking,
                self.sessions,
            )
        };
        let started = thread::Builder::new().name("records".into()).spawn(run);
        if let Err(error) = started {
            inlet.close();
            let failed = lanes.iter().map(|lane| {
                let error = io::Error::new(error.kind(), error.to_string());
                Lane::new(lane.name.clone(), lane.queue.clone(), Err(error))
            });
            lanes = failed.collect();
        }
        Journal {
            inlet,
            lanes,
            renewals: Mutex::new(self.renewals),
            patience: self.patience,
            farewell: self.farewell,
            written: Mutex::default(),
        }
    }
}

impl Journal {
    /// Returns a builder for a journal, without sinks.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Lets every sink write its remaining events, completes the files and ends the threads. Later events are
    /// discarded; a second call returns the same result again. A sink that makes no progress for [`FAREWELL`] is
    /// abandoned together with its thread.
    ///
    /// # Errors
    /// Returns a [`CloseError`] that names each failed sink, with the summary of all sinks.
    pub fn close(&self) -> Result<Summary, CloseError> {
        let mut written = self.written.lock();
        if let Some(written) = &*written {
            return written.clone();
        }
        let events = self.inlet.close();
        self.lanes.iter().for_each(|lane| lane.queue.close());
        let sinks = self.lanes.iter().map(|lane| lane.end(self.farewell));
        let sinks = sinks.collect();
        let summary = Summary { events, sinks };
        let done = match summary.sinks.iter().any(|sink| sink.failure.is_some()) {
            true => Err(CloseError(summary)),
            false => Ok(summary),
        };
        written.insert(done).clone()
    }

    /// Replaces the sinks whose files were rotated away. Returns the name of each such sink, with the error if it could
    /// not be replaced. Blocks while files are opened.
    pub fn renew(&self) -> Vec<(String, io::Result<()>)> {
        let mut renewed = Vec::new();
        for (name, renew) in self.renewals.lock().iter_mut() {
            let done = match renew.renew() {
                Ok(None) => continue,
                Ok(Some(sink)) => {
                    let mut lanes = self.lanes.iter();
                    if let Some(lane) = lanes.find(|lane| lane.name == *name) {
                        lane.queue.replace(sink);
                    }
                    Ok(())
                }
                Err(error) => Err(error),
            };
            renewed.push((name.clone(), done));
        }
        renewed
    }

    /// Subscribes to all records from now on. A subscriber that is too slow misses records and gets their count;
    /// neither the traffic nor a file waits for it.
    pub fn subscribe(&self) -> Subscription {
        self.inlet.subscribe()
    }

    /// Numbers an event and reserves its place with every sink. Returns the sinks that had no room for it.
    fn queue(&self, event: Event) -> Vec<(&Lane, Ticket)> {
        let bytes = queue::weight(&event);
        let mut crowded = Vec::new();
        let mut short = Vec::new();
        self.inlet.put(|seq| {
            let mut without = Vec::new();
            for (number, lane) in self.lanes.iter().enumerate() {
                match lane.queue.place(bytes) {
                    Place::Taken => continue,
                    Place::Crowded(ticket) => {
                        crowded.push((lane, ticket));
                        continue;
                    }
                    Place::Dropped(count) => short.push((lane, count)),
                    Place::Ended => {}
                }
                without.push(number);
            }
            let is_wanted = without.len() < self.lanes.len();
            let numbered = Numbered {
                seq,
                event,
                bytes,
                without,
            };
            (numbered, is_wanted, !crowded.is_empty())
        });
        // Logs each time the count has doubled, so that a slow sink does not flood the log as well.
        for (lane, dropped) in short.iter().filter(|(_, count)| count.is_power_of_two()) {
            tracing::warn!(
                sink = lane.name,
                dropped,
                "record: the output is too slow, events are left out"
            );
        }
        crowded
    }
}

impl EventSink for Journal {
    fn on_event(&self, event: Event) {
        if self.lanes.is_empty() && !self.inlet.has_subscribers() {
            return;
        }
        let mut crowded = self.queue(event);
        crowded.retain(|(lane, ticket)| !lane.queue.has_room(*ticket));
        if crowded.is_empty() {
            return;
        }
        waiting(|| {
            for (lane, ticket) in crowded {
                lane.wait(ticket, self.patience);
            }
        });
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // Each failure was already logged when it happened.
        let _ = self.close();
    }
}

impl Lane {
    fn new(name: String, queue: Arc<Queue>, started: io::Result<()>) -> Self {
        let stillborn = started.err().map(|error| error_text::io(&error));
        if stillborn.is_some() {
            queue.ended(Ended::default());
        }
        Self {
            name,
            queue,
            stillborn,
        }
    }

    /// Waits until there is room, or gives up on the sink.
    fn wait(&self, ticket: Ticket, patience: Duration) {
        if self.queue.wait(ticket, patience) == Waited::GivenUp {
            tracing::error!(
                sink = self.name,
                ?patience,
                "record: the output took no event in this time, nothing more is written there"
            );
        }
    }

    fn end(&self, farewell: Duration) -> SinkSummary {
        let (ended, dropped) = self.queue.end(farewell);
        let failure = match (&self.stillborn, &ended) {
            (Some(error), _) => Some(error.clone()),
            (None, Some(ended)) => ended.failure.clone(),
            (None, None) => Some(STUCK.to_owned()),
        };
        if failure.as_deref() == Some(STUCK) {
            tracing::error!(sink = self.name, "record: {STUCK}");
        }
        if dropped > 0 {
            tracing::warn!(sink = self.name, dropped, "record: events were left out");
        }
        SinkSummary {
            name: self.name.clone(),
            written: ended.map_or(0, |ended| ended.written),
            dropped,
            failure,
        }
    }
}

/// The error of a sink whose thread does not finish.
const STUCK: &str = "writing there did not finish";

/// Waits without blocking other tasks: a worker of a multi-thread runtime first hands its other tasks over.
fn waiting(wait: impl FnOnce()) {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
        _ => wait(),
    }
}

fn spawn(name: String, mut sink: Box<dyn Sink>, queue: Arc<Queue>) -> io::Result<()> {
    let run = move || {
        let mut ended = Ended::default();
        let done = catch_unwind(AssertUnwindSafe(|| {
            sink.begin()?;
            drain(&mut sink, &queue, &mut ended.written)?;
            sink.finish()
        }));
        let done = done.unwrap_or_else(|_| Err(io::Error::other("the sink panicked")));
        if let Err(error) = done {
            let error = error_text::io(&error);
            tracing::error!(
                sink = name,
                %error,
                written = ended.written,
                "record: writing failed, nothing more is written there"
            );
            ended.failure = Some(error);
        }
        // Files are complete before anybody learns that the sink has ended.
        drop(sink);
        queue.ended(ended);
    };
    let thread = thread::Builder::new().name("record".into());
    thread.spawn(run).map(drop)
}

/// Writes events until no more can come. Flushes [`FLUSH_AFTER`] after the first event that is not flushed yet.
fn drain(sink: &mut Box<dyn Sink>, queue: &Queue, written: &mut u64) -> io::Result<()> {
    let mut flush_at = None;
    loop {
        match queue.next(flush_at) {
            Next::Write(record) => {
                flush_at = flush_at.or_else(|| Some(Instant::now() + FLUSH_AFTER));
                sink.write_event(&record)?;
                *written += 1;
            }
            Next::Flush => {
                sink.flush()?;
                flush_at = None;
            }
            Next::Replace(new) => {
                let mut old = std::mem::replace(sink, new);
                old.finish()?;
                sink.begin()?;
                flush_at = Some(Instant::now());
            }
            Next::End => return Ok(()),
        }
    }
}

fn failures(summary: &Summary) -> String {
    let failed = summary.sinks.iter();
    let failed = failed.filter_map(|s| Some(format!("{}: {}", s.name, s.failure.as_ref()?)));
    failed.collect::<Vec<_>>().join("; ")
}
