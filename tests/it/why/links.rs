//! The commands and their answers in recorded exchanges: the expected links were read off the messages by hand.
//!
//! A file of `tests/data/links` names a record in the same folder, or messages of the corpus in order. After `---`
//! there is one line for each command (its sender, MsgID and CmdID, node, the code that arrived and in which Status,
//! and the outcome), then the end of the session.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use dmtap::flow::Event;
use dmtap::record::analysis::AnalysedSession;
use dmtap::record::{EventRecord, Masking, jsonl};
use serde_json::json;

use super::analysed;
use crate::record::stage::Stage;
use crate::support::{peers, record_schema};

#[test]
fn recorded_exchanges_have_the_links_that_were_read_off_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/links");
    let (mut checked, mut wrong) = (0, String::new());
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let (input, expected) = text.split_once("\n---\n").unwrap();
        let Some(records) = records(input) else {
            continue;
        };
        checked += 1;
        let sessions = analysed(&records);
        assert_eq!(sessions.len(), 1, "{}", path.display());
        let found = links(&sessions[0]);
        if found != expected {
            let name = path.display();
            write!(wrong, "{name}:\n{found}instead of\n{expected}\n").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(checked >= 3, "{checked}");
}

/// The events of a record of `tests/data/links`.
pub(super) fn recorded(name: &str) -> Vec<EventRecord> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/links");
    let record = fs::read(folder.join(name)).unwrap();
    record_schema::check(&record);
    let events = record.split_inclusive(|byte| *byte == b'\n');
    events.map(|line| jsonl::read(line).unwrap()).collect()
}

/// The records of a fixture; `None` where there is no corpus.
fn records(input: &str) -> Option<Vec<EventRecord>> {
    let mut lines = input.lines();
    let (kind, name) = lines.next().unwrap().split_once(' ').unwrap();
    if kind == "record" {
        return Some(recorded(name));
    }
    assert_eq!(kind, "corpus");
    let corpus = peers::corpus()?.join(name);
    let mut stage = Stage::new();
    let headers = [("content-type", "application/vnd.syncml.dm+xml")];
    for line in lines {
        let (side, file) = line.split_once(' ').unwrap();
        let body = fs::read(corpus.join(file)).unwrap();
        // An empty answer belongs to the session of its request.
        let last = stage.events.iter().rev().find_map(|event| match event {
            Event::Request(message) => message.session.clone(),
            _ => None,
        });
        let message = match side {
            ">" => stage.request(&headers, body),
            _ => stage.response(&headers, body),
        };
        message.session = message.session.take().or(last);
    }
    let events = (1..).zip(&stage.events);
    Some(
        events
            .map(|(seq, event)| EventRecord::of(seq, event, Masking::Masked))
            .collect(),
    )
}

/// A line for each command, and one for the end.
fn links(session: &AnalysedSession) -> String {
    let mut text = String::new();
    for it in &session.transactions {
        let mut above = it.parent;
        while let Some(parent) = above {
            text.push_str("  ");
            let mut all = session.transactions.iter();
            above = all.find(|other| other.number == parent).unwrap().parent;
        }
        let (asked, from) = (&it.asked, it.from.name());
        write!(
            text,
            "{from} {} {}/{}",
            it.command, asked.message, asked.cmd_id
        )
        .unwrap();
        if let Some(node) = it.node() {
            write!(text, " {node}").unwrap();
        }
        text.push(':');
        let mut parts = Vec::new();
        for answer in &it.answers {
            let code = |code: Option<u16>| code.map_or("none".to_owned(), |code| code.to_string());
            let (received, place) = (code(answer.received), &answer.place);
            let mut part = format!("{received} in {}/{}", place.message, place.cmd_id);
            if answer.sent != answer.received {
                write!(part, " (sent {})", code(answer.sent)).unwrap();
            }
            if !answer.rules.is_empty() {
                write!(part, " by {}", answer.rules.join(" ")).unwrap();
            }
            parts.push(part);
        }
        match it.results.len() {
            0 => {}
            1 => parts.push("1 result".to_owned()),
            many => parts.push(format!("{many} results")),
        }
        let outcome = json!(it.outcome);
        if outcome != "answered" {
            parts.push(outcome.as_str().unwrap().to_owned());
        }
        writeln!(text, " {}", parts.join(", ")).unwrap();
    }
    let end = json!(session.summary.end);
    text + end["is"].as_str().unwrap() + "\n"
}
