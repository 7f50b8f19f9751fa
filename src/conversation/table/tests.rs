//! Tests of the session table under pressure.

use super::*;
use crate::flow::reconciler::PendingStatus;
use crate::flow::{Obligation, OwedByRule};
use crate::markup::{self, Hint};

const SERVER: &str = "localhost:443";

fn message(session: &str, text: &str) -> Arc<Document> {
    let get = format!("<Get><CmdID>1</CmdID><Data>{text}</Data></Get>");
    numbered(session, 1, &get)
}

const NOW: Timestamp = Timestamp(0);

impl Sessions {
    fn begin(&self, server: &str, document: &Document) -> SharedSession {
        let message = Message::of(document).unwrap();
        let key = SessionKey::of(server, Side::Device, message)
            .unwrap()
            .unwrap();
        self.enter(key, Side::Device, message, NOW)
    }

    /// Enters a message that is then delivered. Returns the number of its session.
    fn pass(&self, session: &str, text: &str) -> u64 {
        let document = message(session, text);
        let place = self.begin(SERVER, &document);
        place.delivered(Side::Server, document, None);
        place.tag.number
    }

    fn bytes(&self) -> usize {
        self.table.lock().bytes
    }

    fn len(&self) -> usize {
        self.table.lock().sessions.len()
    }
}

#[test]
fn the_sessions_of_a_device_are_counted() {
    let table = Sessions::new(SessionLimits::default());
    let of_device = |session: &str| {
        let place = table.begin(SERVER, &message(session, "x"));
        place.tag.of_device
    };
    assert_eq!(["1", "2", "1", "3"].map(of_device), [1, 2, 1, 3]);
}

#[test]
fn the_longest_silent_session_makes_room_for_more_bytes() {
    let one = message("1", "x").bytes() + 1;
    let table = Sessions::new(SessionLimits {
        bytes: 3 * one,
        ..SessionLimits::default()
    });
    let numbers = ["1", "2", "3", "1", "4", "1", "2"].map(|session| table.pass(session, "x"));
    // The fourth session, and the second message of the first one, made room twice.
    assert_eq!(numbers, [1, 2, 3, 1, 4, 1, 5]);
    assert!(table.bytes() <= 3 * one);
}

#[test]
fn a_session_larger_than_all_room_is_forgotten_at_once() {
    let table = Sessions::new(SessionLimits {
        bytes: 1,
        ..SessionLimits::default()
    });
    table.pass("1", "x");
    assert_eq!((table.bytes(), table.len()), (0, 0));
}

#[test]
fn many_sessions_stay_within_their_number() {
    let table = Sessions::new(SessionLimits {
        count: 2,
        ..SessionLimits::default()
    });
    let numbers = ["1", "2", "1", "3", "1", "2"].map(|session| table.pass(session, "x"));
    assert_eq!(numbers, [1, 2, 1, 3, 1, 4]);
    assert_eq!(table.len(), 2);
}

#[test]
fn silent_sessions_are_dropped_also_where_there_is_room() {
    let table = Sessions::new(SessionLimits {
        silence: Duration::ZERO,
        ..SessionLimits::default()
    });
    let numbers = ["1", "2", "3"].map(|session| table.pass(session, "x"));
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(table.len(), 1);
}

#[test]
fn a_ledger_keeps_its_newest_message_and_so_many_bytes() {
    let table = Sessions::new(SessionLimits::default());
    let long = "x".repeat(3 << 20);
    for _ in 0..5 {
        table.pass("1", &long);
    }
    assert!(table.bytes() < 4 << 20);
    table.pass("1", &"x".repeat(5 << 20));
    assert!(table.bytes() > 5 << 20 && table.bytes() < 6 << 20);
}

/// Returns an obligation about a command of the server, in message 1 of session `1`.
fn owed() -> SessionEffects {
    let owed = OwedByRule {
        rule: "r".into(),
        obligation: Obligation::Status(PendingStatus {
            to: Side::Server,
            msg_ref: "1".into(),
            order: Arc::new(["5".into()]),
            place: 0,
            cmd: "Get".into(),
            items: Vec::new(),
            code: StatusCode(500),
            given_in: None,
        }),
    };
    SessionEffects {
        owed: vec![owed],
        ..SessionEffects::default()
    }
}

/// Returns a message with this MsgID and these commands.
fn numbered(session: &str, number: u32, commands: &str) -> Arc<Document> {
    let source = format!(
        "<SyncML><SyncHdr><SessionID>{session}</SessionID><MsgID>{number}</MsgID>\
         <Source><LocURI>urn:uuid:1</LocURI></Source></SyncHdr>\
         <SyncBody>{commands}<Final/></SyncBody></SyncML>"
    );
    let document = markup::decode(source.into(), Hint::default(), &markup::Limits::default());
    Arc::new(document.unwrap())
}

const GET: &str = "<Get><CmdID>9</CmdID></Get>";
const HEADER: &str =
    "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Data>200</Data></Status>";

impl Sessions {
    /// Sends a message of the device to the server.
    fn ask(&self, session: &str, number: u32) -> SharedSession {
        let document = numbered(session, number, HEADER);
        let place = self.begin(SERVER, &document);
        drop(place.receive(Side::Device, Some(&document)));
        let limits = markup::Limits::default();
        let setting = ReconcileContext {
            speaker: Side::Device,
            limits: &limits,
            hint: Hint::default(),
        };
        place.reconcile(&document, setting);
        place
    }
}

#[test]
fn bodies_are_read_for_as_long_as_a_session_is_owed_something() {
    let check = |what: &str, step: &dyn Fn(&Sessions, SharedSession), owes: bool| {
        let table = Sessions::new(SessionLimits {
            count: 2,
            ..SessionLimits::default()
        });
        assert!(!table.have_obligations(NOW));
        let place = table.ask("1", 1);
        assert!(!table.have_obligations(NOW));
        place.take_on(&owed()).unwrap();
        assert!(table.have_obligations(NOW));
        place.delivered(Side::Device, numbered("1", 1, GET), None);
        assert!(table.have_obligations(NOW));
        step(&table, place);
        assert_eq!(table.have_obligations(NOW), owes, "{what}");
    };
    check("nothing more was said", &|_, _| {}, true);
    check(
        "it was given, and may be asked for again",
        &|table, _| drop(table.ask("1", 2)),
        true,
    );
    check(
        "it was given, and the next one came",
        &|table, _| {
            drop(table.ask("1", 2));
            drop(table.ask("1", 3));
        },
        false,
    );
    check(
        "the session ended",
        &|table, _| {
            let place = table.ask("1", 2);
            place.delivered(Side::Device, numbered("1", 2, HEADER), None);
        },
        false,
    );
    check(
        "it went on after all",
        &|table, _| {
            let place = table.ask("1", 2);
            place.delivered(Side::Device, numbered("1", 2, HEADER), None);
            drop(table.ask("1", 2));
        },
        true,
    );
    let abort = format!("{HEADER}<Alert><CmdID>2</CmdID><Data>1223</Data></Alert>");
    check(
        "the server ended it",
        &|table, _| {
            let place = table.ask("1", 2);
            place.delivered(Side::Device, numbered("1", 2, &abort), None);
        },
        false,
    );
    let next = abort.replace("1223", "1222");
    check(
        "the server wants to hear more",
        &|table, _| {
            let place = table.ask("1", 2);
            place.delivered(Side::Device, numbered("1", 2, &next), None);
        },
        true,
    );
    check(
        "the response was not a message",
        &|table, _| table.ask("1", 2).ended(),
        false,
    );
    check(
        "the device tries again",
        &|table, _| {
            table.ask("1", 2).ended();
            drop(table.ask("1", 2));
        },
        true,
    );
    let refused = HEADER.replace("200", "401");
    check(
        "the device is to log in",
        &|table, _| {
            let place = table.ask("1", 2);
            place.delivered(Side::Device, numbered("1", 2, &refused), None);
        },
        true,
    );
    check("it began anew", &|table, _| drop(table.ask("1", 1)), false);
    check(
        "it was forgotten",
        &|table, place| {
            drop(place);
            drop(table.ask("2", 1));
            drop(table.ask("3", 1));
        },
        false,
    );
    check(
        "another one goes on",
        &|table, _| {
            let other = table.ask("2", 1);
            other.take_on(&owed()).unwrap();
            drop(table.ask("1", 1));
        },
        true,
    );
}

#[test]
fn behind_a_session_that_ended_message_1_begins_another_one() {
    let abort = format!("{HEADER}<Alert><CmdID>2</CmdID><Data>1223</Data></Alert>");
    let login = HEADER.replace("200", "401");
    let answered = |place: &SharedSession, number: u32, commands: &str| {
        place.delivered(Side::Device, numbered("1", number, commands), None);
    };
    let check = |what: &str, end: &dyn Fn(&Sessions), next: u32, expected: (u64, u32)| {
        let table = Sessions::new(SessionLimits::default());
        let place = table.ask("1", 1);
        answered(&place, 1, GET);
        end(&table);
        let tag = table.ask("1", next).tag;
        assert_eq!((tag.number, tag.exchange), expected, "{what}");
    };
    let ends = |commands: &str| {
        let commands = commands.to_owned();
        move |table: &Sessions| answered(&table.ask("1", 2), 2, &commands)
    };
    check("it goes on", &|_| {}, 1, (1, 2));
    check("nothing more is asked", &ends(HEADER), 1, (2, 1));
    check("the server ended it", &ends(&abort), 1, (2, 1));
    check("more is asked", &ends(GET), 1, (1, 3));
    check("the login is asked for", &ends(&login), 1, (1, 3));
    check("the last message is repeated", &ends(HEADER), 2, (1, 3));
    let gone_on = |table: &Sessions| {
        ends(HEADER)(table);
        drop(table.ask("1", 3));
    };
    check("it went on after all", &gone_on, 1, (1, 4));
    let nothing = |number| move |table: &Sessions| table.ask("1", number).ended();
    check("the response was not a message", &nothing(2), 1, (2, 1));
    check("the first message is repeated", &nothing(1), 1, (1, 3));
}

#[test]
fn a_session_that_gives_its_place_to_another_one_gives_its_bytes_back() {
    let table = Sessions::new(SessionLimits::default());
    let talk = || {
        table.ask("1", 1);
        let document = numbered("1", 2, HEADER);
        table.ask("1", 2).delivered(Side::Device, document, None);
        (table.bytes(), table.len())
    };
    let first = talk();
    assert_eq!(talk(), first);
}

#[test]
fn what_is_promised_is_not_copied_for_each_message() {
    let table = Sessions::new(SessionLimits::default());
    let place = table.ask("1", 1);
    place.take_on(&owed()).unwrap();
    let document = numbered("1", 2, HEADER);
    let held = |known: &SessionView| known.reconciler.as_ref().unwrap().obligations().as_ptr();
    let first = place.receive(Side::Device, Some(&document));
    let second = place.receive(Side::Device, Some(&document));
    assert_eq!(held(&first), held(&second));
    let before = held(&first);
    drop((first, second));
    // A change does not copy it either, once nobody decides with it any more.
    drop(table.ask("1", 2));
    assert_eq!(held(&place.receive(Side::Device, Some(&document))), before);
}

#[test]
fn a_session_silent_for_too_long_is_owed_nothing_though_none_other_comes() {
    let table = Sessions::new(SessionLimits {
        silence: Duration::ZERO,
        ..SessionLimits::default()
    });
    let place = table.ask("1", 1);
    place.take_on(&owed()).unwrap();
    assert!(table.have_obligations(NOW), "its exchange goes on");
    drop(place);
    assert!(!table.have_obligations(NOW));
    assert_eq!(table.len(), 0);
}

#[test]
fn two_servers_with_the_same_device_and_session_id_have_a_session_each() {
    let table = Sessions::new(SessionLimits::default());
    let document = message("1", "x");
    let mut number = |server: &str| {
        let place = table.begin(server, &document);
        place.delivered(Side::Server, document.clone(), None);
        (place.tag.number, place.tag.exchange)
    };
    let servers = ["a:443", "b:443", "a:8443", "b:443", "a:443"];
    let numbers = servers.map(&mut number);
    assert_eq!(numbers, [(1, 1), (2, 1), (3, 1), (2, 2), (1, 2)]);
}
