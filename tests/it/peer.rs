//! The device simulator and the reference server exchange messages, without a network between them.

mod bounds;
mod enroll;
mod large;

use dmtap::dm::{Message, StatusCode};
use dmtap::markup::{Document, Hint, Limits, decode};
use dmtap::peer::compose::on_wire;
use dmtap::peer::device::{Next, demo_tree};
use dmtap::peer::{Device, Encoding, Plan, PlannedCommand, Profile, Server};

#[test]
fn a_session_works_through_the_plan_and_ends_in_xml_and_in_wbxml() {
    for wire in [Encoding::Xml, Encoding::Wbxml] {
        let (device, server) = talk(Plan::demo(), wire);
        let talk = server.session("DMTAP-0123456789ABCDEF", "1").unwrap();
        assert_eq!(
            device.done, talk.outcomes,
            "{wire:?}: the server heard what the device did"
        );
        let codes: Vec<u16> = device.done.iter().map(|(_, code)| code.0).collect();
        assert_eq!(
            codes,
            [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 404],
            "{wire:?}"
        );
    }
}

#[test]
fn package_1_begins_as_windows_does() {
    let mut device = Device::new(Profile::default(), demo_tree());
    let document = read(device.begin("https://mdm.example/", "7F"), Encoding::Xml);
    let message = Message::of(&document).unwrap();
    let header = message.header().unwrap();
    assert_eq!(header.session_id().as_deref(), Some("7F"));
    let ids: Vec<_> = message
        .commands()
        .map(|c| c.cmd_id().unwrap().into_owned())
        .collect();
    assert_eq!(ids, ["2", "3", "4"]);
    let alerts: Vec<u16> = message
        .commands()
        .filter_map(|c| c.as_alert()?.code())
        .map(|code| code.0)
        .collect();
    assert_eq!(alerts, [1201, 1224]);
    assert_eq!(message.commands().last().unwrap().items().count(), 5);
    assert!(message.is_final());
}

#[test]
fn a_failed_atomic_leaves_the_tree_as_it_was() {
    let at = |leaf: &str| format!("./Vendor/MSFT/DMTap/{leaf}");
    let atomic = PlannedCommand::Atomic(vec![
        PlannedCommand::Replace(at("Colour"), "green".into()),
        PlannedCommand::Replace(at("Missing"), "x".into()),
        PlannedCommand::Replace(at("Width"), "1".into()),
    ]);
    let plan = Plan::of([vec![atomic], vec![PlannedCommand::Get(at("Colour"))]]);
    let (device, _) = talk(plan, Encoding::Xml);
    check(
        &device,
        &[
            ("Atomic", 507),
            ("Replace", 216),
            ("Replace", 404),
            ("Replace", 215),
            ("Get", 200),
        ],
    );
}

#[test]
fn get_and_atomic_inside_atomic_are_refused_with_500() {
    let get = PlannedCommand::Get("./DevDetail/SwV".into());
    let nested = PlannedCommand::Atomic(vec![]);
    for inner in [get, nested] {
        let name = inner.as_ref().to_owned();
        let (device, _) = talk(
            Plan::of([vec![PlannedCommand::Atomic(vec![inner])]]),
            Encoding::Xml,
        );
        check(&device, &[("Atomic", 507), (&name, 500)]);
    }
}

#[test]
fn broken_commands_get_the_status_windows_gives() {
    let body = "<Get><Item><Target><LocURI>./DevInfo</LocURI></Target></Item></Get>\
        <Frobnicate><CmdID>2</CmdID></Frobnicate>";
    let xml = format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><MsgID>1</MsgID></SyncHdr>\
         <SyncBody>{body}<Final/></SyncBody></SyncML>"
    );
    let mut device = Device::new(Profile::default(), demo_tree());
    let Next::Send(reply) = device.answer(&read(xml, Encoding::Xml)) else {
        panic!("no answer")
    };
    let document = read(reply, Encoding::Xml);
    let statuses: Vec<(String, u16)> = Message::of(&document)
        .unwrap()
        .commands()
        .filter_map(|c| c.as_status())
        .map(|s| {
            (
                s.cmd_ref().unwrap_or_default().into_owned(),
                s.code().unwrap().0,
            )
        })
        .collect();
    assert_eq!(
        statuses,
        [("0".into(), 200), (String::new(), 400), ("2".into(), 400)]
    );
}

#[test]
fn a_message_without_commands_ends_the_session() {
    let xml = "<SyncML><SyncHdr><MsgID>2</MsgID></SyncHdr><SyncBody><Status><CmdID>1</CmdID>\
        <MsgRef>2</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>200</Data></Status><Final/>\
        </SyncBody></SyncML>";
    let mut device = Device::new(Profile::default(), demo_tree());
    assert_eq!(device.answer(&read(xml.into(), Encoding::Xml)), Next::End);
}

fn check(device: &Device, expected: &[(&str, u16)]) {
    let done: Vec<(&str, StatusCode)> = device
        .done
        .iter()
        .map(|(what, code)| (what.split(' ').next().unwrap_or_default(), *code))
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, code)| (*name, StatusCode(*code)))
        .collect();
    assert_eq!(done, expected);
}

fn talk(plan: Plan, wire: Encoding) -> (Device, Server) {
    let mut device = Device::new(Profile::default(), demo_tree());
    let mut server = Server::new(plan);
    let mut message = device.begin("https://mdm.example/", "1");
    for _ in 0..20 {
        let reply = server.answer(&read(message, wire)).unwrap();
        match device.answer(&read(reply, wire)) {
            Next::Send(next) => message = next,
            Next::End => return (device, server),
            Next::Broken(why) => panic!("{why}"),
        }
    }
    panic!("the session does not end");
}

fn read(xml: String, wire: Encoding) -> Document {
    let bytes = on_wire(xml, wire).unwrap();
    decode(bytes, Hint::default(), &Limits::default()).unwrap()
}
