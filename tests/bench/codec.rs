//! Measures the codec against quick-xml's bare events, roxmltree's tree and libwbxml.
//!
//! `cargo bench --bench codec`, about a minute. The contenders take turns within each round, so that a busy machine
//! slows all of them equally; a row is the median of the rounds. An argument selects the contenders whose name contains
//! it.

#[path = "codec/libwbxml.rs"]
mod libwbxml;
#[path = "../memory/message.rs"]
#[expect(dead_code, reason = "the test of memory looks at more messages")]
mod message;

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dmtap::dm::Message;
use dmtap::markup::convert::{XmlLayout, to_xml};
use dmtap::markup::edit::{Edit, plan};
use dmtap::markup::{DecodeError, Document, Hint, Limits, tag, wbxml, xml};
use libwbxml::Libwbxml;
use message::device_answers;
use quick_xml::events::Event;
use quick_xml::reader::Reader;

const ROUNDS: usize = 101;
/// Shorter than the turns of a scheduler, so that most rounds are not interrupted.
const ROUND: Duration = Duration::from_millis(2);
const KILOBYTES: [usize; 4] = [1, 4, 64, 500];

/// A name, and what gives the seconds of one run.
type Contender<'a> = (&'static str, Box<dyn Fn() -> f64 + 'a>);

fn main() {
    println!("\n### XML: MB/s of source, and as a share of quick-xml's bare events\n");
    for (row, kilobytes) in KILOBYTES.into_iter().enumerate() {
        xml_row(row, kilobytes);
    }
    println!("\n### WBXML: MB/s of the same messages as XML text, and as a share of decoding\n");
    for (row, kilobytes) in KILOBYTES.into_iter().enumerate() {
        wbxml_row(row, kilobytes);
    }
}

fn xml_row(row: usize, kilobytes: usize) {
    let source = Bytes::from(device_answers(kilobytes << 10));
    let text = std::str::from_utf8(&source).expect("the bench writes UTF-8");
    let document = decode(&source).expect("the bench writes XML");
    let options = wbxml::WbxmlOptions::default();
    let contenders: [Contender<'_>; 6] = [
        timed("quick-xml events", || events(text)),
        timed("tree", || tree(&source)),
        timed("roxmltree", || roxmltree(text)),
        timed("tree and views", || views(&source)),
        timed("tree and one edit", || edit(&source)),
        timed("to WBXML", || wbxml::encode(&document, &options)),
    ];
    compare(row, kilobytes, source.len(), &contenders);
}

fn wbxml_row(row: usize, kilobytes: usize) {
    let text = device_answers(kilobytes << 10);
    let document = decode(&text.clone().into()).expect("the bench writes XML");
    let options = wbxml::WbxmlOptions::default();
    let source = Bytes::from(wbxml::encode(&document, &options).expect("SyncML has tokens"));
    let document = decode(&source).expect("what was encoded decodes");
    let mut contenders = vec![
        timed("tree", || decode(&source)),
        timed("tree and views", || views(&source)),
        timed("tree and one edit", || edit(&source)),
        timed("to XML", || to_xml(&document, XmlLayout::Compact)),
    ];
    match Libwbxml::start(&source) {
        Some(other) => contenders.push(("libwbxml to XML", Box::new(move || other.seconds()))),
        None => eprintln!("skipped: libwbxml2.so.1 or python3 not found"),
    }
    compare(row, kilobytes, text.len(), &contenders);
}

fn timed<'a, T>(name: &'static str, run: impl Fn() -> T + 'a) -> Contender<'a> {
    (name, Box::new(move || seconds(|| drop(black_box(run())))))
}

fn decode(source: &Bytes) -> Result<Document, DecodeError> {
    dmtap::markup::decode(source.clone(), Hint::default(), &Limits::default())
}

/// Decodes, and asks every command for what records tell of it.
fn views(source: &Bytes) -> Option<usize> {
    let document = decode(source).ok()?;
    let told = |command: dmtap::dm::Command<'_>| {
        let id = command.cmd_id().map_or(0, |id| id.len());
        let uri = command.loc_uri().map_or(0, |uri| uri.len());
        let code = command
            .as_status()
            .and_then(|s| s.code())
            .map_or(0, |c| usize::from(c.0));
        id + uri + code
    };
    Some(Message::of(&document)?.all_commands().map(told).sum())
}

/// Decodes, sets the text of a `Data` in the middle, and puts the bytes together.
fn edit(source: &Bytes) -> Option<Bytes> {
    let document = decode(source).ok()?;
    let half = source.len() as u32 / 2;
    let mut later = document
        .elements()
        .filter(|e| e.is(tag::DATA) && e.span().start > half);
    let element = later.next()?.id();
    let text = "500".into();
    let patch = plan(&document, &[Edit::SetText { element, text }]).ok()?;
    Some(patch.apply(source))
}

/// Prints a row of the table, and its head in front of the first.
fn compare(row: usize, kilobytes: usize, size: usize, contenders: &[Contender<'_>]) {
    let wanted = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let wanted = wanted.unwrap_or_default();
    let contenders: Vec<_> = contenders
        .iter()
        .filter(|(name, _)| name.contains(&wanted))
        .collect();
    let mut times = vec![Vec::new(); contenders.len()];
    for _ in 0..ROUNDS {
        for ((_, run), times) in contenders.iter().zip(&mut times) {
            times.push(run());
        }
    }
    if row == 0 {
        let names: Vec<&str> = contenders.iter().map(|(name, _)| *name).collect();
        println!(
            "| message | {} |\n|---|{}",
            names.join(" | "),
            "--:|".repeat(names.len())
        );
    }
    print!("| {kilobytes} KB |");
    let mut first = None;
    for times in &mut times {
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        let base = *first.get_or_insert(median);
        print!(
            " {:.0} ({:.2}×) |",
            size as f64 / median / 1e6,
            base / median
        );
    }
    println!();
}

/// Seconds that one run takes, over a round of many.
fn seconds(run: impl Fn()) -> f64 {
    let start = Instant::now();
    let mut runs = 0;
    while start.elapsed() < ROUND {
        run();
        runs += 1;
    }
    start.elapsed().as_secs_f64() / f64::from(runs)
}

fn events(text: &str) {
    let mut reader = Reader::from_str(text);
    loop {
        match reader.read_event().expect("the bench writes XML") {
            Event::Eof => break,
            event => drop(black_box(event)),
        }
    }
}

fn tree(source: &Bytes) {
    let document = xml::decode::decode(source.clone(), Hint::default(), &Limits::default());
    black_box(document.expect("the bench writes XML"));
}

fn roxmltree(text: &str) {
    black_box(roxmltree::Document::parse(text).expect("the bench writes XML"));
}
