//! The program as a user runs it: the demo, the offline verbs, exit codes.

mod answered;
mod beginning;
mod check;
mod commands_alone;
mod curl_logs;
mod decode;
mod device;
mod ends;
mod event_log;
mod explain;
mod filters;
mod followed;
mod help;
mod http_text;
mod log;
mod saved_by_others;
mod saved_traffic;
use crate::support::peers;
mod layouts;
mod left_out;
mod lint;
mod lint_reports;
mod pasted;
mod pasted_values;
mod plan;
mod printable;
#[cfg(unix)]
mod readme;
mod recorded;
mod require_hits;
mod several_runs;
mod stay;
mod times;
mod traffic_files;
mod trial;
mod unread;
mod unusual_files;
mod wireshark;
mod words;
mod wrapped;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use peers::{corpus, dmtap, have};
use tempfile::TempDir;

use crate::support::record_schema;

#[test]
fn the_demo_shows_two_sessions_and_the_failed_command_on_both_sides() {
    let (folder, output) = demo();
    let shown = stdout(&output);
    for expected in [
        "WBXML",
        "XML",
        "command-fails",
        "500 Command failed",
        "demo.pcapng",
    ] {
        assert!(
            shown.contains(expected),
            "{expected} is missing in:\n{shown}"
        );
    }
    let reported = shown
        .lines()
        .filter(|line| line.contains("Add") && line.contains("200 OK"));
    let reported = reported
        .filter(|line| line.contains("500 Command failed") && !line.contains("→"))
        .count();
    assert_eq!(
        reported, 2,
        "one line of both sides for each session:\n{shown}"
    );
    for form in ["jsonl", "txt", "pcapng"] {
        let file = folder.path().join(format!("dmtap-demo/demo.{form}"));
        assert!(
            fs::metadata(&file).unwrap().len() > 1000,
            "{}",
            file.display()
        );
    }
}

#[test]
fn the_demos_record_shows_the_same_transcript_again() {
    let (folder, _) = demo();
    let record = folder.path().join("dmtap-demo/demo.jsonl");
    let shown = run(dmtap().arg("show").arg(record));
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    let transcript = fs::read_to_string(folder.path().join("dmtap-demo/demo.txt")).unwrap();
    assert_eq!(stdout(&shown).trim(), transcript.trim());
}

#[test]
fn a_file_that_is_no_record_is_reported_so_once() {
    for input in [
        "[[rule]]\nname = 'a'\nstage = 'request'\n",
        "<SyncML/>",
        "{\n  \"v\": 1\n}\n",
    ] {
        let output = dmtap_with_input(&["why", "-"], input.as_bytes());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let output = dmtap_with_input(&["show", "-"], input.as_bytes());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("this is not a record"), "{said}");
    }
    // What is left of a record whose beginning was cut off is one.
    let (folder, _) = demo();
    let record = fs::read(folder.path().join("dmtap-demo/demo.jsonl")).unwrap();
    let output = dmtap_with_input(&["show", "-"], &record[20..]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stdout(&output).contains("session 2"), "{output:?}");
}

#[test]
fn tshark_lists_the_demos_exchanges_with_comments_and_wbxml_tag_names() {
    if !have("tshark") {
        return;
    }
    let (folder, _) = demo();
    let file = folder.path().join("dmtap-demo/demo.pcapng");
    let tshark = |arguments: &[&str]| {
        let output = run(Command::new("tshark").arg("-r").arg(&file).args(arguments));
        assert!(output.status.success(), "{output:?}");
        stdout(&output)
    };
    assert_eq!(tshark(&["-Y", "http.request"]).lines().count(), 6);
    assert_eq!(tshark(&["-Y", "http.response"]).lines().count(), 6);
    assert!(tshark(&["-Y", "frame.comment"]).lines().count() >= 12);
    assert!(
        tshark(&["-Y", "frame.comment contains \"command-fails\""])
            .lines()
            .count()
            >= 2
    );
    let wbxml = tshark(&["-V", "-Y", "wbxml"]);
    for tag in ["SyncHdr", "VerProto", "LocURI"] {
        assert!(wbxml.contains(tag), "{tag} is not dissected");
    }
    assert!(!tshark(&["-V"]).contains("Malformed Packet"));
}

#[test]
fn a_misspelt_verb_in_a_rule_file_stops_the_start_with_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("typo.toml");
    let rule = "[[rule]]\nname = \"x\"\nstage = \"request\"\n[rule.match]\ncommand = \"Status\"\n\
        [[rule.step]]\nset-statsu = 500\n";
    fs::write(&file, rule).unwrap();
    let proxy = [
        "proxy",
        "--mode",
        "reverse:https://localhost:1",
        "-p",
        "0",
        "--rules",
    ];
    let confdir = folder.path().join("conf");
    for arguments in [&proxy[..], &["rules", "check"]] {
        let mut command = dmtap();
        command
            .env("DMTAP_CONFDIR", &confdir)
            .args(arguments)
            .arg(&file);
        let output = run(&mut command);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        for expected in ["typo.toml:7", "set-statsu", "set-status"] {
            assert!(said.contains(expected), "{expected} is missing in:\n{said}");
        }
    }
}

#[test]
fn a_start_that_fails_leaves_the_record_of_another_run_alone() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("kept.jsonl");
    fs::write(&record, "kept").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = dmtap();
    command.env("DMTAP_CONFDIR", folder.path().join("conf"));
    command
        .args([
            "proxy",
            "--mode",
            "reverse:https://localhost:1",
            "-p",
            &port,
            "-w",
        ])
        .arg(&record);
    let output = run(&mut command);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stderr).contains(&port),
        "{output:?}"
    );
    assert_eq!(fs::read_to_string(record).unwrap(), "kept");
}

#[test]
fn a_control_port_that_is_the_proxys_own_is_reported_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = dmtap();
    command.env("DMTAP_CONFDIR", folder.path());
    command.args(["proxy", "--mode", "regular", "-p", "39871"]);
    let output = run(command.args(["--control", "39871"]));
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("it is the port of the proxy itself"),
        "{said}"
    );
}

#[test]
fn decode_tells_the_offset_of_what_is_broken_and_exits_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.wbxml");
    fs::write(
        &file,
        [0x02, 0xa4, 0x01, 0x6a, 0x00, 0x6d, 0x6c, 0x71, 0x03, b'1'],
    )
    .unwrap();
    let output = run(dmtap().arg("decode").arg(&file));
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("at byte 9"), "{said}");
    let missing = run(dmtap().args(["decode", "no-such-file"]));
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn decode_reads_base64_and_standard_input() {
    let golden = "AqQBagBtbHEDMS4yAAFyA0RNLzEuMgABZQMxAAFbAzEAAQFrEgEB";
    let output = dmtap_with_input(&["decode", "-", "--compact"], golden.as_bytes());
    assert_eq!(
        stdout(&output).trim(),
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>1</SessionID><MsgID>1</MsgID></SyncHdr><SyncBody><Final/></SyncBody></SyncML>"
    );
}

#[test]
fn decode_encode_decode_is_a_fixed_point_and_wbxml2xml_reads_what_encode_wrote() {
    let Some(corpus) = corpus() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (xml, wbxml) = (folder.path().join("a.xml"), folder.path().join("a.wbxml"));
    let wbxml2xml = have("wbxml2xml");
    for file in peers::messages(&corpus.join("libwbxml")) {
        let name = file.display();
        let round = |source: &Path| {
            let decoded = run(dmtap().arg("decode").arg(source).arg("--compact"));
            assert_eq!(decoded.status.code(), Some(0), "{name}: {decoded:?}");
            fs::write(&xml, &decoded.stdout).unwrap();
            let encoded = run(dmtap().arg("encode").arg(&xml).arg("-o").arg(&wbxml));
            assert_eq!(encoded.status.code(), Some(0), "{name}: {encoded:?}");
            stdout(&decoded)
        };
        // XML without a namespace gets its own on the way through WBXML, which implies it: begin behind that.
        let mut decoded = round(&file);
        if file.extension().is_none_or(|form| form != "wbxml") {
            decoded = round(&wbxml);
        }
        assert!(decoded.len() > 40, "{name}: {decoded}");
        assert_eq!(round(&wbxml), decoded, "{name}");
        if wbxml2xml {
            let other = run(Command::new("wbxml2xml").arg("-o").arg(&xml).arg(&wbxml));
            assert!(other.status.success(), "{name}: {other:?}");
        }
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error_and_options_without_effect_are_refused() {
    let message = b"<SyncML/>";
    let full = |arguments: &[&str]| {
        let mut command = Command::new("sh");
        let program = env!("CARGO_BIN_EXE_dmtap");
        command.args([
            "-c",
            &format!(
                "printf '<SyncML><SyncHdr/><SyncBody/></SyncML>' | {program} {} > /dev/full",
                arguments.join(" ")
            ),
        ]);
        let output = run(&mut command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.contains("cannot write standard output"),
            "{arguments:?}: {said}"
        );
        output.status.code()
    };
    if Path::new("/dev/full").exists() {
        assert_eq!(full(&["decode", "-"]), Some(1));
        assert_eq!(full(&["encode", "-"]), Some(1));
        assert_eq!(full(&["completions", "bash"]), Some(1));
        assert_eq!(full(&["show", "-"]), Some(1));
        assert_eq!(full(&["--output", "json", "show", "-"]), Some(1));
    }
    let output = dmtap_with_input(&["encode", "-", "--output", "json"], message);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        run(dmtap().args(["device", "localhost:1"])).status.code(),
        Some(2)
    );
}

fn demo() -> (TempDir, Output) {
    let folder = tempfile::tempdir().unwrap();
    let output = run(dmtap().arg("demo").current_dir(folder.path()));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    record_schema::check(&fs::read(folder.path().join("dmtap-demo/demo.jsonl")).unwrap());
    (folder, output)
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn dmtap_with_input(arguments: &[&str], input: &[u8]) -> Output {
    use std::io::Write;
    use std::process::Stdio;
    let mut child = dmtap()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}
