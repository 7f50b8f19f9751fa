//! What comes of a rule is the rule's doing, whatever it broke: no peer is accused of it.

use std::fs;

use dmtap::app::why::{About, Question};
use dmtap::flow::{SessionEnd, Side};
use dmtap::record::EventRecord;
use dmtap::record::analysis::AnalysedSession;
use dmtap::record::analysis::why::Options;
use dmtap::record::model::NoteRecord;
use serde_json::json;
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
fn a_refusal_says_what_is_known_of_the_credentials_and_what_an_earlier_chal_asked_for() {
    let chal = "<Chal><Meta><Type xmlns=\"syncml:metinf\">syncml:auth-basic</Type></Meta></Chal>";
    let text = format!(
        "session 1 09:12:00\n> 1\n  2 Alert 1201\n< 1\n  <Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef>\
         <Cmd>SyncHdr</Cmd>{chal}<Data>407</Data></Status>\n> 2\n  1 Status 1/0 SyncHdr 200\n  2 Alert 1201\n< 2\n  \
         1 Status 2/0 SyncHdr 401\n"
    );
    let note = |id: &str, text: &str| {
        let note = json!({"id": id, "severity": "info", "text": text});
        serde_json::from_value::<NoteRecord>(note).unwrap()
    };
    let explained = |change: &dyn Fn(&mut EventRecord)| {
        let mut records = script::records(&text);
        change(&mut records[3]);
        let mut found = analysed(&records).remove(0).summary.findings;
        let finding = found.remove(0);
        assert_eq!(finding.id, "WHY-08");
        finding.why.join("\n") + "\n" + &finding.next
    };
    let shown = explained(&|it| it.notes.push(note("AUTH-02", "another password")));
    assert!(
        shown.contains(
            "had no credentials; the Status has no Chal; the one in x1 asks for syncml:auth-basic"
        ),
        "{shown}"
    );
    assert!(shown.contains("\nAUTH-02: another password\n"), "{shown}");
    let shown = explained(&|it| {
        let field = (
            "x-syncml-hmac".into(),
            "algorithm=MD5, username=\"u\", mac=a".into(),
        );
        it.head.as_mut().unwrap().headers.push(field);
    });
    assert!(shown.contains("had an HMAC (x-syncml-hmac)"), "{shown}");
    assert!(
        shown.ends_with(
            "let the device send the credentials that the Chal asks for: syncml:auth-basic"
        ),
        "{shown}"
    );
    let shown = explained(&|it| {
        it.message.as_mut().unwrap().cred = Some("syncml:auth-basic".into());
        it.notes.push(note("AUTH-01", "they are right"));
    });
    assert!(
        shown.contains("look at the account that the server has"),
        "{shown}"
    );
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

/// A session of which the rule `r` did this to the last message of a side.
fn with_effect(
    script: &str,
    from: &str,
    (kind, before, after): (&str, &str, &str),
) -> AnalysedSession {
    let mut records = script::records(script);
    let is_of_side = |it: &&mut EventRecord| it.from.as_deref() == Some(from);
    let message = records.iter_mut().rfind(is_of_side).unwrap();
    let change = json!({"path": "", "step": kind, "kind": kind, "before": before, "after": after});
    let effect = json!({"rule": "r", "changes": [change]});
    message
        .applied
        .push(serde_json::from_value(effect).unwrap());
    // What dmtap answers where the server gave no answer.
    let newest = records.last_mut().unwrap();
    newest.own = newest.http_status() == Some(502);
    analysed(&records).remove(0)
}

const HTTP_500: &str = "session 1 09:12:00\n> 1\n  2 Alert 1201\n< 1\n  1 Status 1/0 SyncHdr 200\n  2 Status 1/2 Alert 200\n  \
     5 Replace ./Device/Vendor/MSFT/A = 1\n> 2\n  1 Status 1/0 SyncHdr 200\n  2 Status 1/5 Replace 200\n";

#[test]
fn only_a_rule_that_made_an_http_error_is_blamed_for_it() {
    for (from, effect, http, rules) in [
        ("server", ("header", "", "x-test: 1"), 500, &[][..]),
        ("server", ("delayed", "", "3s"), 500, &[]),
        ("server", ("slowed", "", "100 bytes a second"), 500, &[]),
        ("server", ("http-status", "500", "503"), 500, &[]),
        ("server", ("http-status", "200", "503"), 200, &["r"]),
        ("device", ("header", "", "x-test: 1"), 500, &[]),
        ("device", ("header", "", "authorization: x"), 401, &["r"]),
        (
            "device",
            ("header", "user-agent: a", "user-agent: b"),
            403,
            &["r"],
        ),
    ] {
        let session = with_effect(&format!("{HTTP_500}< - http={http}\n"), from, effect);
        let summary = &session.summary;
        let finding = &summary.findings[0];
        assert!(finding.pending, "{effect:?}: {summary:#?}");
        assert_eq!(finding.rules, rules, "{effect:?}: {summary:#?}");
        assert!(
            matches!(summary.end, SessionEnd::Refused { .. }),
            "{effect:?}: {summary:#?}"
        );
    }
}

#[test]
fn a_new_header_field_is_not_why_a_server_gives_no_answer_or_a_device_is_silent() {
    let unreached = "fail server cause=not-connected tcp connect error\n< - http=502\n";
    let silent = "< 2\n  1 Status 2/0 SyncHdr 200\n  2 Get ./DevDetail/HwV\nclose\n";
    for (from, end) in [("device", unreached), ("server", silent)] {
        let effect = ("header", "", "x-test: 1");
        let session = with_effect(&format!("{HTTP_500}{end}"), from, effect);
        let finding = &session.summary.findings[0];
        assert!(finding.pending && finding.rules.is_empty(), "{finding:#?}");
    }
}

#[test]
fn an_empty_body_answers_nothing_and_is_no_doing_of_a_rule_that_did_something_else() {
    let script = "session 1 09:12:00\n> 1\n  2 Alert 1201\n< -\n";
    let plain = analysed(&script::records(script)).remove(0);
    for session in [
        plain,
        with_effect(script, "server", ("header", "", "x-test: 1")),
    ] {
        let summary = &session.summary;
        assert_eq!(summary.end, SessionEnd::Finished, "{summary:#?}");
        let [finding] = &summary.findings[..] else {
            panic!("{summary:#?}");
        };
        assert_eq!((&*finding.id, finding.rules.len()), ("WHY-02", 0));
        assert!(finding.pending, "{finding:#?}");
        assert!(finding.what.contains("Alert 1201"), "{finding:#?}");
    }
}

#[test]
fn an_end_by_an_empty_body_where_nothing_was_open_is_no_finding() {
    let session = analysed(&script::records(&format!("{HTTP_500}< -\n"))).remove(0);
    let pending = &session.summary.findings;
    assert!(pending.is_empty(), "{:#?}", session.summary);
}

#[test]
fn what_is_asked_about_a_node_names_what_ended_its_session() {
    let mut question = Question::new(
        Options::default(),
        Some(About::new("./Device/Vendor/MSFT/A")),
    );
    let records = script::records(&format!("{HTTP_500}< - http=500\n"));
    records.iter().for_each(|it| question.event(it));
    let answer = question.answered();
    let text = answer.text(4);
    assert!(answer.is_pending(), "{text}");
    assert!(text.contains("Session refused with HTTP 500"), "{text}");
}

#[test]
fn a_failure_that_a_rule_gave_another_code_is_the_devices_own() {
    let records = script::records(
        "session 1 09:12:00\n> 1\n  2 Alert 1201\n< 1\n  1 Status 1/0 SyncHdr 200\n  2 Status 1/2 Alert 200\n  \
         5 Get ./DevDetail/Nope\n> 2\n  1 Status 1/0 SyncHdr 200\n  2 Status 1/5 Get 404\n\
         rule r /SyncML/SyncBody/Status[2]/Data 500\n< 2\n  1 Status 2/0 SyncHdr 200\n",
    );
    let session = analysed(&records).remove(0);
    let finding = &session.summary.findings[0];
    assert_eq!(finding.rules, ["r"], "{finding:#?}");
    assert_eq!(finding.by, Some(Side::Device), "{finding:#?}");
    assert!(
        finding.why[0].contains("turned 404 Not found into 500"),
        "{finding:#?}"
    );
}

#[test]
fn commands_with_one_cmd_id_are_the_mistake_of_who_sent_them() {
    let records = script::records(
        "session 1 09:12:00\n> 1\n  2 Alert 1201\n< 1\n  1 Status 1/0 SyncHdr 200\n  2 Status 1/2 Alert 200\n  \
         5 Replace ./Device/Vendor/MSFT/A = 1\n  5 Replace ./Device/Vendor/MSFT/B = 1\n> 2\n  1 Status 1/0 SyncHdr 200\n  \
         2 Status 1/5 Replace 200\n  3 Status 1/5 Replace 200\n< 2\n  1 Status 2/0 SyncHdr 200\n",
    );
    let session = analysed(&records).remove(0);
    let finding = &session.summary.findings[0];
    assert_eq!(finding.by, Some(Side::Server), "{finding:#?}");
    assert!(
        finding.why.iter().any(|it| it.contains("CMD-01")),
        "{finding:#?}"
    );
}
