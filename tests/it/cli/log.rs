//! Files that are not records: as SyncMLViewer saves them, and as servers log.

use std::fs;

use bytes::Bytes;
use dmtap::markup::convert::{XmlLayout, to_xml};
use dmtap::markup::{Hint, Limits, decode};
use dmtap::record::EventRecord;
use dmtap::record::model::EventKind;
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::peers::dmtap;
use super::{run, stdout};

/// The messages of a demo.
pub(super) fn messages() -> Vec<EventRecord> {
    let (folder, _) = super::demo();
    let record = fs::File::open(folder.path().join("dmtap-demo/demo.jsonl")).unwrap();
    let mut messages = Vec::new();
    let damage = dmtap::record::replay(std::io::BufReader::new(record), |event, _| {
        if matches!(event.event, EventKind::Request | EventKind::Response) {
            messages.push(event);
        }
        Ok(())
    });
    assert!(damage.unwrap().is_empty());
    assert!(messages.len() >= 10);
    messages
}

/// The message as SyncMLViewer formats it.
pub(super) fn formatted(message: &EventRecord) -> String {
    let body = message.body.as_ref().unwrap().0.clone();
    let document = decode(body, Hint::default(), &Limits::default()).unwrap();
    to_xml(&document, XmlLayout::Indented)
        .xml
        .trim()
        .replace('\n', "\r\n")
}

/// What is known of a message apart from the network.
pub(super) fn known(message: &EventRecord) -> Value {
    let commands: Vec<_> = message
        .commands
        .iter()
        .map(|command| {
            json!([
                command.kind,
                command.id,
                command.loc_uri,
                command.answers,
                command.status.as_ref().map(|status| status.code),
            ])
        })
        .collect();
    let session = message.session.as_ref().unwrap();
    json!([
        message.from,
        session.number,
        session.id,
        session.msg,
        session.device,
        commands
    ])
}

pub(super) fn shown(log: impl AsRef<[u8]>, arguments: &[&str]) -> Vec<EventRecord> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("log.xml");
    fs::write(&file, log).unwrap();
    let output = run(dmtap()
        .args(["show", "--output", "json"])
        .args(arguments)
        .arg(file));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = stdout(&output);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|event: &EventRecord| event.event != EventKind::Session)
        .collect()
}

/// A file of SyncMLViewer, with dates in this form.
fn viewer_file(messages: &[EventRecord], format: &str) -> String {
    let mut file = String::from("<!-- OmaDmSessionStart -->\r\n");
    for message in messages {
        let at = Timestamp::from_microsecond(message.at_us.try_into().unwrap()).unwrap();
        let date = at.strftime(format);
        file += &format!("\r\n<!-- {date} -->\r\n{}\r\n", formatted(message));
    }
    file + "\r\n<!-- OmaDmSessionComplete -->\r\n"
}

#[test]
fn a_file_of_syncmlviewer_shows_the_sessions_of_the_record() {
    let messages = messages();
    let expected: Vec<_> = messages.iter().map(known).collect();
    for format in [
        "%-m/%-d/%Y %-I:%M:%S %p",
        "%d.%m.%Y %H:%M:%S",
        "%Y-%m-%d %H:%M:%S",
    ] {
        let file = viewer_file(&messages, format);
        let utf16: Vec<u8> = "\u{feff}"
            .chars()
            .chain(file.chars())
            .flat_map(|character| {
                let mut units = [0; 2];
                character.encode_utf16(&mut units).to_vec()
            })
            .flat_map(u16::to_le_bytes)
            .collect();
        for bytes in [file.into_bytes(), utf16] {
            let shown = shown(bytes, &[]);
            assert_eq!(
                shown.iter().map(known).collect::<Vec<_>>(),
                expected,
                "{format}"
            );
            for (shown, message) in shown.iter().zip(&messages) {
                assert_eq!(
                    shown.at_us / 1_000_000,
                    message.at_us / 1_000_000,
                    "{format}"
                );
                assert!(shown.head.is_none());
            }
        }
    }
}

#[test]
fn the_zone_and_the_order_of_dates_can_be_named() {
    let log = "<!-- 2/3/2025 10:00:00 -->\n<SyncML><SyncHdr/><SyncBody/></SyncML>";
    let check = |arguments: &[&str], expected: &str| {
        assert_eq!(shown(log, arguments)[0].at, expected, "{arguments:?}");
    };
    check(&[], "2025-03-02T10:00:00.000000Z");
    check(&["--date-order", "mdy"], "2025-02-03T10:00:00.000000Z");
    check(&["--zone", "+01:00"], "2025-03-02T09:00:00.000000Z");
    check(&["--zone=-05:30"], "2025-03-02T15:30:00.000000Z");
    let output = run(dmtap().args(["show", "log.xml", "--zone", "CET"]));
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn a_message_that_the_viewer_cut_is_marked_and_the_next_is_whole() {
    let messages = messages();
    let mut file = viewer_file(&messages[..2], "%d.%m.%Y %H:%M:%S");
    let cut = formatted(&messages[2]);
    let at = cut.find("<Results>").unwrap() + 40;
    file += &cut[..at];
    file += "\n<!-- ignore this line, closing SyncML tag added to support parsing of truncated xml data --></SyncML>\r\n";
    file += &formatted(&messages[3]);
    let shown = shown(file, &[]);
    assert_eq!(shown.len(), 4);
    assert_eq!(shown[2].from, messages[2].from);
    assert!(
        shown[2].notes.iter().any(|note| note.id == "LOG-01"),
        "{:?}",
        shown[2]
    );
    let commands = &shown[2].commands;
    assert!(
        !commands.is_empty() && commands.len() < messages[2].commands.len(),
        "{commands:?}"
    );
    assert_eq!(shown[3].commands.len(), messages[3].commands.len());
}

#[test]
fn messages_in_the_json_lines_of_a_server_are_found() {
    let messages = messages();
    let mut log = String::from("starting up\n");
    for message in &messages {
        let at = message.at.as_str();
        log += &format!(
            "{}\n",
            json!({"ts": at, "msg": "syncml", "body": formatted(message)})
        );
    }
    // Go escapes the brackets of tags.
    for log in [
        log.clone(),
        log.replace('<', "\\u003c").replace('>', "\\u003e"),
    ] {
        let shown = shown(log, &[]);
        let expected: Vec<_> = messages.iter().map(known).collect();
        assert_eq!(shown.iter().map(known).collect::<Vec<_>>(), expected);
        assert_eq!(shown[3].at_us / 1_000_000, messages[3].at_us / 1_000_000);
    }
}

#[test]
fn a_single_message_in_wbxml_is_shown() {
    let messages = messages();
    let is_wbxml = |body: &Bytes| dmtap::markup::wbxml::looks_like(body);
    let wbxml = messages
        .iter()
        .filter_map(|message| Some(message.body.as_ref()?.0.clone()))
        .find(is_wbxml)
        .unwrap();
    let shown = shown(wbxml, &[]);
    assert_eq!(shown.len(), 1);
    assert!(!shown[0].commands.is_empty());
}

#[test]
fn rules_are_tried_on_each_message_of_a_file() {
    let folder = TempDir::new().unwrap();
    let messages = messages();
    fs::write(
        folder.path().join("log.xml"),
        viewer_file(&messages, "%d.%m.%Y %H:%M:%S"),
    )
    .unwrap();
    let output =
        run(dmtap()
            .current_dir(&folder)
            .args(["rules", "try", "permission-denied", "log.xml"]));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let shown = stdout(&output);
    let acted = "-      <Data>200</Data>\n+      <Data>425</Data>";
    assert_eq!(shown.matches(acted).count(), 2, "{shown}");
}

#[test]
fn why_finds_in_a_file_of_syncmlviewer_what_it_finds_in_the_record() {
    let folder = TempDir::new().unwrap();
    let messages = messages();
    let (demo, _) = super::demo();
    let record = demo.path().join("dmtap-demo/demo.jsonl");
    let record = run(dmtap().args(["why", "--ignore-rules"]).arg(record));
    assert_eq!(record.status.code(), Some(1));
    // The heading also counts the command whose Status the rule changed.
    let findings = |text: String| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with('━'));
        lines.map(str::to_owned).collect()
    };
    for format in [
        "%-m/%-d/%Y %-I:%M:%S %p",
        "%d.%m.%Y %H:%M:%S",
        "%Y-%m-%d %H:%M:%S",
    ] {
        let file = viewer_file(&messages, format);
        fs::write(folder.path().join("log.xml"), file).unwrap();
        let log = run(dmtap().current_dir(&folder).args(["why", "log.xml"]));
        assert_eq!(log.status.code(), Some(1), "{format}");
        assert_eq!(
            findings(stdout(&log)),
            findings(stdout(&record)),
            "{format}"
        );
    }
}

/// The sessions of a file without their findings, and these.
fn concluded(log: &str) -> (Vec<Value>, Vec<(String, String, Value)>) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("log.xml"), log).unwrap();
    let output = run(dmtap()
        .current_dir(&folder)
        .args(["why", "log.xml", "--output", "json"]));
    let text = stdout(&output);
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines.collect();
    let sessions = lines.iter().filter(|line| line["first_exchange"].is_u64());
    let known = |it: &Value| {
        json!([
            it["number"],
            it["device"],
            it["id"],
            it["end"],
            it["messages"],
            it["first_exchange"],
            it["last_exchange"]
        ])
    };
    let findings = lines.iter().flat_map(|line| line["findings"].as_array());
    let findings = findings.flatten().map(|finding| {
        let text = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        (text("id"), text("what"), finding["why"].clone())
    });
    (sessions.map(known).collect(), findings.collect())
}

#[test]
fn a_cut_message_shows_the_same_sessions_and_blames_nobody_for_what_is_missing() {
    let messages = messages();
    let format = "%d.%m.%Y %H:%M:%S";
    let whole = viewer_file(&messages, format);
    let (sessions, findings) = concluded(&whole);
    assert_eq!(sessions.len(), 2, "{sessions:?}");
    for (number, place) in [
        (2, "<Results>"),
        (2, "<Status>"),
        (1, "<Get>"),
        (3, "<Replace>"),
    ] {
        let message = formatted(&messages[number]);
        let at = message.rfind(place).unwrap() + place.len() + 30;
        let cut = format!(
            "{}\r\n<!-- ignore this line, closing SyncML tag added to support parsing of truncated xml data --></SyncML>",
            &message[..at]
        );
        let file = whole.replacen(&message, &cut, 1);
        assert_ne!(file, whole);
        let (cut_sessions, cut_findings) = concluded(&file);
        assert_eq!(cut_sessions, sessions, "{number} {place}");
        let (unread, known): (Vec<_>, Vec<_>) = cut_findings
            .into_iter()
            .partition(|(id, ..)| id == "WHY-15");
        assert_eq!(unread.len(), 1, "{number} {place}: {unread:?}");
        assert!(unread[0].2.to_string().contains("64 KB"), "{unread:?}");
        for (id, what, _) in &known {
            let is_it = |(known_id, known_what, _): &(String, String, Value)| {
                (known_id, known_what) == (id, what)
            };
            assert!(findings.iter().any(is_it), "{number} {place}: {known:?}");
        }
        let notes = shown(file, &[]).into_iter().flat_map(|it| it.notes);
        let wrong: Vec<_> = notes.filter(|note| note.severity == "error").collect();
        assert!(wrong.is_empty(), "{number} {place}: {wrong:?}");
    }
}

#[test]
fn one_exchange_is_shown_and_its_bodies_come_out_as_they_were_recorded() {
    let (demo, _) = super::demo();
    let record = demo.path().join("dmtap-demo/demo.jsonl");
    let show = |arguments: &[&str]| run(dmtap().arg("show").arg(&record).args(arguments));
    let messages = messages();
    for (number, from, kind) in [(2, "device", "request"), (5, "server", "response")] {
        let exchange = number.to_string();
        let output = show(&["--exchange", &exchange, "--body", kind]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let of_exchange = |message: &&EventRecord| {
            message.exchange == Some(number) && message.from.as_deref() == Some(from)
        };
        let message = messages.iter().find(of_exchange).unwrap();
        // The records are of two runs: only ports differ.
        assert_eq!(output.stdout.len(), message.body.as_ref().unwrap().0.len());
    }
    let shown = stdout(&show(&["--exchange", "2", "--headers"]));
    assert!(
        shown.contains("content-type: application/vnd.syncml.dm+xml"),
        "{shown}"
    );
    assert!(
        shown.contains("· x2 ·") && !shown.contains("· x1 ·"),
        "{shown}"
    );
    let output = show(&["--exchange", "99"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let output = show(&["--body", "request"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn full_shows_whole_values_and_what_is_in_them() {
    let value = "long ".repeat(60) + "end";
    let policy = "&lt;enabled/&gt;&lt;data id=\"Key\" value=\"1\"/&gt;";
    let profile = "&lt;Rules&gt;&lt;name&gt;office&lt;/name&gt;&lt;/Rules&gt;";
    let add = |id: u32, node: &str, value: &str| {
        format!(
            "<Add><CmdID>{id}</CmdID><Item><Target><LocURI>./Vendor/MSFT/{node}</LocURI></Target>\
             <Data>{value}</Data></Item></Add>"
        )
    };
    let message = format!(
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>1</SessionID><MsgID>1</MsgID><Target><LocURI>device</LocURI></Target>\
         <Source><LocURI>https://mdm.example.com/</LocURI></Source></SyncHdr><SyncBody>{}{}{}<Final/></SyncBody></SyncML>",
        add(2, "Long", &value),
        add(3, "Policy", policy),
        add(4, "AppLocker/Rules", profile),
    );
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("message.xml"), message).unwrap();
    let show = |arguments: &[&str]| {
        let arguments = [&["show", "message.xml"], arguments].concat();
        stdout(&run(dmtap().current_dir(&folder).args(arguments)))
    };
    let (short, full) = (show(&[]), show(&["--full"]));
    // What is printed to a file or a pipe is never cut.
    assert!(short.contains("long end"), "{short}");
    for expected in [
        "        long long",
        "data id=\"Key\" value=\"1\"",
        "<name>office</name>",
    ] {
        assert!(full.contains(expected), "{expected}: {full}");
    }
}

#[test]
fn what_failed_comes_as_json_too_and_a_file_that_why_cannot_read_is_no_finding() {
    let (demo, _) = super::demo();
    let record = demo.path().join("dmtap-demo/demo.jsonl");
    let failed = run(dmtap()
        .args(["show", "--failed", "--output", "json"])
        .arg(&record));
    let lines: Vec<Value> = stdout(&failed)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4, "{failed:?}");
    assert_eq!(lines[0]["finding"]["id"], "WHY-01");
    let output = run(dmtap().args(["show", "--failed", "--full"]).arg(&record));
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    fs::write(demo.path().join("none.txt"), "no message\n").unwrap();
    let output = run(dmtap().current_dir(&demo).args(["why", "none.txt"]));
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn dates_without_a_zone_are_read_as_a_note_says_and_a_capture_is_refused() {
    let folder = TempDir::new().unwrap();
    let message = "<SyncML><SyncHdr/><SyncBody/></SyncML>";
    let show = |date: &str| {
        fs::write(
            folder.path().join("log.xml"),
            format!("<!-- {date} -->{message}"),
        )
        .unwrap();
        let output = run(dmtap().current_dir(&folder).args(["show", "log.xml"]));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let note = show("5/11/2026 2:03:00 PM");
    assert!(note.contains("month/day/year, in the zone +00"), "{note}");
    assert_eq!(show("2026-11-29T14:03:22+01:00"), "");
    let (demo, _) = super::demo();
    let capture = demo.path().join("dmtap-demo/demo.pcapng");
    let output = run(dmtap().arg("show").arg(capture));
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("this is a pcapng"), "{error}");
}

#[test]
fn a_file_that_begins_late_blames_nobody_for_what_stands_in_front_of_it() {
    let messages = messages();
    let shown = shown(viewer_file(&messages[1..], "%d.%m.%Y %H:%M:%S"), &[]);
    let notes = shown.iter().flat_map(|message| &message.notes);
    let wrong: Vec<_> = notes.filter(|note| note.severity == "error").collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(
        shown[0].notes.iter().any(|note| note.id == "STA-03"),
        "{:?}",
        shown[0].notes
    );
}
