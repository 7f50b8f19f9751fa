//! What comes of a rule is the rule's doing, whatever it broke: no peer is accused of it.

use std::fs;

use tempfile::TempDir;

use super::demo::{demo, why};
use super::{analysed, script};

/// The demo with one rule.
fn demo_with(rule: &str) -> TempDir {
    let file = TempDir::new().unwrap();
    let path = file.path().join("rule.toml").display().to_string();
    fs::write(&path, format!("[[rule]]\nname = \"r\"\n{rule}\n")).unwrap();
    demo(&["--rules", &path])
}

/// What is pending besides the two failures that the demo plans.
fn pending(text: &str) -> Vec<&str> {
    let pending = text.lines().filter(|line| line.starts_with('✖'));
    pending
        .filter(|line| !PLANNED.iter().any(|it| line.contains(it)))
        .collect()
}

const PLANNED: [&str; 2] = ["DMTap/Greeting: 404", "DMTap/Missing: 404"];

#[test]
fn no_peer_is_accused_of_what_a_rule_broke() {
    for (rule, words) in [
        (
            "stage = 'request'\nmatch = { message = 2 }\nstep = { truncate = '50%' }",
            "Rule r of dmtap changed the request before the server got it.",
        ),
        (
            "stage = 'request'\nmatch = { message = 2 }\nstep = { set-body = 'x' }",
            "Rule r of dmtap changed the request before the server got it.",
        ),
        (
            "stage = 'request'\nmatch = { message = 2 }\nstep = { wrong-session = 'FF' }",
            "Rule r of dmtap changed the message before this Alert.",
        ),
        (
            "stage = 'request'\nmatch = { message = 2 }\nstep = { reset = true }",
            "Rule r of dmtap did this: the answer was reset by a rule.",
        ),
        (
            "stage = 'request'\nmatch = { message = 2 }\nstep = { limit-data = 100 }",
            "Rule r of dmtap did this: the answer was closed by a rule.",
        ),
        (
            "stage = 'response'\nmatch = { message = 1 }\nstep = { replace-text = 'DevDetail/SwV', with = 'DevDetail/Nope' }",
            "Rule r of dmtap changed the command before the device got it.",
        ),
        (
            "stage = 'response'\nmatch = { message = 2 }\nstep = { drop-final = true }",
            "",
        ),
    ] {
        let folder = demo_with(rule);
        let (text, _) = why(folder.path(), &[]);
        assert!(text.contains(words), "{rule}: {text}");
        let (text, _) = why(folder.path(), &["--ignore-rules"]);
        assert!(pending(&text).is_empty(), "{rule}: {text}");
    }
}

#[test]
fn what_both_peers_saw_is_not_pending_where_rules_sent_it_another_way() {
    for rule in ["next-message", "done-later"] {
        let (text, _) = why(demo(&["--rule", rule]).path(), &[]);
        assert!(pending(&text).is_empty(), "{rule}: {text}");
    }
}

#[test]
fn a_message_without_credentials_is_one_of_the_record() {
    let (text, _) = why(demo(&["--rule", "challenge-late"]).path(), &[]);
    assert!(text.contains("The message had no credentials"), "{text}");
    assert!(!text.contains("The record does not have message"), "{text}");
}

#[test]
fn a_record_that_says_that_its_session_finished_accuses_nobody_of_what_a_filter_left_out() {
    let mut records = script::records(
        "session 1 09:12:00\n> 1\n  2 Alert 1201\n< 1\n  1 Status 1/0 SyncHdr 200\n  2 Status 1/2 Alert 200\n  \
         5 Get ./DevDetail/SwV\n> 2\n  1 Status 1/0 SyncHdr 200\n  2 Status 1/5 Get 200\n  \
         3 Results 1/5 ./DevDetail/SwV = 10\n< 2\n  1 Status 2/0 SyncHdr 200\nclose\n",
    );
    let summary = analysed(&records).remove(0).summary;
    let end = records.last().unwrap().session_end(summary);
    records.insert(records.len() - 1, end);
    records.retain(|it| it.exchange != Some(2) || it.summary.is_some());
    let found = analysed(&records).remove(0).summary.findings;
    let ids: Vec<&str> = found.iter().map(|it| &*it.id).collect();
    assert_eq!(ids, ["WHY-15"], "{found:#?}");
}
