//! A device that answers a command without a CmdID cannot name it: nobody blames it for how it does.

use dmtap::flow::lint::{LintMessage, Linter, Profile};
use dmtap::flow::{Note, Side};

use super::{base, document, in_order, speaker};

/// What the device is blamed for that answers the Exec so, after a rule or the server left its CmdID out.
fn blamed(refs: &str, is_by_rule: bool) -> Vec<Note> {
    let mut messages = base();
    let without = messages["s1"].replace("<Exec><CmdID>13</CmdID>", "<Exec>");
    assert_ne!(without, messages["s1"]);
    if !is_by_rule {
        messages.insert("s1".to_owned(), without.clone());
    }
    let answer = "<CmdRef>13</CmdRef><Cmd>Exec</Cmd><Data>200</Data>";
    assert!(messages["d2"].contains(answer));
    let answered = messages["d2"].replace(answer, &format!("{refs}<Data>400</Data>"));
    messages.insert("d2".to_owned(), answered);
    let mut linter = Linter::new(Profile::Oma);
    let mut notes = Vec::new();
    for (name, text) in in_order(&messages) {
        let written = document(text, false);
        let is_changed = is_by_rule && name == "s1";
        let delivered = match is_changed {
            true => document(&without, false),
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
    for refs in [
        "<CmdRef></CmdRef><Cmd>Exec</Cmd>",
        "<Cmd>Exec</Cmd>",
        "<CmdRef>0</CmdRef><Cmd>Exec</Cmd>",
        "<CmdRef>99</CmdRef><Cmd>Exec</Cmd>",
        "<CmdRef></CmdRef>",
    ] {
        for is_by_rule in [true, false] {
            let notes = blamed(refs, is_by_rule);
            assert!(notes.is_empty(), "{refs} {is_by_rule}: {notes:#?}");
        }
    }
    // It can name the others.
    let notes = blamed("<CmdRef>99</CmdRef><Cmd>Get</Cmd>", true);
    assert!(notes.iter().any(|note| note.id == "STA-03"), "{notes:#?}");
}
