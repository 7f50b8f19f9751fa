//! How fast documents are decoded, beside the bare event loop of quick-xml and the tree of roxmltree.
//!
//! `cargo bench --bench codec`. Each row is the median of rounds that take the contenders in turn, so that a
//! busy machine slows all of them alike. An argument keeps the contenders whose name holds it.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dmtap::markup::edit::Edit;
use dmtap::markup::{DecodeError, Document, Hint, Limits, tag, wbxml, xml};
use dmtap::patch::Patch;
use quick_xml::events::Event;
use quick_xml::reader::Reader;

const ROUNDS: usize = 41;
const ROUND: Duration = Duration::from_millis(10);

type Contender<'a> = (&'static str, Box<dyn Fn() + 'a>);

fn main() {
    println!("XML, MB/s of source (share of the bare event loop)");
    for kilobytes in [1, 4, 64, 500] {
        let source = Bytes::from(syncml(kilobytes << 10));
        let text = std::str::from_utf8(&source).expect("the bench writes UTF-8");
        let contenders: [Contender<'_>; 3] = [
            ("quick-xml events", Box::new(|| events(text))),
            ("dmtap tree", Box::new(|| tree(&source))),
            ("roxmltree", Box::new(|| roxmltree(text))),
        ];
        compare(&format!("{kilobytes} KB"), source.len(), &contenders);
    }
    println!("WBXML, MB/s of the same messages as XML text (share of decoding)");
    for kilobytes in [1, 4, 64, 500] {
        binary(kilobytes);
    }
}

fn binary(kilobytes: usize) {
    let text = syncml(kilobytes << 10);
    let options = wbxml::WbxmlOptions::default();
    let document = decode(&text.clone().into()).expect("the bench writes XML");
    let source = Bytes::from(wbxml::encode(&document, &options).expect("SyncML has tokens"));
    let contenders: [Contender<'_>; 3] = [
        ("tree", Box::new(|| drop(black_box(decode(&source))))),
        (
            "tree and one edit",
            Box::new(|| drop(black_box(edit(&source)))),
        ),
        (
            "XML tree written",
            Box::new(|| drop(black_box(wbxml::encode(&document, &options)))),
        ),
    ];
    compare(&format!("{kilobytes} KB"), text.len(), &contenders);
    let nodes = decode(&source).map_or(0, |document| document.len());
    let share = (source.len() + 12 * nodes) as f64 / source.len() as f64;
    println!(
        "         {} bytes, {nodes} nodes; with the tree {share:.1}× the bytes",
        source.len()
    );
}

fn decode(source: &Bytes) -> Result<Document, DecodeError> {
    dmtap::markup::decode(source.clone(), Hint::default(), &Limits::default())
}

/// Decodes, sets the text of a `Data` in the middle, and puts the bytes together.
fn edit(source: &Bytes) -> Option<Bytes> {
    let document = decode(source).ok()?;
    let half = source.len() as u32 / 2;
    let element = document
        .elements()
        .find(|e| e.is(tag::DATA) && e.span().start > half)?
        .id();
    let text = "500".into();
    let splices = wbxml::lower::lower(&document, &[Edit::SetText { element, text }]).ok()?;
    Some(Patch::new(splices).ok()?.apply(source))
}

fn compare(title: &str, size: usize, contenders: &[Contender<'_>]) {
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
            times.push(seconds(run));
        }
    }
    print!("{title:>8}");
    let mut first = None;
    for ((name, _), times) in contenders.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        let base = *first.get_or_insert(median);
        let rate = size as f64 / median / 1e6;
        print!("   {name} {rate:.0} ({:.2}×)", base / median);
    }
    println!();
}

/// Seconds that one run takes, over a round of many.
fn seconds(run: &dyn Fn()) -> f64 {
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

/// A message as a Windows device answers: Status and Results by turns, until `size` is reached.
fn syncml(size: usize) -> String {
    let mut out = String::from(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>1F</SessionID><MsgID>2</MsgID><Target><LocURI>https://mdm.example.com/ManagementServer/MDM.svc\
         </LocURI></Target><Source><LocURI>2B1C6E95D8BB843B1278FF45BC60CC6A</LocURI></Source></SyncHdr><SyncBody>",
    );
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
    out.push_str("<Final/></SyncBody></SyncML>");
    out
}
