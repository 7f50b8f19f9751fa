//! What standards and devices write is not accused; slips that only look like it are.

use std::fs;
use std::path::Path;

use dmtap::flow::Severity;
use dmtap::flow::lint::Profile;

use super::{Heads, Messages, base, lint};

/// What the standards print accuses nobody: where they contradict each other there is an info note at most.
#[test]
fn what_the_standards_print_breaks_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/lint_clean");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let mut lines = text.lines().skip(1);
        let mut conversation = Messages::new();
        while let (Some(name), Some(message)) = (lines.next(), lines.next()) {
            conversation.insert(name.replace("== ", ""), message.to_owned());
        }
        let is_of_windows = path.to_string_lossy().contains("windows");
        for profile in [Profile::Oma, Profile::Auto] {
            if is_of_windows && profile == Profile::Oma {
                continue;
            }
            for as_wbxml in [false, true] {
                let notes = lint(&(conversation.clone(), Heads::new()), profile, as_wbxml);
                let accusing = notes.iter().filter(|note| note.severity != Severity::Info);
                let accusing: Vec<_> = accusing.collect();
                assert!(
                    accusing.is_empty(),
                    "{path:?} {profile:?} {as_wbxml}: {accusing:#?}"
                );
            }
        }
        count += 1;
    }
    assert!(count >= 4);
}

/// The same slips where no standard prints them.
#[test]
fn what_only_looks_like_an_example_is_noted() {
    let found = |name: &str, old: &str, new: &str| {
        let mut messages = base();
        let message = messages.get_mut(name).unwrap();
        assert!(message.contains(old), "{old}");
        *message = message.replacen(old, new, 1);
        let notes = lint(&(messages, Heads::new()), Profile::Oma, false);
        notes
            .into_iter()
            .map(|note| (note.id, note.severity, note.text))
            .collect::<Vec<_>>()
    };
    let header = "<CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd>";
    let notes = found(
        "d2",
        header,
        "<CmdID>1</CmdID><MsgRef>1</MsgRef><Cmd>SyncHdr</Cmd>",
    );
    let expected = "the Status for the SyncHdr has no CmdRef; it is 0";
    assert_eq!(notes, [("STA-04", Severity::Warning, expected.to_owned())]);
    // The Status has the CmdRef of no command; the Results have the right one.
    let notes = found(
        "d2",
        "<CmdID>2</CmdID><MsgRef>1</MsgRef><CmdRef>6</CmdRef>",
        "<CmdID>2</CmdID><MsgRef>1</MsgRef><CmdRef>66</CmdRef>",
    );
    let ids: Vec<_> = notes.iter().map(|(id, ..)| *id).collect();
    assert_eq!(ids, ["STA-03"], "{notes:?}");
    let notes = found(
        "d2",
        "<CmdRef>7</CmdRef><Cmd>Replace</Cmd>",
        "<CmdRef>7</CmdRef><Cmd>Replace</Cmd><TargetRef>./Vendor/MSFT/A/X</TargetRef>",
    );
    let expected = "the Status names ./Vendor/MSFT/A/X, which the command does not";
    assert_eq!(notes, [("STA-06", Severity::Warning, expected.to_owned())]);
    // MsgID 1 without an opening alert begins no session.
    let notes = found("d2", "<MsgID>2</MsgID>", "<MsgID>1</MsgID>");
    assert!(notes.iter().any(|(id, ..)| *id == "HDR-05"), "{notes:?}");
}
