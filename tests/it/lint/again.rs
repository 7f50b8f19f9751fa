//! A message that comes again because its answer was lost, with the links that the proxy made.

use dmtap::dm::Message;
use dmtap::flow::lint::{LintMessage, Linter, Profile};
use dmtap::flow::{Note, Session, Side};

use super::{base, document, speaker};

/// Lints messages as the proxy does, which decodes and links each message anew.
fn lint_linked(names: &[&str], as_wbxml: bool) -> Vec<Note> {
    let base = base();
    let (mut linter, mut session) = (Linter::new(Profile::Auto), Session::default());
    let mut notes = Vec::new();
    let mut exchange = 0;
    for name in names {
        let side = speaker(name);
        let document = document(&base[*name], as_wbxml);
        let message = Message::of(&document).unwrap();
        if side == Side::Device {
            session.observe_message(message);
            exchange += 1;
        }
        let links = session.links(side, message);
        notes.extend(linter.message(LintMessage {
            speaker: side,
            server: "mdm.example.com:443",
            exchange,
            document: &document,
            delivered: Some(&document),
            is_own: false,
            is_changed: false,
            head: None,
            links: Some(&links),
        }));
        session.delivered(side.other(), document.clone(), None);
    }
    notes
}

#[test]
fn the_statuses_for_a_repeated_message_answer_its_commands() {
    for (what, names) in [
        ("nothing comes again", &["d1", "s1", "d2", "s2"][..]),
        (
            "the server failed at first",
            &["d1", "d1", "s1", "d2", "s2"],
        ),
        (
            "the server failed twice",
            &["d1", "d1", "d1", "s1", "d2", "s2"],
        ),
        (
            "the first answer was lost",
            &["d1", "s1", "d1", "s1", "d2", "s2"],
        ),
        (
            "the second answer was lost",
            &["d1", "s1", "d2", "s2", "d2", "s2"],
        ),
    ] {
        for as_wbxml in [false, true] {
            let notes = lint_linked(names, as_wbxml);
            assert!(notes.is_empty(), "{what}: {notes:#?}");
        }
    }
}
