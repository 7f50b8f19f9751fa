//! What later sessions settle of earlier ones, and what they do not.

use dmtap::app::why::{About, Question};
use dmtap::filter::Filter;
use dmtap::record::EventRecord;
use dmtap::record::analysis::why::Options;

use super::script;

/// Work that began with this code, and the value by which a later session learns that it failed.
fn failed_work(code: &str) -> Vec<EventRecord> {
    script::records(&format!(
        "session 1 09:00:00
> 1
  2 Alert 1201
< 1
  1 Status 1/0 SyncHdr 200
  2 Status 1/2 Alert 200
  4 Exec {JOB}/DownloadInstall
> 2
  1 Status 1/0 SyncHdr 200
  2 Status 1/4 Exec {code}
< 2
  1 Status 2/0 SyncHdr 200
session 2 10:00:00
> 1
  2 Alert 1201
< 1
  1 Status 1/0 SyncHdr 200
  2 Status 1/2 Alert 200
  4 Get {JOB}/Status
> 2
  1 Status 1/0 SyncHdr 200
  2 Status 1/4 Get 200
  3 Results 1/4 {JOB}/Status = 60
< 2
  1 Status 2/0 SyncHdr 200"
    ))
}

fn answered(records: &[EventRecord], mut question: Question) -> (bool, String) {
    records.iter().for_each(|record| question.event(record));
    let answer = question.answered();
    let text = answer.text(records.len() as u64);
    let text = anstream::adapter::strip_str(&text).to_string();
    (answer.is_pending(), text)
}

fn all() -> Question {
    Question::new(Options::default(), None)
}

#[test]
fn a_failure_stays_pending_where_the_session_that_shows_it_is_left_out() {
    let job = || About::new(&format!("{JOB}/DownloadInstall"));
    for code in ["202", "200"] {
        let records = failed_work(code);
        let about = Question::new(Options::default(), Some(job()));
        let mut of_session = all();
        of_session.session = Some(1);
        let mut filtered = all();
        filtered.filter = Some(Filter::read("~x 1").unwrap());
        filtered.selected.insert((0, 1));
        for question in [about, of_session, filtered] {
            let (is_pending, text) = answered(&records, question);
            assert!(is_pending, "{code}: {text}");
            assert!(text.contains("failed later"), "{code}: {text}");
            let is_well = code == "202" && text.contains("none failed");
            assert!(!is_well, "{code}: {text}");
        }
        let (_, text) = answered(&records, all());
        assert!(text.contains("· Exec"), "{text}");
        assert!(text.ends_with("something pending in 1\n"), "{text}");
    }
}

#[test]
fn work_that_failed_later_is_settled_by_a_session_after_that() {
    for code in ["202", "200"] {
        let mut records = failed_work(code);
        let job = format!("{JOB}/DownloadInstall");
        records.extend(script::records(&format!(
            "session 3 11:00:00
> 1
  2 Alert 1201
< 1
  1 Status 1/0 SyncHdr 200
  2 Status 1/2 Alert 200
  4 Get {JOB}/Status
> 2
  1 Status 1/0 SyncHdr 200
  2 Status 1/4 Get 200
  3 Results 1/4 {JOB}/Status = 70
< 2
  1 Status 2/0 SyncHdr 200"
        )));
        for (at, record) in records.iter_mut().enumerate().skip(8) {
            record.seq = at as u64 + 1;
            record.exchange = record.exchange.map(|exchange| exchange + 4);
        }
        let mut of_session = all();
        of_session.session = Some(1);
        let mut without_rules = all();
        without_rules.ignore_rules = true;
        for question in [of_session, without_rules] {
            let (_, text) = answered(&records, question);
            let of_first = text.split("━━ session 2").next().unwrap();
            assert!(of_first.contains("none failed"), "{code}: {text}");
            assert!(of_first.contains("done later"), "{code}: {text}");
            assert!(
                of_first.contains(&format!("· Exec {job}")),
                "{code}: {text}"
            );
        }
    }
}

#[test]
fn another_server_settles_nothing() {
    let node = "./Vendor/MSFT/X/Y";
    let session = |number: u8, time: &str, code: &str| {
        format!(
            "session {number} {time}
> 1
  2 Alert 1201
< 1
  1 Status 1/0 SyncHdr 200
  2 Status 1/2 Alert 200
  4 Replace {node} = v
> 2
  1 Status 1/0 SyncHdr 200
  2 Status 1/4 Replace {code}
< 2
  1 Status 2/0 SyncHdr 200
"
        )
    };
    let script = session(1, "09:00:00", "500") + &session(2, "10:00:00", "200");
    let mut records = script::records(&script);
    let (is_pending, text) = answered(&records, all());
    assert!(!is_pending, "{text}");
    let later = records.iter_mut().filter(|it| it.exchange > Some(2));
    later.for_each(|it| it.connection.server = Some("other.example:443".into()));
    let (is_pending, text) = answered(&records, all());
    assert!(is_pending, "{text}");
}

#[test]
fn in_a_log_a_request_of_nobody_is_not_made_up_for_by_anybody() {
    let file = include_str!("../../data/why_later/enrollment-redirected-then-granted.txt");
    let (script, _) = file.split_once("\n---\n").unwrap();
    let mut records = script::records(script);
    for enrollment in records[..2]
        .iter_mut()
        .filter_map(|it| it.enrollment.as_mut())
    {
        enrollment.user = None;
    }
    let (is_pending, text) = answered(&records, all());
    assert!(!is_pending, "{text}");
    records
        .iter_mut()
        .for_each(|it| it.connection.device = None);
    let (is_pending, text) = answered(&records, all());
    assert!(is_pending, "{text}");
}

const JOB: &str = "./Device/Vendor/MSFT/EnterpriseDesktopAppManagement/MSI/A";

#[test]
fn a_session_that_goes_on_in_the_next_run_of_dmtap_was_not_left_by_the_device() {
    const SCRIPT: &str = "session 1 09:12:00\n> 1\n  2 Alert 1201\n< 1\n  1 Status 1/0 SyncHdr 200\n  2 Status 1/2 Alert 200\n  \
                          5 Get ./DevDetail/SwV\nclose\n> 2\n  1 Status 1/0 SyncHdr 200\n  2 Status 1/5 Get 200\n  \
                          3 Results 1/5 ./DevDetail/SwV = 10\n< 2\n  1 Status 2/0 SyncHdr 200\n";
    let shown = |is_same: bool| {
        let mut records = script::records(SCRIPT);
        let closed = records
            .iter()
            .position(|it| it.connection.id == 1 && it.message.is_none() && it.seq > 2);
        for record in &mut records[closed.unwrap() + 1..] {
            record.run = 1;
            if let Some(session) = record.session.as_mut().filter(|_| !is_same) {
                session.device = "urn:uuid:0002".into();
            }
        }
        let mut question = Question::new(Options::default(), None);
        records.iter().for_each(|record| question.event(record));
        let text = question.answered().text(records.len() as u64);
        anstream::adapter::strip_str(&text).to_string()
    };
    let same = shown(true);
    assert!(
        same.contains("· The session goes on in the next run of dmtap"),
        "{same}"
    );
    assert!(same.contains("nothing pending"), "{same}");
    let other = shown(false);
    assert!(
        other.contains("✖ Session not finished: the device did not come back"),
        "{other}"
    );
}
