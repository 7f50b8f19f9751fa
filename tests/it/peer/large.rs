//! Values that are longer than a message, and errors in their transfer.

use dmtap::dm::Message;
use dmtap::peer::device::{Next, demo_tree};
use dmtap::peer::{
    Device, Encoding, Plan, PlannedCommand, Profile, Server, Sizes, compose::on_wire,
};

use super::read;

/// What two peers said, in order: who, the bytes on the wire, and the message in one line.
pub(super) struct Talked {
    device: Device,
    pub(super) server: Server,
    said: Vec<(&'static str, usize, String)>,
}

pub(super) const DEVICE: &str = "DMTAP-0123456789ABCDEF";

impl Talked {
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |(who, _, line): &(&str, usize, String)| format!("{who} {line}");
        self.said.iter().map(line).collect()
    }

    pub(super) fn agree(&self) -> &Self {
        let done = self
            .device
            .done
            .iter()
            .filter(|(what, _)| !what.starts_with("Alert"));
        let received = &self.server.session(DEVICE, "1").unwrap().outcomes;
        assert!(done.eq(received.iter()), "{:#?}", self.lines());
        self
    }

    /// The values that the server received of the nodes it chunked.
    fn values(&self) -> Vec<String> {
        let session = self.server.session(DEVICE, "1").unwrap();
        let values = session.values.iter();
        let long = values.filter(|(uri, _)| uri.ends_with("/Notice"));
        long.map(|(_, value)| value.clone()).collect()
    }

    pub(super) fn codes(&self, what: &str) -> Vec<u16> {
        let about = self
            .device
            .done
            .iter()
            .filter(|(done, _)| done.contains(what));
        about.map(|(_, code)| code.0).collect()
    }
}

/// Lets them talk; `on_the_way` may change what they say.
pub(super) fn talk(
    plan: &Plan,
    sizes: Sizes,
    wire: Encoding,
    mut on_the_way: impl FnMut(&'static str, String) -> String,
) -> Talked {
    let profile = Profile {
        sizes,
        ..Profile::default()
    };
    let mut device = Device::new(profile, demo_tree());
    let mut server = Server::new(plan.clone());
    let mut message = device.begin("https://mdm.example/", "1");
    let mut said = Vec::new();
    for _ in 0..1000 {
        said.push(("device", size(&message, wire), line(&message)));
        let message_there = on_the_way("device", message);
        let reply = server.answer(&read(message_there, wire)).unwrap();
        said.push(("server", size(&reply, wire), line(&reply)));
        match device.answer(&read(on_the_way("server", reply), wire)) {
            Next::Send(next) => message = next,
            Next::End => {
                return Talked {
                    device,
                    server,
                    said,
                };
            }
            Next::Broken(why) => panic!("{why}"),
        }
    }
    panic!("they do not come to an end");
}

fn size(xml: &str, wire: Encoding) -> usize {
    on_wire(xml.into(), wire).unwrap().len()
}

/// What a message says beside Status 200: commands with `…` for the chunks of a value, `=` for its last one.
pub(super) fn line(xml: &str) -> String {
    let document = read(xml.into(), Encoding::Xml);
    let message = Message::of(&document).unwrap();
    let mut words = Vec::new();
    for command in message.all_commands() {
        let name = command.element().local();
        if let Some(status) = command.as_status() {
            let code = status.code().unwrap().0;
            if code != 200 {
                words.push(format!("{code}:{}", status.cmd().unwrap()));
            }
            continue;
        }
        let alert = command.as_alert().and_then(|alert| alert.code());
        words.push(match (alert, command.items().next()) {
            (Some(code), _) => code.0.to_string(),
            (None, Some(item)) => {
                let size = item.meta().and_then(|meta| meta.size());
                let more = if item.more_data() { "…" } else { "" };
                let size = size.map_or(String::new(), |size| format!("({size})"));
                format!("{name}{size}{more}")
            }
            (None, None) => name.to_owned(),
        });
    }
    if message.is_final() {
        words.push("Final".into());
    }
    words.join(" ")
}

pub(super) fn untouched(_: &'static str, message: String) -> String {
    message
}

#[test]
fn values_longer_than_a_message_come_in_chunks_both_ways() {
    for wire in [Encoding::Xml, Encoding::Wbxml] {
        let plan = Plan::large();
        let talked = talk(&plan, Sizes::default(), wire, untouched);
        talked.agree();
        let expected = [
            "device 1201 1224 Replace Final",
            "server Replace Add(4551)…",
            "device 213:Add 1222",
            "server Add…",
            "device 213:Add 1222",
            "server Add Get Final",
            "device Results Final",
            "server Get Replace Final",
            "device Results(4551)…",
            "server 213:Results 1222",
            "device Results…",
            "server 213:Results 1222",
            "device Results Final",
            "server Replace(3411)…",
            "device 213:Replace 1222",
            "server Replace Delete Final",
            "device Final",
            "server Final",
        ];
        assert_eq!(talked.lines(), expected);
        let longest = talked.said.iter().map(|(_, size, _)| *size).max().unwrap();
        assert!((2000..=3000).contains(&longest), "{wire:?}: {longest}");
        assert_eq!(talked.values(), [notice(&plan)], "{wire:?}");
    }
}

/// The value of the plan that is read back.
fn notice(plan: &Plan) -> String {
    match &plan.packages[0].commands[1] {
        PlannedCommand::Add(_, text) => text.clone(),
        other => panic!("{other}"),
    }
}

#[test]
fn whatever_their_sizes_the_peers_say_all_and_close_each_package_once() {
    let plan = Plan::large();
    for wire in [Encoding::Xml, Encoding::Wbxml] {
        for most in [1300, 1500, 2000, 2999, 6000] {
            let sizes = Sizes {
                message: Some(most),
                object: None,
            };
            // The smaller of the two counts, whoever says it.
            for (device, server) in [
                (Some(most), None),
                (None, Some(most)),
                (Some(most), Some(9000)),
            ] {
                let plan = Plan {
                    max_msg_size: server,
                    ..plan.clone()
                };
                let sizes = Sizes {
                    message: device,
                    ..sizes
                };
                let talked = talk(&plan, sizes, wire, untouched);
                talked.agree();
                assert_eq!(talked.values(), [notice(&plan)], "{most}");
                let longest = talked.said[1..].iter().map(|(_, size, _)| *size).max();
                assert!(longest.unwrap() <= most as usize, "{most}: {longest:?}");
            }
        }
    }
}

/// Plays the large plan where `fault` changes the first message that it can change.
fn faulty(wire: Encoding, fault: impl Fn(&'static str, &str) -> Option<String>) -> Talked {
    let mut done = false;
    talk(&Plan::large(), Sizes::default(), wire, |who, message| {
        let changed = fault(who, &message).filter(|_| !done);
        done |= changed.is_some();
        changed.unwrap_or(message)
    })
}

fn check(
    fault: impl Fn(&'static str, &str) -> Option<String> + Copy,
    expected: &[&str],
    codes: &[u16],
    values: usize,
) {
    for wire in [Encoding::Xml, Encoding::Wbxml] {
        let talked = faulty(wire, fault);
        let lines = talked.lines();
        let reported = lines.windows(expected.len()).any(|some| some == expected);
        assert!(reported, "{wire:?}: {expected:#?} is not in {lines:#?}");
        let of_add = talked.codes("Add ");
        assert_eq!(of_add, codes, "{wire:?}: {lines:#?}");
        assert_eq!(
            talked.values(),
            vec![notice(&Plan::large()); values],
            "{lines:#?}"
        );
    }
}

/// Replaces text in what one peer says.
fn replaces(
    peer: &'static str,
    from: &'static str,
    to: &'static str,
) -> impl Fn(&'static str, &str) -> Option<String> + Copy {
    move |who, message| {
        (who == peer && message.contains(from)).then(|| message.replacen(from, to, 1))
    }
}

/// Takes the last chunk of a command out.
fn loses_the_last(
    name: &'static str,
    in_package: &'static str,
) -> impl Fn(&'static str, &str) -> Option<String> + Copy {
    move |_, message| {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let (at, end) = (message.find(&open)?, message.find(&close)? + close.len());
        let command = &message[at..end];
        let is_last = command.contains("/Notice<") && !command.contains("<MoreData/>");
        let fits = is_last && message.contains(in_package);
        fits.then(|| [&message[..at], &message[end..]].concat())
    }
}

#[test]
fn a_size_that_is_not_right_is_answered_424_and_the_object_comes_anew() {
    check(
        replaces("server", ">4551</Size>", ">4552</Size>"),
        &[
            "server Add Get Final",
            "device 424:Add Results Final",
            "server Add(4551)…",
        ],
        &[213, 213, 424, 213, 213, 200],
        1,
    );
    // More came than was announced, and the last chunk is not there yet.
    check(
        replaces("server", ">4551</Size>", ">3000</Size>"),
        &["device 424:Add 1222", "server Add(4551)…"],
        &[213, 424, 213, 213, 200],
        1,
    );
    check(
        replaces("device", ">4551</Size>", ">4550</Size>"),
        &[
            "device Results Final",
            "server 424:Results Replace(3411)…",
            "device 213:Replace Results(4551)…",
        ],
        &[213, 213, 200],
        1,
    );
    // More came than was announced.
    check(
        replaces("device", ">4551</Size>", ">3000</Size>"),
        &["server 424:Results 1222", "device Results(4551)…"],
        &[213, 213, 200],
        1,
    );
}

#[test]
fn an_object_without_an_end_is_reported_by_alert_1225_and_comes_anew() {
    check(
        loses_the_last("Add", "<Get>"),
        &[
            "server Add Get Final",
            "device Results 1225 Final",
            "server Add(4551)…",
        ],
        &[213, 213, 213, 213, 200],
        1,
    );
    check(
        loses_the_last("Results", "<Final/>"),
        &["device Results Final", "server 1225 Replace(3411)…"],
        &[213, 213, 200],
        0,
    );
}

#[test]
fn nobody_sends_more_of_an_object_of_which_a_chunk_was_not_accepted() {
    // The device has it, and the server learns that it failed: it goes on, and the device misses the rest.
    check(
        replaces("device", "<Data>213</Data>", "<Data>500</Data>"),
        &[
            "device 213:Add 1222",
            "server Get Final",
            "device Results 1225 Final",
            "server Add(4551)…",
        ],
        &[213, 213, 213, 200],
        1,
    );
    check(
        replaces("server", "<Data>213</Data>", "<Data>413</Data>"),
        &[
            "device Results(4551)…",
            "server 213:Results 1222",
            "device Final",
            "server 1225 Replace(3411)…",
        ],
        &[213, 213, 200],
        0,
    );
}

#[test]
fn a_plan_says_in_its_file_what_the_server_takes() {
    let file =
        "max-msg-size = 3000\nmax-obj-size = 70\n[[package]]\ncommands = [{ get = './DevInfo' }]\n";
    let plan: Plan = toml::from_str(file).unwrap();
    let sizes = (plan.max_msg_size, plan.max_obj_size);
    assert_eq!(sizes, (Some(3000), Some(70)));
    let neither: Plan = toml::from_str("[[package]]\ncommands = []\n").unwrap();
    assert_eq!(neither, Plan::of([vec![]]));
}

#[test]
fn values_that_a_peer_takes_no_longer_are_not_sent() {
    let plan = Plan::large();
    let sizes = Sizes {
        message: None,
        object: Some(3500),
    };
    let talked = talk(&plan, sizes, Encoding::Xml, untouched);
    let session = talked.agree().server.session(DEVICE, "1").unwrap();
    assert_eq!(session.withheld, ["Add ./Device/Vendor/MSFT/DMTap/Notice"]);
    let plan = Plan {
        max_obj_size: Some(3500),
        ..plan
    };
    let talked = talk(&plan, Sizes::default(), Encoding::Xml, untouched);
    assert_eq!(talked.agree().codes("Get "), [200, 413]);
}

/// What a device that takes 50 bytes answers to commands, message after message.
fn answers(messages: &[&str]) -> Vec<String> {
    let profile = Profile {
        sizes: Sizes {
            message: None,
            object: Some(50),
        },
        ..Profile::default()
    };
    let mut device = Device::new(profile, demo_tree());
    let answer = |(number, commands): (usize, &&str)| {
        let xml = format!(
            "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><MsgID>{}</MsgID></SyncHdr>\
             <SyncBody>{commands}</SyncBody></SyncML>",
            number + 1
        );
        match device.answer(&read(xml, Encoding::Xml)) {
            Next::Send(reply) => line(&reply),
            other => format!("{other:?}"),
        }
    };
    messages.iter().enumerate().map(answer).collect()
}

#[test]
fn a_device_takes_chunks_as_the_standard_says() {
    let item = |leaf: &str, size: &str, data: &str, more: &str| {
        let size = match size {
            "" => String::new(),
            size => format!("<Meta><Size xmlns=\"syncml:metinf\">{size}</Size></Meta>"),
        };
        format!(
            "<Item><Target><LocURI>./Vendor/MSFT/DMTap/{leaf}</LocURI></Target>{size}<Data>{data}</Data>{more}</Item>"
        )
    };
    let replace =
        |items: &[String]| format!("<Replace><CmdID>5</CmdID>{}</Replace>", items.concat());
    let check = |messages: &[&str], expected: &[&str]| assert_eq!(answers(messages), expected);
    let more = "<MoreData/>";
    let colour = |size, data, more| replace(&[item("Colour", size, data, more)]);
    let (final_, last) = ("<Final/>", colour("", "ee", "") + "<Final/>");

    check(&[&colour("", "gr", more)], &["411:Replace 1222"]);
    check(&[&colour("51", "gr", more)], &["416:Replace 1222"]);
    let long = "x".repeat(51);
    check(&[&(colour("", &long, "") + final_)], &["413:Replace Final"]);
    check(
        &[&(colour("3", "green", "") + final_)],
        &["424:Replace Final"],
    );
    check(&[&(colour("5", "green", "") + final_)], &["Final"]);
    check(
        &[&colour("5", "gre", more), &last],
        &["213:Replace 1222", "Final"],
    );
    check(
        &[&colour("6", "gre", more), &last],
        &["213:Replace 1222", "424:Replace Final"],
    );
    // With a Size it begins anew.
    let first = colour("5", "gre", more);
    check(
        &[&first, &first, &last],
        &["213:Replace 1222", "213:Replace 1222", "Final"],
    );
    // Another Item of the same command goes on with nothing.
    let two = replace(&[item("Colour", "5", "gre", more), item("Width", "", "1", "")]);
    check(&[&(two + final_)], &["213:Replace 1225 Final"]);
    // A Get is no chunk, nor is the end of the session.
    let get = "<Get><CmdID>1</CmdID><Item><Target><LocURI>./DevInfo/Man</LocURI></Target></Item></Get><Final/>";
    check(
        &[&colour("5", "gre", more), get],
        &["213:Replace 1222", "Results 1225 Final"],
    );
    check(
        &[&colour("5", "gre", more), final_],
        &["213:Replace 1222", "1225 Final"],
    );
    // Containers are in one message.
    let inside = format!(
        "<Atomic><CmdID>4</CmdID>{}</Atomic><Final/>",
        colour("5", "gre", more)
    );
    check(&[&inside], &["507:Atomic 400:Replace Final"]);
    // The server asks for the next message while its own object is under way.
    let asks = "<Alert><CmdID>1</CmdID><Data>1222</Data></Alert>";
    check(
        &[&colour("5", "gre", more), asks, &last],
        &["213:Replace 1222", "1222", "Final"],
    );
}
