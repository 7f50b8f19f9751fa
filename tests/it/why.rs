//! The findings about records: the situations that users ask about, each with its exact text.

mod advice;
mod blame;
mod causes;
mod demo;
mod enrollments;
mod faults;
mod later;
mod limits;
mod links;
mod named_rules;
mod script;
mod stage;
mod unanswered;

use std::fs;
use std::path::Path;

use dmtap::app::why::Question;
use dmtap::record::analysis::why::Options;
use dmtap::record::analysis::{AnalysedSession, Analysis};
use dmtap::record::{Colour, EventRecord, JsonLines, Sink as _, transcript};

use crate::support::record_schema;

/// The sessions of records, in the order in which they end.
fn analysed(records: &[EventRecord]) -> Vec<AnalysedSession> {
    let mut analysis = Analysis::new(Options::default());
    let mut over: Vec<_> = records
        .iter()
        .flat_map(|record| analysis.event(record))
        .collect();
    over.extend(analysis.finish());
    over
}

/// Their blocks, as a transcript has them.
fn blocks(sessions: &[AnalysedSession]) -> String {
    let blocks = sessions
        .iter()
        .map(|session| transcript::session(&session.summary, None, false, Colour::Plain));
    blocks.collect()
}

/// A record with their ends.
fn lines(records: &[EventRecord], sessions: &[AnalysedSession]) -> Vec<u8> {
    let mut lines = JsonLines::new(Vec::new());
    for record in records {
        lines.write_event(record).unwrap();
    }
    let last = records.last().unwrap();
    for session in sessions {
        lines
            .write_event(&last.session_end(session.summary.clone()))
            .unwrap();
    }
    lines.into_inner()
}

/// Checks each file of a folder of `tests/data`: a script, and behind `---` what comes out. `UPDATE_EXPECT=1` writes that.
fn check_folder(name: &str, explained: impl Fn(&[EventRecord]) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut files: Vec<_> = fs::read_dir(folder.join(name))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let mut wrong = String::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let (script, expected) = text.split_once("\n---\n").unwrap_or((&text, ""));
        let records = match script.strip_prefix("record ") {
            Some(name) => links::recorded(name),
            None => script::records(script),
        };
        let shown = explained(&records);
        if shown == expected {
            continue;
        }
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&file, format!("{}\n---\n{shown}", script.trim_end())).unwrap();
            continue;
        }
        wrong += &format!("{}:\n{shown}\n", file.display());
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn each_situation_is_explained_in_these_words() {
    check_folder("why", |records| {
        let sessions = analysed(records);
        record_schema::check(&lines(records, &sessions));
        blocks(&sessions)
    });
}

#[test]
fn what_came_later_in_a_record_settles_what_came_before() {
    check_folder("why_later", |records| {
        let mut question = Question::new(Options::default(), None);
        records.iter().for_each(|record| question.event(record));
        let text = question.answered().text(records.len() as u64);
        anstream::adapter::strip_str(&text).to_string()
    });
}
