//! XML-09: messages that are not built as the DTD has it.

use super::{Heads, base, lint};
use dmtap::flow::Severity;
use dmtap::flow::lint::Profile;

/// Replaces a text in the message `s1`, and compares the note with a severity and a text.
#[track_caller]
fn check(old: &str, new: &str, expected: &str) {
    let mut messages = base();
    let message = messages.get_mut("s1").unwrap();
    assert!(message.contains(old), "{old}");
    *message = message.replacen(old, new, 1);
    let notes = lint(&(messages, Heads::new()), Profile::Auto, false);
    let notes = notes.iter().filter(|note| note.id == "XML-09");
    let notes: Vec<String> = notes
        .map(|note| format!("{} {}", note.severity.name(), note.text))
        .collect();
    assert_eq!(notes.join("; "), expected, "{new}");
}

const GET: &str = "<Get><CmdID>6</CmdID><Item>";

#[test]
fn what_the_dtd_does_not_have_is_noted_and_gravely_where_content_is_lost() {
    let final_twice = "error SyncBody has more than one Final";
    check("<Final/>", "<Final/><Final/>", final_twice);
    let behind = "error Exec stands behind Final, which ends the message";
    let exec = "<Final/><Exec/><Exec/>";
    check("<Final/>", exec, behind);
    check(
        "<Atomic><CmdID>8</CmdID>",
        "<Atomic><CmdID>8</CmdID><Status><CmdID>20</CmdID></Status>",
        "error Status stands in Atomic, and belongs into SyncBody",
    );
    check(
        "</SyncHdr>",
        "</SyncHdr><SyncHdr/>",
        "error SyncML has more than one SyncHdr",
    );
    check(
        "<CmdID>6</CmdID>",
        "<CmdID><b>6</b></CmdID>",
        "error CmdID has an element b in its text",
    );
    check(
        "</SyncHdr>",
        "<Meta><MaxMsgSize xmlns=\"syncml:metinf\">-1</MaxMsgSize></Meta></SyncHdr>",
        "error MaxMsgSize is \"-1\", not a number of bytes",
    );
    let item = "warning Item has Nope, which does not belong there";
    check(GET, &format!("{GET}<Nope/>"), item);
    check(
        GET,
        "<Get><CmdID>6</CmdID><Lang>en</Lang><item/><Item>",
        "warning Get has item, which SyncML writes Item",
    );
    let header = "warning SyncHdr has Bogus, which does not belong there";
    check("</SyncHdr>", "<Bogus/></SyncHdr>", header);
    check(
        GET,
        &GET.replace("<Item>", "stray<Item>"),
        "warning a text stands between the elements of Get",
    );
    check(
        "<Final/>",
        "<Final>x</Final>",
        "warning Final has a text, and stands for itself",
    );
}

#[test]
fn the_commands_in_a_body_of_another_name_are_not_called_judged() {
    let message = "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><Body/></SyncML>".to_owned();
    let messages = [("s1".to_owned(), message)].into();
    let notes = lint(&(messages, Heads::new()), Profile::Auto, false);
    let errors = notes.iter().filter(|it| it.severity == Severity::Error);
    let errors: Vec<&str> = errors.map(|it| &*it.text).collect();
    let expected = [
        "SyncML has no SyncBody, so the message has no commands",
        "the message has no SyncHdr",
    ];
    assert_eq!(errors, expected);
}

#[test]
fn what_stands_in_data_and_what_windows_adds_is_not_noted() {
    check("<Data>blue", "<Data><Item><Nope/></Item>", "");
    check("<Final/>", "<Final></Final>\n...", "");
}
