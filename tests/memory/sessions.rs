//! The memory of the analysis and lint of sessions: bounds that hold for many messages and many sessions.

use std::sync::Arc;

use dmtap::flow::Side;
use dmtap::flow::lint::{LintMessage, Linter, Profile};
use dmtap::markup::{Hint, Limits, decode};
use dmtap::record::EventRecord;
use dmtap::record::analysis::Analysis;
use serde_json::json;

use crate::{alone, heap};

/// A message of a session, with a Get of the server or its answer.
fn record(seq: u64, session: u64, exchange: u64, from: Side) -> EventRecord {
    let (event, name) = match from {
        Side::Device => ("request", "device"),
        Side::Server => ("response", "server"),
    };
    let node = format!("./Device/Vendor/MSFT/Csp{session}/Node{exchange}");
    let commands = match from {
        Side::Server => json!([{
            "kind": "Get", "id": "5", "path": "/SyncML/SyncBody/Get", "span": [0, 0], "loc_uri": node,
            "items": [{"target": node}],
        }]),
        Side::Device => json!([{
            "kind": "Status", "id": "2", "path": "/SyncML/SyncBody/Status", "span": [0, 0],
            "answers": {"msg": (exchange - 1).to_string(), "id": "5", "cmd": "Get", "found": exchange > 1},
            "status": {"code": 404},
        }]),
    };
    serde_json::from_value(json!({
        "v": 1, "seq": seq, "event": event, "at": "2026-03-04T05:06:07.000000Z", "at_us": 1_772_600_767_000_000 + seq,
        "connection": {"id": 1, "server": "mdm.example.com:443"}, "exchange": seq.div_ceil(2), "from": name,
        "session": {"number": session, "device": format!("device-{session}"), "id": "1", "msg": exchange, "exchange": exchange},
        "message": {"session": "1", "msg": exchange.to_string(), "final": true},
        "commands": commands,
    }))
    .unwrap()
}

/// An analysis that saw this many messages in each of so many sessions, all of them under way; and how many it gave up.
fn analysis(sessions: u64, messages: u64) -> (Analysis, usize) {
    let mut analysis = Analysis::default();
    let (mut seq, mut over) = (0, 0);
    for exchange in 1..=messages.div_ceil(2) {
        for session in 1..=sessions {
            for from in [Side::Device, Side::Server] {
                seq += 1;
                over += analysis.event(&record(seq, session, exchange, from)).len();
            }
        }
    }
    (analysis, over)
}

#[test]
fn the_analysis_of_a_session_with_many_messages_is_bounded() {
    let _alone = alone();
    let kept = heap::once(|| analysis(1, 10_000)).kept;
    eprintln!("10,000 messages in a session: {kept} bytes");
    assert!(kept < 16 << 20, "{kept}");
}

#[test]
fn the_analysis_of_many_sessions_at_once_is_bounded_and_gives_up_the_longest_silent_ones() {
    let _alone = alone();
    let followed = || {
        let (analysis, over) = analysis(10_000, 4);
        assert_eq!(over, 0, "10,000 sessions are followed");
        analysis
    };
    let kept = heap::once(followed).kept;
    eprintln!("10,000 sessions at once: {kept} bytes");
    assert!(kept < 64 << 20, "{kept}");
    let (mut analysis, over) = analysis(10_050, 2);
    assert_eq!(over, 50);
    let left: Vec<_> = analysis.finish();
    let first = left
        .iter()
        .filter_map(|session| session.summary.number)
        .min();
    assert_eq!(first, Some(51), "the first ones made room");
}

/// Lint that judged the first message of the device in this many sessions, and then this many messages of one.
fn linter(sessions: u64, messages: u64) -> Linter {
    let mut linter = Linter::new(Profile::Oma);
    for session in 1..=sessions {
        for message in 1..=messages {
            let text = format!(
                "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
                 <SessionID>{session:X}</SessionID><MsgID>{message}</MsgID>\
                 <Target><LocURI>https://mdm.example.com/dm</LocURI></Target>\
                 <Source><LocURI>urn:dev:{session}</LocURI></Source></SyncHdr><SyncBody>\
                 <Alert><CmdID>2</CmdID><Data>1201</Data></Alert><Final/></SyncBody></SyncML>"
            );
            let document = decode(text.into(), Hint::default(), &Limits::default()).unwrap();
            let document = Arc::new(document);
            linter.message(LintMessage {
                speaker: Side::Device,
                server: "mdm.example.com:443",
                exchange: session * messages + message,
                document: &document,
                delivered: Some(&document),
                is_own: false,
                is_changed: false,
                head: None,
                links: None,
            });
        }
    }
    linter
}

#[test]
fn what_lint_remembers_is_bounded() {
    let _alone = alone();
    for (sessions, messages) in [(1, 10_000), (10_000, 1)] {
        let kept = heap::once(|| linter(sessions, messages)).kept;
        eprintln!("lint, {sessions} sessions of {messages} messages: {kept} bytes");
        assert!(kept < 64 << 20, "{kept}");
    }
}
