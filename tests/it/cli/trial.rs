//! `dmtap rules try`: rules on messages from files, without traffic.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::cli::peers::{corpus, dmtap};
use tempfile::TempDir;

const RULE: &str = "
[[rule]]
name = 'get-fails'
stage = 'request'
match = { command = 'Status', loc-uri = './Device/Vendor/MSFT/Node' }
step = { set-status = 404 }
";

pub(super) fn message(from: &str, to: &str, commands: &str) -> String {
    format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>7</SessionID><MsgID>1</MsgID><Target><LocURI>{to}</LocURI></Target>\
         <Source><LocURI>{from}</LocURI></Source></SyncHdr><SyncBody>{commands}<Final/></SyncBody></SyncML>"
    )
}

/// A server that asks for two nodes, and the device's answers.
pub(super) fn conversation(folder: &Path) {
    let get = |id: u32, node: &str| {
        format!(
            "<Get><CmdID>{id}</CmdID><Item><Target><LocURI>./Vendor/MSFT/{node}</LocURI></Target></Item></Get>"
        )
    };
    let status = |id: u32| {
        format!(
            "<Status><CmdID>{id}</CmdID><MsgRef>1</MsgRef><CmdRef>{id}</CmdRef><Cmd>Get</Cmd><Data>200</Data></Status>"
        )
    };
    let (device, server) = ("urn:uuid:1", "https://mdm.example/dm");
    let asks = message(server, device, &(get(1, "Other") + &get(2, "Node")));
    let answers = message(device, server, &(status(1) + &status(2)));
    fs::write(folder.join("asks.xml"), asks).unwrap();
    fs::write(folder.join("answers.xml"), answers).unwrap();
    fs::write(folder.join("rule.toml"), RULE).unwrap();
}

pub(super) fn tried(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = dmtap();
    command.current_dir(folder).args(["rules", "try"]);
    command.args(arguments).output().unwrap()
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// That each of these texts is shown.
pub(super) fn shows(shown: &str, expected: &[&str]) {
    for expected in expected {
        assert!(
            shown.contains(expected),
            "{expected} is missing in:\n{shown}"
        );
    }
}

#[test]
fn messages_in_utf_16_are_tried_and_encoded_as_those_in_utf_8() {
    let folder = TempDir::new().unwrap();
    conversation(folder.path());
    let arguments = ["rule.toml", "asks.xml", "answers.xml"];
    let encoded = |file: &str| {
        let mut encode = dmtap();
        encode.current_dir(folder.path()).args(["encode", file]);
        let output = encode.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        output.stdout
    };
    // The text in UTF-8 that a message in UTF-16 is read as is three bytes longer.
    let shown = |output: &Output| {
        let shown = text(&output.stdout);
        let lines = shown.lines().filter(|line| !line.ends_with(" bytes"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let expected = tried(folder.path(), &arguments);
    let wbxml = encoded("asks.xml");
    assert!(text(&expected.stdout).contains("404"), "{expected:?}");
    for (mark, unit) in [
        (&b"\xFF\xFE"[..], u16::to_le_bytes as fn(u16) -> [u8; 2]),
        (b"", u16::to_be_bytes),
    ] {
        let wide = TempDir::new().unwrap();
        fs::write(wide.path().join("rule.toml"), RULE).unwrap();
        for file in ["asks.xml", "answers.xml"] {
            let message = fs::read_to_string(folder.path().join(file)).unwrap();
            let units = message.encode_utf16().flat_map(unit);
            let bytes: Vec<u8> = mark.iter().copied().chain(units).collect();
            fs::write(wide.path().join(file), bytes).unwrap();
        }
        let output = tried(wide.path(), &arguments);
        assert_eq!(shown(&output), shown(&expected), "{output:?}");
        let mut encode = dmtap();
        encode.current_dir(wide.path()).args(["encode", "asks.xml"]);
        assert_eq!(encode.output().unwrap().stdout, wbxml);
    }
}

#[test]
fn the_status_of_the_command_a_rule_is_about_is_shown_before_and_after() {
    let folder = TempDir::new().unwrap();
    conversation(folder.path());
    let output = tried(folder.path(), &["rule.toml", "asks.xml", "answers.xml"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let shown = text(&output.stdout);
    shows(
        &shown,
        &[
            "asks.xml: a response, XML",
            "answers.xml: a request, XML",
            "rule get-fails",
            "/SyncML/SyncBody/Status[2]/Data: Status 200 OK → 404 Not found",
            "       <CmdRef>2</CmdRef>\n       <Cmd>Get</Cmd>\n-      <Data>200</Data>\n+      <Data>404</Data>",
        ],
    );
    assert_eq!(shown.matches("\n-  ").count(), 1, "{shown}");
}

#[test]
fn a_rule_that_finds_nothing_exits_with_1() {
    let folder = TempDir::new().unwrap();
    conversation(folder.path());
    // Without the message that asked, nobody knows what the Status answers.
    let output = tried(folder.path(), &["rule.toml", "answers.xml"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stdout).contains("no rule acts on it"));
}

#[test]
fn json_has_the_rule_the_change_and_both_messages() {
    let folder = TempDir::new().unwrap();
    conversation(folder.path());
    let arguments = ["rule.toml", "asks.xml", "answers.xml", "--output", "json"];
    let output = tried(folder.path(), &arguments);
    let lines = text(&output.stdout);
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["applied"], serde_json::json!([]));
    let change = &lines[1]["applied"][0]["changes"][0];
    assert_eq!(
        (&change["before"], &change["after"]),
        (&"200".into(), &"404".into())
    );
    assert!(
        lines[1]["sent"]
            .as_str()
            .unwrap()
            .contains("<Data>404</Data>")
    );
}

#[test]
fn what_is_wrong_with_the_rule_or_the_message_is_reported() {
    let folder = TempDir::new().unwrap();
    conversation(folder.path());
    let check = |rule: &str, message: &str, code: i32, expected: &str| {
        let output = tried(folder.path(), &[rule, message]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let said = text(&output.stderr);
        assert!(said.contains(expected), "{expected} is missing in:\n{said}");
    };
    fs::write(
        folder.path().join("slip.toml"),
        RULE.replace("loc-uri", "loc-url"),
    )
    .unwrap();
    fs::write(folder.path().join("broken.xml"), "<SyncML><SyncHdr>").unwrap();
    check("slip.toml", "asks.xml", 2, "did you mean `loc-uri`?");
    check("rule.toml", "broken.xml", 1, "broken.xml: at byte");
    check("rule.toml", "nowhere.xml", 2, "nowhere.xml");
}

#[test]
fn a_message_without_a_header_is_taken_for_its_likely_speaker_and_that_is_said() {
    let folder = TempDir::new().unwrap();
    conversation(folder.path());
    let check = |message: &str, expected: &str| {
        fs::write(folder.path().join("bare.xml"), message).unwrap();
        let output = tried(folder.path(), &["rule.toml", "bare.xml"]);
        let shown = text(&output.stdout);
        assert!(
            shown.contains(expected),
            "{expected} is missing in:\n{shown}"
        );
    };
    let replace = |uri: &str| {
        format!(
            "<Replace><CmdID>1</CmdID><Item><Target><LocURI>{uri}</LocURI></Target></Item></Replace>"
        )
    };
    let response = "taken for a response, since no header says who speaks: --stage request";
    let request = "taken for a request, since no header says who speaks: --stage response";
    check(&replace("./Vendor/MSFT/Node"), response);
    check("<SyncBody><Get><CmdID>1</CmdID></Get></SyncBody>", response);
    check(&replace("./DevInfo/Lang"), request);
    let output = tried(
        folder.path(),
        &["rule.toml", "bare.xml", "--stage", "request"],
    );
    let shown = text(&output.stdout);
    assert!(!shown.contains("taken for"), "{shown}");
    assert!(
        shown.contains("get-fails: selects commands of a message"),
        "{shown}"
    );
}

#[test]
fn a_rule_that_does_nothing_is_reported_with_the_reason() {
    let folder = TempDir::new().unwrap();
    conversation(folder.path());
    let rule = |name: &str, keys: &str| format!("[[rule]]\nname = '{name}'\n{keys}\n");
    let step = "step = { reset = true }";
    let mut rules = rule(
        "door",
        "stage = 'connection'\nstep = { refuse-connection = true }",
    );
    rules += &rule(
        "other-way",
        &format!("stage = 'request'\nmatch = {{ command = 'Status' }}\n{step}"),
    );
    rules += &rule(
        "other-host",
        &format!("stage = 'response'\nmatch = {{ host = '*.example' }}\n{step}"),
    );
    rules += &rule(
        "other-path",
        &format!("stage = 'response'\nmatch = {{ path = '/dm' }}\n{step}"),
    );
    for n in 0..18 {
        rules += &rule(
            &format!("exec-{n}"),
            &format!("stage = 'response'\nmatch = {{ command = 'Exec' }}\n{step}"),
        );
    }
    fs::write(folder.path().join("many.toml"), rules).unwrap();
    let output = tried(folder.path(), &["many.toml", "asks.xml"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let shown = text(&output.stdout);
    shows(
        &shown,
        &[
            "  no rule acts on it\n    door: is about connections",
            "    other-way: skipped, it applies to requests and this is a response\n",
            "    other-host: its `host` does not match `localhost` of --url\n",
            "    other-path: its `path` does not match `/` of --url\n",
            "    exec-15: does not match\n    and 2 more\n",
        ],
    );
    let output = tried(
        folder.path(),
        &["many.toml", "asks.xml", "--output", "json"],
    );
    let line: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(line["silent"].as_array().unwrap().len(), 22);
}

#[test]
fn messages_behind_one_that_cannot_be_read_are_tried_too() {
    let folder = TempDir::new().unwrap();
    conversation(folder.path());
    fs::write(folder.path().join("broken.xml"), "<SyncML><SyncHdr>").unwrap();
    let messages = ["rule.toml", "asks.xml", "broken.xml", "answers.xml"];
    let output = tried(folder.path(), &messages);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("broken.xml: at byte"));
    assert!(text(&output.stdout).contains("rule get-fails"));
}

#[test]
fn a_built_in_rule_is_tried_by_its_name() {
    let folder = TempDir::new().unwrap();
    conversation(folder.path());
    let output = tried(folder.path(), &["not-found", "asks.xml"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        text(&output.stdout)
            .contains("not-found: skipped, it applies to requests and this is a response")
    );
    let output = tried(folder.path(), &["not-fuond", "asks.xml"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = text(&output.stderr);
    assert!(
        said.contains("did you mean the built-in rule `not-found`?"),
        "{said}"
    );
}

#[test]
fn an_address_without_host_and_a_file_without_rules_are_refused() {
    let folder = TempDir::new().unwrap();
    conversation(folder.path());
    fs::write(folder.path().join("empty.toml"), "# nothing\n").unwrap();
    let check = |arguments: &[&str], expected: &str| {
        let output = tried(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = text(&output.stderr);
        assert!(said.contains(expected), "{expected} is missing in:\n{said}");
    };
    for url in ["foo", "/dm"] {
        let arguments = ["rule.toml", "asks.xml", "--url", url];
        check(&arguments, "https://mdm.example.com/dm");
    }
    check(&["empty.toml", "asks.xml"], "empty.toml holds no rule");
}

#[test]
fn a_message_of_the_corpus_is_shown_with_its_difference() {
    let Some(corpus) = corpus() else {
        return;
    };
    let folder = TempDir::new().unwrap();
    fs::write(
        folder.path().join("all.toml"),
        "[[rule]]\nname = 'all'\nstage = 'request'\nmatch = { command = 'Status', status = '2xx' }\nstep = { set-status = 500 }\n",
    )
    .unwrap();
    let message = corpus.join("openspecs/MS-MDM.24.SyncML.xml");
    let output = tried(folder.path(), &["all.toml", message.to_str().unwrap()]);
    let shown = text(&output.stdout);
    assert_eq!(
        shown
            .matches("\n-      <Data>200</Data>\n+      <Data>500</Data>")
            .count(),
        3,
        "{shown}"
    );
}

#[test]
fn rules_are_picked_by_options_as_the_demo_and_the_proxy_have_them() {
    let folder = TempDir::new().unwrap();
    conversation(folder.path());
    let other = RULE
        .replace("get-fails", "other")
        .replace("/Node", "/Other");
    fs::write(folder.path().join("other.toml"), other).unwrap();
    let check = |options: &[&str], expected: &[&str]| {
        let output = tried(
            folder.path(),
            &[options, &["asks.xml", "answers.xml"]].concat(),
        );
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let shown = text(&output.stdout);
        shows(&shown, expected);
    };
    let both = ["  rule get-fails\n", "  rule other\n"];
    check(&["--rules", "rule.toml", "--rules", "other.toml"], &both);
    let fail = "./Device/Vendor/MSFT/**=500";
    check(&["--fail", fail], &["Status 200 OK → 500"]);
    check(&["--rule", "jitter"], &["  rule jitter\n"]);
    check(&["-H", "/X-A/b"], &["X-A"]);
    check(&["-B", "/~q/Get/Put"], &["Put"]);
    let output = tried(folder.path(), &["rule.toml"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("RULES MESSAGES"));
}

/// What a demo with these options recorded.
fn demo(folder: &Path, options: &[&str]) -> Vec<serde_json::Value> {
    let mut command = dmtap();
    command.arg("demo").args(options).current_dir(folder);
    command.output().unwrap();
    let record = fs::read_to_string(folder.join("dmtap-demo/demo.jsonl")).unwrap();
    let lines = record.lines().map(serde_json::from_str);
    lines.map(Result::unwrap).collect()
}

/// A message without indentation, and without the ports, which differ from demo to demo.
fn without_ports(message: &str) -> String {
    let text: String = message.lines().map(str::trim).collect();
    let mut parts = text.split("localhost:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + "localhost" + part.trim_start_matches(|c: char| c.is_ascii_digit())
    })
}

/// A record of such a rule has no response any more on which it could be tried: it is tried on one of a demo without it.
#[test]
fn rules_that_answer_in_place_of_a_response_are_tried_with_the_answer_of_the_proxy() {
    let plain = TempDir::new().unwrap();
    demo(plain.path(), &["--fail", "./Nowhere=500"]);
    for rule in ["answer-lost", "early-end", "next-message"] {
        let folder = TempDir::new().unwrap();
        let events = demo(folder.path(), &["--rule", rule]);
        let own = events.iter().find(|event| event["own"] == true).unwrap();
        let sent = own["sent"]["text"]
            .as_str()
            .or(own["body"]["text"].as_str());
        let output = tried(
            plain.path(),
            &["--rule", rule, "dmtap-demo/demo.jsonl", "--output", "json"],
        );
        let lines = text(&output.stdout);
        let mut lines = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        let tried: serde_json::Value = lines
            .find(|line: &serde_json::Value| line["answer"].is_object())
            .unwrap_or_else(|| panic!("{rule}: {output:?}"));
        assert_eq!(tried["exchange"], own["exchange"], "{rule}");
        assert_eq!(tried["answer"]["status"], own["head"]["status"], "{rule}");
        assert_eq!(
            without_ports(tried["answer"]["body"].as_str().unwrap_or_default()),
            without_ports(sent.unwrap_or_default()),
            "{rule}"
        );
    }
}
