//! Deviations that lenient mode accepts with a flag and strict mode refuses; deviations that both refuse or accept.
#![allow(clippy::unwrap_used, reason = "what a test cannot do fails it")]

use std::fs;
use std::process::{Command, Output};

/// What becomes of an input: exit code 1 in both modes, in strict mode alone, or in none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Refused,
    Strict,
    Fine,
}
use Verdict::{Fine, Refused, Strict};

/// One small input; the class and offset that the program is to tell.
type Row = (&'static str, &'static str, &'static str, u32, Verdict);

const DM: &str = "application/vnd.syncml.dm+wbxml";

/// WBXML in hexadecimal, with texts in quotes; `02 A4 01 6A 00` is the header of SyncML 1.2 in UTF-8.
const WBXML: &[Row] = &[
    ("02", "", "F01", 1, Refused),
    ("07 A4 01 6A 00 6D 01", "", "F02", 0, Strict),
    ("00 A4 01 6A 00 6D 01", "", "F02", 0, Strict),
    ("02 81 81 81 81 81 01 6A 00 6D 01", "", "F03", 1, Refused),
    ("02 80 A4 01 6A 00 6D 01", "", "F04", 1, Strict),
    ("02 A4 01 6A 03 6D 01", "", "F05", 4, Refused),
    ("02 00 05 6A 02 'x' 00 6D 01", "", "F06", 1, Refused),
    ("02 33 6A 00 6D 01", "", "F07", 1, Refused),
    ("02 33 6A 00 6D 01", DM, "F07", 1, Strict),
    ("02 01 6A 00 6D 01", DM, "", 0, Fine),
    ("03 0B 6A 00 C5 46 01 01", DM, "F08", 1, Strict),
    ("02 A4 01 87 77 00 6D 01", "", "F09", 3, Refused),
    (
        "02 A4 01 6A 00 6D 6B 54 4F 03 'abc'",
        "",
        "F11",
        10,
        Refused,
    ),
    (
        "02 A4 01 6A 00 6D 6B 54 4F 83 00 01 01 01 01",
        "",
        "F12",
        9,
        Refused,
    ),
    (
        "02 A4 01 6A 00 ED 04 00 03 'u' 00 01 01",
        "",
        "F12",
        6,
        Strict,
    ),
    (
        "02 A4 01 6A 02 'xy' 6D 6B 54 4F 83 00 01 01 01 01",
        "",
        "F13",
        11,
        Strict,
    ),
    (
        "02 A4 01 6A 03 C3 A9 00 6D 6B 54 4F 83 01 01 01 01 01",
        "",
        "F13",
        12,
        Strict,
    ),
    (
        "02 A4 01 6A 00 6D 6B 54 4F 03 C0 80 00 01 01 01 01",
        "",
        "F14",
        9,
        Refused,
    ),
    (
        "02 A4 01 6A 00 6D 6B 54 4F 02 83 B0 00 01 01 01 01",
        "",
        "F15",
        9,
        Refused,
    ),
    (
        "02 A4 01 6A 00 6D 6B 54 4F C3 05 'abc' 01",
        "",
        "F17",
        9,
        Refused,
    ),
    (
        "00 A4 01 00 6D 6B 54 4F C3 01 'x' 01 01 01 01",
        "",
        "F18",
        8,
        Strict,
    ),
    ("02 A4 01 6A 00 6D 6B 3F 01 01", "", "F19", 7, Strict),
    ("02 A4 01 6A 00 6D 6B 00 FF 05 01 01", "", "F19", 9, Strict),
    ("02 A4 01 6A 00 6D 6B 00 01 17 01 01", "", "F19", 9, Strict),
    ("02 A4 01 6A 00 6D 6B 30 01 01", "", "F20", 7, Refused),
    (
        "02 A4 01 6A 02 'a' 00 ED 04 00 03 'v' 00 01 01",
        "",
        "F21",
        7,
        Strict,
    ),
    ("03 0B 6A 00 C5 01 01", "", "F22", 5, Strict),
    ("03 0B 6A 00 C5 46 45 03 '2' 00 01 01", "", "F22", 6, Strict),
    ("03 0B 6A 00 C5 85 01 01", "", "F23", 5, Refused),
    ("02 A4 01 6A 00 6D 43 05 01 01", "", "F24", 6, Refused),
    ("02 A4 01 6A 00 6D C0 01", "", "F25", 6, Refused),
    ("02 A4 01 6A 00 6D 6B 01", "", "F26", 8, Refused),
    ("02 A4 01 6A 00 6D 01 6D 01", "", "F27", 7, Strict),
    ("02 A4 01 6A 00 6D 6B 03 'x' 00 01 01", "", "F28", 7, Strict),
    ("02 A4 01 6A 00 6D 6B 00 01 01 01", "", "F33", 7, Strict),
    ("02 A4 01 6A 00 6B 01", "", "F34", 5, Strict),
    (
        "02 A4 01 6A 04 'a b' 00 6D 04 00 01",
        "",
        "F35",
        10,
        Refused,
    ),
    (
        "02 A4 01 6A 00 6D 6B 54 4F 03 00 C3 00 01 01 01 01",
        "",
        "",
        0,
        Fine,
    ),
];

/// The same severity for XML.
const XML: &[Row] = &[
    ("<Data>x</Data>", "", "", 0, Fine),
    (
        "<!DOCTYPE Data SYSTEM 'x.dtd'><Data/>",
        "",
        "DOCTYPE",
        0,
        Strict,
    ),
    (
        "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>",
        "",
        "DOCTYPE",
        12,
        Refused,
    ),
    ("<Data>&nbsp;</Data>", "", "nbsp", 6, Strict),
    ("<Data><p:a/></Data>", "", "prefix p", 7, Strict),
    ("<Data>]]></Data>", "", "]]>", 6, Strict),
    ("\n<?xml version='1.0'?><Data/>", "", "beginning", 1, Strict),
    ("<Data a='1' a='2'/>", "", "twice", 12, Refused),
    ("<Data>\u{1}</Data>", "", "U+0001", 6, Refused),
    ("<Data>", "", "never closed", 0, Refused),
    ("<Data/><Data/>", "", "second root", 7, Refused),
    (
        "<?xml version='1.0' encoding='UTF-16'?><Data/>",
        "",
        "UTF-16",
        30,
        Strict,
    ),
];

#[test]
fn wbxml_is_refused_or_let_pass_as_its_class_says() {
    for row in WBXML {
        check(&bytes(row.0), row);
    }
}

#[test]
fn xml_is_refused_or_let_pass_likewise() {
    for row in XML {
        check(row.0.as_bytes(), row);
    }
}

#[test]
fn documents_too_deep_inside_are_refused_in_strict_mode_and_broken_ones_are_reported() {
    let inside = |inner: &str| inner.replace('&', "&amp;").replace('<', "&lt;");
    let third = ["<a>", "</a>"].join(&inside(&["<b>", "</b>"].join(&inside("<c>&lt;d/></c>"))));
    let row = ("", "", "F31", 0, Strict);
    // Reported at the offset of the outermost text by --strict, where it stands by --annotate.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deep.xml");
    fs::write(&file, &third).unwrap();
    let shown = dmtap()
        .arg("decode")
        .arg(&file)
        .arg("--annotate")
        .output()
        .unwrap();
    assert!(stdout(&shown).contains("! F31 "), "{}", stdout(&shown));
    assert_eq!(strict(&third.into_bytes(), &row).status.code(), Some(1));

    let broken = bytes(
        "02 A4 01 6A 00 6D 6B 5F 5A 00 01 53 03 'application/vnd.syncml-devinf+wbxml' 00 01 01 00 00 54 4F C3 05 'hello' 01 01 01 01 01",
    );
    let row = ("", "", "F32", 0, Fine);
    fs::write(&file, &broken).unwrap();
    let shown = dmtap()
        .arg("decode")
        .arg(&file)
        .arg("--annotate")
        .output()
        .unwrap();
    assert!(
        stdout(&shown).contains("! F32 declared as WBXML"),
        "{}",
        stdout(&shown)
    );
    assert_eq!(strict(&broken, &row).status.code(), Some(0));
}

/// Runs `dmtap decode` both ways and with `--annotate`.
#[track_caller]
fn check(source: &[u8], row: &Row) {
    let (written, _, said, at, verdict) = *row;
    let (lenient, strict) = (run(source, row, &["--annotate"]), strict(source, row));
    let codes = (lenient.status.code(), strict.status.code());
    let expected = match verdict {
        Refused => (Some(1), Some(1)),
        Strict => (Some(0), Some(1)),
        Fine => (Some(0), Some(0)),
    };
    assert_eq!(codes, expected, "{written}: {strict:?}");
    let errors = String::from_utf8(strict.stderr).unwrap();
    if verdict != Fine {
        assert!(
            errors.contains(&format!("at byte {at}: ")),
            "{written}: {errors}"
        );
        assert!(errors.contains(said), "{written}: {errors}");
        assert_eq!(strict.stdout, b"", "{written}");
    }
    let flags: Vec<_> = stdout(&lenient)
        .lines()
        .filter(|line| line.contains("  ! "))
        .map(str::to_owned)
        .collect();
    let reported =
        |line: &String| line.contains(said) && line.trim_start().starts_with(&at.to_string());
    assert_eq!(
        flags.iter().any(reported),
        verdict == Strict,
        "{written}: {flags:?}"
    );
    assert_eq!(flags.is_empty(), verdict != Strict, "{written}: {flags:?}");
}

fn strict(source: &[u8], row: &Row) -> Output {
    run(source, row, &["--strict"])
}

fn run(source: &[u8], row: &Row, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("message");
    fs::write(&file, source).unwrap();
    let mut command = dmtap();
    command.arg("decode").arg(file).args(arguments);
    if !row.1.is_empty() {
        command.args(["--media-type", row.1]);
    }
    command.output().unwrap()
}

fn dmtap() -> Command {
    Command::new(env!("CARGO_BIN_EXE_dmtap"))
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Hexadecimal with white space; 'text' in quotes is itself.
fn bytes(written: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, piece) in written.split('\'').enumerate() {
        match at % 2 {
            1 => out.extend_from_slice(piece.as_bytes()),
            _ => out.extend(
                piece
                    .split_whitespace()
                    .map(|hex| u8::from_str_radix(hex, 16).unwrap()),
            ),
        }
    }
    out
}
