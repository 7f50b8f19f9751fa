//! The rules that `dmtap explain` names for a finding cause it.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use super::demo::{demo, why};
use crate::support::peers::dmtap;

/// The rules behind a finding, and what it says to do next.
struct Found {
    id: String,
    rules: Vec<String>,
    has_culprit: bool,
    next: String,
}

fn findings(rule: &str, of: &str) -> Vec<Found> {
    // The built-in one delays each response by two seconds.
    let file = TempDir::new().unwrap();
    let quicker = file.path().join("slow.toml").display().to_string();
    let slow = dmtap::builtin_rules::find("slow").unwrap().text;
    assert!(slow.contains(r#"delay = "2s""#));
    fs::write(&quicker, slow.replace("2s", "600ms")).unwrap();
    let folder = match (of, rule) {
        ("WHY-13", _) => demo(&["--enroll", "--rule", rule]),
        (_, "slow") => demo(&["--rules", &quicker]),
        _ => demo(&["--rule", rule]),
    };
    let least = if rule == "slow" { "500ms" } else { "1s" };
    let (text, _) = why(folder.path(), &["--slow", least, "--output", "json"]);
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines.collect();
    let findings = lines.iter().filter_map(|line| line["findings"].as_array());
    let findings = findings.flatten().map(|it| Found {
        id: it["id"].as_str().unwrap().to_owned(),
        rules: match it["rules"].as_array() {
            Some(rules) => rules
                .iter()
                .map(|it| it.as_str().unwrap().to_owned())
                .collect(),
            None => Vec::new(),
        },
        has_culprit: it["by"].is_string(),
        next: it["next"].as_str().unwrap_or_default().to_owned(),
    });
    findings.collect()
}

/// `explain` names these rules for a finding.
#[test]
fn a_rule_that_is_named_for_a_finding_causes_it_and_is_to_be_taken_out() {
    let table = include_str!("../../../facts/rule.tsv");
    let rows = table.lines().filter_map(|row| row.split_once('\t'));
    let rows = rows.filter(|(id, _)| id.starts_with("WHY-"));
    let of_rows = rows.flat_map(|(id, rules)| rules.split(' ').map(move |rule| (id, rule)));
    let (cases, mut slow): (Vec<_>, Vec<_>) = of_rows.partition(|(_, rule)| *rule != "slow");
    assert!(cases.len() > 15 && slow.len() == 1, "{cases:?}");
    let check = |(id, rule): (&str, &str)| {
        let mut is_caused = false;
        for found in findings(rule, id) {
            let is_rules = found.rules.iter().any(|it| it.starts_with(rule));
            is_caused |= is_rules && found.id == id;
            if found.rules.is_empty() || found.has_culprit {
                continue;
            }
            // A session that went on needs nothing, or it is the device that is on trial.
            let next = ["take the rule out", "nothing", "let the server bear it"];
            let is_right = next.iter().any(|next| found.next.starts_with(next));
            assert!(is_right, "{rule}: {} {}", found.id, found.next);
        }
        assert!(is_caused, "{rule} causes no {id}");
    };
    std::thread::scope(|scope| {
        let slow = slow.pop().unwrap();
        scope.spawn(move || check(slow));
        cases.into_iter().for_each(check);
    });
    let output = dmtap().args(["explain", "WHY-13"]).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        shown.contains("dmtap demo --enroll --rule device-cap"),
        "{shown}"
    );
}
