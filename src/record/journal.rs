//! The journal: numbers events, makes their records on one thread, and passes the records to the sinks. Each sink has
//! its own queue and thread.

mod event_queue;
mod record_thread;
mod sessions;
mod sink_queue;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, thread};

use parking_lot::Mutex;

use super::{Masking, Sink, SinkFile};
use crate::error_text;
use crate::flow::{Event, EventSink};
use event_queue::{EventQueue, NumberedEvent, weight};
pub use sessions::Sessions;
use sink_queue::{Ended, Next, Place, SinkQueue, Ticket};

/// How long a run waits at its end for an output that makes no progress.
pub const FAREWELL: Duration = Duration::from_secs(5);

/// How long the first unflushed event stays in a sink's buffer, whether more events come or not. So a record is never
/// further behind than this, and a busy sink does not need a system call for every event.
pub const FLUSH_AFTER: Duration = Duration::from_millis(20);

/// The limits of a journal.
#[derive(Clone, Copy, Debug)]
pub struct JournalLimits {
    /// The most events that wait for one sink.
    pub events: u64,
    /// The most bytes that the events waiting for one sink keep in memory, bodies and trees together. A single event
    /// may be larger. A quarter of the bytes is reserved for small events.
    pub bytes: u64,
    /// How long traffic waits for a sink with [`WhenFull::Block`]. A sink that takes no event in all this time has
    /// failed.
    pub patience: Duration,
    /// How long [`Journal::close`] waits for a sink that makes no progress.
    pub farewell: Duration,
}

impl Default for JournalLimits {
    fn default() -> Self {
        Self {
            events: 1024,
            bytes: 64 << 20,
            patience: Duration::from_secs(30),
            farewell: FAREWELL,
        }
    }
}

/// The action for an event when a sink's queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The traffic waits, at most [`JournalLimits::patience`]. The record has no gap.
    Block,
    /// The event is left out and counted.
    DropNewest,
}

/// Numbers events from 1 and hands their records to every sink.
pub struct Journal {
    events: Arc<EventQueue>,
    sinks: Arc<[Arc<SinkQueue>]>,
    files: Mutex<Vec<(String, Box<dyn SinkFile>)>>,
    written: Mutex<Option<Result<Summary, CloseError>>>,
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

/// What became of a sink whose file is to be begun again.
#[derive(Debug)]
pub enum Renewed {
    /// It writes to a new file.
    Begun,
    /// The new file cannot be opened: it writes to the old one.
    Unopened(io::Error),
    /// It failed before, and writes nothing any more. `is_away` says whether its file was moved away.
    Failed {
        /// Whether the file was moved away.
        is_away: bool,
    },
}

/// A record that is incomplete because a sink failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record is not complete: {}", failures(.0))]
pub struct CloseError(pub Summary);

/// Builds a journal.
#[derive(Default)]
pub struct Builder {
    sinks: Vec<(String, Box<dyn Sink>, WhenFull)>,
    files: Vec<(String, Box<dyn SinkFile>)>,
    masking: Masking,
    sessions: Sessions,
    limits: JournalLimits,
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

    /// Names the file of the sink of this name: [`Journal::renew`] begins it again, and a deleted one is a lost record.
    pub fn file(mut self, name: impl Into<String>, file: Box<dyn SinkFile>) -> Self {
        self.files.push((name.into(), file));
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

    /// Replaces the limits.
    pub fn limits(mut self, limits: JournalLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Starts the thread that makes records, and one thread for each sink. A sink whose thread does not start has
    /// failed; [`Journal::close`] reports it.
    pub fn start(self) -> Journal {
        let sinks = self.sinks.into_iter().map(|(name, sink, when_full)| {
            let queue = Arc::new(SinkQueue::new(name, self.limits, when_full));
            if let Err(error) = spawn(sink, queue.clone()) {
                queue.ended(Ended::failed(error_text::io(&error)));
            }
            queue
        });
        let sinks: Arc<[Arc<SinkQueue>]> = sinks.collect();
        let events = Arc::new(EventQueue::default());
        let (events_of_thread, sinks_of_thread) = (events.clone(), sinks.clone());
        let run = move || {
            record_thread::run(
                &events_of_thread,
                &sinks_of_thread,
                self.masking,
                self.sessions,
            )
        };
        let started = thread::Builder::new().name("records".into()).spawn(run);
        if let Err(error) = started {
            events.close();
            for sink in sinks.iter() {
                sink.ended(Ended::failed(error_text::io(&error)));
            }
        }
        Journal {
            events,
            sinks,
            files: Mutex::new(self.files),
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
    /// discarded; a second call returns the same result again. A sink that makes no progress for
    /// [`JournalLimits::farewell`] is abandoned together with its thread.
    ///
    /// # Errors
    /// Returns a [`CloseError`] that names each failed sink, with the summary of all sinks.
    pub fn close(&self) -> Result<Summary, CloseError> {
        let mut written = self.written.lock();
        if let Some(written) = &*written {
            return written.clone();
        }
        let events = self.events.close();
        self.sinks.iter().for_each(|sink| sink.close());
        let sinks = self.sinks.iter().map(|sink| sink.end());
        let mut sinks: Vec<SinkSummary> = sinks.collect();
        for (name, _) in self.files.lock().iter().filter(|it| it.1.is_deleted()) {
            tracing::error!(sink = name, "record: {DELETED}");
            let mut sinks = sinks.iter_mut();
            if let Some(sink) = sinks.find(|sink| sink.name == *name) {
                sink.failure.get_or_insert_with(|| DELETED.to_owned());
            }
        }
        let summary = Summary { events, sinks };
        let done = match summary.sinks.iter().any(|sink| sink.failure.is_some()) {
            true => Err(CloseError(summary)),
            false => Ok(summary),
        };
        written.insert(done).clone()
    }

    /// Replaces the sinks whose files were rotated away. A sink that failed is not replaced. Blocks while files are
    /// opened.
    pub fn renew(&self) -> Vec<(String, Renewed)> {
        let mut renewed = Vec::new();
        for (name, file) in self.files.lock().iter_mut() {
            let queue = self.sinks.iter().find(|sink| sink.name == *name);
            let is_away = file.is_away();
            let done = match queue {
                Some(queue) if queue.is_dead() => Renewed::Failed { is_away },
                Some(queue) if is_away => match file.renew() {
                    Ok(sink) => {
                        queue.replace(sink);
                        Renewed::Begun
                    }
                    Err(error) => Renewed::Unopened(error),
                },
                _ => continue,
            };
            renewed.push((name.clone(), done));
        }
        renewed
    }

    /// Numbers an event and reserves its place with every sink. Returns the sinks that had no room for it.
    fn queue(&self, event: Event) -> Vec<(&SinkQueue, Ticket)> {
        let bytes = weight(&event);
        let mut crowded = Vec::new();
        let mut short = Vec::new();
        self.events.put(|seq| {
            let mut without = Vec::new();
            for (number, sink) in self.sinks.iter().enumerate() {
                match sink.place(bytes) {
                    Place::Taken => continue,
                    Place::Crowded(ticket) => {
                        crowded.push((&**sink, ticket));
                        continue;
                    }
                    Place::Dropped(count) => short.push((sink, count)),
                    Place::Ended => {}
                }
                without.push(number);
            }
            let is_wanted = without.len() < self.sinks.len();
            let numbered = is_wanted.then_some(NumberedEvent {
                seq,
                event,
                bytes,
                without,
            });
            (numbered, !crowded.is_empty())
        });
        // Logs each time the count has doubled, so that a slow sink does not flood the log as well.
        for (sink, dropped) in short.iter().filter(|(_, count)| count.is_power_of_two()) {
            tracing::warn!(
                sink = sink.name,
                dropped,
                "record: the output is too slow, events are left out"
            );
        }
        crowded
    }
}

impl EventSink for Journal {
    fn on_event(&self, event: Event) {
        if self.sinks.is_empty() {
            return;
        }
        let mut crowded = self.queue(event);
        crowded.retain(|(sink, ticket)| !sink.has_room(*ticket));
        if crowded.is_empty() {
            return;
        }
        waiting(|| {
            for (sink, ticket) in crowded {
                sink.wait(ticket);
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

/// The error of a sink whose file has no name any more.
const DELETED: &str =
    "the file was deleted while dmtap wrote to it, and what was recorded in it is lost";

/// Waits without blocking other tasks: a worker of a multi-thread runtime first hands its other tasks over.
fn waiting(wait: impl FnOnce()) {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
        _ => wait(),
    }
}

fn spawn(mut sink: Box<dyn Sink>, queue: Arc<SinkQueue>) -> io::Result<()> {
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
                sink = queue.name,
                %error,
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
fn drain(sink: &mut Box<dyn Sink>, queue: &SinkQueue, written: &mut u64) -> io::Result<()> {
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
