//! A device that answers a command that cannot be answered correctly: lint does not blame the device.

use dmtap::flow::lint::{LintMessage, Linter, Profile};
use dmtap::flow::{Note, Side};

use super::{base, document, in_order, speaker};

/// What the device is blamed for that answers so, after a rule, or the server itself, made this of the server's message.
fn blamed(broken: &str, answer: String, is_by_rule: bool) -> Vec<Note> {
    let mut messages = base();
    assert_ne!(broken, messages["s1"]);
    if !is_by_rule {
        messages.insert("s1".to_owned(), broken.to_owned());
    }
    messages.insert("d2".to_owned(), answer);
    let mut linter = Linter::new(Profile::Oma);
    let mut notes = Vec::new();
    for (name, text) in in_order(&messages) {
        let written = document(text, false);
        let is_changed = is_by_rule && name == "s1";
        let delivered = match is_changed {
            true => document(broken, false),
            false => written.clone(),
        };
        let speaker = speaker(name);
        let found = linter.message(LintMessage {
            speaker,
            server: "s",
            exchange: name[1..].parse().unwrap(),
            document: &written,
            delivered: Some(&delivered),
            is_own: false,
            is_changed,
            head: None,
            links: None,
        });
        notes.extend(found.into_iter().filter(|_| speaker == Side::Device));
    }
    notes
}

#[test]
fn a_device_is_not_blamed_for_how_it_answers_a_command_without_a_cmd_id() {
    let base = base();
    let without = base["s1"].replace("<Exec><CmdID>13</CmdID>", "<Exec>");
    let answered = |refs: &str| {
        let answer = "<CmdRef>13</CmdRef><Cmd>Exec</Cmd><Data>200</Data>";
        assert!(base["d2"].contains(answer));
        base["d2"].replace(answer, &format!("{refs}<Data>400</Data>"))
    };
    for refs in [
        "<CmdRef></CmdRef><Cmd>Exec</Cmd>",
        "<Cmd>Exec</Cmd>",
        "<CmdRef>0</CmdRef><Cmd>Exec</Cmd>",
        "<CmdRef>99</CmdRef><Cmd>Exec</Cmd>",
        "<CmdRef></CmdRef>",
    ] {
        for is_by_rule in [true, false] {
            let notes = blamed(&without, answered(refs), is_by_rule);
            assert!(notes.is_empty(), "{refs} {is_by_rule}: {notes:#?}");
        }
    }
    // It can name the others.
    let notes = blamed(
        &without,
        answered("<CmdRef>99</CmdRef><Cmd>Get</Cmd>"),
        true,
    );
    assert!(notes.iter().any(|note| note.id == "STA-03"), "{notes:#?}");
}

#[test]
fn a_device_is_not_blamed_for_no_status_where_a_rule_broke_the_header() {
    let base = base();
    let without = base["s1"].replace("<MsgID>1</MsgID>", "");
    let (front, _) = base["d2"].split_once("<SyncBody>").unwrap();
    let answer = format!(
        "{front}<SyncBody><Alert><CmdID>1</CmdID><Data>1222</Data></Alert></SyncBody></SyncML>"
    );
    let notes = blamed(&without, answer.clone(), true);
    assert!(notes.is_empty(), "{notes:#?}");
    let notes = blamed(&without, answer, false);
    assert!(notes.iter().any(|note| note.id == "STA-02"), "{notes:#?}");
}

#[test]
fn a_server_is_not_blamed_for_a_header_that_a_rule_kept_from_it() {
    let base = base();
    let header = |session: &str, addresses: &str| {
        let (_, behind) = base["s2"].split_once("</SyncHdr>").unwrap();
        format!(
            "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
             <SessionID>{session}</SessionID><MsgID>2</MsgID>{addresses}</SyncHdr>{behind}"
        )
    };
    let written = document(&base["d2"], false);
    let answer = document(&header("0", ""), false);
    let notes_of = |is_changed: bool, delivered: Option<&str>| {
        let delivered = delivered.map(|text| document(text, false));
        let mut linter = Linter::new(Profile::Oma);
        let mut notes = Vec::new();
        for (speaker, document, delivered, is_changed) in [
            (Side::Device, &written, delivered.as_ref(), is_changed),
            (Side::Server, &answer, Some(&answer), false),
        ] {
            let found = linter.message(LintMessage {
                speaker,
                server: "s",
                exchange: 2,
                document,
                delivered,
                is_own: false,
                is_changed,
                head: None,
                links: None,
            });
            notes.extend(found.into_iter().filter(|_| speaker == Side::Server));
        }
        let is_of_header = |it: &Note| matches!(it.id, "HDR-02" | "HDR-07" | "HDR-08");
        notes.into_iter().filter(is_of_header).count()
    };
    assert_eq!(notes_of(true, None), 0);
    let (front, _) = base["d2"].split_once("<Target>").unwrap();
    assert_eq!(
        notes_of(
            true,
            Some(&format!("{front}</SyncHdr><SyncBody/></SyncML>"))
        ),
        0
    );
    // A rule that changed something else is no excuse.
    let other = base["d2"].replace("<Final/>", "");
    assert_eq!(notes_of(true, Some(&other)), 3);
    assert_eq!(notes_of(false, Some(&base["d2"])), 3);
}
