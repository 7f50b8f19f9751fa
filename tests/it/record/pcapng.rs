//! pcapng files, opened by tshark where there is one.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use dmtap::flow::{Connection, ConnectionId, DeliveryStep, Event, ExchangeId, Side};
use dmtap::record::{self, EventRecord, Masking};

use crate::record::message::{COMMANDS, wbxml};
use crate::record::stage::Stage;
use crate::record::transcript::session;

fn written(events: &[Event]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("session.pcapng");
    let opened = record::open_all(&[file.display().to_string()], &super::file::run());
    let mut sink = opened.unwrap().remove(0).1;
    for (seq, event) in (1..).zip(events) {
        let record = EventRecord::of(seq, event, Masking::Masked);
        sink.write_event(&record).unwrap();
    }
    sink.finish().unwrap();
    (folder, file)
}

#[test]
fn a_file_of_a_run_that_was_killed_is_a_whole_one_without_packets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("session.pcapng");
    let opened = record::open_all(&[file.display().to_string()], &super::file::run());
    let mut sink = opened.unwrap().remove(0).1;
    sink.begin().unwrap();
    std::mem::forget(sink);
    assert!(std::fs::metadata(&file).unwrap().len() > 100);
    assert!(tshark(&file, &[]).is_none_or(|packets| packets.is_empty()));
}

/// What tshark prints; `None` where there is no tshark.
fn tshark(file: &Path, args: &[&str]) -> Option<String> {
    let run = Command::new("tshark")
        .arg("-n")
        .arg("-r")
        .arg(file)
        .args(args)
        .output();
    let Ok(run) = run else {
        println!("skipped: tshark not found");
        return None;
    };
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    Some(String::from_utf8_lossy(&run.stdout).into_owned())
}

const FIELDS: [&str; 10] = [
    "-T",
    "fields",
    "-e",
    "http.request.uri",
    "-e",
    "http.response.code",
    "-e",
    "http.content_length",
    "-e",
    "tcp.stream",
];

#[test]
fn tshark_lists_the_exchanges_and_complains_of_nothing() {
    let (_folder, file) = written(&session().events);
    let http = ["-Y", "http"];
    let Some(listed) = tshark(&file, &[&http[..], &FIELDS].concat()) else {
        return;
    };
    let target = "/MDM.svc?mode=Maintenance&Platform=WoA";
    let expected =
        format!("{target}\t\t868\t0\n\t200\t1428\t0\n{target}\t\t1326\t0\n\t200\t289\t0\n");
    assert_eq!(listed, expected);
    let odd = "_ws.malformed or tcp.analysis.flags or _ws.expert.severity >= 0x600000";
    assert_eq!(tshark(&file, &["-Y", odd]).unwrap(), "");
    let wrong = "tcp.checksum.status == 0 or ip.checksum.status == 0";
    let wrong = [
        "-o",
        "tcp.check_checksum:TRUE",
        "-o",
        "ip.check_checksum:TRUE",
        "-Y",
        wrong,
    ];
    assert_eq!(tshark(&file, &wrong).unwrap(), "");
}

#[test]
fn tshark_shows_the_annotations_where_the_message_is() {
    let (_folder, file) = written(&session().events);
    let filter = [
        "-Y",
        "http and frame.comment contains \"get-fails-once\"",
        "-T",
        "fields",
        "-e",
        "frame.comment",
    ];
    let Some(comments) = tshark(&file, &filter) else {
        return;
    };
    assert!(
        comments.contains("Status 200 OK → 500 Command failed"),
        "{comments}"
    );
    // The packet carries what the server got.
    let sent = [
        "-Y",
        "http and frame.comment contains \"get-fails-once\"",
        "-T",
        "fields",
        "-e",
        "http.file_data",
    ];
    assert!(
        tshark(&file, &sent)
            .unwrap()
            .contains("<Cmd>Get</Cmd><Data>500")
    );
}

#[test]
fn tshark_dissects_wbxml_with_its_names() {
    let mut stage = Stage::new();
    let media_type = ("content-type", "application/vnd.syncml.dm+wbxml");
    stage.request(&[media_type], wbxml("credential", "nonce", "the profile"));
    let (_folder, file) = written(&stage.events);
    let Some(shown) = tshark(&file, &["-V", "-Y", "http"]) else {
        return;
    };
    for name in ["SyncHdr", "CmdID", "Alert", "'1201'", "Replace"] {
        assert!(shown.contains(name), "{name} is missing in {shown}");
    }
}

#[test]
fn exchanges_at_the_same_time_and_large_ones_are_told_apart() {
    let mut stage = Stage::new();
    let large = Bytes::from(COMMANDS.replace("wifi-key-1", &"x".repeat(200_000)));
    stage.request(&[], COMMANDS);
    stage.request(&[], COMMANDS);
    stage.response(&[], large);
    stage.closed();
    // The first exchange is answered last.
    let mut events = stage.events;
    let mut late = Stage::new();
    late.request(&[], COMMANDS);
    late.response(&[], COMMANDS);
    let answer = late.events.pop().unwrap();
    events.insert(events.len() - 1, answer);
    let (_folder, file) = written(&events);
    let Some(listed) = tshark(&file, &[&["-Y", "http"][..], &FIELDS].concat()) else {
        return;
    };
    let streams: Vec<&str> = listed
        .lines()
        .map(|line| line.rsplit('\t').next().unwrap())
        .collect();
    assert_eq!(streams, ["0", "1", "1", "0"], "{listed}");
}

#[test]
fn connections_that_reuse_a_port_are_streams_of_their_own() {
    let mut events = Vec::new();
    for number in 1..=10 {
        let mut stage = Stage::new();
        stage.request(&[], COMMANDS);
        stage.response(&[], COMMANDS);
        // Some end properly, others are only followed by the next.
        if number % 2 == 0 {
            stage.closed();
        }
        for event in &mut stage.events {
            renumber(event, number);
        }
        events.extend(stage.events);
    }
    let (_folder, file) = written(&events);
    let Some(listed) = tshark(&file, &[&["-Y", "http"][..], &FIELDS].concat()) else {
        return;
    };
    let streams: Vec<&str> = listed
        .lines()
        .map(|line| line.rsplit('\t').next().unwrap())
        .collect();
    let expected: Vec<String> = (0..20).map(|line| (line / 2).to_string()).collect();
    assert_eq!(streams, expected, "{listed}");
}

/// Puts an event on a connection of another number, from the same port.
fn renumber(event: &mut Event, number: u64) {
    let renumbered = |connection: &Arc<Connection>| {
        Arc::new(Connection {
            id: ConnectionId(number),
            ..Connection::clone(connection)
        })
    };
    match event {
        Event::Request(captured) | Event::Response(captured) => {
            let captured = Arc::get_mut(captured).unwrap();
            captured.connection = renumbered(&captured.connection);
            captured.exchange = ExchangeId(number);
        }
        Event::Opened(connection) => *connection = renumbered(connection),
        Event::Closed { connection, .. } => *connection = ConnectionId(number),
        _ => unreachable!("no other event is staged"),
    }
}

#[test]
fn a_reset_and_a_failure_end_the_connection() {
    let mut stage = Stage::new();
    stage.request(&[], COMMANDS);
    stage.response(&[], COMMANDS).delivery.ops = vec![DeliveryStep::Reset];
    stage.request(&[], COMMANDS);
    stage.failed(Some(Side::Server), "connection refused");
    stage.closed();
    let (_folder, file) = written(&stage.events);
    let resets = [
        "-Y",
        "tcp.flags.reset == 1",
        "-T",
        "fields",
        "-e",
        "frame.comment",
    ];
    let Some(resets) = tshark(&file, &resets) else {
        return;
    };
    assert!(
        resets.contains("connection to the device reset"),
        "{resets}"
    );
    assert!(resets.contains("connection refused"), "{resets}");
}

#[test]
fn dmtaps_own_answer_is_in_the_connection_of_its_request() {
    let mut stage = Stage::new();
    stage.request(&[], COMMANDS);
    stage.failed(Some(Side::Server), "connection refused");
    if let Some(Event::Failed { is_answered, .. }) = stage.events.last_mut() {
        *is_answered = true;
    }
    stage.response(&[], COMMANDS).synthesized = true;
    stage.closed();
    let (_folder, file) = written(&stage.events);
    let fields = ["-T", "fields", "-e", "tcp.stream", "-e", "frame.comment"];
    let Some(listed) = tshark(&file, &[&["-Y", "tcp.len == 0"], &fields[..]].concat()) else {
        return;
    };
    assert!(listed.contains("connection refused"), "{listed}");
    let listed = tshark(&file, &["-T", "fields", "-e", "tcp.stream"]).unwrap();
    assert!(listed.lines().all(|stream| stream == "0"), "{listed}");
    let answered = tshark(&file, &["-Y", "http.response and http.request_in"]).unwrap();
    assert_eq!(answered.lines().count(), 1, "{answered}");
    let odd = "tcp.flags.reset == 1 or tcp.analysis.flags or _ws.expert.severity >= 0x600000";
    assert_eq!(tshark(&file, &["-Y", odd]).unwrap(), "");
}
