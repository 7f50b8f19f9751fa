//! `dmtap lint` as users and CI systems run it.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::{demo, dmtap, run, stdout};

fn messages(folder: &Path) -> Vec<String> {
    let text = include_str!("../../data/lint/base.txt");
    let messages = text.lines().filter(|line| line.starts_with('<'));
    let mut files = Vec::new();
    for (number, message) in messages.enumerate() {
        let file = folder.join(format!("{number}.xml"));
        let broken = message.replace(
            "<Item><Target><LocURI>./Vendor/MSFT/A/E</LocURI></Target></Item>",
            "<Item/>",
        );
        fs::write(&file, broken).unwrap();
        files.push(file.display().to_string());
    }
    files
}

#[test]
fn a_demo_breaks_nothing() {
    let (folder, _) = demo();
    let record = folder.path().join("dmtap-demo/demo.jsonl");
    let output = run(dmtap()
        .arg("lint")
        .arg(record)
        .args(["--fail-on", "warning"]));
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(
        stdout(&output).contains("0 errors, 0 warnings"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn a_rule_of_dmtap_blames_nobody() {
    for rule in [
        "no-answer",
        "message-skipped",
        "hide-command",
        "no-final",
        "answers-reversed",
        "chunk-refused",
        "never-completed",
        "object-abandoned",
        "upload-refused",
        "upload-wrong-size",
        "login-refused",
    ] {
        let folder = tempfile::tempdir().unwrap();
        run(dmtap()
            .args(["demo", "--rule", rule])
            .current_dir(folder.path()));
        let record = folder.path().join("dmtap-demo/demo.jsonl");
        let output = run(dmtap().arg("lint").arg(record));
        assert!(
            stdout(&output).contains("0 errors"),
            "{rule}: {}",
            stdout(&output)
        );
    }
}

#[test]
fn files_are_one_conversation_and_their_notes_are_grouped() {
    let folder = tempfile::tempdir().unwrap();
    let files = messages(folder.path());
    let output = run(dmtap().arg("lint").args(&files));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = stdout(&output);
    assert!(text.starts_with("✖ error CMD-07 · server\n  │ "), "{text}");
    assert!(text.contains("1.xml at byte "), "{text}");
    assert!(
        text.ends_with("1 error, 0 warnings, 0 info notes in 4 messages\n"),
        "{text}"
    );
    let output = run(dmtap().arg("lint").args(&files).args(["--output", "json"]));
    let lines: Vec<Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["id"], "CMD-07");
    assert_eq!(lines[0]["by"], "server");
    assert_eq!(lines[1]["errors"], 1);
}

#[test]
fn junit_and_sarif_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let files = messages(folder.path());
    let (junit, sarif) = (
        folder.path().join("lint.xml"),
        folder.path().join("lint.sarif"),
    );
    let mut lint = dmtap();
    lint.arg("lint")
        .args(&files)
        .arg("--junit")
        .arg(&junit)
        .arg("--sarif")
        .arg(&sarif);
    assert_eq!(run(&mut lint).status.code(), Some(1));
    let junit = fs::read_to_string(junit).unwrap();
    let document = roxmltree::Document::parse(&junit).unwrap();
    let count = |name: &str| {
        document
            .descendants()
            .filter(|node| node.has_tag_name(name))
            .count()
    };
    assert_eq!((count("testcase"), count("failure")), (4, 1), "{junit}");
    let report = quick_junit::Report::deserialize_from_str(&junit).unwrap();
    assert_eq!((report.tests, report.failures, report.errors), (4, 1, 0));
    let cases = &report.test_suites[0].test_cases;
    let is_failed = |case: &&quick_junit::TestCase| {
        matches!(case.status, quick_junit::TestCaseStatus::NonSuccess { .. })
    };
    let failed: Vec<_> = cases.iter().filter(is_failed).collect();
    assert!(
        failed.len() == 1 && failed[0].name.ends_with("1.xml"),
        "{junit}"
    );
    let sarif: Value = serde_json::from_str(&fs::read_to_string(sarif).unwrap()).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    assert_eq!(run["results"][0]["ruleId"], "CMD-07");
    assert_eq!(run["results"][0]["level"], "error");
    assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "CMD-07");
    let place = &run["results"][0]["locations"][0]["physicalLocation"];
    assert!(
        place["artifactLocation"]["uri"]
            .as_str()
            .unwrap()
            .ends_with("1.xml"),
        "{place}"
    );
}

#[test]
fn a_broken_message_without_its_root_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("m.xml");
    for (text, is_reported) in [
        ("<SyncML<SyncHdr><MsgID>1</MsgID></SyncHdr></SyncML>", true),
        ("<SyncBody><Get><CmdID>1</CmdID>", true),
        ("<Item><Target><LocURI>./A</Target></Item>", true),
        ("<a:SyncML xmlns:a='b'", true),
        ("<project><name></project>", false),
        ("<!DOCTYPE html><p>SyncML<br></html>", false),
    ] {
        fs::write(&file, text).unwrap();
        let output = run(dmtap().arg("lint").arg(&file));
        let printed = stdout(&output);
        assert_eq!(
            output.status.code(),
            Some(if is_reported { 1 } else { 2 }),
            "{text}: {printed}"
        );
        assert_eq!(printed.contains("XML-01"), is_reported, "{text}: {printed}");
    }
}

#[test]
fn what_is_no_message_is_counted_and_a_filter_selects_exchanges() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.xml");
    fs::write(&file, "<html/>").unwrap();
    let first = folder.path().join("01-req.xml");
    fs::write(&first, base()[0]).unwrap();
    let output = run(dmtap().arg("lint").args([&first, &file]));
    assert_eq!(output.status.code(), Some(0));
    assert!(
        stdout(&output).contains("1 no message of SyncML"),
        "{}",
        stdout(&output)
    );
    let (folder, _) = demo();
    let record = folder.path().join("dmtap-demo/demo.jsonl");
    let output = run(dmtap().arg("lint").arg(&record).arg("~sess 1"));
    assert!(
        stdout(&output).contains("in 6 messages"),
        "{}",
        stdout(&output)
    );
    let output = run(dmtap().arg("lint").arg(&record).arg("~sesss 1"));
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn a_record_without_a_message_is_no_success() {
    let folder = TempDir::new().unwrap();
    let opened = r#"{"v":1,"seq":1,"event":"opened","at":"2026-01-01T00:00:00Z","at_us":1,"connection":{"id":1}}"#;
    fs::write(folder.path().join("empty.jsonl"), format!("{opened}\n")).unwrap();
    let output = run(dmtap().current_dir(&folder).args(["lint", "empty.jsonl"]));
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("the record has no message"), "{error}");
}

fn base() -> Vec<&'static str> {
    let text = include_str!("../../data/lint/base.txt");
    text.lines().filter(|line| line.starts_with('<')).collect()
}

/// What lint says of a file: the exit code, and the text.
fn lint_of(content: &[u8]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace.txt");
    fs::write(&file, content).unwrap();
    let output = run(dmtap().arg("lint").arg(&file));
    (output.status.code(), stdout(&output))
}

#[test]
fn a_trace_that_begins_late_or_with_a_cut_message_blames_nobody() {
    let messages = base();
    let log = |messages: &[&str]| format!("# trace\n{}\n", messages.join("\n\n"));
    let (code, text) = lint_of(log(&messages[1..]).as_bytes());
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("0 errors"), "{text}");
    assert!(text.contains("in 3 messages"), "{text}");
    // SyncMLViewer had only the beginning of the first message.
    let (front, _) = messages[0].split_once("<Alert><CmdID>3<").unwrap();
    let cut = format!("{front}<!-- truncated xml data --></SyncBody></SyncML>");
    let (code, text) = lint_of(log(&[&cut, messages[1], messages[2], messages[3]]).as_bytes());
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("0 errors"), "{text}");
}

#[test]
fn logs_in_utf16_with_prefixes_or_with_one_message_are_read() {
    let messages = base();
    let log = format!("10:00 sent {}\n10:01 got {}\n", messages[0], messages[1]);
    let utf16: Vec<u8> = format!("\u{feff}{log}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let one = format!("10:00 sent {}\nend\n", messages[0]);
    for (what, content, count) in [
        ("UTF-16", utf16, "in 2 messages"),
        ("one message", one.into_bytes(), "in 1 message"),
    ] {
        let (code, text) = lint_of(&content);
        assert_eq!(code, Some(0), "{what}: {text}");
        assert!(
            text.contains(count) && !text.contains("XML-01"),
            "{what}: {text}"
        );
    }
    // A single message that does not decode is judged as one.
    let (code, text) = lint_of(messages[0].replace("</SyncBody>", "").as_bytes());
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("XML-01"), "{text}");
}

#[test]
fn something_around_a_message_is_an_error_and_the_message_stays_in_the_conversation() {
    let clean = base();
    let lint = |second: Vec<u8>| {
        let folder = tempfile::tempdir().unwrap();
        let contents = clean.iter().map(|it| it.as_bytes().to_vec());
        let mut contents: Vec<_> = contents.collect();
        contents[1] = second;
        let files = contents.iter().enumerate().map(|(number, content)| {
            let file = folder.path().join(format!("{number}.xml"));
            fs::write(&file, content).unwrap();
            file
        });
        let output = run(dmtap().arg("lint").args(files));
        (output.status.code(), stdout(&output))
    };
    let message = clean[1];
    for content in [
        format!("{message}\nWarning: no such file"),
        format!("<b>Warning</b>: no such file<br/>\n{message}"),
        format!("\u{feff}\u{feff}{message}"),
        message.repeat(2),
    ] {
        let (code, text) = lint(content.into_bytes());
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("error XML-01 · server"), "{text}");
        let expected = "1 error, 0 warnings, 0 info notes in 4 messages";
        assert!(text.contains(expected), "{text}");
    }
    // A file alone says the same, and a log stays one.
    for (content, is_noted) in [
        (format!("{message}\nWarning: no such file"), true),
        (
            format!("<b>Warning</b>: no such file<br/>\n{message}"),
            true,
        ),
        (format!("\u{feff}\u{feff}{message}"), true),
        (message.repeat(2), true),
        (format!("<13>Nov 30 12:00:00 host mdm: {message}\n"), false),
        (format!("< HTTP/1.1 200 OK\n{message}\n"), false),
    ] {
        let (code, text) = lint_of(content.as_bytes());
        assert_eq!(code, Some(i32::from(is_noted)), "{content} {text}");
        assert_eq!(text.contains("error XML-01"), is_noted, "{content} {text}");
        assert!(text.contains("in 1 message"), "{text}");
    }
    // An empty body may end a session. It is no reason to judge nothing.
    let (code, text) = lint(Vec::new());
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("1.xml is an empty body, not judged"),
        "{text}"
    );
    assert!(text.contains("in 3 messages"), "{text}");
}

#[test]
fn a_declaration_that_names_another_encoding_than_the_text_has_is_noted() {
    let text = |encoding: &str| format!("<?xml version='1.0' encoding='{encoding}'?>{}", base()[0]);
    let utf16 = |text: String| -> Vec<u8> {
        let units = format!("\u{feff}{text}").encode_utf16().collect::<Vec<_>>();
        units.into_iter().flat_map(u16::to_be_bytes).collect()
    };
    let (_, noted) = lint_of(&utf16(text("UTF-8")));
    assert!(noted.contains("warning XML-01"), "{noted}");
    assert!(
        noted.contains("the text is in UTF-16BE, the XML declaration says UTF-8"),
        "{noted}"
    );
    let (_, clean) = lint_of(&utf16(text("UTF-16")));
    assert!(!clean.contains("XML-01"), "{clean}");
}

#[test]
fn an_account_without_its_node_is_noted_in_files_too() {
    let response = |provider: &str| {
        format!(
            "<wap-provisioningdoc version='1.1'><characteristic type='APPLICATION'><parm name='APPID' value='w7'/>\
             <parm name='PROVIDER-ID' value='{provider}'/></characteristic><characteristic type='DMClient'>\
             <characteristic type='Provider'><characteristic type='Contoso'/></characteristic></characteristic>\
             </wap-provisioningdoc>"
        )
    };
    let noted = |verb: &[&str], text: &str| {
        stdout(&super::dmtap_with_input(verb, text.as_bytes())).contains("PROV-01")
    };
    for verb in [
        &["lint", "-"][..],
        &["decode", "-", "--annotate"],
        &["show", "-"],
    ] {
        assert!(noted(verb, &response("Fabrikam")), "{verb:?}");
        assert!(!noted(verb, &response("Contoso")), "{verb:?}");
    }
}
