//! The memory for reading a log of JSON lines: the log, but not all of its values at once.

use bytes::Bytes;
use dmtap::app::message_log::messages;
use dmtap::markup::Limits;

use crate::alone;
use crate::heap::once;

const MESSAGE: &str = "<SyncML><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>7</SessionID><MsgID>1</MsgID>\
    <Target><LocURI>a</LocURI></Target><Source><LocURI>b</LocURI></Source></SyncHdr><SyncBody><Final/></SyncBody></SyncML>";

#[test]
fn a_log_of_json_lines_takes_four_times_its_length_at_most() {
    let _alone = alone();
    let mut log = format!("{{\"body\":\"{MESSAGE}\"}}\n");
    for number in 0..10_000 {
        log += &format!(
            "{{\"level\":\"info\",\"n\":{number},\"at\":\"10:00\",\"log\":\"a line\\n\",\"stream\":\"stdout\"}}\n"
        );
    }
    let log = Bytes::from(log);
    let peak = once(|| assert_eq!(messages(&log, &Limits::default()).len(), 1)).peak;
    let times = peak as f64 / log.len() as f64;
    assert!(times <= 4.0, "{times}");
}
