//! One record for all sinks and for live subscribers.

use std::io;
use std::sync::{Arc, Mutex};

use dmtap::flow::EventSink;
use dmtap::record::{EventRecord, Journal, Sink, WhenFull};

use super::journal::event;
use super::stage::Stage;

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

    fn flush(&mut self) -> io::Result<()> {
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

#[tokio::test]
async fn a_subscriber_gets_the_records_from_then_on() {
    let journal = Journal::builder()
        .sink("memory", Box::new(Places::default()), WhenFull::Block)
        .start();
    journal.on_event(event());
    let mut subscription = journal.subscribe();
    (0..3).for_each(|_| journal.on_event(event()));
    journal.close().unwrap();
    for seq in 2..=4 {
        let live = subscription.next().await.unwrap();
        assert_eq!((live.record.seq, live.missed), (seq, 0));
    }
    assert!(subscription.next().await.is_none());
    let late = journal.subscribe().next().await;
    assert!(late.is_none());
}

#[tokio::test]
async fn a_slow_subscriber_misses_events_and_is_given_their_count() {
    let memory = Places::default();
    let journal = Journal::builder()
        .sink("memory", Box::new(memory.clone()), WhenFull::Block)
        .start();
    let mut subscription = journal.subscribe();
    (0..1000).for_each(|_| journal.on_event(event()));
    journal.close().unwrap();
    assert_eq!(memory.0.lock().unwrap().len(), 1000);
    let (mut received, mut missed) = (0, 0);
    while let Some(live) = subscription.next().await {
        received += 1;
        missed += live.missed;
    }
    assert!(received > 0 && missed > 0, "{received} {missed}");
    assert_eq!(received + missed, 1000);
}

#[tokio::test]
async fn a_subscriber_needs_no_sink_and_events_go_nowhere_when_it_left() {
    let journal = Journal::builder().start();
    let mut subscription = journal.subscribe();
    journal.on_event(event());
    assert_eq!(subscription.next().await.unwrap().record.seq, 1);
    drop(subscription);
    journal.on_event(event());
    assert_eq!(journal.close().unwrap().events, 1);
}

#[tokio::test]
async fn a_very_large_event_is_shown_to_subscribers_without_its_content() {
    let journal = Journal::builder().start();
    let mut subscription = journal.subscribe();
    let mut stage = Stage::new();
    let xml = ("content-type", "application/vnd.syncml.dm+xml");
    stage.response(
        &[xml],
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncBody/></SyncML>",
    );
    let large = format!("<a>{}</a>", "x".repeat(1 << 20));
    stage.response(&[xml], large);
    for event in stage.events {
        journal.on_event(event);
    }
    let mut bodies = Vec::new();
    journal.close().unwrap();
    while let Some(live) = subscription.next().await {
        let bytes = live.record.bytes.unwrap_or_default();
        bodies.push((bytes > 1 << 20, live.record.body.is_some()));
    }
    assert!(bodies.contains(&(false, true)), "{bodies:?}");
    assert!(bodies.contains(&(true, false)), "{bodies:?}");
}
