//! Characters that a terminal would obey or hide are escaped in all texts for people.

use std::fs;
use std::path::Path;
use std::process::Output;

use tempfile::TempDir;

use crate::cli::peers::dmtap;

/// A colour, the right-to-left override, a soft hyphen, a tag, an annotation, a C1 control.
const ODD: &str = "\u{1b}[31m\u{202e}\u{ad}\u{e0041}\u{fff9}\u{9b}";
const ESCAPED: &str = "\\u{1b}[31m\\u{202e}\\u{ad}\\u{e0041}\\u{fff9}\\u{9b}";

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = dmtap();
    command.current_dir(folder).args(arguments);
    command.output().unwrap()
}

/// Both streams, of which nothing is hidden but line breaks and dmtap's own colours.
fn shown(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8(both).unwrap();
    let hidden = text
        .chars()
        .filter(|c| dmtap::printable::is_hidden(*c) && *c != '\n');
    let hidden: Vec<char> = hidden.collect();
    assert!(hidden.is_empty(), "{hidden:?} in {text}");
    text
}

#[test]
fn names_and_values_of_a_message_are_escaped_in_its_tree() {
    let folder = TempDir::new().unwrap();
    let value = ODD.replace(['\u{1b}', '\u{9b}'], "");
    let name = "a\u{200c}b";
    let body = format!("<r><{name} c=\"{value}\">{value}</{name}><d {name}=\"e\"/></r>");
    fs::write(folder.path().join("m.xml"), body).unwrap();
    let tree = shown(&run(folder.path(), &["decode", "m.xml", "--annotate"]));
    assert_eq!(tree.matches("a\\u{200c}b").count(), 2, "{tree}");
    assert_eq!(
        tree.matches("\\u{202e}\\u{ad}\\u{e0041}\\u{fff9}").count(),
        2,
        "{tree}"
    );
    // What is piped into another program is what the message says.
    let xml = run(folder.path(), &["decode", "m.xml"]);
    assert!(String::from_utf8(xml.stdout).unwrap().contains(&value));
    let json = run(folder.path(), &["decode", "m.xml", "--output", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["root"]["children"][0]["text"], value);
}

#[cfg(unix)]
#[test]
fn file_names_are_escaped_and_stay_in_their_line() {
    let folder = TempDir::new().unwrap();
    let name = format!("a{ODD}\nerror: b");
    for verb in ["decode", "encode", "show"] {
        fs::write(folder.path().join(&name), "<a>").unwrap();
        let output = run(folder.path(), &[verb, &name]);
        let text = shown(&output);
        assert!(text.contains(&format!("a{ESCAPED}\\nerror: b")), "{text}");
        assert_ne!(output.status.code(), Some(0));
        fs::remove_file(folder.path().join(&name)).unwrap();
        assert!(shown(&run(folder.path(), &[verb, &name])).contains(ESCAPED));
    }
}

#[cfg(unix)]
#[test]
fn the_name_of_a_file_without_rules_is_escaped() {
    let folder = TempDir::new().unwrap();
    let name = format!("a{ODD}.toml");
    fs::write(folder.path().join(&name), "").unwrap();
    // A filter that is wrong ends the proxy before it listens.
    let arguments = [
        "proxy",
        "--confdir",
        ".",
        "--mode",
        "reverse:http://127.0.0.1:1",
        "--rules",
        &name,
    ];
    let output = run(
        folder.path(),
        &[&arguments[..], &["--view-filter", "~"]].concat(),
    );
    let text = shown(&output);
    assert!(
        text.contains(&format!("warning: a{ESCAPED}.toml has no rules")),
        "{text}"
    );
}

#[test]
fn names_of_rules_are_escaped_in_lists_and_in_errors() {
    let folder = TempDir::new().unwrap();
    let in_toml = "\\u001b[31m\\u202e\\u00ad\\U000E0041\\uFFF9\\u009b\\n";
    let rule =
        format!("[[rule]]\nname = \"r{in_toml}\"\nstage = 'request'\nstep = {{ reset = true }}\n");
    fs::write(folder.path().join("r.toml"), &rule).unwrap();
    fs::write(
        folder.path().join("m.xml"),
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"/>",
    )
    .unwrap();
    let escaped = format!("r{ESCAPED}\\n");
    let listed = shown(&run(folder.path(), &["rules", "check", "r.toml"]));
    let tried = shown(&run(folder.path(), &["rules", "try", "r.toml", "m.xml"]));
    for text in [listed, tried] {
        assert!(text.contains(&escaped), "{text}");
    }
    // A comment of the file, and a word that is wrong behind it.
    let value = ODD.replace(['\u{1b}', '\u{9b}'], "");
    let wrong = format!("# {value}\n[[rule]] # {value}\nname = 'a{value}'\nstage = \"b{value}\"\n");
    fs::write(folder.path().join("w.toml"), wrong).unwrap();
    let output = run(folder.path(), &["rules", "check", "w.toml"]);
    let text = shown(&output);
    assert!(
        text.contains("b[31m\\u{202e}\\u{ad}\\u{e0041}\\u{fff9}"),
        "{text}"
    );
    let line = text
        .lines()
        .find(|line| line.contains("not known here"))
        .unwrap();
    let carets = line.matches('^').count();
    let stage = "\"b[31m\\u{202e}\\u{ad}\\u{e0041}\\u{fff9}\"";
    assert_eq!(carets, stage.len(), "{text}");
}

#[test]
fn what_a_record_quotes_is_escaped_when_it_is_shown() {
    let folder = TempDir::new().unwrap();
    let odd = format!("o{ODD}\n");
    let connection = serde_json::json!({
        "id": 1, "device": odd, "server": odd, "listener": odd, "tls": {"sni": odd, "alpn": odd, "version": odd}
    });
    let event = |event: &str, more: serde_json::Value| {
        let mut line = serde_json::json!({
            "v": 1, "seq": 1, "event": event, "at": "2026-03-04T05:06:07.000000Z", "at_us": 1, "connection": connection
        });
        let more = more.as_object().unwrap().clone();
        line.as_object_mut().unwrap().extend(more);
        format!("{line}\n")
    };
    let change =
        |step: &str| serde_json::json!({"path": odd, "step": step, "before": odd, "after": odd});
    let steps = [
        "set-text",
        "set-status",
        "renumber",
        "credentials",
        "swallow",
        "not applied",
    ];
    let mut steps: Vec<_> = steps.map(change).into();
    steps.push(change(&odd));
    let applied = serde_json::json!([{"rule": odd, "changes": steps}, {"rule": odd}]);
    let lines = [
        event("opened", serde_json::json!({})),
        event("refused", serde_json::json!({"why": odd})),
        event(
            "malformed",
            serde_json::json!({"why": odd, "from": "device"}),
        ),
        event(
            "failed",
            serde_json::json!({"why": odd, "from": odd, "exchange": 1}),
        ),
        event("admitted", serde_json::json!({"applied": applied})),
        event(
            "request",
            serde_json::json!({
                "exchange": 1, "from": "device", "bytes": 9, "applied": applied,
                "head": {"method": odd, "uri": odd, "version": odd, "headers": [["content-type", odd], ["authorization", odd]]},
                "reading": {"is": "document", "encoding": odd, "dialect": odd, "root": odd},
                "session": {"number": 1, "device": odd, "id": odd, "exchange": 1},
                "message": {"proto": odd, "session": odd, "msg": odd, "source": odd, "target": odd, "resp_uri": odd,
                    "cred": odd, "final": true},
                "commands": [
                    {"kind": odd, "id": odd, "path": "/a", "span": [0, 1], "loc_uri": odd,
                        "answers": {"msg": odd, "id": odd, "cmd": odd, "loc_uri": odd},
                        "status": {"code": 401, "name": odd, "original_error": odd, "chal": {"scheme": odd, "nonce": true}},
                        "items": [{"target": odd, "source": odd, "format": odd, "type": odd,
                            "data": {"text": odd, "bytes": 3}}]},
                    {"kind": "Alert", "path": "/b", "span": [0, 1], "alert": {"code": 1, "name": odd}}
                ],
                "notes": [{"id": odd, "severity": odd, "text": odd}]
            }),
        ),
        event(
            "response",
            serde_json::json!({
                "exchange": 1, "from": "server", "bytes": 9, "reading": {"is": "opaque", "at": 1, "why": odd},
                "head": {"status": 200, "version": "HTTP/1.1", "headers": []}, "body": {"text": odd}
            }),
        ),
        event(
            "response",
            serde_json::json!({
                "exchange": 1, "from": "server", "bytes": 9, "reading": {"is": "unread", "why": odd},
                "head": {"status": 200, "version": "HTTP/1.1", "headers": []}
            }),
        ),
    ];
    fs::write(folder.path().join("r.jsonl"), lines.concat()).unwrap();
    let output = run(folder.path(), &["show", "r.jsonl"]);
    let text = shown(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.matches(ESCAPED).count() > 40, "{text}");
}
