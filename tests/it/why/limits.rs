//! Messages that try to make the analysis endless or large; and records with more content than is kept.

use dmtap::app::why::{About, Question};
use dmtap::flow::SessionEnd;
use dmtap::record::EventRecord;
use dmtap::record::analysis::why::Options;
use serde_json::json;

use super::{analysed, script};

#[test]
fn no_command_is_its_own_parent() {
    const MORE: &str = "<Item><MoreData/></Item>";
    const MORE_OF_X: &str = "<Item><Target><LocURI>./X</LocURI></Target><MoreData/></Item>";
    for (around, more) in [
        ("Atomic", MORE),
        ("Atomic", MORE_OF_X),
        ("Sequence", MORE_OF_X),
    ] {
        let last = more.replace("<MoreData/>", "");
        let script = format!(
            "session 1 09:12:00\n> 1\n  2 Alert 1201\n< 1\n  <{around}><CmdID>1</CmdID>{more}<Replace><CmdID>2</CmdID>\
             {last}</Replace></{around}>\n> 2\n  1 Status 1/1 {around} 507\n  2 Status 1/2 Replace 404\n< 2\n"
        );
        let sessions = analysed(&script::records(&script));
        let transactions = &sessions[0].transactions;
        let server: Vec<_> = transactions
            .iter()
            .filter(|it| it.command != "Alert")
            .collect();
        assert_eq!(server.len(), 2, "{transactions:#?}");
        assert_eq!(server[1].parent, Some(server[0].number), "{around} {more}");
        assert_eq!(server[1].chunks, 0);
    }
}

#[test]
fn a_chunk_in_a_later_container_keeps_its_parents_before_it() {
    let chunk = |more: &str| format!("<Item><Target><LocURI>./X</LocURI></Target>{more}</Item>");
    let script = format!(
        "session 1 09:12:00\n> 1\n  2 Alert 1201\n< 1 not-final\n  <Add><CmdID>1</CmdID>{}</Add>\n> 2\n  1 Status 1/1 Add 213\n\
         < 2\n  <Atomic><CmdID>1</CmdID><Add><CmdID>2</CmdID>{}</Add></Atomic>\n> 3\n  1 Status 2/1 Atomic 507\n  2 Status 2/2 Add 500\n< 3\n",
        chunk("<MoreData/>"),
        chunk("")
    );
    let sessions = analysed(&script::records(&script));
    let wrong = { &sessions[0].transactions }
        .iter()
        .find(|it| it.parent.is_some_and(|parent| parent >= it.number));
    assert!(wrong.is_none(), "{wrong:#?}");
    assert!(sessions[0].transactions.iter().any(|it| it.chunks == 2));
}

#[test]
fn texts_of_peers_are_kept_up_to_a_length() {
    let long = "é".repeat(4_000);
    let script = format!(
        "session 1 09:12:00\n> 1\n  2 Alert 1201\n< 1\n  1 Replace ./{long}\n> 2\n  1 Status 1/1 Replace 404 ./{long}\n< 2\n"
    );
    let sessions = analysed(&script::records(&script));
    let replace = &sessions[0].transactions[1];
    assert!(replace.node().unwrap().len() <= 1_024);
    let answer = replace.answer().unwrap();
    assert!(answer.node.as_ref().is_none_or(|node| node.len() <= 1_024));
}

#[test]
fn a_session_that_makes_room_blames_nobody() {
    let first = &script::records(
        "session 1 09:12:00\n> 1\n  2 Alert 1201\n< 1\n  1 Get ./X\n  2 Status 1/2 Alert 200\n",
    );
    let records = (1..=10_001).flat_map(|number| numbered(first, number));
    let records: Vec<_> = records.collect();
    let sessions = analysed(&records);
    let left = &sessions[0].summary;
    assert_eq!((left.number, &left.end), (Some(1), &SessionEnd::Open));
    let [finding] = &left.findings[..] else {
        panic!("{left:#?}");
    };
    assert_eq!((&*finding.id, finding.by), ("WHY-15", None));
    assert!(
        finding.what.contains("not followed to its end"),
        "{finding:#?}"
    );
}

#[test]
fn a_message_without_a_session_id_is_named_where_it_tears_a_session() {
    let mut records = script::records(
        "session 1 09:12:00\n> 1\n  2 Alert 1201\n< 1\n  1 Status 1/2 Alert 200\n  2 Get ./X\n> 2\n  1 Status 1/2 Get 200\n< 2\n",
    );
    for record in records.iter_mut().filter(|it| it.exchange == Some(2)) {
        let note =
            json!({"id": "HDR-02", "severity": "error", "text": "SessionID is missing or empty"});
        record.notes.push(serde_json::from_value(note).unwrap());
        record.session = None;
    }
    let sessions = analysed(&records);
    let findings = &sessions[0].summary.findings;
    let torn = findings.iter().find(|it| it.id == "WHY-15");
    let torn = torn.unwrap_or_else(|| panic!("{sessions:#?}"));
    let expected = "x2 names no session: SessionID is missing or empty (HDR-02).";
    assert!(torn.why.iter().any(|line| line == expected), "{torn:#?}");
    assert!(torn.next.contains("SessionID"), "{torn:#?}");
}

#[test]
fn what_failed_behind_ten_thousand_sessions_is_pending() {
    let good = &script::records(
        "session 1 09:12:00\n> 1\n  2 Alert 1201\n< 1\n  1 Status 1/2 Alert 200\n> 2\n  1 Status 1/0 SyncHdr 200\n< -\n",
    );
    let bad = &script::records(
        "session 1 09:12:00\n> 1\n  2 Alert 1201\n< 1\n  1 Get ./X\n> 2\n  1 Status 1/1 Get 404\n< -\n",
    );
    let mut question = Question::new(Options::default(), None);
    for number in 1..=10_000 {
        numbered(good, number)
            .iter()
            .for_each(|it| question.event(it));
    }
    numbered(bad, 10_001)
        .iter()
        .for_each(|it| question.event(it));
    let answer = question.answered();
    assert!(answer.is_pending());
    let text = answer.text(40_004);
    assert!(text.contains("Get ./X: 404 Not found"), "{text}");
    assert!(
        text.ends_with("10001 sessions, something pending in 1\n"),
        "{text}"
    );
}

#[test]
fn an_answer_about_nothing_says_so() {
    let records = script::records(
        "session 1 09:12:00\n> 1\n  2 Alert 1201\n< 1\n  1 Get ./X\n> 2\n  1 Status 1/1 Get 404\n< -\n",
    );
    let ask = |about: Option<&str>, session: Option<u64>| {
        let mut question = Question::new(Options::default(), about.map(About::new));
        question.session = session;
        records.iter().for_each(|it| question.event(it));
        question.answered()
    };
    let text = ask(None, Some(7)).text(4);
    assert_eq!(
        text,
        "nothing selected: 1 session, none of them is session 7\n"
    );
    let absent = ask(Some("./Y"), None);
    let text = absent.text(4);
    assert!(
        absent.is_pending() && text.contains("./Y: never sent"),
        "{text}"
    );
    assert!(
        text.ends_with("1 session, none with a command on this node\n"),
        "{text}"
    );
}

#[test]
fn a_node_among_items_that_are_not_kept_was_not_never_sent() {
    let item = |at: usize| format!("<Item><Target><LocURI>./X/{at}</LocURI></Target></Item>");
    let items: String = (0..20).map(item).collect();
    let records = script::records(&format!(
        "session 1 09:12:00\n> 1\n  2 Alert 1201\n< 1\n  <Get><CmdID>1</CmdID>{items}</Get>\n> 2\n  1 Status 1/1 Get 200\n< -\n"
    ));
    let mut question = Question::new(Options::default(), Some(About::new("./X/18")));
    records.iter().for_each(|it| question.event(it));
    let text = question.answered().text(4);
    assert!(
        !text.contains("never sent") && text.contains("may have been sent"),
        "{text}"
    );
}

/// The records of session 1 as those of another one, after those of the sessions before.
fn numbered(records: &[EventRecord], number: u64) -> Vec<EventRecord> {
    let mut records = records.to_vec();
    for record in &mut records {
        record.seq += number * 100;
        record.exchange = record.exchange.map(|exchange| exchange + number * 100);
        record.at_us += number;
        if let Some(session) = &mut record.session {
            session.number = number;
        }
    }
    records
}
