//! The reports of `dmtap lint` that other programs read.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use dmtap::markup::wbxml::{WbxmlOptions, encode};
use dmtap::markup::{Hint, Limits, decode};
use serde_json::Value;
use tempfile::TempDir;

use super::{dmtap, run, stdout};

/// A message with a Delete that names no node, on its fourth line.
const MESSAGE: &str = "<SyncML xmlns=\"SYNCML:SYNCML1.2\">\n<SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
    <SessionID>1</SessionID><MsgID>1</MsgID><Target><LocURI>urn:dev:1</LocURI></Target>\
    <Source><LocURI>https://mdm.example.com/dm</LocURI></Source></SyncHdr>\n<SyncBody>\n\
    <!-- ä --><Delete><CmdID>2</CmdID><Item/></Delete>\n<Final/></SyncBody></SyncML>";

/// The two reports about these files.
fn reports(folder: &TempDir, files: &[&Path]) -> (Value, String) {
    let report = |name: &str| folder.path().join(name);
    let (sarif, junit) = (report("lint.sarif"), report("lint.xml"));
    let mut lint = dmtap();
    lint.arg("lint").args(files);
    lint.arg("--sarif").arg(&sarif).arg("--junit").arg(&junit);
    run(&mut lint);
    let sarif = serde_json::from_str(&fs::read_to_string(sarif).unwrap()).unwrap();
    follows_the_standard(&sarif);
    (sarif, fs::read_to_string(junit).unwrap())
}

fn write(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let file = folder.path().join(name);
    fs::write(&file, content).unwrap();
    file
}

/// The region of the first result of a rule.
fn region<'s>(sarif: &'s Value, rule: &str) -> &'s Value {
    let mut results = sarif["runs"][0]["results"].as_array().unwrap().iter();
    let found = results.find(|result| result["ruleId"] == rule);
    let found = found.unwrap_or_else(|| panic!("no {rule}: {sarif:#}"));
    &found["locations"][0]["physicalLocation"]["region"]
}

/// What the published schema of SARIF 2.1.0 asks of the objects that are written: their required properties, no others
/// than it has, and the values that it allows.
fn follows_the_standard(sarif: &Value) {
    only(sarif, &["$schema", "version", "runs"]);
    let schema = sarif["$schema"].as_str().unwrap();
    assert!(schema.ends_with("sarif-2.1.0.json"), "{schema}");
    assert_eq!(sarif["version"], "2.1.0");
    for run in sarif["runs"].as_array().unwrap() {
        only(run, &["tool", "columnKind", "results"]);
        let kinds = ["utf16CodeUnits", "unicodeCodePoints"];
        assert!(kinds.contains(&run["columnKind"].as_str().unwrap()));
        only(&run["tool"], &["driver"]);
        let driver = &run["tool"]["driver"];
        only(driver, &["name", "version", "rules"]);
        assert!(driver["name"].is_string());
        let rules = driver["rules"].as_array().unwrap();
        let mut ids = BTreeSet::new();
        for rule in rules {
            only(rule, &["id", "shortDescription"]);
            assert!(ids.insert(rule["id"].as_str().unwrap()), "twice: {rule}");
            only(&rule["shortDescription"], &["text"]);
            assert!(
                !rule["shortDescription"]["text"]
                    .as_str()
                    .unwrap()
                    .is_empty()
            );
        }
        for result in run["results"].as_array().unwrap() {
            result_follows_the_standard(result, rules);
        }
    }
}

fn result_follows_the_standard(result: &Value, rules: &[Value]) {
    only(
        result,
        &["ruleId", "ruleIndex", "level", "message", "locations"],
    );
    let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(rules[index]["id"], result["ruleId"]);
    let levels = ["none", "note", "warning", "error"];
    assert!(
        levels.contains(&result["level"].as_str().unwrap()),
        "{result}"
    );
    only(&result["message"], &["text"]);
    assert!(!result["message"]["text"].as_str().unwrap().is_empty());
    for location in result["locations"].as_array().unwrap() {
        only(location, &["physicalLocation", "logicalLocations"]);
        for logical in location["logicalLocations"].as_array().unwrap() {
            only(logical, &["fullyQualifiedName"]);
        }
        let place = &location["physicalLocation"];
        only(place, &["artifactLocation", "region"]);
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        assert!(
            uri.parse::<http::Uri>().is_ok() || !uri.contains(' '),
            "{uri}"
        );
        let Some(region) = place.get("region") else {
            continue;
        };
        only(
            region,
            &["startLine", "startColumn", "byteOffset", "byteLength"],
        );
        let at_least = |name: &str, least: u64| {
            let value = region.get(name);
            value.is_none_or(|value| value.as_u64().is_some_and(|value| value >= least))
        };
        assert!(
            at_least("startLine", 1) && at_least("startColumn", 1),
            "{region}"
        );
        assert!(
            at_least("byteOffset", 0) && at_least("byteLength", 0),
            "{region}"
        );
        let begins = region.get("startLine").or(region.get("byteOffset"));
        assert!(begins.is_some(), "{region}");
    }
}

/// An object has no other properties.
fn only(object: &Value, allowed: &[&str]) {
    for name in object.as_object().unwrap().keys() {
        assert!(allowed.contains(&&**name), "{name}: {object}");
    }
}

#[test]
fn a_result_of_sarif_has_the_line_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let xml = write(&folder, "a b.xml", MESSAGE);
    let (sarif, _) = reports(&folder, &[&xml]);
    let column = "<!-- ä --><Delete><CmdID>2</CmdID>".chars().count() + 1;
    let expected = serde_json::json!({"startLine": 4, "startColumn": column});
    assert_eq!(*region(&sarif, "CMD-07"), expected);
    // The same in UTF-16 and with the line ends of Windows.
    let utf16: Vec<u8> = format!("\u{feff}{}", MESSAGE.replace('\n', "\r\n"))
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let file = write(&folder, "utf16.xml", utf16);
    assert_eq!(*region(&reports(&folder, &[&file]).0, "CMD-07"), expected);
    // What cannot be read has the place of the break.
    let broken = write(
        &folder,
        "broken.xml",
        MESSAGE.replace("</Delete>", "</Oops>"),
    );
    assert_eq!(
        region(&reports(&folder, &[&broken]).0, "XML-01")["startLine"],
        4
    );
    // WBXML has no lines.
    let document = decode(MESSAGE.into(), Hint::default(), &Limits::default()).unwrap();
    let wbxml = encode(&document, &WbxmlOptions::default()).unwrap();
    let file = write(&folder, "m.wbxml", &wbxml);
    let (sarif, _) = reports(&folder, &[&file]);
    let at = region(&sarif, "CMD-07");
    assert!(
        at["byteOffset"].as_u64().unwrap() < wbxml.len() as u64,
        "{at}"
    );
    assert!(at.get("startLine").is_none(), "{at}");
}

#[test]
fn a_broken_message_in_wbxml_is_called_by_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let document = decode(MESSAGE.into(), Hint::default(), &Limits::default()).unwrap();
    let wbxml = encode(&document, &WbxmlOptions::default()).unwrap();
    let half = &wbxml[..wbxml.len() / 2];
    let file = write(&folder, "broken.wbxml", half);
    let (sarif, junit) = reports(&folder, &[&file]);
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "WBXML-01");
    assert!(junit.contains("broken.wbxml\""), "{junit}");
    let shown = stdout(&run(dmtap().arg("lint").arg(&file)));
    assert!(shown.contains("broken.wbxml at byte"), "{shown}");
    assert!(!shown.contains("x1 request"), "{shown}");
}

#[test]
fn a_result_about_a_log_or_a_record_has_the_line_of_its_message() {
    let folder = tempfile::tempdir().unwrap();
    let in_one_line = MESSAGE.replace('\n', "");
    let log = write(
        &folder,
        "trace.log",
        format!("# trace\n\n10:00 sent\n{MESSAGE}\nend\n"),
    );
    assert_eq!(
        region(&reports(&folder, &[&log]).0, "CMD-07")["startLine"],
        4
    );
    let json = serde_json::json!({"time": "10:00", "body": in_one_line});
    let log = write(&folder, "server.log", format!("start\nready\n{json}\n"));
    assert_eq!(
        region(&reports(&folder, &[&log]).0, "CMD-07")["startLine"],
        3
    );
    let event = |seq: u64, event: &str, body: &str| {
        let from = if event == "request" {
            "device"
        } else {
            "server"
        };
        let event = serde_json::json!({
            "v": 1, "seq": seq, "event": event, "at": "2026-01-01T00:00:00.000000Z", "at_us": seq,
            "connection": {"id": 1, "server": "mdm.example.com:443"}, "exchange": 1, "from": from,
            "reading": {"is": "document", "encoding": "xml", "dialect": "syncml", "root": "SyncML"},
            "body": {"text": body},
        });
        event.to_string()
    };
    let lines = [
        "{\"v\":1,\"event\":\"later\"}".to_owned(),
        event(1, "request", ""),
        event(2, "response", &in_one_line),
    ];
    let record = write(&folder, "r.jsonl", lines.join("\n") + "\n");
    assert_eq!(
        region(&reports(&folder, &[&record]).0, "CMD-07")["startLine"],
        3
    );
}

#[test]
fn like_findings_do_not_hide_each_other_in_junit() {
    let folder = tempfile::tempdir().unwrap();
    let twice = MESSAGE.replace(
        "<Final/>",
        "<Delete><CmdID>3</CmdID><Item/></Delete><Final/>",
    );
    let file = write(&folder, "a.xml", twice);
    let (_, junit) = reports(&folder, &[&file, &file]);
    let document = roxmltree::Document::parse(&junit).unwrap();
    let cases = document
        .descendants()
        .filter(|node| node.has_tag_name("testcase"));
    let cases: Vec<_> = cases.collect();
    let names: BTreeSet<_> = cases.iter().map(|case| case.attribute("name")).collect();
    assert_eq!((cases.len(), names.len()), (2, 2), "{junit}");
    let failure = cases[0]
        .descendants()
        .find(|node| node.has_tag_name("failure"));
    let text = failure.unwrap().text().unwrap();
    let lines: Vec<_> = text
        .lines()
        .filter(|line| line.contains("CMD-07"))
        .collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_ne!(lines[0], lines[1]);
}
