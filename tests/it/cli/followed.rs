//! `dmtap rules try` follows sessions as the proxy does.

use std::fs;

use super::trial::{message, shows, text, tried};
use tempfile::TempDir;

const DEVICE: &str = "urn:uuid:1";
const SERVER: &str = "https://mdm.example/dm";

#[test]
fn behind_a_session_that_ended_message_1_begins_another_one() {
    let check = |end: &str, messages: usize| {
        let folder = TempDir::new().unwrap();
        let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
        write(
            "rule.toml",
            "[[rule]]\nname = 'a'\nstage = 'request'\nlimit = { times = 1, per = 'session' }\n\
             match = { command = 'Alert' }\nstep = { set-text = '1200', at = 'Data' }\n"
                .into(),
        );
        let alert = "<Alert><CmdID>2</CmdID><Data>1201</Data></Alert>";
        write("asks.xml", message(DEVICE, SERVER, alert));
        write("answers.xml", message(SERVER, DEVICE, end));
        let files = ["asks.xml", "answers.xml", "asks.xml"];
        let shown = text(&tried(folder.path(), &[&["rule.toml"], &files[..]].concat()).stdout);
        let acted = shown.matches("1201 → 1200").count();
        assert_eq!(acted, messages, "{end}:\n{shown}");
    };
    let status =
        "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Data>200</Data></Status>";
    check("<Get><CmdID>1</CmdID></Get>", 1);
    check(status, 2);
    check(&status.replace("200", "401"), 1);
    let abort = "<Alert><CmdID>1</CmdID><Data>1223</Data></Alert>";
    check(abort, 2);
}

#[test]
fn a_body_larger_than_the_proxy_reads_is_not_tried() {
    let folder = TempDir::new().unwrap();
    let asks = message(
        DEVICE,
        SERVER,
        &"<Alert><Data>1201</Data></Alert>".repeat(100),
    );
    fs::write(folder.path().join("asks.xml"), asks).unwrap();
    let rule = "[[rule]]\nname = 'a'\nstage = 'request'\nstep = { delay = '1s' }\n";
    fs::write(folder.path().join("rule.toml"), rule).unwrap();
    let output = tried(
        folder.path(),
        &["--max-body", "1k", "rule.toml", "asks.xml"],
    );
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("asks.xml"), "{output:?}");
    let output = tried(
        folder.path(),
        &["--max-body", "4k", "rule.toml", "asks.xml"],
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    shows(&text(&output.stdout), &["asks.xml: a request, XML"]);
}
