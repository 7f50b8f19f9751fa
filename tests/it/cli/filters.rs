//! Filters in the form that users write, over a record and on a running proxy.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::{dmtap, run, stdout};
#[cfg(unix)]
use crate::support::{
    echo::Echo,
    proxy_process::{ProxyProcess, ask},
    record_schema::check,
};

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
fn the_filter_for_failures_selects_both_halves_of_an_exchange_whose_response_was_not_taken() {
    let (folder, record) = record();
    let mut lines = String::new();
    let (mut number, mut more) = (0, 0);
    for line in fs::read_to_string(&record).unwrap().lines() {
        let mut event: Value = serde_json::from_str(line).unwrap();
        let Some(seq) = event["seq"].as_u64() else {
            lines += &format!("{line}\n");
            continue;
        };
        event["seq"] = (seq + more).into();
        lines += &format!("{event}\n");
        if event["event"] == "response" && number == 0 {
            more = 1;
            number = event["exchange"].as_u64().unwrap();
            let failed = serde_json::json!({
                "v": 1, "seq": seq + 1, "event": "failed", "at": event["at"], "at_us": event["at_us"],
                "connection": event["connection"].take(), "exchange": number, "from": "device",
                "cause": "not-taken", "why": "the device left before it took the response",
            });
            lines += &format!("{failed}\n");
        }
    }
    let left = folder.path().join("left.jsonl");
    fs::write(&left, lines).unwrap();
    let left = left.display().to_string();
    for filter in ["~e", "~e & ~q", "~e & ~s"] {
        let mut show = dmtap();
        show.args(["show", &left, filter, "--output", "json"]);
        let shown = events(&stdout(&run(&mut show)));
        let of_exchange = |it: &&Value| it["exchange"] == number && it["event"] != "session";
        let of_exchange = shown.iter().filter(of_exchange);
        let kinds: Vec<_> = of_exchange.map(|it| it["event"].clone()).collect();
        assert_eq!(kinds, ["request", "response", "failed"], "{filter}");
        let is_message = |it: &Value| it["event"] == "request" || it["event"] == "response";
        let is_other = |it: &&Value| is_message(it) && it["exchange"] != number;
        assert_eq!(shown.iter().filter(is_other).count(), 0, "{shown:?}");
    }
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
        let expected = "error: `~satus` is not a word of a filter\n  ~cmd Replace ~satus 404\n               ^^^^^^\n\
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
fn a_filter_of_the_proxy_refuses_what_only_a_record_answers() {
    let check = |arguments: &[&str], expected: &str| {
        let mut command = dmtap();
        command.args(["proxy", "--mode", "regular", "-p", "0"]);
        let output = run(command.args(arguments));
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains(expected), "{errors}");
    };
    let column =
        "`~why` is not known while a message passes\n  ~q | ~why WHY-06\n       ^^^^^^^^^^^\n";
    check(&["--view-filter", "~q | ~why WHY-06"], column);
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("r.jsonl").display().to_string();
    check(
        &["-w", &record, "--save-filter", "~q | ~why WHY-06"],
        column,
    );
    assert!(!folder.path().join("r.jsonl").exists());
    check(&["--save-filter", "~q"], "--save");
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
fn the_findings_of_a_filter_are_those_about_its_exchanges() {
    let (_folder, record) = record();
    let findings = |filter: &[&str]| -> Vec<u64> {
        let output = run(dmtap()
            .args(["show", &record, "--output", "json"])
            .args(filter));
        let events = events(&stdout(&output));
        let findings = events
            .iter()
            .flat_map(|it| it["summary"]["findings"].as_array());
        let codes = findings.flatten().map(|it| it["code"].as_u64().unwrap());
        codes.collect()
    };
    assert_eq!(findings(&[]).len(), 6);
    // The command that failed with 500 stands in the first message, the others in later ones.
    assert_eq!(findings(&["~sess 2 & ~alert 1201"]), [500]);
    let text = stdout(&run(dmtap().args([
        "show",
        &record,
        "~sess 2 & ~alert 1201",
    ])));
    assert!(text.contains("━━ 1 failure ━━"), "{text}");
    assert!(!text.contains("DMTap/Missing: 404"), "{text}");
}

/// A request waits until its exchange is over: the answer decides.
#[cfg(unix)]
#[test]
fn a_running_proxy_shows_and_records_whole_exchanges_of_its_filters() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("r.jsonl");
    let echo = Echo::start();
    let proxy = ProxyProcess::start(&[
        "--mode",
        &format!("reverse:http://{}", echo.address),
        "--view-filter",
        "~u /shown | ~cmd Exec",
        "--save-filter",
        "~s & ~cmd Get",
        "-w",
        record.to_str().unwrap(),
    ]);
    for (path, command) in [
        ("/shown", "Alert"),
        ("/saved", "Get"),
        ("/neither", "Alert"),
        ("/both", "Exec"),
        ("/both", "Get"),
    ] {
        let command = match path {
            "/both" => "<Exec><CmdID>1</CmdID></Exec><Get><CmdID>2</CmdID></Get>".to_owned(),
            _ => format!("<{command}><CmdID>1</CmdID></{command}>"),
        };
        let message = format!(
            "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><SessionID>1</SessionID><MsgID>1</MsgID></SyncHdr>\
             <SyncBody>{command}<Final/></SyncBody></SyncML>"
        );
        let fields = [
            ("Host", "localhost"),
            ("Content-Type", "application/vnd.syncml.dm+xml"),
        ];
        let answer = ask(&proxy.address, &format!("POST {path}"), &fields, &message);
        assert_eq!(answer.status, 200);
    }
    let (transcript, _) = proxy.end();
    let shown = |text: &str| transcript.matches(text).count();
    assert_eq!(shown("POST /shown"), 1, "{transcript}");
    assert_eq!(shown("POST /both"), 2, "{transcript}");
    assert_eq!(shown("device → server"), 3, "{transcript}");
    assert_eq!(shown("server → device"), 3, "{transcript}");
    let events = events(&fs::read_to_string(&record).unwrap());
    let halves = |path: &str| -> Vec<&str> {
        let of_path = events.iter().filter(|event| {
            event["head"]["uri"]
                .as_str()
                .is_some_and(|uri| uri.ends_with(path))
        });
        let numbers: Vec<_> = of_path.map(|event| &event["exchange"]).collect();
        let messages = events
            .iter()
            .filter(|event| numbers.contains(&&event["exchange"]));
        messages
            .map(|event| event["event"].as_str().unwrap())
            .collect()
    };
    assert_eq!(halves("/saved"), ["request", "response"]);
    assert_eq!(
        halves("/both"),
        ["request", "response", "request", "response"]
    );
    assert!(
        halves("/shown").is_empty() && halves("/neither").is_empty(),
        "{events:#?}"
    );
    let count = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
    assert_eq!(
        (count("request"), count("opened"), count("closed")),
        (3, 3, 3)
    );
    check(&fs::read(&record).unwrap());
}

#[test]
fn a_filter_that_selects_nothing_is_reported() {
    let (_folder, record) = record();
    let expected = "no exchange matches ~u nowhere (8 exchanges read)\n";
    for (verb, output) in [("show", ""), ("lint", "0 errors")] {
        let output_of = run(dmtap().args([verb, &record, "~u", "nowhere"]));
        assert_eq!(output_of.status.code(), Some(0), "{verb}: {output_of:?}");
        assert_eq!(
            String::from_utf8_lossy(&output_of.stderr),
            expected,
            "{verb}"
        );
        assert!(
            stdout(&output_of).starts_with(output),
            "{verb}: {output_of:?}"
        );
    }
    // A session that is not there is a mistake; that nothing fits a filter may be what is hoped for.
    for (arguments, code, expected) in [
        (
            ["--session", "99"],
            2,
            "nothing selected: 2 sessions, none of them is session 99\n",
        ),
        (
            ["~u", "nowhere"],
            0,
            "nothing selected: 2 sessions, the filter selects no exchange of them\n",
        ),
    ] {
        let why = run(dmtap().args(["why", &record]).args(arguments));
        assert_eq!(why.status.code(), Some(code), "{why:?}");
        assert_eq!(stdout(&why), expected);
    }
    assert!(stdout(&run(dmtap().args(["show", &record, "~u nowhere"]))).is_empty());
    let some = run(dmtap().args(["show", &record, "~sess 2"]));
    assert!(some.stderr.is_empty(), "{some:?}");
    // Of standard input, too, which is read once.
    let text = fs::read(&record).unwrap();
    let output = super::dmtap_with_input(&["show", "-", "~u", "nowhere"], &text);
    assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
}

#[test]
fn why_and_lint_report_only_what_a_filter_selects() {
    let (_folder, record) = record();
    // The failures stand in the later exchanges of a session.
    for (filter, expected) in [("~x 8", vec![404]), ("~x 1", vec![500])] {
        let why = run(dmtap().args(["why", &record, filter, "--output", "json"]));
        let lines = events(&stdout(&why));
        let findings = lines.iter().flat_map(|it| it["findings"].as_array());
        let codes: Vec<_> = findings
            .flatten()
            .map(|it| it["code"].as_u64().unwrap())
            .collect();
        assert_eq!(codes, expected, "{filter}");
    }
    let lint = run(dmtap().args(["lint", &record, "~x 1", "--output", "json"]));
    let summary = events(&stdout(&lint)).pop().unwrap();
    assert_eq!(summary["messages"], 2, "one exchange: {summary}");
}

#[test]
fn the_table_of_failures_takes_a_filter() {
    let (_folder, record) = record();
    let failed = |filter: &[&str]| {
        stdout(&run(dmtap()
            .args(["show", &record, "--failed"])
            .args(filter)))
    };
    assert!(failed(&[]).starts_with("━━ 6 failures"), "{}", failed(&[]));
    let some = failed(&["~sess 2 & ~status 500"]);
    assert!(some.starts_with("━━ 1 failure ━━"), "{some}");
    assert_eq!(failed(&["~cmd Alert"]), "nothing failed\n");
    assert!(failed(&["~u nowhere"]).starts_with("nothing selected"));
}

#[test]
fn data_is_looked_for_in_messages_of_enrollment_too() {
    let folder = tempfile::tempdir().unwrap();
    run(dmtap().args(["demo", "--enroll"]).current_dir(&folder));
    let record = folder.path().join("dmtap-demo/demo.jsonl");
    let show = |filter: &str| {
        let output = run(dmtap()
            .arg("show")
            .arg(&record)
            .args([filter, "--output", "json"]));
        events(&stdout(&output))
    };
    let found = show("~data EnrollmentPolicyServiceUrl");
    let messages = found.iter().filter(|it| it["event"] == "response");
    let kinds: BTreeSet<_> = messages
        .map(|it| it["enrollment"]["message"].to_string())
        .collect();
    assert_eq!(kinds, BTreeSet::from(["\"DiscoverResponse\"".to_owned()]));
    assert!(show("~data NothingOfTheKind").is_empty());
}

#[test]
fn a_second_file_is_no_filter() {
    let (_folder, record) = record();
    let missing = format!("{record}.xml");
    for verb in ["show", "why", "lint"] {
        let output = run(dmtap().args([verb, &record, &missing]));
        assert_eq!(output.status.code(), Some(2), "{verb}: {output:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains("there is no such file"), "{verb}: {errors}");
    }
    let (of_records, of_files) = (
        "give this command one record at a time",
        "is a file, not a filter",
    );
    for (arguments, expected) in [
        (vec!["show", &record, &record], of_records),
        (vec!["show", "--failed", &record, &record], of_records),
        (vec!["why", &record, &record], of_records),
        (vec!["why", &record, "~x 1", &record], of_files),
        (vec!["lint", &record, "~x 1", &record], of_files),
    ] {
        let output = run(dmtap().args(&arguments));
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains(expected), "{errors}");
    }
    // What the working folder holds changes nothing.
    let folder = Path::new(&record).parent().unwrap();
    std::fs::write(folder.join("500"), "").unwrap();
    let output = run(dmtap().current_dir(folder).args(["show", &record, "500"]));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("is a file"), "{errors}");
    // The value of a word may be the name of a file.
    let output = run(dmtap().args(["show", &record, "~u", &record]));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_file_that_is_there_is_read_whatever_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let [request, response, ..] = super::traffic_files::session();
    fs::write(folder.path().join("requests"), request).unwrap();
    for name in ["responses", "responses.out"] {
        fs::write(folder.path().join(name), &response).unwrap();
        let output = run(dmtap()
            .current_dir(&folder)
            .args(["show", "requests", name]));
        let text = stdout(&output);
        assert!(text.contains("server → device"), "{name}: {output:?}");
    }
    let output = run(dmtap()
        .current_dir(&folder)
        .args(["why", "requests", "~x 1", "responses"]));
    assert_eq!(output.status.code(), Some(2), "{output:?}");
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
