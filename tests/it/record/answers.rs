//! The command for which an answer is shown, if peers deviate from the standard.

use dmtap::flow::session::{note_cmd_ids, note_dangling};
use dmtap::markup::{self, Hint, Limits};
use dmtap::record::Masking;

use crate::record::stage::{Stage, change};
use crate::record::transcript::{json_lines, transcript};

const XML: (&str, &str) = ("content-type", "application/vnd.syncml.dm+xml");

fn message(number: u32, commands: &str) -> String {
    format!(
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><SessionID>1</SessionID><MsgID>{number}</MsgID>\
         <Source><LocURI>x</LocURI></Source></SyncHdr><SyncBody>{commands}<Final/></SyncBody></SyncML>"
    )
}

fn item(uri: &str) -> String {
    format!("<Item><Target><LocURI>{uri}</LocURI></Target></Item>")
}

/// A command of the server, and what the device answers.
struct Talk {
    stage: Stage,
}

impl Talk {
    fn of(commands: &str, answers: &str) -> Self {
        let mut stage = Stage::new();
        stage.request(&[XML], message(1, ""));
        stage.response(&[XML], message(1, commands));
        stage.request(&[XML], message(2, answers));
        Self { stage }
    }

    /// What stands behind the arrow in each line of the transcript.
    fn arrows(&self) -> Vec<String> {
        let text = transcript(&self.stage.events, Masking::Masked);
        let arrows = text.lines().filter_map(|line| line.split_once(" ← "));
        arrows.map(|(_, what)| what.to_owned()).collect()
    }

    /// `loc_uri` of each answer in JSON lines.
    fn loc_uris(&self) -> Vec<String> {
        let lines = json_lines(&self.stage.events, Masking::Masked);
        let lines = String::from_utf8(lines).unwrap();
        let last: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
        let commands = last["commands"].as_array().unwrap().iter();
        let uris = commands.map(|command| command["loc_uri"].as_str().unwrap_or("").to_owned());
        uris.collect()
    }
}

fn status(cmd_ref: &str, cmd: &str, rest: &str) -> String {
    format!(
        "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>{cmd_ref}</CmdRef><Cmd>{cmd}</Cmd>{rest}\
         <Data>200</Data></Status>"
    )
}

fn results(cmd_ref: &str, rest: &str) -> String {
    format!("<Results><CmdID>9</CmdID><MsgRef>1</MsgRef><CmdRef>{cmd_ref}</CmdRef>{rest}</Results>")
}

#[test]
fn each_status_of_a_command_with_several_items_is_shown_at_the_node_it_names() {
    let get = format!("<Get><CmdID>5</CmdID>{}{}</Get>", item("./a"), item("./b"));
    let named = |uri: &str| status("5", "Get", &format!("<TargetRef>{uri}</TargetRef>"));
    let talk = Talk::of(&get, &(named("./a") + &named("./b")));
    assert_eq!(talk.arrows(), ["Get 5 ./a", "Get 5 ./b"]);
    assert_eq!(talk.loc_uris(), ["./a", "./b"]);
    let inner = status("5", "Get", "<SourceRef><LocURI>./b</LocURI></SourceRef>");
    assert_eq!(Talk::of(&get, &inner).arrows(), ["Get 5 ./b"]);
    // Answers that name none are about all of them.
    let talk = Talk::of(
        &get,
        &(status("5", "Get", "") + &results("5", "<Item><Data>1</Data></Item>")),
    );
    assert_eq!(talk.arrows(), ["Get 5 ./a, ./b", "Get 5 ./a, ./b = \"1\""]);
    // Items of Results name their nodes themselves.
    let value =
        |uri: &str| format!("<Item><Source><LocURI>{uri}</LocURI></Source><Data>1</Data></Item>");
    let talk = Talk::of(&get, &results("5", &value("./b")));
    assert_eq!(talk.arrows(), ["Get 5 ./b = \"1\""]);
    let talk = Talk::of(&get, &results("5", &(value("./a") + &value("./b"))));
    assert_eq!(talk.arrows(), ["Get 5"]);
}

#[test]
fn of_very_many_items_the_first_are_named() {
    let items: String = (0..20).map(|number| item(&format!("./{number}"))).collect();
    let get = format!("<Get><CmdID>5</CmdID>{items}</Get>");
    let arrows = Talk::of(&get, &status("5", "Get", "")).arrows();
    assert!(arrows[0].starts_with("Get 5 ./0, ./1, "), "{arrows:?}");
    assert!(arrows[0].ends_with(", ./15, …"), "{arrows:?}");
}

#[test]
fn a_repeated_cmd_id_is_that_of_the_command_which_is_named_and_never_of_a_status() {
    let header = "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd>\
                  <Data>212</Data></Status>";
    let get = format!("{header}<Get><CmdID>1</CmdID>{}</Get>", item("./a"));
    let answers = status("1", "Get", "") + &results("1", "<Item><Data>3</Data></Item>");
    let arrows = Talk::of(&get, &answers).arrows();
    assert_eq!(arrows[1..], ["Get 1 ./a", "Get 1 ./a = \"3\""]);
    let two = format!(
        "<Add><CmdID>1</CmdID>{}</Add><Exec><CmdID>1</CmdID>{}</Exec>",
        item("./a"),
        item("./b")
    );
    let answers = status("1", "Exec", "") + &status("1", "Add", "");
    let arrows = Talk::of(&two, &answers).arrows();
    assert_eq!(arrows, ["Exec 1 ./b", "Add 1 ./a"]);
}

#[test]
fn cmd_ref_0_is_the_header_unless_the_command_is_named_that_has_this_cmd_id() {
    let sequence = format!(
        "<Sequence><CmdID>0</CmdID><Add><CmdID>1</CmdID>{}</Add></Sequence>",
        item("./a")
    );
    let answers = status("0", "SyncHdr", "") + &status("0", "Sequence", "");
    let arrows = Talk::of(&sequence, &answers).arrows();
    assert_eq!(arrows, ["SyncHdr of message 1", "Sequence 0"]);
}

#[test]
fn an_answer_without_cmd_ref_is_that_of_a_command_without_cmd_id() {
    let replace = |uri: &str| format!("<Replace>{}</Replace>", item(uri));
    let answers = status("", "Replace", "").repeat(2);
    let talk = Talk::of(&(replace("./a") + &replace("./b")), &answers);
    assert_eq!(
        talk.arrows(),
        ["Replace without CmdID", "Replace without CmdID"]
    );
    let one = Talk::of(&replace("./a"), &status("", "Replace", ""));
    assert_eq!(one.arrows(), ["Replace without CmdID ./a"]);
    let none = Talk::of("", &status("", "Replace", ""));
    assert_eq!(none.arrows(), ["Replace, without a CmdRef, of message 1"]);
}

#[test]
fn an_answer_to_a_header_that_was_never_sent_names_its_message_once() {
    let mut stage = Stage::new();
    stage.request(&[XML], message(1, &status("0", "SyncHdr", "")));
    let arrows = Talk { stage }.arrows();
    assert_eq!(arrows, ["SyncHdr of message 1, which was never sent"]);
}

#[test]
fn what_answers_a_message_that_was_not_seen_is_nobodys_fault() {
    let mut stage = Stage::new();
    let text = message(
        2,
        &(status("0", "SyncHdr", "") + &status("5", "Get", "") + &results("5", "")),
    );
    let document =
        markup::decode(text.clone().into(), Hint::default(), &Limits::default()).unwrap();
    let read = dmtap::dm::Message::of(&document).unwrap();
    stage.session.observe_message(read);
    let notes = note_dangling(
        dmtap::flow::Side::Device,
        &document,
        &stage.session.links(dmtap::flow::Side::Device, read),
    );
    let notes: Vec<_> = notes.iter().map(ToString::to_string).collect();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(
        notes[0].starts_with("info STA-03: message 1 of the server was not seen"),
        "{notes:?}"
    );
    stage.request(&[XML], text);
    let arrows = Talk { stage }.arrows();
    assert_eq!(arrows, ["SyncHdr of message 1", "Get 5", "command 5"]);
    assert!(
        note_cmd_ids(&document)
            .iter()
            .any(|note| note.text == "CmdID 1 is used twice")
    );
}

#[test]
fn what_a_rule_changed_in_a_soap_message_is_shown() {
    let mut stage = Stage::new();
    let body = "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'><s:Body><Url>a</Url></s:Body></s:Envelope>";
    let request = stage.request(&[("content-type", "application/soap+xml")], body);
    change(request, "elsewhere", "set-text", "/Envelope/Body/Url", "b");
    let text = transcript(&stage.events, Masking::Masked);
    let reported = "✎ rule elsewhere: changed Envelope/Body/Url: a → b";
    assert!(text.contains(reported), "{text}");
}
