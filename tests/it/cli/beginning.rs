//! How the output and the record of a run begin. Readers skip lines that they do not know.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use super::{demo, dmtap, stdout};
use crate::support::echo::Echo;
use crate::support::proxy_process::{ProxyProcess, answering};

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[cfg(unix)]
#[test]
fn json_begins_with_where_dmtap_listens_and_every_record_with_its_run() {
    let (folder, echo) = (tempfile::tempdir().unwrap(), Echo::start());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (record, rules) = (path("r.jsonl"), path("rules.toml"));
    fs::write(&rules, answering("busy", 503) + &answering("gone", 410)).unwrap();
    let mode = format!("reverse:http://{}", echo.address);
    let appended = format!("+{}", path("a.jsonl"));
    let mut arguments = vec!["--output", "json", "--mode", &mode, "--control", "0"];
    arguments.extend(["-w", &record, "-w", &appended, "--rules", &rules]);
    arguments.extend(["--seed", "7"]);
    let mut proxy = ProxyProcess::start(&arguments);
    let control = proxy.line("control at");
    assert_eq!(proxy.post("hi").status, 503);
    let address = proxy.address.clone();
    let (out, said) = proxy.end();
    let out = lines(&out);
    let (start, run) = (&out[0], &out[1]);
    assert_eq!((&start["v"], &start["event"]), (&json!(1), &json!("start")));
    assert_eq!(start["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&start["mode"], &run["mode"]), (&json!(mode), &json!(mode)));
    let listener = &start["listen"][0];
    assert_eq!(listener["url"], format!("https://{address}"));
    assert_eq!(
        format!(
            "{}:{}",
            listener["address"].as_str().unwrap(),
            listener["port"]
        ),
        address
    );
    let control_url = start["control"]["url"].as_str().unwrap();
    assert!(control.contains(control_url), "{control}, {control_url}");
    let ca = start["ca"].as_str().unwrap();
    assert!(ca.ends_with("dmtap-ca-cert.pem"), "{ca} {said}");

    assert_eq!((&run["event"], &run["seed"]), (&json!("run"), &json!(7)));
    assert_eq!(run["rules"][0]["file"], json!(rules));
    assert_eq!(run["rules"][0]["names"], json!(["busy", "gone"]));
    assert_eq!(run["rules"][0]["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(out[2]["event"], "opened");
    assert_eq!(out[2]["seq"], 1);
    for file in [&record, &path("a.jsonl")] {
        let recorded = lines(&fs::read_to_string(file).unwrap());
        assert_eq!(
            (&recorded[0], &recorded[1]["seq"]),
            (run, &json!(1)),
            "{file}"
        );
        let shown = dmtap().args(["show", file]).output().unwrap();
        assert!(
            shown.status.success() && shown.stderr.is_empty(),
            "{shown:?}"
        );
    }
    // Another run has another id, also where it is appended.
    let again = ProxyProcess::start(&["-q", "--mode", &mode, "-w", &appended]);
    again.end();
    let recorded = lines(&fs::read_to_string(path("a.jsonl")).unwrap());
    let last = recorded.last().unwrap();
    assert_eq!(last["event"], "run");
    assert_ne!(last["run"], run["run"]);
}

#[test]
fn the_json_of_the_server_begins_with_where_it_listens() {
    let folder = tempfile::tempdir().unwrap();
    for more in [&[][..], &["--enroll"]] {
        let mut server = dmtap()
            .args(["server", "-p", "0", "--output", "json", "--confdir"])
            .arg(folder.path())
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(server.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
        let start: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(start["event"], "start");
        assert!(start["listen"][0]["port"].as_u64() > Some(0), "{line}");
        assert!(start["ca"].as_str().unwrap().ends_with(".pem"), "{line}");
        assert_eq!(start.get("mode"), None);
    }
}

/// A line that begins as those of records do.
fn in_order(mut line: Value) -> String {
    let fields = line.as_object_mut().unwrap();
    let (v, event) = (fields.remove("v").unwrap(), fields.remove("event").unwrap());
    let rest = line.to_string();
    format!("{{\"v\":{v},\"event\":{event},{}\n", &rest[1..])
}

/// Adds a field that no reader knows to every object of fixed fields.
fn with_more_fields(value: &mut Value, name: &str) {
    match value {
        // Their keys are data.
        Value::Object(_) if ["names", "facts"].contains(&name) => {}
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                with_more_fields(value, name);
            }
            // An operation of a delivery is named by its one key.
            if !["delivery", "body", "sent", "with"].contains(&name) {
                fields.insert("from-the-future".into(), json!({"a": [1, {"b": null}]}));
            }
        }
        Value::Array(values) => values
            .iter_mut()
            .for_each(|value| with_more_fields(value, name)),
        _ => {}
    }
}

#[test]
fn every_reader_of_records_skips_fields_and_kinds_of_events_that_it_does_not_know() {
    let (folder, _) = demo();
    let recorded = fs::read_to_string(folder.path().join("dmtap-demo/demo.jsonl")).unwrap();
    let (plain, newer) = (
        folder.path().join("old.jsonl"),
        folder.path().join("new.jsonl"),
    );
    let (mut old, mut new) = (String::new(), String::new());
    for line in recorded.lines() {
        let mut value: Value = serde_json::from_str(line).unwrap();
        old.push_str(&format!("{line}\n"));
        with_more_fields(&mut value, "");
        new.push_str(&in_order(value));
        let unknown =
            json!({"v": 1, "event": "eclipse", "seq": "none", "head": 3, "connection": []});
        new.push_str(&format!("{unknown}\n"));
    }
    fs::write(&plain, old).unwrap();
    fs::write(&newer, new).unwrap();
    for verb in [
        &["show"][..],
        &["show", "--full", "--headers"],
        &["show", "--output", "json"],
        &["why"],
        &["lint"],
        &["rules", "try", "--rule", "command-fails"],
    ] {
        let run = |file: &std::path::Path| {
            let output = dmtap().args(verb).arg(file).output().unwrap();
            let name = file.display().to_string();
            // The line of the run is passed on as it is.
            let text = stdout(&output).replace(&name, "FILE");
            let lines = text
                .lines()
                .filter(|line| !line.contains("\"event\":\"run\""));
            let text: Vec<String> = lines.map(str::to_owned).collect();
            (output.status.code(), text.join("\n"), output.stderr)
        };
        let (old, new) = (run(&plain), run(&newer));
        assert!(old.1.len() > 20, "{verb:?}");
        assert_eq!(old, new, "{verb:?}");
    }
}

#[test]
fn the_end_of_a_record_without_a_line_that_can_be_read_names_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tail.jsonl");
    for (text, expected) in [
        (
            "at_us\":1}\n{\"v\":9,\"event\":\"request\"}\n",
            "line 2: the record has version 9",
        ),
        ("at_us\":1}\n{\"v\":1,\"seq\":\n", "2: the line is damaged"),
        ("nothing\n{\"level\":1}\n", "no message of SyncML"),
    ] {
        fs::write(&file, text).unwrap();
        let output = super::run(dmtap().arg("show").arg(&file));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains(expected), "{text}: {errors}");
    }
}
