//! Filters as a user writes them, over a record and on a running proxy.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::{dmtap, run, stdout};

/// The record of a demo whose first Replace failed with a native error.
fn record() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = dmtap();
    demo.args(["demo", "--rule", "original-error"]);
    let output = run(demo.current_dir(folder.path()));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let record = folder.path().join("dmtap-demo/demo.jsonl");
    (folder, record.display().to_string())
}

/// The exchanges that a filter selects, of each session their number in it.
fn selected(record: &str, filter: &[&str]) -> Vec<(u64, u64)> {
    let output = run(dmtap()
        .args(["show", record, "--output", "json"])
        .args(filter));
    assert_eq!(output.status.code(), Some(0), "{filter:?}: {output:?}");
    let events = events(&stdout(&output));
    let of_messages = events.iter().filter(|event| event["session"].is_object());
    let numbers = of_messages.map(|event| {
        let session = &event["session"];
        (
            session["number"].as_u64().unwrap(),
            session["exchange"].as_u64().unwrap(),
        )
    });
    let set: BTreeSet<_> = numbers.collect();
    set.into_iter().collect()
}

fn events(lines: &str) -> Vec<Value> {
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_filter_selects_whole_exchanges_of_a_record() {
    let (_folder, record) = record();
    let check = |filter: &str, expected: &[(u64, u64)]| {
        assert_eq!(selected(&record, &[filter]), expected, "{filter}");
    };
    // Eight exchanges: four of each session.
    let all: Vec<_> = (1..=2)
        .flat_map(|session| (1..=4).map(move |x| (session, x)))
        .collect();
    check("~dialect syncml", &all);
    check("~m POST & ~c 200", &all);
    check("~sess 2", &all[4..]);
    check("~enc xml", &all[..4]);
    check("~enc xml | ~sess 2", &all);
    check("~alert 1201", &[(1, 1), (2, 1)]);
    check("~pkg 1", &[(1, 1), (2, 1)]);
    check("~changed", &[(1, 2), (2, 2)]);
    check("~rule original-error", &[(1, 2), (2, 2)]);
    // Where it was asked, and where it was answered.
    let failed = [(1, 1), (1, 2), (2, 1), (2, 2)];
    check("~status 500 & ~csp DMTap", &failed);
    check("~hr E_ACCESSDENIED", &failed);
    let missing = [(1, 3), (1, 4), (2, 3), (2, 4)];
    check("~cmd Replace & ~status 404", &missing);
    check("~cmd Get & ~status 500", &[]);
    check("~hr 0x86000002", &[]);
    check("MDM.svc & ~msg 1", &[(1, 1), (2, 1)]);
    check("~u nowhere", &[]);
    check("~lint error", &[]);
    check("~took 1000s | ~own", &[]);
}

#[test]
fn an_error_points_at_the_column_and_exits_with_2() {
    for verb in ["show", "proxy"] {
        let mut command = dmtap();
        match verb {
            "show" => command.args(["show", "nowhere.jsonl", "~cmd Replace ~satus 404"]),
            _ => command.args([
                "proxy",
                "--mode",
                "regular",
                "--view-filter",
                "~cmd Replace ~satus 404",
            ]),
        };
        let output = run(&mut command);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        let expected = "error: `~satus` is no word of a filter\n  ~cmd Replace ~satus 404\n               ^^^^^^\n\
                        help: write ~status\n";
        assert!(errors.ends_with(expected), "{errors}");
    }
    // Words that the shell has split are one filter.
    let (_folder, record) = record();
    assert_eq!(
        selected(&record, &["~sess", "2", "&", "~alert", "1201"]),
        [(2, 1)]
    );
}

#[test]
fn the_transcript_of_a_filter_shows_the_connection_and_nothing_else() {
    let (_folder, record) = record();
    let output = run(dmtap().args(["show", &record, "~sess 2 & ~alert 1201"]));
    let text = stdout(&output);
    assert_eq!(text.matches("device → server").count(), 1, "{text}");
    assert_eq!(text.matches("server → device").count(), 1, "{text}");
    assert_eq!(text.matches("connected, for server").count(), 1, "{text}");
    assert_eq!(text.matches("connection closed").count(), 1, "{text}");
}

#[test]
fn docs_name_every_word() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/filters.md");
    let docs = fs::read_to_string(docs).unwrap();
    for word in dmtap::filter::Word::all() {
        assert!(
            docs.contains(&format!("| `~{}", word.name())),
            "~{}",
            word.name()
        );
    }
}
