//! Measures recording: an exchange of two messages of 4 KB, recorded repeatedly without a disk; and whole sessions
//! through the journal, with lint and analysis.

use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

use dmtap::flow::event::EventSink;
use dmtap::flow::lint::{LintMessage, Linter};
use dmtap::flow::{Event, Session, SessionKey};
use dmtap::markup::{Hint, Limits, decode};
use dmtap::record::analysis::Analysis;
use dmtap::record::{Colour, EventRecord, Journal, JsonLines, Masking, Sink, Transcript, WhenFull};

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
        journal(form);
        session_stage(form);
    }
}

/// Sessions of messages that differ.
fn sessions(form: Form) -> Vec<Event> {
    let mut events = Vec::new();
    for number in 1..=SESSIONS {
        let mut stage = Stage::new();
        let key = SessionKey {
            server: stage::SERVER.into(),
            device: format!("urn:uuid:{number:08}").into(),
            id: number.to_string().into(),
        };
        stage.session = Session::new(number as u64, key);
        for msg_id in 1..=MESSAGES {
            stage.request(&HEADERS, form.request_of(number, msg_id, msg_id - 1));
            stage.response(&HEADERS, form.response_of(number, msg_id));
        }
        events.append(&mut stage.events);
    }
    events
}

/// What lint and the analysis of sessions take for a message, beside what decoding it takes.
fn session_stage(form: Form) {
    let events = sessions(form);
    let messages = || {
        events.iter().filter_map(|event| match event {
            Event::Request(message) | Event::Response(message) => Some(message),
            _ => None,
        })
    };
    let records: Vec<_> = (1..)
        .zip(&events)
        .map(|(seq, event)| EventRecord::of(seq, event, Masking::Masked))
        .collect();
    let decoding = quickest(|| {
        for message in messages() {
            let source = message.body.received.clone();
            black_box(decode(source, Hint::default(), &Limits::default()).unwrap());
        }
    });
    let stage = quickest(|| {
        let (mut linter, mut analysis) = (Linter::default(), Analysis::default());
        for message in messages() {
            let document = message.body.parsed.document().unwrap();
            black_box(linter.message(LintMessage {
                speaker: message.from,
                server: &message.connection.server,
                exchange: message.exchange.0,
                document,
                delivered: Some(document),
                is_own: false,
                is_changed: false,
                head: None,
                links: Some(&message.links),
            }));
        }
        for record in &records {
            black_box(analysis.event(record));
        }
        black_box(analysis.finish());
    });
    let count = messages().count() as f64;
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / count;
    println!(
        "{:<28} {:6.1} us for a message, {:.2} of decoding it ({:.1} us)",
        format!("{form:?} lint and analysis"),
        micros(stage),
        stage.as_secs_f64() / decoding.as_secs_f64(),
        micros(decoding),
    );
}

/// The quickest of several slices.
fn quickest(mut work: impl FnMut()) -> Duration {
    let slices = (0..SLICES).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed()
    });
    slices.min().unwrap()
}

/// These sessions as the record thread and a sink take them: processor time of both.
fn journal(form: Form) {
    let events = sessions(form);
    let before = processor_time();
    for _ in 0..SLICES {
        let journal = Journal::builder();
        let lines = Box::new(JsonLines::new(io::sink()));
        let journal = journal.sink("lines", lines, WhenFull::Block).start();
        events
            .iter()
            .for_each(|event| journal.on_event(event.clone()));
        journal.close().unwrap();
    }
    let micros = (processor_time() - before).as_secs_f64() * 1e6;
    let exchanges = (SLICES as usize * SESSIONS * MESSAGES) as f64;
    println!(
        "{:<28} {:6.1} us for an exchange",
        format!("{form:?} journal"),
        micros / exchanges
    );
}

/// That of all threads of this process.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split(' ').collect();
    let ticks: u64 = fields[12..14]
        .iter()
        .map(|it| it.parse::<u64>().unwrap())
        .sum();
    Duration::from_millis(ticks * 10)
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
const SESSIONS: usize = 20;
const MESSAGES: usize = 30;
