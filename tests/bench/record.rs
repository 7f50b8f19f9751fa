//! What telling costs: an exchange of two messages of 4 KB, told again and again to nobody.

use std::io;
use std::time::{Duration, Instant};

use dmtap::flow::Event;
use dmtap::record::{Colour, EventRecord, JsonLines, Masking, Sink, Transcript};

#[expect(dead_code, reason = "the proxy's bench uses the rest")]
#[path = "proxy/message.rs"]
mod message;
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../it/record/stage.rs"]
mod stage;

use message::Form;
use stage::Stage;

const HEADERS: [(&str, &str); 6] = [
    ("content-type", "application/vnd.syncml.dm+xml"),
    ("user-agent", "MSFT OMA DM Client/1.2.0.1"),
    (
        "accept",
        "application/vnd.syncml.dm+xml, application/vnd.syncml.dm+wbxml, application/octet-stream",
    ),
    ("accept-charset", "UTF-8"),
    ("client-request-id", "0"),
    ("ms-cv", "QOcy9fjbYUCFBgmm.0"),
];

fn main() {
    for form in [Form::Xml, Form::Wbxml] {
        let mut stage = Stage::new();
        stage.response(&HEADERS, form.response());
        stage.request(&HEADERS, form.request(1));
        stage.response(&HEADERS, form.response());
        let events = &stage.events[2..];
        for masking in [Masking::Masked, Masking::Raw] {
            let lines = JsonLines::new(io::sink());
            measure(
                &format!("{form:?} {masking:?} JSON lines"),
                lines,
                events,
                masking,
            );
        }
        let transcript = Transcript::new(io::sink(), Colour::Plain);
        let masking = Masking::Masked;
        measure(
            &format!("{form:?} Masked transcript"),
            transcript,
            events,
            masking,
        );
    }
}

/// The quickest of several slices: what others do on the machine only adds.
fn measure(what: &str, mut sink: impl Sink, events: &[Event], masking: Masking) {
    let mut best = Duration::MAX;
    for _ in 0..SLICES {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            for (seq, event) in (1..).zip(events) {
                let record = EventRecord::of(seq, event, masking);
                sink.write_event(&record).unwrap();
            }
        }
        best = best.min(start.elapsed());
    }
    let micros = best.as_secs_f64() * 1e6 / f64::from(ROUNDS);
    println!("{what:<28} {micros:6.1} us for an exchange");
}

const SLICES: u32 = 20;
const ROUNDS: u32 = 500;
