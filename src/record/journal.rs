//! The journal: numbers events and hands them to sinks, each with a queue and a thread of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use super::Sink;
use crate::flow::{Event, Hear};

/// Events that wait for one sink at most. An event is a few pointers; the bodies behind them are shared by
/// all queues.
pub const QUEUE: usize = 1024;

/// How long a sink keeps what it was told in its buffer when nothing more comes: a record is never further
/// behind than this, and a busy one is not slowed by a system call for every event.
pub const FLUSH_AFTER: Duration = Duration::from_millis(20);

/// What happens to an event that finds a sink's queue full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The traffic waits: the record has no gap.
    Block,
    /// The event is left out and counted.
    DropNewest,
}

/// Numbers events from 1 and tells them to every sink.
pub struct Journal {
    inlet: Mutex<Inlet>,
    lanes: Vec<Lane>,
}

/// What the traffic touches. Numbers are given and queued under one lock, so sinks see them in order.
#[derive(Default)]
struct Inlet {
    seq: u64,
    senders: Vec<Sender>,
    told: Option<Result<Summary, CloseError>>,
}

struct Sender {
    queue: SyncSender<(u64, Event)>,
    when_full: WhenFull,
    dropped: Arc<AtomicU64>,
}

/// One sink's side of the journal.
struct Lane {
    name: String,
    dropped: Arc<AtomicU64>,
    running: Mutex<Option<io::Result<JoinHandle<Ended>>>>,
}

#[derive(Default)]
struct Ended {
    told: u64,
    failure: Option<io::Error>,
}

/// What a journal did, known when it is closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Events heard.
    pub events: u64,
    /// Its sinks in the order in which they were added.
    pub sinks: Vec<SinkSummary>,
}

/// What became of one sink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkSummary {
    /// Its name.
    pub name: String,
    /// Events it wrote.
    pub told: u64,
    /// Events left out because its queue was full.
    pub dropped: u64,
    /// Why it stopped, if it failed.
    pub failure: Option<String>,
}

/// A record that is not complete because a sink failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record is not complete: {}", failures(.0))]
pub struct CloseError(pub Summary);

/// A journal in the making.
#[derive(Default)]
pub struct Builder {
    sinks: Vec<(String, Box<dyn Sink>, WhenFull)>,
    capacity: Option<usize>,
}

impl Builder {
    /// Adds a sink. `name` is what failures are reported under: the file, as a rule.
    pub fn sink(
        mut self,
        name: impl Into<String>,
        sink: Box<dyn Sink>,
        when_full: WhenFull,
    ) -> Self {
        self.sinks.push((name.into(), sink, when_full));
        self
    }

    /// Changes how many events may wait for one sink; [`QUEUE`] unless told.
    pub fn capacity(mut self, events: usize) -> Self {
        self.capacity = Some(events);
        self
    }

    /// Starts one thread for each sink. A sink that gets no thread has failed: [`Journal::close`] reports it.
    pub fn start(self) -> Journal {
        let capacity = self.capacity.unwrap_or(QUEUE);
        let mut inlet = Inlet::default();
        let mut lanes = Vec::new();
        for (name, sink, when_full) in self.sinks {
            let (queue, events) = sync_channel(capacity);
            let dropped = Arc::<AtomicU64>::default();
            inlet.senders.push(Sender {
                queue,
                when_full,
                dropped: dropped.clone(),
            });
            let running = spawn(name.clone(), sink, events);
            lanes.push(Lane {
                name,
                dropped,
                running: Mutex::new(Some(running)),
            });
        }
        Journal {
            inlet: Mutex::new(inlet),
            lanes,
        }
    }
}

impl Journal {
    /// A journal without sinks, to add some to.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Lets every sink write what it was told, completes the files and ends the threads. Events heard
    /// afterwards go nowhere; a second call gives the same answer again.
    ///
    /// # Errors
    /// [`CloseError`] naming each sink that failed, with the summary of all.
    pub fn close(&self) -> Result<Summary, CloseError> {
        let mut inlet = lock(&self.inlet);
        if let Some(told) = &inlet.told {
            return told.clone();
        }
        // A thread ends when its queue has no sender left.
        inlet.senders.clear();
        let summary = Summary {
            events: inlet.seq,
            sinks: self.lanes.iter().map(Lane::end).collect(),
        };
        let told = match summary.sinks.iter().any(|sink| sink.failure.is_some()) {
            true => Err(CloseError(summary)),
            false => Ok(summary),
        };
        inlet.told.insert(told).clone()
    }
}

impl Hear for Journal {
    fn hear(&self, event: Event) {
        if self.lanes.is_empty() {
            return;
        }
        let mut inlet = lock(&self.inlet);
        if inlet.told.is_some() {
            return;
        }
        inlet.seq += 1;
        let seq = inlet.seq;
        for sender in &inlet.senders {
            sender.send(seq, event.clone());
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // Each failure was reported when it happened.
        let _ = self.close();
    }
}

impl Sender {
    fn send(&self, seq: u64, event: Event) {
        // A queue without a receiver belongs to a sink that failed, which was reported then.
        let full = match self.when_full {
            WhenFull::Block => {
                let _ = self.queue.send((seq, event));
                false
            }
            WhenFull::DropNewest => matches!(
                self.queue.try_send((seq, event)),
                Err(TrySendError::Full(_))
            ),
        };
        if full {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Lane {
    fn end(&self) -> SinkSummary {
        let failed = |failure| Ended {
            failure: Some(failure),
            ..Ended::default()
        };
        let ended = match lock(&self.running).take() {
            None => Ended::default(),
            Some(Err(error)) => failed(error),
            Some(Ok(thread)) => {
                let ended = thread.join();
                ended.unwrap_or_else(|_| failed(io::Error::other("the sink panicked")))
            }
        };
        let dropped = self.dropped.load(Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!(sink = self.name, dropped, "record: events were left out");
        }
        SinkSummary {
            name: self.name.clone(),
            told: ended.told,
            dropped,
            failure: ended.failure.map(|error| error.to_string()),
        }
    }
}

fn spawn(
    name: String,
    mut sink: Box<dyn Sink>,
    events: Receiver<(u64, Event)>,
) -> io::Result<JoinHandle<Ended>> {
    let run = move || {
        let mut ended = Ended::default();
        let done = drain(&mut *sink, &events, &mut ended.told).and_then(|()| sink.finish());
        if let Err(error) = done {
            tracing::error!(
                sink = name,
                %error,
                told = ended.told,
                "record: writing failed, nothing more is written there"
            );
            ended.failure = Some(error);
        }
        ended
    };
    thread::Builder::new().name("record".into()).spawn(run)
}

/// Tells events until no more can come, flushing when none came for a moment.
fn drain(sink: &mut dyn Sink, events: &Receiver<(u64, Event)>, told: &mut u64) -> io::Result<()> {
    let mut flushed = true;
    loop {
        let next = match flushed {
            true => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => events.recv_timeout(FLUSH_AFTER),
        };
        match next {
            Ok((seq, event)) => {
                sink.tell(seq, &event)?;
                *told += 1;
                flushed = false;
            }
            Err(RecvTimeoutError::Timeout) => {
                sink.flush()?;
                flushed = true;
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

fn failures(summary: &Summary) -> String {
    let failed = summary.sinks.iter();
    let failed = failed.filter_map(|s| Some(format!("{}: {}", s.name, s.failure.as_ref()?)));
    failed.collect::<Vec<_>>().join("; ")
}

/// A panic elsewhere leaves what these locks guard whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
