//! Bounds the allocations of decoding: their number does not grow with the message, and the peak is a few bytes for
//! each byte of the message.
//!
//! The tree takes 12 bytes for each node. The peak is the peak of the heap, including the message.
#![allow(clippy::unwrap_used, reason = "what a test cannot do fails it")]

#[path = "memory/heap.rs"]
mod heap;
#[path = "memory/json_log.rs"]
mod json_log;
#[path = "memory/message.rs"]
mod message;
#[path = "memory/peer.rs"]
mod peer;
#[path = "memory/sessions.rs"]
mod sessions;

use bytes::Bytes;
use dmtap::markup::convert::{XmlLayout, to_xml};
use dmtap::markup::wbxml::{WbxmlOptions, encode};
use dmtap::markup::{Document, Hint, Limits, decode};
use heap::{Taken, taken};
use message::{device_answers, server_commands};
use parking_lot::{Mutex, MutexGuard};

fn parse(source: &Bytes) -> Document {
    decode(source.clone(), Hint::default(), &Limits::default()).unwrap()
}

/// Prints the table of `docs/performance.md`, with `--nocapture`.
#[test]
fn decoding_allocates_a_constant_number_of_times_and_at_most_four_bytes_for_each_of_the_source() {
    let _alone = alone();
    for message in [device_answers, server_commands] {
        for form in [Form::Xml, Form::Wbxml] {
            let allocations = [1, 4, 64, 500].map(|kilobytes| {
                let source = form.of(&message(kilobytes << 10));
                let (decoded, converted) = (taken(|| parse(&source)), form.conversion(&source));
                let share = |bytes: usize| bytes as f64 / source.len() as f64;
                let peak = share(source.len() + decoded.peak);
                eprintln!(
                    "| {kilobytes} KB | {form:?}, {} bytes | {:.2} | {} | {:.2} | {peak:.2} | {:.2} | {} |",
                    source.len(),
                    share(decoded.peak),
                    decoded.allocations,
                    share(decoded.kept),
                    share(converted.peak),
                    converted.allocations,
                );
                assert!(peak <= 4.0, "{peak}");
                decoded.allocations
            });
            assert!(allocations.iter().all(|times| *times <= MOST_ALLOCATIONS));
            // What is beyond 16 bits (the length of SyncBody, how far a command is from it) has two lists of its
            // own.
            assert!(allocations[3] <= allocations[0] + 2);
        }
    }
}

/// Runs one test at a time: allocations are counted for the whole program.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock()
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Xml,
    Wbxml,
}

impl Form {
    fn of(self, xml: &str) -> Bytes {
        let source = Bytes::from(xml.to_owned());
        match self {
            Self::Xml => source,
            Self::Wbxml => encode(&parse(&source), &WbxmlOptions::default())
                .unwrap()
                .into(),
        }
    }

    /// What the conversion of a message to the other form takes.
    fn conversion(self, source: &Bytes) -> Taken {
        let document = parse(source);
        match self {
            Self::Xml => taken(|| encode(&document, &WbxmlOptions::default()).unwrap()),
            Self::Wbxml => taken(|| to_xml(&document, XmlLayout::Compact)),
        }
    }
}

const MOST_ALLOCATIONS: u64 = 16;
