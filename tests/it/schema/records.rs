//! `docs/record.schema.json` is generated from the types of records, and describes each event that dmtap writes.
//!
//! `DMTAP_WRITE_DOCS=1 cargo test --test it schema::records` generates it again.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use dmtap::app::record_schema;
use dmtap::record::Masking;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::record::stage::Stage;
use crate::record::transcript::json_lines;
use crate::support::peers::{corpus, dmtap, messages};
#[cfg(unix)]
use crate::support::proxy_process::ProxyProcess;
use crate::support::record_schema::{check, is_valid, wrong};

fn file(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn the_schema_of_records_is_up_to_date() {
    let path = file("docs/record.schema.json");
    let expected = format!("{:#}\n", record_schema::schema());
    if std::env::var_os("DMTAP_WRITE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/record.schema.json is not up to date: DMTAP_WRITE_DOCS=1 cargo test --test it schema::records"
    );
}

#[test]
fn the_manual_names_each_event_and_each_field() {
    let manual = ["docs/records.md", "docs/control.md"].map(|name| fs::read_to_string(file(name)));
    let manual = manual.map(Result::unwrap).concat();
    let mut names = BTreeSet::new();
    let schema = record_schema::schema();
    names_in(&schema["$defs"], &mut names);
    assert!(names.contains("resp_uri") && names.contains("malformed"));
    let missing: Vec<_> = names
        .iter()
        .filter(|name| {
            !manual.contains(&format!("`{name}`")) && !manual.contains(&format!("\"{name}\""))
        })
        .collect();
    assert!(missing.is_empty(), "not in the manual: {missing:?}");
}

/// The fields of objects, and the words that stand for something.
fn names_in(schema: &Value, names: &mut BTreeSet<String>) {
    match schema {
        Value::Array(schemas) => schemas.iter().for_each(|schema| names_in(schema, names)),
        Value::Object(fields) => {
            if let Some(Value::Object(properties)) = fields.get("properties") {
                names.extend(properties.keys().cloned());
            }
            let words = fields.get("enum").and_then(Value::as_array);
            let words = words.into_iter().flatten().chain(fields.get("const"));
            names.extend(words.filter_map(Value::as_str).map(str::to_owned));
            fields.values().for_each(|schema| names_in(schema, names));
        }
        _ => {}
    }
}

#[test]
fn the_records_of_demos_follow_the_schema() {
    for (arguments, expected) in [
        (
            &["--rule", "atomic-fails"][..],
            &["session", "response"][..],
        ),
        (&["--enroll"], &["run", "session", "opened"]),
        (&["--rule", "only-new-tls"], &["admitted", "closed"]),
        (&["--rule", "untrusted"], &["admitted", "refused"]),
    ] {
        let folder = TempDir::new().unwrap();
        let mut demo = dmtap();
        demo.arg("demo").args(arguments).current_dir(&folder);
        demo.output().unwrap();
        let record = fs::read(folder.path().join("dmtap-demo/demo.jsonl")).unwrap();
        let events = check(&record);
        for event in expected {
            assert!(
                events.iter().any(|e| e == event),
                "{arguments:?}: no {event} in {events:?}"
            );
        }
    }
}

#[test]
fn json_lines_on_standard_output_follow_the_schema() {
    let folder = TempDir::new().unwrap();
    let mut demo = dmtap();
    demo.args(["demo", "--output", "json"]).current_dir(&folder);
    let events = check(&demo.output().unwrap().stdout);
    let first_and_last = [&events[0], &events[events.len() - 1]];
    assert_eq!(first_and_last, ["run", "rules"], "{events:?}");
}

#[cfg(unix)]
#[test]
fn json_lines_of_a_proxy_begin_with_where_it_listens_as_the_schema_has_it() {
    let mode = ["--mode", "reverse:http://127.0.0.1:9"];
    let proxy = ProxyProcess::start(&[&mode[..], &["--output", "json"]].concat());
    assert_eq!(proxy.post("a").status, 502);
    let (lines, _) = proxy.end();
    let events = check(lines.as_bytes());
    assert_eq!(events[..2], ["start", "run"], "{events:?}");
    assert!(events.contains(&"failed".to_owned()), "{events:?}");
}

#[test]
fn the_record_of_real_messages_follows_the_schema() {
    let Some(corpus) = corpus() else { return };
    let mut stage = Stage::new();
    for file in messages(&corpus) {
        let body = fs::read(&file).unwrap();
        let media_type = match file.extension().is_some_and(|it| it == "wbxml") {
            true => "application/vnd.syncml.dm+wbxml",
            false => "application/vnd.syncml.dm+xml",
        };
        stage.request(&[("content-type", media_type)], body.clone());
        stage.response(&[("content-type", media_type)], body);
    }
    // Checked on the way.
    let lines = json_lines(&stage.events, Masking::Masked);
    assert!(check(&lines).len() > 100);
}

#[test]
fn what_a_later_version_adds_is_allowed_and_what_is_wrong_is_not() {
    let opened = json!({
        "v": 1, "seq": 1, "event": "opened", "at": "2026-01-01T00:00:00.000000Z", "at_us": 1,
        "connection": {"id": 1},
    });
    let with = |change: &dyn Fn(&mut Value)| {
        let mut line = opened.clone();
        change(&mut line);
        line
    };
    assert!(wrong(&opened).is_none(), "{:?}", wrong(&opened));
    for later in [
        with(&|line| line["colour"] = json!("red")),
        with(&|line| line["connection"]["colour"] = json!("red")),
        json!({"v": 1, "event": "later"}),
    ] {
        assert!(is_valid(&later), "{later}");
        assert!(wrong(&later).is_some(), "{later}");
    }
    for bad in [
        with(&|line| line["v"] = json!(2)),
        with(&|line| line["at_us"] = json!("now")),
        with(&|line| line["exchange"] = Value::Null),
        with(&|line| line["event"] = json!("request")),
        with(&|line| line["connection"] = json!({})),
        json!({"v": 1, "event": "rules"}),
    ] {
        assert!(!is_valid(&bad), "{bad}");
    }
}
