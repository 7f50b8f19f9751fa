//! Messages in the form in which people save and paste them: HAR files, pages of HTML, reports without times and
//! sessions.

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
    let fields = json!([{"name": "Content-Type", "value": "application/vnd.syncml.dm+xml"}]);
    let entries = messages.chunks(2).map(|exchange| {
        json!({
            "startedDateTime": exchange[0].at,
            "time": 12.5,
            "request": {"method": "POST", "url": "https://mdm.example.com/dm", "headers": fields, "postData": body(&exchange[0])},
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
            for (half, asked) in shown.chunks(2).zip(messages.chunks(2)) {
                let took = half[1].at_us - half[0].at_us;
                assert_eq!((half[0].at_us, took), (asked[0].at_us, 12_500));
                let heads: Vec<_> = half.iter().filter_map(|it| it.head.as_ref()).collect();
                assert_eq!(heads[0].uri.as_deref(), Some("https://mdm.example.com/dm"));
                assert_eq!(heads[1].status, Some(200));
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
pub(super) fn printed(verb: &str, text: &str) -> (Option<i32>, String) {
    printed_with(&[verb], text)
}

fn printed_with(words: &[&str], text: &str) -> (Option<i32>, String) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("report.txt"), text).unwrap();
    let output = run(dmtap().current_dir(&folder).args(words).arg("report.txt"));
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
    let (_, unnamed) = printed("why", &report(405).replace("<MsgRef>1</MsgRef>", ""));
    let expected = "for Replace (CmdID 1), which is not in the record";
    assert!(unnamed.contains(expected), "{unnamed}");
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
        shown.contains("message 1 of the server was not seen"),
        "{shown}"
    );
    assert!(!shown.contains("never sent"), "{shown}");
}

#[test]
fn a_har_shows_what_http_refused_and_leaves_out_what_is_not_of_oma_dm() {
    let messages = messages();
    let mut har = har(&messages[..4], false);
    let entries = har["log"]["entries"].as_array_mut().unwrap();
    entries[1]["response"] = json!({
        "status": 503,
        "headers": [{"name": "Retry-After", "value": "120"}, {"name": "Content-Type", "value": "text/plain"}],
        "content": {"mimeType": "text/plain", "text": "busy"},
    });
    entries.insert(1, json!({
        "startedDateTime": messages[1].at,
        "request": {"method": "GET", "url": "https://mdm.example.com/favicon.ico"},
        "response": {"status": 200, "content": {"encoding": "base64", "text": STANDARD.encode([0, 0, 1, 0].repeat(20))}},
    }));
    let text = har.to_string();
    let events = shown(&text, &[]);
    assert_eq!(events.len(), 4);
    let (code, why) = printed("why", &text);
    assert_eq!(code, Some(1), "{why}");
    assert!(why.contains("HTTP 503") && why.contains("WHY-05"), "{why}");
    let (code, failed) = printed_with(&["show", "--failed"], &text);
    assert_eq!(code, Some(0), "{failed}");
    assert!(failed.contains("HTTP 503"), "{failed}");
}

#[test]
fn sessions_that_a_log_mixes_are_told_apart() {
    let messages = messages();
    let of = |number: u64| {
        let is_of = move |message: &&EventRecord| {
            message
                .session
                .as_ref()
                .is_some_and(|session| session.number == number)
        };
        messages
            .iter()
            .filter(is_of)
            .map(formatted)
            .collect::<Vec<_>>()
    };
    let (one, two) = (of(1), of(2));
    // Request, request, response, response.
    let mut log = String::new();
    for (one, two) in one.chunks(2).zip(two.chunks(2)) {
        log.extend(
            one.iter()
                .take(1)
                .chain(two.iter().take(1))
                .map(String::as_str),
        );
        log.extend(
            one.iter()
                .skip(1)
                .chain(two.iter().skip(1))
                .map(String::as_str),
        );
    }
    let (_, mixed) = printed("why", &log);
    assert!(mixed.contains("2 sessions, something pending"), "{mixed}");
    assert!(!mixed.contains("WHY-02"), "{mixed}");
    let (_, lint) = printed("lint", &log);
    assert!(
        !lint.contains("HDR-02") && !lint.contains("HDR-05"),
        "{lint}"
    );
}

#[test]
fn lint_reads_every_file_that_is_named_and_says_which_it_cannot() {
    let folder = TempDir::new().unwrap();
    let bad = "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr/><SyncBody/></SyncML>";
    fs::write(folder.path().join("bad.xml"), bad).unwrap();
    fs::write(folder.path().join("passwd"), "root:x:0:0:root\n").unwrap();
    let page = bad.replace('<', "&lt;").replace('>', "&gt;");
    fs::write(
        folder.path().join("page.html"),
        format!("<pre>{page}</pre>"),
    )
    .unwrap();
    let (demo, _) = super::demo();
    let record = demo.path().join("dmtap-demo/demo.jsonl");
    let lint = |files: &[&str]| {
        run(dmtap()
            .current_dir(&folder)
            .arg("lint")
            .arg(&record)
            .args(files))
    };
    let output = lint(&[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for file in ["bad.xml", "page.html"] {
        let output = lint(&[file]);
        assert_eq!(output.status.code(), Some(1), "{file}: {output:?}");
        assert!(stdout(&output).contains("HDR-02"), "{output:?}");
    }
    for file in ["passwd", "missing.jsonl"] {
        let output = lint(&[file]);
        assert_eq!(output.status.code(), Some(2), "{file}: {output:?}");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains(file), "{error}");
    }
}

#[test]
fn rules_are_tried_on_a_har_and_on_a_page_of_html() {
    let messages = messages();
    let har = har(&messages, false).to_string();
    let page = format!(
        "<pre>{}</pre>",
        formatted(&messages[3])
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    );
    for text in [har, page] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("saved"), text).unwrap();
        let output = run(dmtap()
            .current_dir(&folder)
            .args(["rules", "try", "not-found", "saved"]));
        let tried = format!("{output:?}");
        assert!(
            tried.contains("no rule did anything") || output.status.success(),
            "{tried}"
        );
    }
}

/// Exchanges of discovery, as a HAR has them, each with the header field of its answer that has the value chunked.
fn discovery(fields: &[&str]) -> String {
    let discover = include_str!("../../data/enrollment/discover.xml");
    let response = include_str!("../../data/enrollment/discover-response.xml");
    let soap = "application/soap+xml; charset=utf-8";
    let entry = |field: &&str| {
        json!({
            "startedDateTime": "2026-01-01T00:00:00.000Z",
            "time": 12.5,
            "request": {
                "method": "POST", "url": "https://mdm.example.com/EnrollmentServer/Discovery.svc",
                "headers": [{"name": "Content-Type", "value": soap}],
                "postData": {"mimeType": soap, "text": discover},
            },
            "response": {
                "status": 200,
                "headers": [
                    {"name": "Content-Type", "value": soap},
                    {"name": field, "value": "chunked"},
                ],
                "content": {"mimeType": soap, "text": response},
            },
        })
    };
    let entries: Vec<_> = fields.iter().map(entry).collect();
    json!({"log": {"version": "1.2", "entries": entries}}).to_string()
}

#[test]
fn an_answer_of_enrollment_in_chunks_is_named_where_the_device_got_it_so() {
    let chunked = "Transfer-Encoding";
    for (fields, is_noted, is_named) in [
        (&[chunked][..], true, true),
        (&[chunked, "X-Other"], true, false),
        (&["X-Other"], false, false),
    ] {
        let (code, lint) = printed("lint", &discovery(fields));
        assert_eq!(code, Some(0), "{lint}");
        let noted = lint.contains("! warning HTTP-04 · server");
        assert_eq!(noted, is_noted, "{fields:?}: {lint}");
        let (code, why) = printed("why", &discovery(fields));
        assert_eq!(code, Some(1), "{fields:?}: {why}");
        for expected in ["came in chunks", "HTTP-04", "Content-Length"] {
            assert_eq!(why.contains(expected), is_named, "{fields:?}: {why}");
        }
        let stops = "goes no further than Discover";
        assert_ne!(why.contains(stops), is_named, "{fields:?}: {why}");
    }
}
