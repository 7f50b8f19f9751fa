//! `dmtap why` on the records of the demo: it separates the effects of rules from the actions of the peers.

use std::fs;
use std::path::Path;

use dmtap::record::{JsonLines, Sink as _};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::peers::dmtap;
use crate::support::record_schema;

/// A folder with the records of a demo.
pub(super) fn demo(arguments: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    let output = dmtap()
        .arg("demo")
        .args(arguments)
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(
        folder.path().join("dmtap-demo/demo.jsonl").exists(),
        "{output:?}"
    );
    record_schema::check(&fs::read(folder.path().join("dmtap-demo/demo.jsonl")).unwrap());
    folder
}

/// What `dmtap why` prints of it, with its exit code.
pub(super) fn why(folder: &Path, arguments: &[&str]) -> (String, Option<i32>) {
    let output = dmtap()
        .args(["why", "dmtap-demo/demo.jsonl"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    (
        String::from_utf8(output.stdout).unwrap(),
        output.status.code(),
    )
}

/// The finding of this id, as lines.
pub(super) fn finding<'t>(text: &'t str, id: &str) -> Vec<&'t str> {
    let mut lines = text.lines().skip_while(|line| !line.ends_with(id));
    let first = lines.next().unwrap_or_else(|| panic!("no {id} in {text}"));
    let mut finding = vec![first];
    finding.extend(lines.take_while(|line| line.starts_with("  ")));
    finding
}

#[test]
fn each_demo_rule_is_named_first_in_the_finding_that_it_causes() {
    for (rule, id, words) in [
        (
            "atomic-fails",
            "WHY-06",
            &["507", "500", "215", "Replace"][..],
        ),
        (
            "no-answer",
            "WHY-02",
            &["never answered", "received no Status 200 OK for it"],
        ),
        (
            "reset-in-the-middle",
            "WHY-03",
            &["broken off", "cut after 200 of "],
        ),
        (
            "retry-later",
            "WHY-05",
            &["503", "Retry-After 120 s not kept"],
        ),
        ("aborted", "WHY-04", &["aborted", "Alert 1223"]),
        ("login-refused", "WHY-08", &["401 Invalid credentials"]),
        (
            "original-error",
            "WHY-01",
            &["500 Command failed", "0x80070005 E_ACCESSDENIED"],
        ),
    ] {
        let folder = demo(&["--rule", rule]);
        let (text, code) = why(folder.path(), &[]);
        assert_eq!(code, Some(1), "{rule}: {text}");
        let found = finding(&text, id);
        assert!(
            found[1].contains(&format!("ule {rule} of dmtap")),
            "{rule}: {found:#?}"
        );
        let found = found.join("\n");
        words
            .iter()
            .for_each(|word| assert!(found.contains(word), "{rule}, {word}: {found}"));
        let ends = text.lines().filter(|line| line.ends_with(id)).count();
        assert!(ends == 2 || id == "WHY-01", "one in each session: {text}");
        let (text, _) = why(folder.path(), &["--ignore-rules"]);
        assert!(!text.contains(rule), "{rule}: {text}");
    }
}

#[test]
fn a_failure_that_a_rule_hid_is_named_once_and_an_answer_elsewhere_is_not_called_removed() {
    for step in ["unknown-cmdref", "hide-status"] {
        let folder = tempfile::tempdir().unwrap();
        let rules = folder.path().join("r.toml");
        let rule = format!(
            "[[rule]]\nname = \"odd\"\nstage = \"request\"\nmatch = {{ command = \"Status\", answers = \"Replace\" }}\nstep = {{ {step} = true }}\n"
        );
        fs::write(&rules, rule).unwrap();
        let folder = demo(&["--rules", &rules.display().to_string()]);
        let (text, code) = why(folder.path(), &["--session", "1"]);
        assert_eq!(code, Some(1), "{step}: {text}");
        assert!(!text.contains("removed"), "{step}: {text}");
        let hidden = "Replace ./Device/Vendor/MSFT/DMTap/Missing";
        assert_eq!(text.matches(hidden).count(), 1, "{step}: {text}");
        let unanswered = finding(&text, "WHY-02").join("\n");
        let words = "Rule odd of dmtap did this: the server received no Status 200 OK for it";
        assert!(unanswered.contains(words), "{step}: {text}");
    }
}

#[test]
fn an_enrollment_that_is_refused_is_shown_as_windows_shows_it() {
    let folder = demo(&["--enroll", "--rule", "device-cap"]);
    let (text, code) = why(folder.path(), &[]);
    assert_eq!(code, Some(1), "{text}");
    let found = finding(&text, "WHY-13");
    assert!(
        found[0].contains("s:Authorization/DeviceCapReached"),
        "{found:#?}"
    );
    assert!(found[1].contains("ule device-cap of dmtap"), "{found:#?}");
    assert!(
        found
            .join("\n")
            .contains("0x80180013 MENROLL_E_DEVICECAPREACHED"),
        "{found:#?}"
    );
}

#[test]
fn what_dmtap_answers_in_the_servers_place_is_shown_and_found_as_the_servers_own_answer() {
    let folder = demo(&["--enroll", "--rule", "custom-error"]);
    let (text, _) = why(folder.path(), &[]);
    let found = finding(&text, "WHY-13").join("\n");
    assert!(
        found.contains("the text of the answer: Ask your administrator for a place."),
        "{text}"
    );
    let record = folder.path().join("dmtap-demo/demo.jsonl");
    let show = |arguments: &[&str]| {
        let shown = dmtap().arg("show").arg(&record).args(arguments).output();
        String::from_utf8(shown.unwrap().stdout).unwrap()
    };
    let own = fs::read_to_string(&record).unwrap();
    let mut own = own
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let own = own.find(|it| it["event"] == "response" && it["own"] == true);
    let exchange = own.unwrap()["exchange"].to_string();
    let body = show(&["--exchange", &exchange, "--body", "response"]);
    assert!(
        body.contains("Ask your administrator for a place."),
        "{body}"
    );
    let title = format!("x{exchange} ");
    let hresult = why_hresult(&text);
    for filter in [format!("~hr {hresult}"), "~own & ~dialect soap".to_owned()] {
        let shown = show(&[&filter]);
        assert!(shown.contains(&title), "{filter}: {shown}");
    }
    assert_eq!(show(&["~own & ~dialect dm"]), "");
}

/// What Windows shows, by `dmtap why`.
fn why_hresult(text: &str) -> &str {
    let (_, shown) = text.split_once("Windows shows ").unwrap();
    shown.split_whitespace().next().unwrap()
}

#[test]
fn of_twenty_devices_the_two_failures_are_shown_in_a_few_lines() {
    let mut script = String::new();
    for number in 1..=20 {
        let got = if number % 8 == 0 { 500 } else { 200 };
        script += &format!(
            "session {number} 09:00:00 DEVICE-{number:04}\n> 1\n  2 Alert 1201\n< 1\n  1 Status 1/0 SyncHdr 200\n  2 Status 1/2 Alert 200\n  \
             3 Get ./DevDetail/SwV\n  4 Replace ./Device/Vendor/MSFT/BitLocker/RequireDeviceEncryption = 1\n\
             > 2\n  1 Status 1/0 SyncHdr 200\n  2 Status 1/3 Get 200\n  4 Results 1/3 ./DevDetail/SwV = 10.0\n  3 Status 1/4 Replace {got} {}\n< 2\n  1 Status 2/0 SyncHdr 200\n",
            if got == 500 { "0x80070005" } else { "" }
        );
    }
    let folder = TempDir::new().unwrap();
    let mut lines = JsonLines::new(Vec::new());
    for record in super::script::records(&script) {
        lines.write_event(&record).unwrap();
    }
    fs::write(folder.path().join("rec.jsonl"), lines.into_inner()).unwrap();
    let shown = dmtap()
        .args(["show", "--failed", "rec.jsonl"])
        .current_dir(&folder)
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let (title, rows) = shown.split_once('\n').unwrap();
    assert!(title.starts_with("━━ 2 failures ━━"), "{title}");
    assert_eq!(
        rows,
        "\
         ✖ session 8 · DEVICE-0008 · Replace ./Device/Vendor/MSFT/BitLocker/RequireDeviceEncryption: 500 Command failed    WHY-01\n  \
         │ value \"1\" · 0x80070005 E_ACCESSDENIED, access denied; many CSPs report it as 425 or 500\n\
         ✖ session 16 · DEVICE-0016 · Replace ./Device/Vendor/MSFT/BitLocker/RequireDeviceEncryption: 500 Command failed    WHY-01\n  \
         │ value \"1\" · 0x80070005 E_ACCESSDENIED, access denied; many CSPs report it as 425 or 500\n"
    );
}

#[test]
fn what_failed_by_itself_is_told_apart_from_what_the_rule_did() {
    let folder = demo(&[]);
    let (text, code) = why(folder.path(), &[]);
    assert_eq!(code, Some(1));
    assert_eq!(
        text.matches("Rule command-fails of dmtap did this").count(),
        2,
        "{text}"
    );
    assert_eq!(
        text.matches("The server itself deleted it before").count(),
        2,
        "{text}"
    );
    let (text, _) = why(folder.path(), &["--ignore-rules"]);
    assert!(
        !text.contains("500") && text.contains("404 Not found"),
        "{text}"
    );
    let (text, code) = why(folder.path(), &["--about", "./Vendor/MSFT/Nowhere"]);
    assert!(
        finding(&text, "WHY-14")[0].contains("./Vendor/MSFT/Nowhere"),
        "{text}"
    );
    assert_eq!(code, Some(1));
    let (text, code) = why(folder.path(), &["--about", "./vendor/msft/dmtap/colour"]);
    assert!(
        text.contains("Replace ./Device/Vendor/MSFT/DMTap/Colour"),
        "{text}"
    );
    assert_eq!(code, Some(0), "{text}");
    let (text, code) = why(folder.path(), &["~cmd", "Add", "&", "~status", "500"]);
    assert!(
        text.contains("Add ./Device") && !text.contains("404"),
        "{text}"
    );
    assert_eq!(code, Some(1), "{text}");
    let (text, code) = why(folder.path(), &["~cmd Add & ~status 404"]);
    assert_eq!(code, Some(0), "{text}");
    let (_, code) = why(folder.path(), &["~satus 404"]);
    assert_eq!(code, Some(2));
    let (text, _) = why(folder.path(), &["--session", "2"]);
    assert!(
        !text.contains("session 1 ━━") && text.contains("session 2 ━━"),
        "{text}"
    );
}

#[test]
fn the_session_event_of_a_record_says_what_why_says() {
    let folder = demo(&["--rule", "no-answer"]);
    let record = fs::read_to_string(folder.path().join("dmtap-demo/demo.jsonl")).unwrap();
    let events: Vec<Value> = record
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let recorded: Vec<&Value> = events
        .iter()
        .filter(|event| event["event"] == "session")
        .collect();
    assert_eq!(recorded.len(), 2);
    let (text, _) = why(folder.path(), &["--output", "json"]);
    let answered: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for (event, answer) in recorded.iter().zip(&answered) {
        let mut summary = event["summary"].clone();
        summary["v"] = 1.into();
        assert_eq!(summary, *answer);
    }
    assert_eq!(answered[2]["v"], 1);
    assert_eq!(answered[2]["pending"], true);
    let transcript = fs::read_to_string(folder.path().join("dmtap-demo/demo.txt")).unwrap();
    assert_eq!(
        transcript.matches("never answered    WHY-02").count(),
        4,
        "blocks and table: {transcript}"
    );
    let shown = dmtap()
        .args(["show", "dmtap-demo/demo.jsonl"])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(shown.stdout).unwrap(), transcript);
}

#[test]
fn the_heading_counts_no_failure_of_a_rule_that_is_ignored() {
    let folder = demo(&["--rule", "command-fails"]);
    let (text, _) = why(folder.path(), &[]);
    let failed = |text: &str| {
        let heading = text.lines().next().unwrap().to_owned();
        let before = heading.split(" of ").next().unwrap();
        before.rsplit(' ').next().unwrap().parse::<u32>().unwrap()
    };
    let all = failed(&text);
    let (text, _) = why(folder.path(), &["--ignore-rules"]);
    assert_eq!(failed(&text), all - 1, "{text}");
    // Whoever ended a session by a rule did not do it himself.
    let folder = demo(&["--rule", "aborted"]);
    let (text, _) = why(folder.path(), &["--ignore-rules", "--output", "json"]);
    assert!(text.contains(r#""end_rule":"aborted""#), "{text}");
}

#[test]
fn a_filter_selects_exchanges_of_their_own_run() {
    let folder = TempDir::new().unwrap();
    let run = |device: &str| {
        let script = format!(
            "session 1 09:00:00 {device}\n> 1\n  2 Alert 1201\nfail server cause=not-connected no route\nclose\n"
        );
        let mut bytes = Vec::new();
        let mut sink = JsonLines::new(&mut bytes);
        for record in super::script::records(&script) {
            sink.write_event(&record).unwrap();
        }
        sink.finish().unwrap();
        drop(sink);
        bytes
    };
    let both = [run("urn:one"), run("urn:other")].concat();
    let file = folder.path().join("two-runs.jsonl");
    fs::write(&file, &both).unwrap();
    let why = |arguments: &[&str]| {
        let output = dmtap().arg("why").args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let file = file.to_str().unwrap();
    assert_eq!(why(&[file]).matches("WHY-03").count(), 2);
    for device in ["urn:one", "urn:other"] {
        let text = why(&[file, &format!("~dev {device}")]);
        assert_eq!(text.matches("WHY-03").count(), 1, "{text}");
    }
}

#[test]
fn a_demo_warns_of_a_rule_that_matches_no_node() {
    let folder = TempDir::new().unwrap();
    let output = dmtap()
        .args(["demo", "--fail", "nonsense=500"])
        .current_dir(&folder)
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("`nonsense` is not a LocURI"), "{errors}");
}

#[test]
fn what_a_rule_caused_is_not_the_devices_doing() {
    for (rule, words) in [
        (
            "small-objects",
            &["Rule small-objects of dmtap caused this: it changed the size"][..],
        ),
        (
            "no-size",
            &[
                "Add ./Device/Vendor/MSFT/DMTap/Notice: 411",
                "therefore Replace ./Device/Vendor/MSFT/DMTap/Notice: 404",
                "therefore Delete ./Device/Vendor/MSFT/DMTap/Notice: 404",
            ],
        ),
    ] {
        let folder = demo(&["--rule", rule]);
        let (text, code) = why(folder.path(), &[]);
        assert_eq!(code, Some(1), "{rule}: {text}");
        for word in words {
            assert!(text.contains(word), "{rule}, {word}: {text}");
        }
        assert_eq!(text.matches("✖").count(), 2, "one a session: {text}");
        let (text, code) = why(folder.path(), &["--ignore-rules"]);
        assert_eq!(code, Some(0), "{rule}: {text}");
    }
}

#[test]
fn failures_that_are_counted_are_listed() {
    let folder = demo(&["--rule", "challenge-late"]);
    let (text, _) = why(folder.path(), &["--session", "1"]);
    let found = finding(&text, "WHY-08").join("\n");
    for words in [
        "Rule challenge-late of dmtap",
        "With it 7 commands of the server in x2 were refused",
        "215 Not executed",
        "401 Invalid credentials",
    ] {
        assert!(found.contains(words), "{words}: {text}");
    }
    let folder = demo(&["--rule", "user-cancelled"]);
    let (text, _) = why(folder.path(), &["--session", "1"]);
    assert!(
        text.contains("Replace ./Device/Vendor/MSFT/DMTap/Colour: 215 Not executed"),
        "{text}"
    );
    assert!(
        text.contains("turned 200 OK into 215 Not executed"),
        "{text}"
    );
    assert!(text.contains("3 of 16 commands failed"), "{text}");
}

#[test]
fn what_a_rule_made_of_a_whole_object_counts_no_chunks() {
    let folder = demo(&["--rule", "never-completed"]);
    let (text, _) = why(folder.path(), &[]);
    let found = finding(&text, "WHY-10").join("\n");
    assert!(found.contains("bytes came, and no last chunk."), "{found}");
    assert!(!found.contains("0 chunks"), "{found}");
}

#[test]
fn a_time_that_is_too_short_to_be_slow_is_refused() {
    let folder = demo(&[]);
    let output = dmtap()
        .args(["why", "dmtap-demo/demo.jsonl", "--slow", "100ms"])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("500ms"), "{error}");
}

#[test]
fn connections_that_only_a_rule_refused_leave_nothing_pending_without_rules() {
    let folder = demo(&["--rule", "refused-connection"]);
    let (text, code) = why(folder.path(), &[]);
    assert_eq!(code, Some(1), "{text}");
    let (text, code) = why(folder.path(), &["--ignore-rules"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("nothing pending"), "{text}");
}
