//! The results of lint as text, JUnit and SARIF.

use std::collections::BTreeMap;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};

use super::{Lint, Linted, Remark};
use crate::facts;
use crate::flow::Severity;
use crate::printable::counted;

/// Returns the results as text: grouped by rule and sender, the worst first.
pub fn text(lint: &Lint) -> String {
    let mut groups: BTreeMap<Group<'_>, Vec<(&Linted, &Remark)>> = BTreeMap::new();
    for message in &lint.messages {
        for note in &message.notes {
            let group = Group {
                severity: std::cmp::Reverse(note.severity),
                id: &note.id,
                by: message.by,
            };
            groups.entry(group).or_default().push((message, note));
        }
    }
    let mut text = String::new();
    for (group, notes) in &groups {
        let sign = match group.severity.0 {
            Severity::Error => "✖",
            Severity::Warning => "!",
            Severity::Info => "·",
        };
        let severity = group.severity.0.name();
        let times = match notes.len() {
            1 => String::new(),
            notes => format!(" · {notes} notes"),
        };
        text.push_str(&format!(
            "{sign} {severity} {} · {}{times}\n",
            group.id, group.by
        ));
        for (message, note) in notes.iter().take(SHOWN) {
            let (place, at) = (&message.place, place_in(note));
            text.push_str(&format!("  │ {place}{at}: {}\n", note.text));
        }
        let more = notes.len().saturating_sub(SHOWN);
        if more > 0 {
            text.push_str(&format!("  │ and {more} more\n"));
        }
    }
    for (file, what) in lint.others.iter().take(SHOWN) {
        text.push_str(&format!("· {file} is {what}, not judged\n"));
    }
    if lint.synchronization > 0 {
        let messages = counted(lint.synchronization, "message");
        text.push_str(&format!(
            "· {messages} of data synchronization (OMA DS), not of OMA DM: only CmdIDs and values are judged\n"
        ));
    }
    text.push_str(&summary(lint));
    text
}

/// Returns the place of a note in its message, in words.
fn place_in(note: &Remark) -> String {
    let place = note.at.map(|at| format!(" at byte {at}"));
    place.unwrap_or_default()
}

/// Notes of a group, in the order in which groups are listed.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Group<'l> {
    severity: std::cmp::Reverse<Severity>,
    id: &'l str,
    by: &'static str,
}

fn summary(lint: &Lint) -> String {
    let count = |severity, one: &str| counted(lint.count(severity), one);
    let messages = counted(lint.messages.len(), "message");
    let mut text = format!(
        "{}, {}, {} in {messages}",
        count(Severity::Error, "error"),
        count(Severity::Warning, "warning"),
        count(Severity::Info, "info note"),
    );
    if !lint.others.is_empty() {
        text.push_str(&format!("; {} no message of SyncML", lint.others.len()));
    }
    text + "\n"
}

/// The limit of notes of a group that are listed one by one.
const SHOWN: usize = 5;

/// Returns the results as JUnit: each message is a test case, which fails if it has a note as severe as `fail_on`.
pub fn junit(lint: &Lint, fail_on: Severity) -> Result<String, String> {
    let mut suite = TestSuite::new("dmtap lint");
    let mut names = BTreeMap::new();
    for message in &lint.messages {
        let failing = message.notes.iter().filter(|note| note.severity >= fail_on);
        let failing: Vec<&Remark> = failing.collect();
        let status = match failing.first() {
            None => TestCaseStatus::success(),
            Some(first) => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_type(first.id.clone());
                status.set_message(format!("{}: {}", first.id, first.text));
                let lines = failing.iter().map(|note| {
                    let severity = note.severity.name();
                    format!("{severity} {}{}: {}\n", note.id, place_in(note), note.text)
                });
                status.set_description(lines.collect::<String>());
                status
            }
        };
        let name = match message.exchange {
            Some(_) => format!("{} ({})", message.place, message.by),
            None => message.place.clone(),
        };
        // A file may be named twice.
        let times: &mut u32 = names.entry(name.clone()).or_default();
        *times += 1;
        let name = match times {
            1 => name,
            times => format!("{name} #{times}"),
        };
        let mut case = TestCase::new(name, status);
        case.set_classname(message.by);
        suite.add_test_case(case);
    }
    let mut report = Report::new("dmtap lint");
    report.add_test_suite(suite);
    report.to_string().map_err(|error| error.to_string())
}

/// Returns the results as SARIF 2.1.0.
pub fn sarif(lint: &Lint) -> String {
    let mut ids: Vec<&str> = Vec::new();
    let mut results = Vec::new();
    for message in &lint.messages {
        for note in &message.notes {
            let index = ids.iter().position(|id| *id == note.id).unwrap_or_else(|| {
                ids.push(&note.id);
                ids.len() - 1
            });
            results.push(result(message, note, index));
        }
    }
    let rules: Vec<Value> = ids.iter().map(|id| rule(id)).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "dmtap",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn rule(id: &str) -> Value {
    let meaning = facts::id(id).next().map(|fact| fact.meaning.clone());
    json!({
        "id": id,
        "shortDescription": {"text": meaning.unwrap_or_else(|| id.to_owned().into())},
    })
}

fn result(message: &Linted, note: &Remark, index: usize) -> Value {
    let mut place = json!({"artifactLocation": {"uri": uri(&message.file)}});
    // The offset counts in the file if this is WBXML; other messages may have another encoding in the file.
    match (note.line, note.column, note.at) {
        (Some(line), Some(column), _) => {
            place["region"] = json!({"startLine": line, "startColumn": column});
        }
        (Some(line), None, _) => place["region"] = json!({"startLine": line}),
        (None, _, Some(at)) => place["region"] = json!({"byteOffset": at, "byteLength": 0}),
        (None, _, None) => {}
    }
    json!({
        "ruleId": note.id,
        "ruleIndex": index,
        "level": match note.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "note",
        },
        "message": {"text": format!("{} ({}): {}", message.place, message.by, note.text)},
        "locations": [{
            "physicalLocation": place,
            "logicalLocations": [{"fullyQualifiedName": message.place}],
        }],
    })
}

/// A path as a URI reference.
fn uri(path: &str) -> String {
    use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
    const ENCODED: &AsciiSet = &CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'#')
        .add(b'%')
        .add(b'<')
        .add(b'>')
        .add(b'?')
        .add(b'`')
        .add(b'{')
        .add(b'}')
        .add(b'\\')
        .add(b'^')
        .add(b'|')
        .add(b'[')
        .add(b']');
    utf8_percent_encode(path, ENCODED).to_string()
}
