//! A record with several runs: each run has its own exchanges and sessions with the same numbers.

use std::fs;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use super::peers::dmtap;

/// A folder with the record of the demo, written by two runs. The events of the second run go on from a higher number,
/// as in a record that a filter thinned out: only the `run` line shows where it begins.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let output = dmtap().arg("demo").current_dir(&folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let first = fs::read_to_string(folder.path().join("dmtap-demo/demo.jsonl")).unwrap();
    let second = first.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        if let Some(seq) = line["seq"].as_u64() {
            line["seq"] = (seq + 1_000).into();
        } else if line["event"] == "run" {
            line["run"] = "another".into();
        }
        format!("{line}\n").replace("Greeting", "Farewell")
    });
    let several = first.clone() + &second.collect::<String>();
    fs::write(folder.path().join("several.jsonl"), several).unwrap();
    // A record that was begun again at SIGHUP repeats the line of its run.
    let run = first.lines().find(|line| line.contains(r#""event":"run""#));
    let middle = first.find(r#"{"v":1,"seq":9,"#).unwrap();
    let (begin, end) = first.split_at(middle);
    let one = format!("{begin}{}\n{end}", run.unwrap());
    fs::write(folder.path().join("one.jsonl"), one).unwrap();
    folder
}

fn run(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut dmtap = dmtap();
    dmtap.args(arguments).current_dir(folder).output().unwrap()
}

fn printed(folder: &TempDir, arguments: &[&str]) -> String {
    String::from_utf8(run(folder, arguments).stdout).unwrap()
}

#[test]
fn each_run_of_a_record_has_its_own_heading_and_its_own_sessions() {
    let folder = folder();
    let of_demo = printed(&folder, &["show", "dmtap-demo/demo.jsonl"]);
    let sessions = of_demo.matches("━━ SessionID").count();
    assert_eq!(printed(&folder, &["show", "one.jsonl"]), of_demo);
    assert!(!of_demo.contains("━━ run"), "{of_demo}");

    let shown = printed(&folder, &["show", "several.jsonl"]);
    let heading = "━━ run 2 ━━ all numbers begin again ━━";
    let (first, second) = shown.split_once(heading).unwrap();
    for half in [first, second] {
        assert_eq!(half.matches("━━ SessionID").count(), sessions, "{shown}");
    }
    let filtered = printed(&folder, &["show", "several.jsonl", "--exchange", "2"]);
    let (_, second) = filtered.split_once(heading).unwrap();
    assert!(second.contains("━━ session 1 ━━ SessionID"), "{filtered}");
}

#[test]
fn the_events_of_show_have_the_lines_of_their_runs_in_front() {
    let folder = folder();
    for arguments in [
        &["several.jsonl"][..],
        &["several.jsonl", "--exchange", "2"],
        &["several.jsonl", "~cmd Get"],
    ] {
        let shown = printed(
            &folder,
            &[&["show", "--output", "json"], arguments].concat(),
        );
        let runs = shown
            .lines()
            .enumerate()
            .filter(|(_, line)| line.contains(r#""event":"run""#));
        let runs: Vec<_> = runs.map(|(number, _)| number).collect();
        assert!(runs.len() == 2 && runs[0] == 0, "{arguments:?}: {runs:?}");
    }
}

#[test]
fn a_body_of_an_exchange_that_several_runs_have_is_that_of_the_newest_run() {
    let folder = folder();
    let body = |file, message| {
        run(
            &folder,
            &["show", file, "--exchange", "2", "--body", message],
        )
    };
    for message in ["request", "response"] {
        let one = body("dmtap-demo/demo.jsonl", message);
        let several = body("several.jsonl", message);
        let one_text = String::from_utf8(one.stdout).unwrap();
        let newest = one_text.replace("Greeting", "Farewell");
        assert_eq!(String::from_utf8(several.stdout).unwrap(), newest);
        assert!(one.stderr.is_empty());
        let note = String::from_utf8(several.stderr).unwrap();
        assert!(note.contains("the body of run 2"), "{note}");
    }
}

#[test]
fn a_run_that_lacks_the_body_does_not_hide_that_of_another_one() {
    let folder = folder();
    let several = fs::read_to_string(folder.path().join("several.jsonl")).unwrap();
    let (first, _) = several.split_once(r#""run":"another""#).unwrap();
    let (lines, second) = several.split_at(first.rfind('\n').unwrap() + 1);
    let is_of_response = |line: &&str| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["exchange"] == 2 && line["event"] == "response"
    };
    let second = second.lines().filter(|line| !is_of_response(line));
    let second: String = second.map(|line| format!("{line}\n")).collect();
    fs::write(folder.path().join("cut.jsonl"), format!("{lines}{second}")).unwrap();
    let body = |file, message| {
        run(
            &folder,
            &["show", file, "--exchange", "2", "--body", message],
        )
    };
    let cut = body("cut.jsonl", "response");
    let note = String::from_utf8(cut.stderr).unwrap();
    assert!(note.contains("the body of run 1"), "{note}");
    let first = body("dmtap-demo/demo.jsonl", "response");
    assert!(!cut.stdout.is_empty() && cut.stdout == first.stdout);
    let request = String::from_utf8(body("cut.jsonl", "request").stderr).unwrap();
    assert!(request.contains("the body of run 2"), "{request}");

    // Neither run has one: dmtap calls nothing the body of a run.
    let none = lines.lines().filter(|line| !is_of_response(line));
    let none: String = none.map(|line| format!("{line}\n")).collect();
    fs::write(folder.path().join("none.jsonl"), format!("{none}{second}")).unwrap();
    let none = body("none.jsonl", "response");
    assert!(none.stdout.is_empty());
    let note = String::from_utf8(none.stderr).unwrap();
    assert!(!note.contains("the body of run"), "{note}");
}

#[test]
fn a_run_that_has_only_the_end_of_a_session_counts_as_one_for_lint() {
    let folder = folder();
    let several = fs::read_to_string(folder.path().join("several.jsonl")).unwrap();
    let (first, _) = several.split_once(r#""run":"another""#).unwrap();
    let (first, second) = several.split_at(first.rfind('\n').unwrap() + 1);
    let is_event = |line: &&str, event| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["event"] == event
    };
    let run_line = second.lines().find(|line| is_event(line, "run")).unwrap();
    let run_line = run_line.replace("another", "middle");
    let end = first.lines().find(|line| is_event(line, "session"));
    let end = end.unwrap();
    let text = format!("{first}{run_line}\n{end}\n{second}");
    fs::write(folder.path().join("three.jsonl"), text).unwrap();
    let judged = printed(&folder, &["lint", "three.jsonl", "~x 2"]);
    assert!(judged.contains("in 4 messages"), "{judged}");
    let json = ["lint", "three.jsonl", "~x 2", "--junit", "lint.xml"];
    printed(&folder, &json);
    let report = fs::read_to_string(folder.path().join("lint.xml")).unwrap();
    assert!(report.contains("run 3 x2 request"), "{report}");
}

#[test]
fn the_sessions_of_several_runs_are_told_apart_in_what_why_says() {
    let folder = folder();
    let why = printed(&folder, &["why", "several.jsonl", "--session", "1"]);
    for heading in ["━━ run 1 ━━ session 1 ━━", "━━ run 2 ━━ session 1 ━━"]
    {
        assert_eq!(why.matches(heading).count(), 1, "{why}");
    }
    let json = ["why", "several.jsonl", "--output", "json"];
    let runs: Vec<Value> = printed(&folder, &json)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["run"].take())
        .collect();
    assert!(runs.contains(&1.into()) && runs.contains(&2.into()));

    let failed = printed(&folder, &["show", "--failed", "several.jsonl"]);
    for run in ["✖ run 1 · session ", "✖ run 2 · session "] {
        assert!(failed.contains(run), "{failed}");
    }
    let one = printed(&folder, &["why", "one.jsonl"]);
    assert_eq!(one, printed(&folder, &["why", "dmtap-demo/demo.jsonl"]));
    assert!(!one.contains("run 1"), "{one}");
}
