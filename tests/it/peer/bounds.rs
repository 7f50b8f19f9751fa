//! The simulators with little room in a message, or with too much to hold.

use dmtap::dm::Message;
use dmtap::peer::device::{Next, demo_tree};
use dmtap::peer::tree::Access;
use dmtap::peer::{Device, Encoding, Plan, PlannedCommand, Profile, Server, Sizes};

use super::large::{DEVICE, line, talk, untouched};
use super::read;
use crate::support::cpu_time::cpu_time;

fn at(leaf: &str) -> String {
    format!("./Vendor/MSFT/DMTap/{leaf}")
}

/// What a device and a server say that cannot come to an end as usual, and how the device ends.
fn last_words(mut device: Device, plan: &Plan) -> (Vec<String>, Next) {
    let mut server = Server::new(plan.clone());
    let mut message = device.begin("https://mdm.example/", "1");
    let mut said = Vec::new();
    for _ in 0..30 {
        let reply = server.answer(&read(message, Encoding::Xml)).unwrap();
        said.push(line(&reply));
        match device.answer(&read(reply, Encoding::Xml)) {
            Next::Send(next) => message = next,
            end => return (said, end),
        }
        said.push(line(&message));
    }
    panic!("they do not come to an end: {said:#?}");
}

#[test]
fn messages_too_short_for_any_part_of_a_value_end_the_session_with_an_abort() {
    let plan = Plan::of([vec![
        PlannedCommand::Replace(at("Width"), "1".into()),
        PlannedCommand::Add(at("Notice"), "x".repeat(5000)),
        PlannedCommand::Get(at("Width")),
    ]]);
    for most in [1, 300, 600] {
        let profile = Profile {
            sizes: Sizes {
                message: Some(most),
                object: None,
            },
            ..Profile::default()
        };
        let (said, end) = last_words(Device::new(profile, demo_tree()), &plan);
        assert_eq!(said.last().unwrap(), "1223 Final", "{most}: {said:#?}");
        let reported = "the server aborted the session (Alert 1223)".to_owned();
        assert_eq!(end, Next::Broken(reported), "{most}");
    }
}

#[test]
fn a_device_says_which_value_has_no_room_in_messages_that_its_server_takes() {
    let tree = demo_tree().with(&at("Notice"), "chr", &"x".repeat(5000), Access::Write);
    let plan = Plan {
        max_msg_size: Some(600),
        ..Plan::of([vec![PlannedCommand::Get(at("Notice"))]])
    };
    let (_, end) = last_words(Device::new(Profile::default(), tree), &plan);
    let Next::Broken(why) = end else {
        panic!("{end:?}");
    };
    assert!(why.contains("600 bytes") && why.contains("Notice"), "{why}");
}

#[test]
fn a_chunk_is_answered_at_once_whatever_is_yet_to_be_reported() {
    let text = |c: &str| c.repeat(9000);
    let plan = Plan {
        max_msg_size: Some(3000),
        ..Plan::of([
            vec![PlannedCommand::Add(at("Notice"), text("a"))],
            vec![
                PlannedCommand::Get(at("Notice")),
                PlannedCommand::Add(at("Second"), text("b")),
            ],
            vec![PlannedCommand::Get(at("Second"))],
        ])
    };
    for wire in [Encoding::Xml, Encoding::Wbxml] {
        let talked = talk(&plan, Sizes::default(), wire, untouched);
        talked.agree();
        let codes = talked.codes("Add ./Vendor/MSFT/DMTap/Second");
        assert_eq!(codes.last(), Some(&200), "{:#?}", talked.lines());
        assert!(codes.len() < 6, "{codes:?}: {:#?}", talked.lines());
        assert_eq!(codes.iter().filter(|code| **code == 200).count(), 1);
        let of_get = talked.codes("Get ");
        assert_eq!(of_get, [200, 200], "{:#?}", talked.lines());
        let values = &talked.server.session(DEVICE, "1").unwrap().values;
        let expected = [(at("Notice"), text("a")), (at("Second"), text("b"))];
        assert!(*values == expected, "{:#?}", talked.lines());
    }
}

#[test]
fn an_empty_value_is_reported_however_little_room_there_is() {
    let plan = |most| Plan {
        max_msg_size: Some(most),
        ..Plan::of([
            vec![PlannedCommand::Add(at("Notice"), String::new())],
            vec![
                PlannedCommand::Get("./DevDetail/SwV".into()),
                PlannedCommand::Get(at("Notice")),
                PlannedCommand::Get(at("Notice")),
            ],
        ])
    };
    for most in [850, 900, 950, 1000, 1050, 1100, 1200, 1300] {
        let talked = talk(&plan(most), Sizes::default(), Encoding::Xml, untouched);
        talked.agree();
        let values = &talked.server.session(DEVICE, "1").unwrap().values;
        let empty = values.iter().filter(|(uri, _)| *uri == at("Notice"));
        assert_eq!(empty.count(), 2, "{most}: {:#?}", talked.lines());
    }
}

#[test]
fn a_server_does_not_hold_values_without_end() {
    let long = "x".repeat(1 << 20);
    let gets = (0..12).map(|_| PlannedCommand::Get(at("Notice")));
    let plan = Plan::of([
        vec![PlannedCommand::Add(at("Notice"), long)],
        gets.collect(),
        vec![PlannedCommand::Get(at("Width"))],
    ]);
    let talked = talk(&plan, Sizes::default(), Encoding::Xml, untouched);
    let values = &talked.server.session(DEVICE, "1").unwrap().values;
    let bytes: usize = values
        .iter()
        .map(|(uri, value)| uri.len() + value.len())
        .sum();
    assert!((7 << 20..=8 << 20).contains(&bytes), "{bytes}");
    // What is small still has room.
    assert_eq!(values.last().unwrap().1, "1280");
}

/// The codes of the Statuses that a device answers these commands with.
fn codes(commands: &str) -> Vec<u16> {
    let xml = format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><MsgID>1</MsgID></SyncHdr>\
         <SyncBody>{commands}<Final/></SyncBody></SyncML>"
    );
    let mut device = Device::new(Profile::default(), demo_tree());
    let Next::Send(reply) = device.answer(&read(xml, Encoding::Xml)) else {
        panic!("no answer")
    };
    let document = read(reply, Encoding::Xml);
    let message = Message::of(&document).unwrap();
    let statuses = message.commands().filter_map(|c| c.as_status());
    statuses.skip(1).map(|s| s.code().unwrap().0).collect()
}

#[test]
fn what_an_atomic_added_it_does_not_replace_whichever_item_it_is() {
    let items = |leaves: &[&str]| {
        let item = |leaf: &&str| {
            let uri = at(leaf);
            format!("<Item><Target><LocURI>{uri}</LocURI></Target><Data>1</Data></Item>")
        };
        leaves.iter().map(item).collect::<String>()
    };
    let check = |added: &[&str], replaced: &[&str], expected: &[u16]| {
        let (added, replaced) = (items(added), items(replaced));
        let got = codes(&format!(
            "<Atomic><CmdID>1</CmdID><Add><CmdID>2</CmdID>{added}</Add>\
             <Replace><CmdID>3</CmdID>{replaced}</Replace></Atomic>"
        ));
        assert_eq!(got, expected, "{added} {replaced}");
    };
    check(&["A"], &["A"], &[507, 216, 406]);
    check(&["A", "B"], &["B"], &[507, 216, 406]);
    check(&["A", "B"], &["Width", "B"], &[507, 216, 406]);
    check(&["A", "B"], &["Width"], &[200, 200, 200]);
}

#[test]
fn an_atomic_of_thousands_of_commands_takes_time_linear_in_them() {
    let commands = |name: &str, ids: std::ops::Range<usize>, leaf: &str| {
        let command = |id: usize| {
            let uri = at(&format!("{leaf}/{id}"));
            format!(
                "<{name}><CmdID>{id}</CmdID><Item><Target><LocURI>{uri}</LocURI></Target>\
                 <Data>1</Data></Item></{name}>"
            )
        };
        ids.map(command).collect::<String>()
    };
    let adds = commands("Add", 2..MANY, "Many");
    let replaces = commands("Replace", MANY..2 * MANY, "Missing");
    let begun = cpu_time();
    let got = codes(&format!(
        "<Atomic><CmdID>1</CmdID>{adds}{replaces}</Atomic>"
    ));
    assert_eq!(got.len(), 2 * MANY - 1);
    assert_eq!(got[..3], [507, 216, 216]);
    assert_eq!(got[MANY - 1..][..2], [404, 215]);
    // Quadratic work takes minutes.
    assert!((cpu_time() - begun).as_secs() < 20);
}

const MANY: usize = 50_000;
