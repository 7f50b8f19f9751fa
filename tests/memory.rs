//! What decoding allocates: a number of times that does not grow with the message, and few bytes for each of its
//! own.
//!
//! The tree lies beside the source: 12 bytes a node. Peak memory of a decoded document is its source and all that
//! decoding ever allocated, which is counted here; since hardly anything is freed meanwhile, that is close.
#![allow(clippy::unwrap_used, reason = "what a test cannot do fails it")]

#[path = "memory/heap.rs"]
mod heap;
#[path = "memory/message.rs"]
mod message;
#[path = "memory/peer.rs"]
mod peer;

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use dmtap::markup::wbxml::{WbxmlOptions, encode};
use dmtap::markup::{Document, Hint, Limits, decode};
use heap::taken;
use message::{device_answers, server_commands};

fn parse(source: &Bytes) -> Document {
    decode(source.clone(), Hint::default(), &Limits::default()).unwrap()
}

#[test]
fn decoding_allocates_a_constant_number_of_times_and_at_most_four_bytes_for_each_of_the_source() {
    let _alone = alone();
    for message in [device_answers, server_commands] {
        for form in [Form::Xml, Form::Wbxml] {
            let allocations = [1, 4, 64, 500].map(|kilobytes| {
                let source = form.of(&message(kilobytes << 10));
                let taken = taken(|| parse(&source));
                let share = (source.len() + taken.bytes) as f64 / source.len() as f64;
                eprintln!(
                    "{:>7} bytes: {} allocations, {share:.2} bytes for each of the source with it",
                    source.len(),
                    taken.allocations,
                );
                assert!(share <= 4.0, "{share}");
                taken.allocations
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
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone, Copy)]
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
}

const MOST_ALLOCATIONS: usize = 16;
