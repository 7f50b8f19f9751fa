//! `dmtap lint` as a user and a CI system run it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{demo, dmtap, run, stdout};

fn messages(folder: &Path) -> Vec<String> {
    let text = include_str!("../../data/lint/base.txt");
    let messages = text.lines().filter(|line| line.starts_with('<'));
    let mut files = Vec::new();
    for (number, message) in messages.enumerate() {
        let file = folder.join(format!("{number}.xml"));
        let broken = message.replace(
            "<Item><Target><LocURI>./Vendor/MSFT/A/E</LocURI></Target></Item>",
            "<Item/>",
        );
        fs::write(&file, broken).unwrap();
        files.push(file.display().to_string());
    }
    files
}

#[test]
fn a_demo_breaks_nothing() {
    let (folder, _) = demo();
    let record = folder.path().join("dmtap-demo/demo.jsonl");
    let output = run(dmtap()
        .arg("lint")
        .arg(record)
        .args(["--fail-on", "warning"]));
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(
        stdout(&output).contains("0 errors, 0 warnings"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn a_rule_of_dmtap_blames_nobody() {
    for rule in [
        "no-answer",
        "message-skipped",
        "hide-command",
        "no-final",
        "answers-reversed",
        "chunk-refused",
        "never-completed",
        "object-abandoned",
        "upload-refused",
        "upload-wrong-size",
        "login-refused",
    ] {
        let folder = tempfile::tempdir().unwrap();
        run(dmtap()
            .args(["demo", "--rule", rule])
            .current_dir(folder.path()));
        let record = folder.path().join("dmtap-demo/demo.jsonl");
        let output = run(dmtap().arg("lint").arg(record));
        assert!(
            stdout(&output).contains("0 errors"),
            "{rule}: {}",
            stdout(&output)
        );
    }
}

#[test]
fn files_are_one_conversation_and_their_notes_are_grouped() {
    let folder = tempfile::tempdir().unwrap();
    let files = messages(folder.path());
    let output = run(dmtap().arg("lint").args(&files));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = stdout(&output);
    assert!(text.starts_with("✖ error CMD-07 · server\n  │ "), "{text}");
    assert!(text.contains("1.xml at byte "), "{text}");
    assert!(
        text.ends_with("1 error, 0 warnings, 0 info notes in 4 messages\n"),
        "{text}"
    );
    let output = run(dmtap().arg("lint").args(&files).args(["--output", "json"]));
    let lines: Vec<Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["id"], "CMD-07");
    assert_eq!(lines[0]["by"], "server");
    assert_eq!(lines[1]["errors"], 1);
}

#[test]
fn junit_and_sarif_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let files = messages(folder.path());
    let (junit, sarif) = (
        folder.path().join("lint.xml"),
        folder.path().join("lint.sarif"),
    );
    let mut lint = dmtap();
    lint.arg("lint")
        .args(&files)
        .arg("--junit")
        .arg(&junit)
        .arg("--sarif")
        .arg(&sarif);
    assert_eq!(run(&mut lint).status.code(), Some(1));
    let junit = fs::read_to_string(junit).unwrap();
    let document = roxmltree::Document::parse(&junit).unwrap();
    let count = |name: &str| {
        document
            .descendants()
            .filter(|node| node.has_tag_name(name))
            .count()
    };
    assert_eq!((count("testcase"), count("failure")), (4, 1), "{junit}");
    let sarif: Value = serde_json::from_str(&fs::read_to_string(sarif).unwrap()).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    assert_eq!(run["results"][0]["ruleId"], "CMD-07");
    assert_eq!(run["results"][0]["level"], "error");
    assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "CMD-07");
    let place = &run["results"][0]["locations"][0]["physicalLocation"];
    assert!(
        place["artifactLocation"]["uri"]
            .as_str()
            .unwrap()
            .ends_with("1.xml"),
        "{place}"
    );
}

#[test]
fn what_is_no_message_is_counted_and_a_filter_selects_exchanges() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.xml");
    fs::write(&file, "<html/>").unwrap();
    let output = run(dmtap().arg("lint").arg(&file));
    assert_eq!(output.status.code(), Some(0));
    assert!(
        stdout(&output).contains("1 no message of SyncML"),
        "{}",
        stdout(&output)
    );
    let (folder, _) = demo();
    let record = folder.path().join("dmtap-demo/demo.jsonl");
    let output = run(dmtap().arg("lint").arg(&record).arg("~sess 1"));
    assert!(
        stdout(&output).contains("in 6 messages"),
        "{}",
        stdout(&output)
    );
    let output = run(dmtap().arg("lint").arg(&record).arg("~sesss 1"));
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
