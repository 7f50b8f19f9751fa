//! What decoding allocates: a number of times that does not grow with the message, and few bytes for each of its
//! own.
//!
//! The tree lies beside the source: 12 bytes a node. Peak memory of a decoded document is its source and all that
//! decoding ever allocated, which is counted here; since hardly anything is freed meanwhile, that is close.
#![allow(clippy::unwrap_used, reason = "what a test cannot do fails it")]

use std::alloc::System;

use bytes::Bytes;
use dmtap::markup::wbxml::{WbxmlOptions, encode};
use dmtap::markup::{Document, Hint, Limits, decode};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What one decoding took.
struct Taken {
    allocations: usize,
    /// Source and everything allocated, for each byte of the source.
    share: f64,
}

fn parse(source: &Bytes) -> Document {
    decode(source.clone(), Hint::default(), &Limits::default()).unwrap()
}

/// The least of a few: the thread that waits for this test allocates now and then too.
fn taken(source: &Bytes) -> Taken {
    let taken = (0..5).map(|_| once(source));
    let taken = taken.min_by_key(|taken| taken.allocations).unwrap();
    eprintln!(
        "{:>7} bytes: {} allocations, {:.2} bytes for each of the source with it",
        source.len(),
        taken.allocations,
        taken.share,
    );
    taken
}

fn once(source: &Bytes) -> Taken {
    let region = Region::new(COUNTING);
    let document = parse(source);
    let stats = region.change();
    drop(document);
    let share = (source.len() + stats.bytes_allocated) as f64 / source.len() as f64;
    let allocations = stats.allocations + stats.reallocations;
    Taken { allocations, share }
}

/// All in one test: the count is the program's, and tests run beside each other.
#[test]
fn decoding_allocates_a_constant_number_of_times_and_at_most_four_bytes_for_each_of_the_source() {
    for message in [device_answers, server_commands] {
        for form in [Form::Xml, Form::Wbxml] {
            let sizes = [1, 4, 64, 500].map(|kilobytes| taken(&form.of(&message(kilobytes << 10))));
            for Taken { allocations, share } in &sizes {
                assert!(*share <= 4.0, "{share}");
                assert!(*allocations <= MOST_ALLOCATIONS, "{allocations}");
            }
            // What is beyond 16 bits (the length of SyncBody, how far a command is from it) has two lists of its
            // own.
            assert!(sizes[3].allocations <= sizes[0].allocations + 2);
        }
    }
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

/// Status and Results by turns, as a device answers.
fn device_answers(size: usize) -> String {
    let mut out = String::from(HEADER);
    let mut number = 1;
    while out.len() < size {
        out.push_str(&format!(
            "<Status><CmdID>{number}</CmdID><MsgRef>1</MsgRef><CmdRef>{number}</CmdRef><Cmd>Get</Cmd>\
             <Data>200</Data></Status><Results><CmdID>{}</CmdID><MsgRef>1</MsgRef><CmdRef>{number}</CmdRef>\
             <Item><Source><LocURI>./Vendor/MSFT/Policy/Result/Area{number}/Setting</LocURI></Source>\
             <Meta><Format xmlns=\"syncml:metinf\">chr</Format><Type xmlns=\"syncml:metinf\">text/plain</Type></Meta>\
             <Data>a &lt; b &amp;&amp; c, number {number}</Data></Item></Results>",
            number + 1
        ));
        number += 2;
    }
    out + "<Final/></SyncBody></SyncML>"
}

/// Replace and Get commands, as a server sends them.
fn server_commands(size: usize) -> String {
    let mut out = String::from(HEADER);
    let mut number = 1;
    while out.len() < size {
        out.push_str(&format!(
            "<Replace><CmdID>{number}</CmdID><Item><Target><LocURI>./Device/Vendor/MSFT/Policy/Config/Area/P{number}\
             </LocURI></Target><Meta><Format xmlns=\"syncml:metinf\">int</Format></Meta><Data>{number}</Data></Item>\
             </Replace><Get><CmdID>{}</CmdID><Item><Target><LocURI>./DevDetail/Ext/Microsoft/V{number}</LocURI>\
             </Target></Item></Get>",
            number + 1
        ));
        number += 2;
    }
    out + "<Final/></SyncBody></SyncML>"
}

const HEADER: &str = "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
    <SessionID>1F</SessionID><MsgID>2</MsgID><Target><LocURI>https://mdm.example.com/ManagementServer/MDM.svc\
    </LocURI></Target><Source><LocURI>2B1C6E95D8BB843B1278FF45BC60CC6A</LocURI></Source></SyncHdr><SyncBody>";

const MOST_ALLOCATIONS: usize = 16;
