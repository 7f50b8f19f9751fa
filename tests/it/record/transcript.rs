//! The transcript, compared with expected files, and the same from JSON lines.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use dmtap::flow::{DeliveryStep, EffectKind, Event, NotParsed, Severity, Side};
use dmtap::record::{
    Colour, Damage, EventRecord, JsonLines, Layout, Masking, Sink, Transcript, jsonl, replay,
};

use crate::record::message::{ANSWERS, COMMANDS, END, PACKAGE_1, wbxml};
use crate::record::stage::{Stage, change, coded, kind_of, note};
use crate::support::cpu_time::cpu_time;
use crate::support::record_schema;

const XML: (&str, &str) = ("content-type", "application/vnd.syncml.dm+xml");
const WBXML: (&str, &str) = ("content-type", "application/vnd.syncml.dm+wbxml");

/// Two exchanges in which a rule makes a command fail, on its way to the server.
pub(crate) fn session() -> Stage {
    let mut stage = Stage::new();
    let hmac = "algorithm=MD5, username=\"joe\", mac=aG1hYzE=";
    stage.request(&[XML, ("x-syncml-hmac", hmac)], PACKAGE_1);
    stage.response(&[XML], COMMANDS);
    let path = "/SyncML/SyncBody/Status[2]/Data";
    let answers = stage.request(&[XML], ANSWERS);
    answers
        .notes
        .push(note(Severity::Warning, "the device counts from 2"));
    change(answers, "get-fails-once", "set-status", path, "500");
    stage.response(&[XML], END);
    stage.closed();
    stage
}

/// Everything that is not an ordinary exchange.
fn troubles() -> Stage {
    let mut stage = Stage::new();
    stage.request(&[WBXML], wbxml("cred", "nonce", "profile"));
    let busy = stage.response(&[("content-type", "text/plain")], "busy");
    busy.synthesized = true;
    busy.delivery.ops = vec![DeliveryStep::Wait(Duration::from_millis(1500))];
    step(
        busy,
        "server-is-busy",
        "answer",
        "",
        "503 Service Unavailable",
    );
    stage.request(
        &[XML],
        "<SyncML><SyncHdr><VerDTD>1.2</VerDTD></SyncHdr><SyncBody></Oops></SyncML>",
    );
    let reset = stage.response(&[], Bytes::new());
    reset.delivery.ops = vec![DeliveryStep::Reset];
    step(reset, "cut \u{1b}[31mit", "reset", "", "");
    let weird = PACKAGE_1.replace("<Data>user</Data>", "<Data>\u{202e}a\u{7f}\n\tb</Data>");
    stage.request(&[XML], weird);
    let large = stage.response(&[XML], Bytes::new());
    large.body.parsed = dmtap::flow::ParsedBody::Unread(NotParsed::TooLarge { limit: 1 << 24 });
    let gzip = stage.request(&[XML, ("content-encoding", "gzip")], END);
    coded(gzip, b"\x1f\x8b not really");
    stage.failed(Some(Side::Server), "connection refused (os error 111)");
    stage.failed(None, "dmtap stopped before the exchange ended");
    stage.malformed("invalid HTTP method \u{1b}parsed");
    stage.closed();
    stage
}

fn step(
    captured: &mut dmtap::flow::CapturedMessage,
    rule: &str,
    step: &'static str,
    before: &str,
    after: &str,
) {
    captured.applied.push(dmtap::flow::RuleEffect {
        rule: rule.into(),
        changes: vec![dmtap::flow::EffectDetail {
            path: String::new(),
            step: step.into(),
            kind: kind_of(step),
            before: before.into(),
            after: after.into(),
        }],
        patch: dmtap::patch::Patch::default(),
    });
}

fn reported<S: Sink>(mut sink: S, events: &[Event], masking: Masking) -> S {
    for (seq, event) in (1..).zip(events) {
        let record = EventRecord::of(seq, event, masking);
        sink.write_event(&record).unwrap();
    }
    sink.finish().unwrap();
    sink
}

pub(crate) fn transcript(events: &[Event], masking: Masking) -> String {
    let transcript = reported(Transcript::new(Vec::new(), Colour::Plain), events, masking);
    String::from_utf8(transcript.into_inner()).unwrap()
}

pub(crate) fn json_lines(events: &[Event], masking: Masking) -> Vec<u8> {
    let lines = reported(JsonLines::new(Vec::new()), events, masking).into_inner();
    record_schema::check(&lines);
    lines
}

/// The events of a record.
pub(crate) fn read_lines(lines: &[u8]) -> Vec<EventRecord> {
    let lines = lines.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.is_empty());
    lines.map(|line| jsonl::read(line).unwrap()).collect()
}

/// Writes the events of a record to a sink, and returns its damaged lines.
pub(crate) fn show(lines: &[u8], sink: &mut impl Sink) -> io::Result<Vec<Damage>> {
    let damage = replay(lines, |record, _| sink.write_event(&record))?;
    sink.finish().map(|()| damage)
}

#[test]
fn a_record_that_an_editor_saved_with_a_byte_order_mark_is_whole() {
    let lines = json_lines(&session().events, Masking::Masked);
    let marked = [b"\xef\xbb\xbf", &lines[..]].concat();
    let mut sink = JsonLines::new(Vec::new());
    assert!(show(&marked, &mut sink).unwrap().is_empty());
    assert_eq!(sink.into_inner(), lines);
    assert!(dmtap::record::is_record(&marked));
}

/// Compares with a file, or writes it where DMTAP_BLESS is set.
pub(crate) fn expect(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/record")
        .join(name);
    if std::env::var_os("DMTAP_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text, expected,
        "{name} differs; DMTAP_BLESS=1 takes it as it is now"
    );
}

#[test]
fn a_session_reads_as_expected() {
    expect(
        "session.txt",
        &transcript(&session().events, Masking::Masked),
    );
}

#[test]
fn troubles_read_as_expected() {
    let text = transcript(&troubles().events, Masking::Masked);
    expect("troubles.txt", &text);
    let harmless = |c: char| c == '\n' || !c.is_control() && c != '\u{202e}';
    assert!(text.chars().all(harmless));
}

#[test]
fn json_lines_shown_again_read_as_the_transcript_did() {
    for stage in [session(), troubles()] {
        for masking in [Masking::Masked, Masking::Raw] {
            let lines = json_lines(&stage.events, masking);
            let mut transcript = Transcript::new(Vec::new(), Colour::Plain);
            let damage = show(&lines, &mut transcript).unwrap();
            assert!(damage.is_empty(), "{damage:?}");
            let shown = String::from_utf8(transcript.into_inner()).unwrap();
            assert_eq!(shown, self::transcript(&stage.events, masking));
        }
    }
}

#[test]
fn colours_change_nothing_but_colours() {
    let events = session().events;
    let coloured = reported(
        Transcript::new(Vec::new(), Colour::Colour),
        &events,
        Masking::Masked,
    );
    let coloured = coloured.into_inner();
    assert!(coloured.contains(&0x1b));
    let stripped = anstream::adapter::strip_bytes(&coloured).into_vec();
    assert_eq!(
        String::from_utf8(stripped).unwrap(),
        transcript(&events, Masking::Masked)
    );
}

#[test]
fn a_line_begins_with_its_version_and_holds_the_bodies() {
    let events = session().events;
    let lines = json_lines(&events, Masking::Raw);
    let mut begun = lines.split_inclusive(|byte| *byte == b'\n');
    assert!(begun.all(|line| line.starts_with(b"{\"v\":1,\"seq\":")));
    for reported in read_lines(&lines) {
        let event = &events[reported.seq as usize - 1];
        let (Event::Request(captured) | Event::Response(captured)) = event else {
            continue;
        };
        assert_eq!(*reported.body.unwrap().0, captured.body.received);
        match reported.sent {
            Some(sent) => assert_eq!(*sent.0, captured.body.sent),
            None => assert_eq!(captured.body.sent, captured.body.received),
        }
        let commands = reported.commands.iter();
        for command in commands {
            let (from, to) = command.span;
            let written = &captured.body.received[from as usize..to as usize];
            assert!(written.starts_with(format!("<{}", command.kind).as_bytes()));
        }
    }
}

#[test]
fn recorded_paths_are_those_of_the_tree() {
    let stage = session();
    for (seq, event) in (1..).zip(&stage.events) {
        let (Event::Request(captured) | Event::Response(captured)) = event else {
            continue;
        };
        let document = crate::record::stage::document(captured);
        let message = dmtap::dm::Message::of(document).unwrap();
        let reported = EventRecord::of(seq, event, Masking::Masked);
        let reported: Vec<_> = reported
            .commands
            .iter()
            .map(|c| c.path.to_string())
            .collect();
        let paths = message
            .all_commands()
            .map(|c| c.element().path().to_string());
        assert_eq!(reported, paths.collect::<Vec<_>>());
    }
}

#[test]
fn damaged_lines_are_reported_and_skipped() {
    let check = |damage: &dyn Fn(&str) -> String, expected: &[&str]| {
        let lines = String::from_utf8(json_lines(&session().events, Masking::Masked)).unwrap();
        let mut transcript = Transcript::new(Vec::new(), Colour::Plain);
        let damage = show(damage(&lines).as_bytes(), &mut transcript);
        let damage: Vec<String> = match damage {
            Ok(damage) => damage.iter().map(ToString::to_string).collect(),
            Err(error) => vec![error.to_string()],
        };
        assert_eq!(damage.len(), expected.len(), "{damage:?}");
        for (damage, expected) in damage.iter().zip(expected) {
            assert!(
                damage.starts_with(expected),
                "{damage} does not begin with {expected}"
            );
        }
        String::from_utf8(transcript.into_inner()).unwrap()
    };
    let torn = check(
        &|lines| lines[..lines.len() - 20].into(),
        &["6: the line is damaged: it ends in the middle"],
    );
    assert!(torn.contains("get-fails-once"));
    check(
        &|lines| lines.replacen('{', "", 1),
        &["1: the line is damaged"],
    );
    check(
        &|lines| format!("{lines}{{\"a\":1}}\n\n"),
        &["7: the line is no event"],
    );
    let newer = "line 1: the record has version 2, this dmtap reads version 1";
    check(&|lines| lines.replace("{\"v\":1,", "{\"v\":2,"), &[newer]);
}

#[test]
fn names_and_reasons_that_look_like_those_of_options_and_rules_are_shown_as_they_are() {
    let mut stage = Stage::new();
    let request = stage.request(&[XML], PACKAGE_1);
    step(request, "modify-body x", "set-text", "(?s)old", "new");
    stage.failed(Some(Side::Server), "it was stopped by a rule");
    let text = transcript(&stage.events, Masking::Masked);
    assert!(text.contains("changed (?s)old → new"), "{text}");
    let failed = "no response, the server failed: it was stopped by a rule";
    assert!(text.contains(failed), "{text}");
}

#[test]
fn records_of_later_versions_keep_what_rules_did() {
    let line = r#"{"v":1,"seq":1,"event":"failed","at":"2026-01-01T00:00:00Z","at_us":1,"connection":{"id":1},"from":"device","by_rule":true,"why":"reset by a rule","applied":[{"rule":"r","changes":[{"path":"","step":"bake","kind":"baked","before":"","after":"done"}]}]}"#;
    for line in [line, &line.replace(r#""kind":"baked","#, "")] {
        let record = jsonl::read(line.as_bytes()).unwrap();
        let change = &record.applied[0].changes[0];
        assert_eq!((change.kind, &*change.step), (EffectKind::Other, "bake"));
        let text = dmtap::record::transcript::text(&record);
        assert!(text.contains("the device's connection was reset by a rule"));
    }
}

#[test]
fn why_something_was_not_done_is_told_to_its_end() {
    let why = format!("set-text: {} and what to do about it", "long ".repeat(50));
    let mut stage = Stage::new();
    let busy = stage.request(&[XML], PACKAGE_1);
    step(busy, "r", "not applied", "", &why);
    stage.failed(Some(Side::Server), &why);
    let text = transcript(&stage.events, Masking::Masked);
    assert_eq!(text.matches(&*why).count(), 2, "{text}");
}

#[test]
fn the_server_of_an_exchange_is_shown_where_it_is_not_the_one_of_the_connection() {
    let mut stage = Stage::new();
    stage.request(&[XML], PACKAGE_1);
    stage.response(&[XML], COMMANDS);
    let other = dmtap::flow::Connection {
        server: "dm.example.net:8443".into(),
        ..dmtap::flow::Connection::clone(&stage.connection)
    };
    let other = std::sync::Arc::new(other);
    stage.request(&[XML], ANSWERS).connection = other.clone();
    stage.response(&[XML], END).connection = other;
    let text = transcript(&stage.events, Masking::Masked);
    let shown: Vec<_> = text
        .lines()
        .filter(|line| line.contains("│ server "))
        .collect();
    assert_eq!(shown.len(), 2, "{text}");
    for line in shown {
        assert!(
            line.starts_with("  │ server dm.example.net:8443 · "),
            "{line}"
        );
    }
}

#[test]
fn the_address_of_a_server_is_cut_and_the_id_of_a_device_never() {
    let device = format!("urn:uuid:{}", "5A8B".repeat(18));
    let server = format!("https://dm.example.com/{}", "tenant/".repeat(20));
    let of = |message: &str, width: Option<usize>| {
        let message = message
            .replace("urn:uuid:0001", &device)
            .replace("https://mdm.example.com/MDM.svc", &server);
        let mut stage = Stage::new();
        stage.request(&[XML], message);
        let layout = Layout {
            width,
            ..Layout::default()
        };
        let transcript = Transcript::new(Vec::new(), Colour::Plain).with_layout(layout);
        let transcript = reported(transcript, &stage.events, Masking::Masked);
        let text = String::from_utf8(transcript.into_inner()).unwrap();
        let line = text.lines().find(|line| line.contains("SyncHdr message"));
        line.unwrap().to_owned()
    };
    for width in [Some(60), Some(100), Some(200), None] {
        let line = of(PACKAGE_1, width);
        assert!(line.contains(&device), "{width:?}: {line}");
        let is_whole = line.contains(&server);
        assert_eq!(is_whole, width.is_none(), "{width:?}: {line}");
        if let Some(width @ 200) = width {
            assert!(line.chars().count() <= width, "{line}");
            assert!(line.chars().count() > 150, "the terminal has room: {line}");
        }
    }
}

/// A search for each value from the beginning takes minutes.
#[test]
fn long_values_are_shown_whole_in_linear_time() {
    const MANY: usize = 16_000;
    let value = "x".repeat(130);
    let item = |number: usize| {
        format!("<Item><Target><LocURI>./a/{number}</LocURI></Target><Data>{value}</Data></Item>")
    };
    let one = |number: usize| format!("<Add><CmdID>{number}</CmdID>{}</Add>", item(number));
    let commands: String = (1..=MANY).map(one).collect();
    let items: String = (1..=MANY).map(item).collect();
    for commands in [commands, format!("<Add><CmdID>1</CmdID>{items}</Add>")] {
        let mut stage = Stage::new();
        let body = format!(
            "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><MsgID>1</MsgID></SyncHdr><SyncBody>{commands}<Final/></SyncBody></SyncML>"
        );
        stage.request(&[XML], body);
        let record = EventRecord::of(1, &stage.events[0], Masking::Masked);
        let begun = cpu_time();
        let layout = Layout {
            width: None,
            ..Layout::default()
        };
        let mut out = Vec::new();
        let mut sink = Transcript::new(&mut out, Colour::Plain).with_layout(layout);
        sink.write_event(&record).unwrap();
        drop(sink);
        assert!(cpu_time() - begun < Duration::from_secs(20));
        let shown = memchr::memmem::find_iter(&out, value.as_bytes()).count();
        let items = record.commands.iter().map(|command| command.items.len());
        assert_eq!(shown, items.sum::<usize>());
    }
}
