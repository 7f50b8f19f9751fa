//! The table under pressure.

use super::*;
use crate::markup::{self, Hint};

fn message(session: &str, text: &str) -> Arc<Document> {
    let source = format!(
        "<SyncML><SyncHdr><SessionID>{session}</SessionID><MsgID>1</MsgID>\
         <Source><LocURI>urn:uuid:1</LocURI></Source></SyncHdr>\
         <SyncBody><Get><CmdID>1</CmdID><Data>{text}</Data></Get></SyncBody></SyncML>"
    );
    let document = markup::decode(source.into(), Hint::default(), &markup::Limits::default());
    Arc::new(document.unwrap())
}

fn sessions(limits: Limits) -> Sessions {
    Sessions::new(&limits)
}

impl Sessions {
    /// Enters a message that is then delivered, and gives its session's number.
    fn pass(&self, session: &str, text: &str) -> u64 {
        let document = message(session, text);
        let place = self.enter(&document).unwrap().unwrap();
        place.delivered(Side::Server, document);
        place.tag.number
    }

    fn bytes(&self) -> usize {
        lock(&self.table).bytes
    }

    fn len(&self) -> usize {
        lock(&self.table).sessions.len()
    }
}

#[test]
fn the_longest_silent_session_makes_room_for_more_bytes() {
    let one = message("1", "x").bytes() + 1;
    let table = sessions(Limits {
        session_bytes: 3 * one,
        ..Limits::default()
    });
    let numbers = ["1", "2", "3", "1", "4", "1", "2"].map(|session| table.pass(session, "x"));
    // The fourth session, and the second message of the first one, made room twice.
    assert_eq!(numbers, [1, 2, 3, 1, 4, 1, 5]);
    assert!(table.bytes() <= 3 * one);
}

#[test]
fn a_session_larger_than_all_room_is_forgotten_at_once() {
    let table = sessions(Limits {
        session_bytes: 1,
        ..Limits::default()
    });
    table.pass("1", "x");
    assert_eq!((table.bytes(), table.len()), (0, 0));
}

#[test]
fn many_sessions_stay_within_their_number() {
    let table = sessions(Limits {
        sessions: 2,
        ..Limits::default()
    });
    let numbers = ["1", "2", "1", "3", "1", "2"].map(|session| table.pass(session, "x"));
    assert_eq!(numbers, [1, 2, 1, 3, 1, 4]);
    assert_eq!(table.len(), 2);
}

#[test]
fn silent_sessions_are_dropped_also_where_there_is_room() {
    let table = sessions(Limits {
        session_silence: Duration::ZERO,
        ..Limits::default()
    });
    let numbers = ["1", "2", "3"].map(|session| table.pass(session, "x"));
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(table.len(), 1);
}

#[test]
fn a_ledger_keeps_its_newest_message_and_so_many_bytes() {
    let table = sessions(Limits::default());
    let long = "x".repeat(3 << 20);
    for _ in 0..5 {
        table.pass("1", &long);
    }
    assert!(table.bytes() < 4 << 20);
    table.pass("1", &"x".repeat(5 << 20));
    assert!(table.bytes() > 5 << 20 && table.bytes() < 6 << 20);
}

#[test]
fn a_key_of_any_length_is_not_kept() {
    let table = sessions(Limits::default());
    let document = message(&"9".repeat(2000), "x");
    let error = table.enter(&document).unwrap_err();
    assert_eq!(error.bytes, 2010);
    assert_eq!(table.len(), 0);
}
