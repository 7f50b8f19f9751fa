//! The journal: order, full queues, failures, closing.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dmtap::flow::{ConnectionId, Event, EventSink, Timestamp};
use dmtap::record::journal::Renewed;
use dmtap::record::{EventRecord, Journal, JournalLimits, Sink, SinkFile, WhenFull};

fn event() -> Event {
    Event::Closed {
        connection: ConnectionId(1),
        at: Timestamp(0),
    }
}

/// The limits of queues for so many events.
fn events(events: u64) -> JournalLimits {
    JournalLimits {
        events,
        ..JournalLimits::default()
    }
}

/// Remembers what it received, and whether it was finished.
#[derive(Clone, Default)]
struct Memory {
    seen: Arc<Mutex<Vec<u64>>>,
    finished: Arc<Mutex<u32>>,
}

impl Sink for Memory {
    fn write_event(&mut self, record: &EventRecord) -> io::Result<()> {
        self.seen.lock().unwrap().push(record.seq);
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        *self.finished.lock().unwrap() += 1;
        Ok(())
    }
}

/// Fails at one event.
struct Full {
    at: u64,
}

impl Sink for Full {
    fn write_event(&mut self, record: &EventRecord) -> io::Result<()> {
        match record.seq == self.at {
            true => Err(io::Error::from(io::ErrorKind::StorageFull)),
            false => Ok(()),
        }
    }
}

/// Waits for leave before each event, and says when it begins to wait.
struct Slow {
    waiting: Sender<u64>,
    leave: Receiver<()>,
    memory: Memory,
}

impl Sink for Slow {
    fn write_event(&mut self, record: &EventRecord) -> io::Result<()> {
        self.waiting.send(record.seq).unwrap();
        // Without a giver of leave there is no more waiting.
        let _ = self.leave.recv();
        self.memory.write_event(record)
    }
}

fn slow(memory: &Memory) -> (Slow, Receiver<u64>, Sender<()>) {
    let (waiting, waits) = channel();
    let (give, leave) = channel();
    let memory = memory.clone();
    let slow = Slow {
        waiting,
        leave,
        memory,
    };
    (slow, waits, give)
}

#[test]
fn every_sink_gets_everything_in_order_and_is_finished_once() {
    let (one, two) = (Memory::default(), Memory::default());
    let journal = Journal::builder()
        .sink("one", Box::new(one.clone()), WhenFull::Block)
        .sink("two", Box::new(two.clone()), WhenFull::Block)
        .limits(events(2))
        .start();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..250).for_each(|_| journal.on_event(event())));
        }
    });
    let summary = journal.close().unwrap();
    assert_eq!(journal.close(), Ok(summary.clone()));
    journal.on_event(event());
    assert_eq!(summary.events, 1000);
    for (memory, sink) in [one, two].iter().zip(&summary.sinks) {
        assert_eq!(*memory.seen.lock().unwrap(), (1..=1000).collect::<Vec<_>>());
        assert_eq!((sink.written, sink.dropped), (1000, 0));
        assert_eq!(*memory.finished.lock().unwrap(), 1);
    }
}

#[test]
fn a_full_queue_drops_the_newest_and_counts_them() {
    let memory = Memory::default();
    let (sink, waits, leave) = slow(&memory);
    let journal = Journal::builder()
        .sink("slow", Box::new(sink), WhenFull::DropNewest)
        .limits(events(2))
        .start();
    journal.on_event(event());
    assert_eq!(waits.recv(), Ok(1));
    // The first is being written, two wait, the others find no place.
    (0..5).for_each(|_| journal.on_event(event()));
    drop(leave);
    let summary = journal.close().unwrap();
    assert_eq!(*memory.seen.lock().unwrap(), [1, 2, 3]);
    assert_eq!((summary.events, summary.sinks[0].dropped), (6, 3));
}

#[test]
fn a_full_queue_that_blocks_loses_nothing() {
    let memory = Memory::default();
    let (sink, waits, leave) = slow(&memory);
    let journal = Journal::builder()
        .sink("slow", Box::new(sink), WhenFull::Block)
        .limits(events(1))
        .start();
    std::thread::scope(|scope| {
        let (done, all_sent) = channel();
        let journal = &journal;
        scope.spawn(move || {
            (0..4).for_each(|_| journal.on_event(event()));
            done.send(()).unwrap();
        });
        assert_eq!(waits.recv(), Ok(1));
        // One is being written and one waits: the third cannot have been taken.
        assert!(all_sent.try_recv().is_err());
        drop(leave);
        all_sent.recv().unwrap();
    });
    journal.close().unwrap();
    assert_eq!(*memory.seen.lock().unwrap(), [1, 2, 3, 4]);
}

#[test]
fn a_sink_that_fails_is_reported_and_the_others_go_on() {
    let memory = Memory::default();
    let journal = Journal::builder()
        .sink("disk.jsonl", Box::new(Full { at: 3 }), WhenFull::Block)
        .sink("memory", Box::new(memory.clone()), WhenFull::Block)
        .limits(events(1))
        .start();
    (0..100).for_each(|_| journal.on_event(event()));
    let error = journal.close().unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the record is not complete: disk.jsonl: ")
    );
    assert_eq!(error.0.sinks[0].written, 2);
    assert!(error.0.sinks[0].failure.is_some());
    assert_eq!(error.0.sinks[1].failure, None);
    assert_eq!(memory.seen.lock().unwrap().len(), 100);
    assert_eq!(journal.close(), Err(error));
}

struct Away;

impl SinkFile for Away {
    fn is_away(&self) -> bool {
        true
    }

    fn is_deleted(&self) -> bool {
        false
    }

    fn renew(&mut self) -> io::Result<Box<dyn Sink>> {
        Ok(Box::new(Memory::default()))
    }
}

#[test]
fn a_sink_that_failed_is_not_begun_again() {
    let journal = Journal::builder()
        .sink("disk.jsonl", Box::new(Full { at: 1 }), WhenFull::Block)
        .file("disk.jsonl", Box::new(Away))
        .limits(events(1))
        .start();
    // Traffic waits for the sink until it has failed.
    (0..100).for_each(|_| journal.on_event(event()));
    let renewed = &journal.renew()[0].1;
    assert!(matches!(renewed, Renewed::Failed { is_away: true }));
}

#[test]
fn a_journal_without_sinks_takes_nothing() {
    let journal = Journal::builder().start();
    journal.on_event(event());
    assert_eq!(journal.close().unwrap().events, 0);
}

/// A sink that begins to write and never comes back.
struct Stuck {
    begun: Sender<()>,
    never: Receiver<()>,
}

impl Sink for Stuck {
    fn write_event(&mut self, _: &EventRecord) -> io::Result<()> {
        self.begun.send(()).unwrap();
        self.never.recv().map_err(io::Error::other)
    }
}

fn stuck() -> (Stuck, Receiver<()>, Sender<()>) {
    let (begun, begins) = channel();
    let (leave, never) = channel();
    (Stuck { begun, never }, begins, leave)
}

const SHORT: Duration = Duration::from_millis(50);

#[test]
fn a_sink_that_never_returns_is_given_up_and_the_traffic_goes_on() {
    let (memory, best_effort) = (Memory::default(), Memory::default());
    let (sink, _begins, leave) = stuck();
    let journal = Journal::builder()
        .sink("stuck", Box::new(sink), WhenFull::Block)
        .sink("memory", Box::new(memory.clone()), WhenFull::Block)
        .sink("fast", Box::new(best_effort.clone()), WhenFull::DropNewest)
        .limits(JournalLimits {
            patience: SHORT,
            farewell: SHORT,
            ..events(100)
        })
        .start();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50).for_each(|_| journal.on_event(event())));
        }
    });
    // What comes back when it was given up is not complete either.
    drop(leave);
    let error = journal.close().unwrap_err();
    let all: Vec<_> = (1..=200).collect();
    assert_eq!(*memory.seen.lock().unwrap(), all);
    let seen = best_effort.seen.lock().unwrap().len() as u64;
    assert_eq!(seen + error.0.sinks[2].dropped, 200);
    assert!(
        error
            .to_string()
            .contains("stuck: writing there did not finish"),
        "{error}"
    );
    assert_eq!(error.0.sinks[1].failure, None);
    assert_eq!(journal.close(), Err(error));
}

#[test]
fn sinks_that_drop_do_not_wait_behind_one_that_blocks() {
    let memory = Memory::default();
    let (sink, begins, leave) = stuck();
    let (seen, tells) = channel();
    struct Telling(Memory, Sender<u64>);
    impl Sink for Telling {
        fn write_event(&mut self, record: &EventRecord) -> io::Result<()> {
            self.0.write_event(record)?;
            self.1.send(record.seq).map_err(io::Error::other)
        }
    }
    let journal = Journal::builder()
        .sink("stuck", Box::new(sink), WhenFull::Block)
        .sink(
            "fast",
            Box::new(Telling(memory.clone(), seen)),
            WhenFull::DropNewest,
        )
        .limits(JournalLimits {
            farewell: SHORT,
            ..events(1)
        })
        .start();
    std::thread::scope(|scope| {
        journal.on_event(event());
        begins.recv().unwrap();
        for seq in 1..=3 {
            assert_eq!(tells.recv(), Ok(seq));
            // The third of these waits for the stuck sink, the other sink gets it all the same.
            scope.spawn(|| journal.on_event(event()));
        }
        assert_eq!(tells.recv(), Ok(4));
        drop(leave);
    });
    journal.close().unwrap_err();
    assert_eq!(memory.seen.lock().unwrap().len(), 4);
}

#[test]
fn closing_does_not_wait_for_ever_for_a_sink() {
    let (sink, begins, _leave) = stuck();
    let journal = Journal::builder()
        .sink("stuck", Box::new(sink), WhenFull::DropNewest)
        .limits(JournalLimits {
            farewell: SHORT,
            ..JournalLimits::default()
        })
        .start();
    journal.on_event(event());
    begins.recv().unwrap();
    let error = journal.close().unwrap_err();
    assert!(error.to_string().contains("stuck: "), "{error}");
}

/// The one worker of the runtime waits for a sink that only another task sets going again.
#[test]
fn waiting_leaves_the_workers_of_a_runtime_to_others() {
    let memory = Memory::default();
    let (sink, waits, leave) = slow(&memory);
    let journal = Journal::builder().sink("slow", Box::new(sink), WhenFull::Block);
    let journal = Arc::new(journal.limits(events(1)).start());
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(1).build().unwrap();
    runtime.block_on(async {
        let sender = journal.clone();
        let sending = tokio::spawn(async move { (0..4).for_each(|_| sender.on_event(event())) });
        let leaving = tokio::spawn(async move {
            while waits.try_recv().is_err() {
                tokio::task::yield_now().await;
            }
            drop(leave);
            waits
        });
        sending.await.unwrap();
        let _waits = leaving.await.unwrap();
        journal.close().unwrap();
    });
    assert_eq!(*memory.seen.lock().unwrap(), [1, 2, 3, 4]);
}

#[test]
fn queues_are_bounded_in_bytes() {
    let memory = Memory::default();
    let (sink, waits, leave) = slow(&memory);
    let journal = Journal::builder()
        .sink("slow", Box::new(sink), WhenFull::DropNewest)
        .limits(JournalLimits {
            bytes: 10_000,
            ..JournalLimits::default()
        })
        .start();
    let send = |bytes: usize| {
        journal.on_event(Event::Refused {
            connection: ConnectionId(1),
            at: Timestamp(0),
            why: "x".repeat(bytes),
        });
    };
    send(1);
    assert_eq!(waits.recv(), Ok(1));
    // The first in the queue has room whatever its size, nothing has behind it.
    send(20_000);
    send(1);
    drop(leave);
    let summary = journal.close().unwrap();
    assert_eq!(*memory.seen.lock().unwrap(), [1, 2]);
    assert_eq!(summary.sinks[0].dropped, 1);
}

/// An event of about so many bytes.
fn of_bytes(bytes: usize) -> Event {
    Event::Refused {
        connection: ConnectionId(1),
        at: Timestamp(0),
        why: "x".repeat(bytes),
    }
}

#[test]
fn small_events_do_not_wait_behind_large_ones() {
    let memory = Memory::default();
    let (sink, waits, leave) = slow(&memory);
    let journal = Journal::builder()
        .sink("slow", Box::new(sink), WhenFull::Block)
        .limits(JournalLimits {
            bytes: 1 << 20,
            ..JournalLimits::default()
        })
        .start();
    std::thread::scope(|scope| {
        journal.on_event(of_bytes(1));
        assert_eq!(waits.recv(), Ok(1));
        // The first of these has room, the other two wait.
        let large = || journal.on_event(of_bytes(1 << 20));
        let large: Vec<_> = (0..3).map(|_| scope.spawn(large)).collect();
        while large.iter().filter(|thread| thread.is_finished()).count() < 1 {
            std::thread::yield_now();
        }
        (0..50).for_each(|_| journal.on_event(of_bytes(1)));
        let waiting = large.iter().filter(|thread| !thread.is_finished());
        assert_eq!(waiting.count(), 2);
        drop(leave);
    });
    let summary = journal.close().unwrap();
    assert_eq!(*memory.seen.lock().unwrap(), (1..=54).collect::<Vec<_>>());
    assert_eq!(
        (summary.sinks[0].written, summary.sinks[0].dropped),
        (54, 0)
    );
}

#[test]
fn small_events_are_bounded_in_bytes_too() {
    let memory = Memory::default();
    let (sink, waits, leave) = slow(&memory);
    let journal = Journal::builder()
        .sink("slow", Box::new(sink), WhenFull::DropNewest)
        .limits(JournalLimits {
            bytes: 1 << 20,
            ..JournalLimits::default()
        })
        .start();
    journal.on_event(of_bytes(1));
    assert_eq!(waits.recv(), Ok(1));
    (0..1000).for_each(|_| journal.on_event(of_bytes(1000)));
    drop(leave);
    let summary = journal.close().unwrap();
    // A quarter of the bytes is theirs.
    let seen = summary.sinks[0].written;
    assert!((150..250).contains(&seen), "{seen}");
    assert_eq!(seen + summary.sinks[0].dropped, 1001);
}

/// Takes a while for each event.
struct Busy(Duration);

impl Sink for Busy {
    fn write_event(&mut self, _: &EventRecord) -> io::Result<()> {
        std::thread::sleep(self.0);
        Ok(())
    }
}

#[test]
fn a_sink_that_is_behind_but_busy_is_not_given_up() {
    let patience = Duration::from_millis(500);
    let busy = Busy(patience / 20);
    let journal = Journal::builder()
        .sink("busy", Box::new(busy), WhenFull::Block)
        .limits(JournalLimits {
            patience,
            ..events(1)
        })
        .start();
    // The last of these waits for longer than that.
    std::thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| journal.on_event(event()));
        }
    });
    assert_eq!(journal.close().unwrap().sinks[0].written, 40);
}

/// Remembers where the records were that it got.
#[derive(Clone, Default)]
struct Places(Arc<Mutex<Vec<usize>>>);

impl Sink for Places {
    fn write_event(&mut self, record: &EventRecord) -> io::Result<()> {
        self.0
            .lock()
            .unwrap()
            .push(std::ptr::from_ref(record).addr());
        Ok(())
    }
}

#[test]
fn every_sink_gets_the_very_same_record() {
    let (one, two) = (Places::default(), Places::default());
    let journal = Journal::builder()
        .sink("one", Box::new(one.clone()), WhenFull::Block)
        .sink("two", Box::new(two.clone()), WhenFull::Block)
        .start();
    // Together, so that no memory is used again.
    (0..20).for_each(|_| journal.on_event(event()));
    journal.close().unwrap();
    assert_eq!(one.0.lock().unwrap().len(), 20);
    assert_eq!(*one.0.lock().unwrap(), *two.0.lock().unwrap());
}
