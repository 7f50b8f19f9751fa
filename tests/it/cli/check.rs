//! `dmtap rules check`: files that are wrong, empty, or not text.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use crate::cli::peers::dmtap;
use tempfile::TempDir;

const RULE: &str = "[[rule]]\nname = 'a'\nstage = 'request'\nstep = { reset = true }\n";

fn checked(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = dmtap();
    command.current_dir(folder).args(["rules", "check"]);
    command.args(arguments).stdin(Stdio::piped());
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    // It may have ended without reading.
    let _ = pipe.write_all(input.as_bytes());
    drop(pipe);
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_file_without_rules_is_reported_and_fine() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("empty.toml"), "").unwrap();
    fs::write(folder.path().join("comment.toml"), "# later\n").unwrap();
    fs::write(folder.path().join("rule.toml"), RULE).unwrap();
    let files = ["empty.toml", "rule.toml", "comment.toml"];
    let output = checked(folder.path(), &files, "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let shown = text(&output.stdout);
    assert_eq!(
        shown,
        "ok  a\nempty.toml: no rules\ncomment.toml: no rules\n"
    );
}

#[test]
fn files_that_hold_no_rule_at_all_are_an_error() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("empty.toml"), "").unwrap();
    fs::write(folder.path().join("later.toml"), "# later\n").unwrap();
    for (files, input) in [(&["empty.toml", "later.toml"][..], ""), (&["-"], "\n")] {
        let output = checked(folder.path(), files, input);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let shown = text(&output.stderr);
        let named = |file: &&str| match *file {
            "-" => shown.contains("error: standard input has no rules"),
            file => shown.contains(&format!("error: {file} has no rules")),
        };
        assert!(files.iter().all(named), "{shown}");
    }
    let output = checked(folder.path(), &["empty.toml", "--output", "json"], "");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["ok"], false, "{shown}");
    assert_eq!(shown["errors"][0]["file"], "empty.toml", "{shown}");
}

#[test]
fn a_file_in_another_encoding_is_reported_with_its_line() {
    let folder = TempDir::new().unwrap();
    fs::write(
        folder.path().join("latin.toml"),
        b"[[rule]]\nname = \"B\xfcro\"\n",
    )
    .unwrap();
    let output = checked(folder.path(), &["latin.toml"], "");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let shown = text(&output.stderr);
    assert!(
        shown.contains("line 2 is not UTF-8: save it as UTF-8"),
        "{shown}"
    );
}

#[test]
fn programs_get_what_is_wrong_as_json() {
    let folder = TempDir::new().unwrap();
    let slip = RULE.replace("reset", "rset");
    fs::write(folder.path().join("slip.toml"), slip).unwrap();
    fs::write(folder.path().join("bytes.toml"), b"\x00\xff\xfe").unwrap();
    let arguments = ["slip.toml", "bytes.toml", "--output", "json"];
    let output = checked(folder.path(), &arguments, "");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    let reported: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&reported["v"], &reported["ok"]),
        (&1.into(), &serde_json::Value::Bool(false))
    );
    let errors = reported["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 2, "{reported}");
    assert_eq!(errors[0]["file"], "bytes.toml");
    let slip = &errors[1];
    assert_eq!(slip["file"], "slip.toml");
    assert_eq!((&slip["line"], &slip["column"]), (&4.into(), &10.into()));
    assert_eq!(slip["title"], "there is no step `rset`");
    assert_eq!(slip["label"], "did you mean `reset`?");
    assert!(!slip["help"].as_array().unwrap().is_empty(), "{reported}");
}

#[test]
fn a_file_that_is_no_text_hides_no_mistake_of_another() {
    let folder = TempDir::new().unwrap();
    let wide: Vec<u8> = RULE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(
        folder.path().join("wide.toml"),
        [b"\xff\xfe", &wide[..]].concat(),
    )
    .unwrap();
    fs::write(folder.path().join("bytes.toml"), b"\x00\xff\xfe").unwrap();
    fs::write(
        folder.path().join("slip.toml"),
        RULE.replace("reset", "rset"),
    )
    .unwrap();
    let files = ["wide.toml", "bytes.toml", "slip.toml"];
    let output = checked(folder.path(), &files, "");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = text(&output.stderr);
    for expected in [
        "wide.toml: this is UTF-16: save it as UTF-8",
        "bytes.toml: this is not a text file",
        "there is no step `rset`",
    ] {
        assert!(said.contains(expected), "{expected} is missing in:\n{said}");
    }
}

#[test]
fn rules_come_from_standard_input_too() {
    let folder = TempDir::new().unwrap();
    let output = checked(folder.path(), &["-"], RULE);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(text(&output.stdout), "ok  a\n");
    let output = checked(folder.path(), &["-"], "[[rule]]\n");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("standard input:1:1"));
}

#[test]
fn a_pattern_that_matches_no_node_is_a_warning_with_what_would_match() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("odd.toml");
    let text = "[[rule]]\nname = 'odd'\nstage = 'response'\n\
        match = { command = 'Get', loc-uri = ['./DevInfo/**', 'BitLocker/**'] }\nstep = { set-status = 404 }\n\n\
        [[rule]]\nname = 'odd-answers'\nstage = 'request'\n\
        match = { command = 'Status', answers = { loc-uri = '/Vendor/MSFT/X' } }\nstep = { set-status = 404 }\n";
    let text = text.replacen("stage = 'response'", "stage = 'request'", 1);
    let text = text.replacen("command = 'Get'", "command = 'Status'", 1);
    std::fs::write(&file, text).unwrap();
    let check = |more: &[&str]| {
        let output = dmtap()
            .args(["rules", "check"])
            .arg(&file)
            .args(more)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let [out, err] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (out, err)
    };
    let (out, err) = check(&[]);
    assert_eq!(out, "ok  odd\nok  odd-answers\n");
    assert_eq!(err.matches("warning: ").count(), 2, "{err}");
    for expected in [
        "odd.toml:4:",
        "odd.toml:10:",
        "./Device/Vendor/MSFT/BitLocker/**",
        "./Vendor/MSFT/X",
    ] {
        assert!(err.contains(expected), "{expected} is missing in {err}");
    }
    let (out, err) = check(&["--output", "json"]);
    assert_eq!(err, "");
    let line: serde_json::Value = serde_json::from_str(&out).unwrap();
    let warnings = line["warnings"].as_array().unwrap();
    assert_eq!(
        (line["ok"].as_bool(), warnings.len()),
        (Some(true), 2),
        "{out}"
    );
    assert_eq!(warnings[0]["line"], 4, "{out}");
    assert!(warnings[0]["column"].as_u64() > Some(1), "{out}");
}

#[test]
fn no_built_in_rule_has_a_pattern_that_matches_nothing() {
    for rule in dmtap::builtin_rules::BUILTIN_RULES.iter() {
        for loaded in dmtap::rules::load::parse(rule.name, rule.text).unwrap() {
            assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        }
    }
}

#[test]
fn a_proxy_with_an_odd_pattern_warns_and_starts() {
    use std::io::{BufRead as _, BufReader};
    let folder = TempDir::new().unwrap();
    let mut child = dmtap()
        .args([
            "proxy",
            "--mode",
            "regular",
            "-p",
            "0",
            "--fail",
            "BitLocker/Status=404",
            "--confdir",
        ])
        .arg(folder.path())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut lines = lines
        .map(Result::unwrap)
        .take_while(|line| !line.starts_with("listening"));
    let odd = lines.any(|line| line.contains("warning") && line.contains("BitLocker/Status"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(odd);
}
