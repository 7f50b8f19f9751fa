//! The memory of the reference server for a value that it sends in hundreds of messages: one value, not a copy for each
//! message.

use dmtap::markup::{Hint, Limits, decode};
use dmtap::peer::device::{Next, demo_tree};
use dmtap::peer::{Device, Plan, PlannedCommand, Profile, Server};

use crate::{alone, heap};

/// A session in which a value of a megabyte travels in small messages; the server is left.
fn server_after(plan: &Plan) -> Server {
    let mut device = Device::new(Profile::default(), demo_tree());
    let mut server = Server::new(plan.clone());
    let mut message = device.begin("https://mdm.example/", "1");
    let read = |xml: String| decode(xml.into(), Hint::default(), &Limits::default()).unwrap();
    for _ in 0..2000 {
        let reply = server.answer(&read(message)).unwrap();
        match device.answer(&read(reply)) {
            Next::Send(next) => message = next,
            Next::End => return server,
            Next::Broken(why) => panic!("{why}"),
        }
    }
    panic!("the session does not end");
}

#[test]
fn a_value_in_hundreds_of_chunks_is_held_a_few_times() {
    let _alone = alone();
    let value = "x".repeat(1 << 20);
    let plan = Plan {
        max_msg_size: Some(4000),
        ..Plan::of([vec![PlannedCommand::Add(
            "./Vendor/MSFT/DMTap/Notice".into(),
            value,
        )]])
    };
    let kept = heap::taken(|| server_after(&plan)).kept;
    assert!(kept < 4 << 20, "{kept}");
}
