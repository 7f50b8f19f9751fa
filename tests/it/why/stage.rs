//! The analysis behind the traffic and over records: its bounds, and that both have the same results.

use dmtap::flow::{SessionEnd, TransactionOutcome};

use super::demo::{demo, finding, why};
use super::{analysed, blocks, script};

#[test]
fn more_commands_than_are_kept_are_counted() {
    let mut script = String::from(
        "session 1 09:00:00\n> 1\n  2 Alert 1201\n< 1\n  1 Status 1/0 SyncHdr 200\n  2 Status 1/2 Alert 200\n",
    );
    for id in 3..10_103 {
        script += &format!("  {id} Get ./DevDetail/SwV\n");
    }
    let sessions = analysed(&script::records(&script));
    let session = &sessions[0];
    assert_eq!(session.transactions.len(), 10_000);
    assert_eq!(session.summary.commands.not_kept, 101);
    assert_eq!(session.summary.end, SessionEnd::Open);
}

#[test]
fn an_answer_in_a_later_message_still_finds_its_command() {
    let script = "session 1 09:00:00\n> 1\n  2 Alert 1201\n< 1\n  1 Status 1/0 SyncHdr 200\n  2 Status 1/2 Alert 200\n  3 Get ./A\n  4 Get ./B\n\
        > 2 not-final\n  1 Status 1/0 SyncHdr 200\n  2 Status 1/3 Get 200\n< 2 not-final\n  1 Status 2/0 SyncHdr 200\n  2 Alert 1222\n\
        > 3\n  1 Status 2/0 SyncHdr 200\n  2 Status 1/4 Get 404\n  3 Status 2/2 Alert 200\n< 3\n  1 Status 3/0 SyncHdr 200\n";
    let sessions = analysed(&script::records(script));
    let gets: Vec<_> = sessions[0]
        .transactions
        .iter()
        .filter(|it| it.command == "Get")
        .collect();
    assert_eq!(gets[0].code(), Some(200));
    assert_eq!(gets[1].code(), Some(404));
    assert_eq!(gets[1].answers[0].place.exchange, 3);
    assert!(
        gets.iter()
            .all(|it| it.outcome == TransactionOutcome::Answered)
    );
    assert_eq!(sessions[0].summary.end, SessionEnd::Finished);
}

#[test]
fn an_atomic_of_thousands_is_one_finding() {
    let mut script = String::from(
        "session 1 09:00:00\n> 1\n  2 Alert 1201\n< 1\n  1 Status 1/0 SyncHdr 200\n  2 Status 1/2 Alert 200\n  3 Atomic\n",
    );
    for id in 4..4_000 {
        script += &format!("  {id}   Replace ./Device/Vendor/MSFT/Csp{id}/A = 1\n");
    }
    script += "> 2\n  1 Status 1/0 SyncHdr 200\n  2 Status 1/3 Atomic 507\n";
    for id in 4..4_000 {
        script += &format!(
            "  {id} Status 1/{id} Replace {}\n",
            if id == 2_000 { 500 } else { 216 }
        );
    }
    script += "< 2\n  1 Status 2/0 SyncHdr 200\n";
    let sessions = analysed(&script::records(&script));
    let findings = &sessions[0].summary.findings;
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0].id, "WHY-06");
    assert!(
        findings[0]
            .why
            .iter()
            .any(|line| line.contains("3995 rolled back (216)")),
        "{findings:#?}"
    );
}

#[test]
fn a_device_that_an_answer_sends_past_dmtap_is_a_finding() {
    let why = |arguments: &[&str]| why(demo(arguments).path(), &[]).0;
    let text = why(&["--enroll", "--stay", "off"]);
    let finding = finding(&text, "WHY-03").join("\n");
    let named = finding.contains("to mdm.dmtap.test:")
        && finding.contains("AuthenticationServiceUrl in x2, x4");
    assert!(named && finding.contains("--stay on"), "{text}");
    assert!(!why(&["--enroll"]).contains("which is not behind dmtap"));
}

#[test]
fn enrollment_whose_answer_does_not_arrive_is_pending_and_the_rule_is_named() {
    for (rule, asked, how) in [
        ("reset-in-the-middle", "the GET of discovery", "cut after"),
        ("server-error", "the GET of discovery", "HTTP 500"),
        ("early-end", "Discover", "an empty answer"),
    ] {
        let (text, code) = why(demo(&["--enroll", "--rule", rule]).path(), &[]);
        assert_eq!(code, Some(1), "{text}");
        for expected in [
            &format!("Enrollment ({asked})"),
            &format!("Rule {rule} of dmtap did this"),
            how,
        ] {
            assert!(text.contains(expected), "{rule}, {expected}: {text}");
        }
    }
}

#[test]
fn a_log_that_has_each_message_twice_tells_of_no_broken_exchange() {
    const SCRIPT: &str = "session 1 09:12:00\n> 1\n  2 Alert 1201\n< 1\n  1 Status 1/0 SyncHdr 200\n  2 Status 1/2 Alert 200\n  \
                          5 Get ./DevDetail/SwV\n> 2\n  1 Status 1/0 SyncHdr 200\n  2 Status 1/5 Get 200\n  \
                          3 Results 1/5 ./DevDetail/SwV = 10\n< 2\n  1 Status 2/0 SyncHdr 200\n";
    let found = |is_log: bool, gap_us: u64| {
        let mut records = Vec::new();
        for record in script::records(SCRIPT) {
            let mut first = record.clone();
            let mut again = record;
            if is_log {
                (first.head, again.head) = (None, None);
            }
            again.at_us += gap_us;
            records.extend([first, again]);
        }
        (1..).zip(&mut records).for_each(|(seq, it)| it.seq = seq);
        let sessions = analysed(&records);
        blocks(&sessions)
    };
    assert!(
        !found(true, 3_000).contains("tried again"),
        "{}",
        found(true, 3_000)
    );
    // A device that repeats its message later had no answer; with heads it is no log.
    for found in [found(true, 5_000_000), found(false, 3_000)] {
        assert!(found.contains("The device tried again"), "{found}");
    }
}
