//! `dmtap rules try` on a record of a session.

use std::fs;
use std::path::Path;

use super::peers::dmtap;
use super::trial::{shows, text, tried};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with the record of a session in XML and one in WBXML.
fn record() -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    let output = dmtap().arg("demo").current_dir(&folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let record = fs::read_to_string(folder.path().join("dmtap-demo/demo.jsonl")).unwrap();
    fs::write(folder.path().join("session.jsonl"), &record).unwrap();
    (folder, record)
}

fn rule(folder: &Path, stage: &str, matches: &str, step: &str) {
    let text = format!(
        "[[rule]]\nname = 'a'\nstage = '{stage}'\nmatch = {{ {matches} }}\nstep = {{ {step} }}\n"
    );
    fs::write(folder.join("rule.toml"), text).unwrap();
}

#[test]
fn every_message_of_a_record_is_tried_and_those_that_change_are_shown() {
    let (folder, _) = record();
    let output = tried(folder.path(), &["permission-denied", "session.jsonl"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let shown = text(&output.stdout);
    assert_eq!(shown.matches("session.jsonl x").count(), 2, "{shown}");
    shows(
        &shown,
        &[
            "session.jsonl x2: a request, XML, ",
            "session.jsonl x5: a request, WBXML, ",
            "-      <Data>200</Data>\n+      <Data>425</Data>",
            "session.jsonl: 2 of 12 messages acted on\n  permission-denied  acts on 2 messages\n",
        ],
    );
}

#[test]
fn the_head_the_address_and_the_session_are_those_of_the_record() {
    let (folder, _) = record();
    let check = |stage: &str, matches: &str, messages: u64| {
        rule(folder.path(), stage, matches, "delay = '1s'");
        let arguments = ["rule.toml", "session.jsonl", "--output", "json"];
        let lines = text(&tried(folder.path(), &arguments).stdout);
        let lines: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let last = lines.last().unwrap();
        assert_eq!(last["acted-on"], messages, "{matches}: {lines:?}");
        assert_eq!(last["rules"][0]["messages"], messages, "{matches}");
        assert_eq!(lines.len() as u64, messages + 1, "{matches}");
        assert_eq!(last["messages"], 12, "{matches}");
    };
    check("request", "path = '/ManagementServer/*'", 6);
    check("request", "path = '/elsewhere'", 0);
    check("request", "method = 'POST', host = 'localhost'", 6);
    check("response", "http-status = 200", 6);
    check("response", "session = '2'", 3);
    check("request", "encoding = 'wbxml'", 3);
    check("request", "exchange = 1", 2);
    check("request", "sni = 'localhost'", 6);
    check(
        "request",
        "command = 'Results', loc-uri = './DevDetail/SwV'",
        2,
    );
}

#[test]
fn a_record_on_which_no_rule_acts_exits_with_1_and_says_how_often_one_nearly_did() {
    let (folder, _) = record();
    rule(
        folder.path(),
        "request",
        "command = 'Status'",
        "set-text = 'x', at = 'Nowhere'",
    );
    let output = tried(folder.path(), &["rule.toml", "session.jsonl"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let shown = text(&output.stdout);
    let expected = "0 of 12 messages acted on\n  a  acts on none, cannot act on 4 messages\n      x2: /SyncML/SyncBody/Status";
    assert!(shown.contains(expected), "{shown}");
}

#[test]
fn torn_lines_are_reported_and_the_others_tried_and_standard_input_is_read_too() {
    let (folder, record) = record();
    let torn = record.replacen("{\"v\":1,", "{\"v\":", 1) + "{\"v\":1,\"seq\"";
    fs::write(folder.path().join("torn.jsonl"), torn).unwrap();
    let output = tried(folder.path(), &["permission-denied", "torn.jsonl"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = text(&output.stderr);
    assert_eq!(said.matches("torn.jsonl: line ").count(), 2, "{said}");
    assert!(text(&output.stdout).contains("2 of 12 messages"));

    let mut command = dmtap();
    command.args(["rules", "try", "permission-denied", "-"]);
    let file = fs::File::open(folder.path().join("session.jsonl")).unwrap();
    let output = command.stdin(file).output().unwrap();
    assert!(
        text(&output.stdout).contains("- x2: a request"),
        "{output:?}"
    );
}

#[test]
fn a_session_in_which_a_rule_answered_for_the_server_is_not_tried_any_further() {
    let (folder, _) = record();
    let check = |session: &str, step: &str, expected: &[&str], tried_on: u64| {
        let matches = format!("message = 1, session = '{session}'");
        rule(folder.path(), "request", &matches, step);
        let output = tried(folder.path(), &["rule.toml", "session.jsonl"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let shown = text(&output.stdout);
        shows(&shown, expected);
        assert_eq!(shown.matches("no longer fits").count(), 1, "{shown}");
        let acted = shown.matches("\n  rule a\n").count() as u64;
        assert_eq!(acted, tried_on, "{shown}");
    };
    let fits = "session.jsonl: from here the record no longer fits: ";
    let summary = "session.jsonl: 1 of 12 messages acted on, 5 not tried\n";
    for step in ["challenge = 401", "answer = 503", "reset = true"] {
        let first = format!("{fits}x2 and what follows");
        check("1", step, &[&first, summary], 1);
        let first = format!("{fits}x5 and what follows");
        check("2", step, &[&first, summary], 1);
    }
}

#[test]
fn a_rule_that_acts_on_nothing_in_a_record_is_reported_with_the_reason() {
    let (folder, _) = record();
    let check = |stage: &str, matches: &str, step: &str, expected: &str| {
        rule(folder.path(), stage, matches, step);
        let output = tried(folder.path(), &["rule.toml", "session.jsonl"]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let shown = text(&output.stdout);
        let expected = format!("  a  acts on none\n      {expected}\n");
        assert!(
            shown.ends_with(&expected),
            "{expected} is missing in:\n{shown}"
        );
    };
    let delay = "delay = '1s'";
    check(
        "request",
        "host = 'elsewhere'",
        delay,
        "x1: its `host` does not match `localhost`",
    );
    check("response", "command = 'Copy'", delay, "x1: does not match");
    check(
        "connection",
        "sni = 'localhost'",
        "refuse-connection = true",
        "is about connections: it cannot be tried on a message",
    );
}
