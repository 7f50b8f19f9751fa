//! Messages as people save and paste them: HAR files, pages of HTML, reports without times and sessions.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dmtap::record::EventRecord;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::log::{formatted, known, messages, shown};
use super::peers::dmtap;
use super::{run, stdout};

/// The exchanges of a demo as a browser or proxy saves them; bodies that are no text are in base64.
fn har(messages: &[EventRecord], in_base64: bool) -> Value {
    let body = |message: &EventRecord| {
        let body = message.body.as_ref().unwrap().0.clone();
        match std::str::from_utf8(&body) {
            Ok(text) if !in_base64 => {
                json!({"mimeType": "application/vnd.syncml.dm+xml", "text": text})
            }
            _ => {
                json!({"mimeType": "application/vnd.syncml.dm+wbxml", "encoding": "base64", "text": STANDARD.encode(&body)})
            }
        }
    };
    let entries = messages.chunks(2).map(|exchange| {
        json!({
            "startedDateTime": exchange[0].at,
            "request": {"method": "POST", "url": "https://mdm.example.com/dm", "postData": body(&exchange[0])},
            "response": {"status": 200, "content": exchange.get(1).map(body)},
        })
    });
    json!({"log": {"version": "1.2", "entries": entries.collect::<Vec<_>>()}})
}

#[test]
fn a_har_shows_the_sessions_of_the_record_also_with_bodies_in_base64() {
    let messages: Vec<_> = messages()
        .into_iter()
        .filter(|message| message.body.is_some())
        .collect();
    let expected: Vec<_> = messages.iter().map(known).collect();
    for in_base64 in [false, true] {
        let har = har(&messages, in_base64);
        for text in [har.to_string(), serde_json::to_string_pretty(&har).unwrap()] {
            let shown = shown(text, &[]);
            assert_eq!(shown.iter().map(known).collect::<Vec<_>>(), expected);
            for (shown, asked) in shown
                .iter()
                .zip(messages.chunks(2).flat_map(|it| [&it[0]; 2]))
            {
                assert_eq!(shown.at_us / 1_000_000, asked.at_us / 1_000_000);
            }
        }
    }
}

#[test]
fn a_message_that_was_pasted_into_html_is_found() {
    let messages = messages();
    let escaped = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
    };
    let page: String = messages
        .iter()
        .map(|message| format!("<pre>{}</pre>\n", escaped(&formatted(message))))
        .collect();
    let shown = shown(page, &[]);
    let expected: Vec<_> = messages.iter().map(known).collect();
    assert_eq!(shown.iter().map(known).collect::<Vec<_>>(), expected);
}

/// What `dmtap` prints about a file, and its exit code.
fn printed(verb: &str, text: &str) -> (Option<i32>, String) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("report.txt"), text).unwrap();
    let output = run(dmtap().current_dir(&folder).args([verb, "report.txt"]));
    (output.status.code(), stdout(&output))
}

#[test]
fn a_failure_in_a_message_without_a_session_is_a_finding() {
    let status = |id: u32, command: &str, code: u16| {
        format!(
            "<Status><CmdID>{id}</CmdID><MsgRef>1</MsgRef><CmdRef>{}</CmdRef><Cmd>{command}</Cmd>\
             <Data>{code}</Data></Status>",
            id - 1
        )
    };
    let report = |code: u16| {
        let body = status(1, "SyncHdr", 200) + &status(2, "Replace", code);
        format!("I get this:\n<SyncML><SyncHdr/><SyncBody>{body}<Final/></SyncBody></SyncML>\n")
    };
    let (code, failed) = printed("why", &report(405));
    assert_eq!(code, Some(1), "{failed}");
    for expected in [
        "✖ 1 command failed in messages that name no session    WHY-01",
        "x1: 405 Command not allowed for Replace (message 1, CmdID 1), which is not in the record",
    ] {
        assert!(failed.contains(expected), "{expected}: {failed}");
    }
    let (code, fine) = printed("why", &report(200));
    assert_eq!(code, Some(0), "{fine}");
}

#[test]
fn a_report_without_times_shows_none() {
    let messages = messages();
    let report: String = messages.iter().map(formatted).collect();
    let (_, shown) = printed("show", &report);
    let (_, why) = printed("why", &report);
    for text in [shown, why] {
        assert!(!text.contains("1970") && !text.contains("00:00"), "{text}");
    }
}

#[test]
fn answers_to_a_message_that_a_file_lacks_blame_nobody() {
    let messages = messages();
    // The first answer of the server is left out.
    let rest = messages
        .iter()
        .enumerate()
        .filter(|(number, _)| *number != 1);
    let report: String = rest.map(|(_, message)| formatted(message)).collect();
    let (_, shown) = printed("show", &report);
    assert!(
        shown.contains("message 1 of this session was not seen"),
        "{shown}"
    );
    assert!(!shown.contains("never sent"), "{shown}");
}
