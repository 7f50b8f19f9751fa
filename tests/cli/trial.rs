//! `dmtap rules try`: rules on messages from files, without traffic.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::peers::{corpus, dmtap};
use tempfile::TempDir;

const RULE: &str = "
[[rule]]
name = 'get-fails'
stage = 'request'
match = { command = 'Status', loc-uri = './Device/Vendor/MSFT/Node' }
step = { set-status = 404 }
";

fn message(from: &str, to: &str, commands: &str) -> String {
    format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>7</SessionID><MsgID>1</MsgID><Target><LocURI>{to}</LocURI></Target>\
         <Source><LocURI>{from}</LocURI></Source></SyncHdr><SyncBody>{commands}<Final/></SyncBody></SyncML>"
    )
}

/// A server that asks for two nodes, and the device's answers.
fn conversation(folder: &Path) {
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

fn tried(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = dmtap();
    command.current_dir(folder).args(["rules", "try"]);
    command.args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_status_of_the_command_a_rule_is_about_is_shown_before_and_after() {
    let folder = TempDir::new().unwrap();
    conversation(folder.path());
    let output = tried(folder.path(), &["rule.toml", "asks.xml", "answers.xml"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let shown = text(&output.stdout);
    for expected in [
        "asks.xml: a response, XML",
        "answers.xml: a request, XML",
        "rule get-fails",
        "set-status at /SyncML/SyncBody/Status[2]/Data: 200 → 404",
        "       <CmdRef>2</CmdRef>\n       <Cmd>Get</Cmd>\n-      <Data>200</Data>\n+      <Data>404</Data>",
    ] {
        assert!(
            shown.contains(expected),
            "{expected} is missing in:\n{shown}"
        );
    }
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
fn json_tells_the_rule_the_change_and_both_messages() {
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
fn what_is_wrong_with_the_rule_or_the_message_is_told() {
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
