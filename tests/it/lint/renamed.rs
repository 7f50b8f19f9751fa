//! A device that goes on with a session under another SessionID, and sessions side by side.

use dmtap::flow::Severity;
use dmtap::flow::lint::Profile;

use super::{Heads, Messages, base, in_order, lint_by_side};
use crate::support::cpu_time::cpu_time;

/// The warnings and errors on messages in the order of a conversation, each as `d2 HDR-02`.
fn noted(messages: &[(&str, String)]) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    // Notes of the messages before stand in front.
    let mut before = 0;
    for end in 1..=messages.len() {
        let part: Messages = messages[..end]
            .iter()
            .map(|(name, text)| ((*name).to_owned(), text.clone()))
            .collect();
        assert_eq!(
            in_order(&part).last().map(|it| it.0),
            Some(messages[end - 1].0)
        );
        let found = lint_by_side(&(part, Heads::new()), Profile::Oma, false);
        let new = found[before..].iter();
        let new = new.filter(|(_, note)| note.severity != Severity::Info);
        notes.extend(new.map(|(_, note)| format!("{} {}", messages[end - 1].0, note.id)));
        before = found.len();
    }
    notes
}

fn message(side: char, session: &str, number: u32, commands: &str) -> String {
    let (device, server) = ("urn:dev:1", "https://mdm.example.com/dm");
    let (target, source) = match side {
        'd' => (server, device),
        _ => (device, server),
    };
    format!(
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>{session}</SessionID><MsgID>{number}</MsgID><Target><LocURI>{target}</LocURI></Target>\
         <Source><LocURI>{source}</LocURI></Source></SyncHdr><SyncBody>{commands}<Final/></SyncBody></SyncML>"
    )
}

fn status(id: u32, message: u32, command: u32, name: &str) -> String {
    format!(
        "<Status><CmdID>{id}</CmdID><MsgRef>{message}</MsgRef><CmdRef>{command}</CmdRef><Cmd>{name}</Cmd>\
         <Data>200</Data></Status>"
    )
}

fn get(id: u32, node: &str) -> String {
    format!("<Get><CmdID>{id}</CmdID><Item><Target><LocURI>{node}</LocURI></Target></Item></Get>")
}

/// The Statuses of the SyncHdr and of a Get, and its Results.
fn got(message: u32, command: u32, node: &str) -> String {
    let (header, status) = (
        status(1, message, 0, "SyncHdr"),
        status(2, message, command, "Get"),
    );
    format!(
        "{header}{status}<Results><CmdID>3</CmdID><MsgRef>{message}</MsgRef><CmdRef>{command}</CmdRef><Item><Source>\
         <LocURI>{node}</LocURI></Source><Data>1</Data></Item></Results>"
    )
}

#[test]
fn a_server_that_stays_at_its_session_id_is_not_blamed_however_often_the_device_changes_its_own() {
    let base = base();
    let node = "./DevDetail/SwV";
    let asks = |session: &str, number| {
        let commands = format!("{}{}", status(1, number, 0, "SyncHdr"), get(2, node));
        message('s', session, number, &commands)
    };
    let check = |of_server: [&str; 3]| {
        let first = base["s1"].clone();
        let answers = base["d2"].replace("<SessionID>A1<", "<SessionID>A2<");
        let conversation = [
            ("d1", base["d1"].clone()),
            ("s1", first),
            ("d2", answers),
            ("s2", asks(of_server[0], 2)),
            ("d3", message('d', "A3", 3, &got(2, 2, node))),
            ("s3", asks(of_server[1], 3)),
            ("d4", message('d', "A3", 4, &got(3, 2, node))),
            ("s4", asks(of_server[2], 4)),
        ];
        let mut noted = noted(&conversation);
        noted.retain(|it| it.ends_with("HDR-02"));
        noted
    };
    let of_device = ["d2 HDR-02", "d3 HDR-02"];
    assert_eq!(check(["A1", "A1", "A1"]), of_device);
    assert_eq!(check(["A2", "A2", "A2"]), of_device);
    assert_eq!(check(["A2", "A3", "A3"]), of_device);
    let wrong = ["d2 HDR-02", "d3 HDR-02", "s3 HDR-02"];
    assert_eq!(check(["A2", "A9", "A3"]), wrong);
}

#[test]
fn a_session_that_goes_on_beside_another_one_and_was_recorded_from_its_middle_blames_nobody() {
    let (one, other) = ("./DevDetail/SwV", "./DevDetail/HwV");
    let opening =
        |session: &str| base()["d1"].replace("<SessionID>A1<", &format!("<SessionID>{session}<"));
    let answer = |asks: &str| {
        let statuses = base()["s1"].split_once("<Get>").unwrap().0.to_owned();
        format!("{statuses}{asks}<Final/></SyncBody></SyncML>")
    };
    let last = |session: &str| message('s', session, 2, &status(1, 2, 0, "SyncHdr"));
    let check = |what: &str, asks: &str, of_one: &str, of_other: &str| {
        let conversation = [
            ("d1", opening("A1")),
            ("s1", answer(asks)),
            ("d2", message('d', "B1", 2, of_other)),
            ("s2", last("B1")),
            ("d3", message('d', "A1", 2, of_one)),
            ("s3", last("A1")),
        ];
        assert_eq!(noted(&conversation), [""; 0], "{what}");
    };
    check(
        "it names another node",
        &get(6, one),
        &got(1, 6, one),
        &got(1, 6, other),
    );
    check(
        "it answers a part of the commands",
        &format!("{}{}", get(6, one), get(7, one)),
        &format!(
            "{}{}",
            got(1, 6, one),
            got(1, 7, one)
                .split_once("</Status>")
                .unwrap()
                .1
                .replace("<CmdID>2<", "<CmdID>4<")
                .replace("<CmdID>3<", "<CmdID>5<")
        ),
        &got(1, 6, one),
    );
    check(
        "it answers more than was asked",
        &get(6, one),
        &got(1, 6, one),
        &format!("{}{}", got(1, 6, one), status(4, 1, 9, "Replace")),
    );
}

/// Work that grows with the square of these takes many minutes.
#[test]
fn a_changed_session_id_is_found_in_linear_time() {
    const MANY: u32 = 10_000;
    let started = cpu_time();
    let commands: String = (10..MANY).map(|id| get(id, "./DevDetail/SwV")).collect();
    let statuses = (10..MANY).map(|id| status(id, 1, id + MANY, "Get"));
    let statuses = status(1, 1, 0, "SyncHdr") + &statuses.collect::<String>();
    let s1 = base()["s1"].split_once("<Get>").unwrap().0.to_owned();
    let conversation = [
        ("d1", base()["d1"].clone()),
        ("s1", format!("{s1}{commands}<Final/></SyncBody></SyncML>")),
        ("d2", message('d', "B1", 2, &statuses)),
    ];
    let messages = conversation.map(|(name, text)| (name.to_owned(), text));
    lint_by_side(
        &(Messages::from(messages), Heads::new()),
        Profile::Oma,
        false,
    );
    let took = cpu_time() - started;
    assert!(took < std::time::Duration::from_secs(5), "{took:?}");
}
