//! CmdIDs that break CMD-01: every command needs a CmdID of its own, and never 0.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::dm::{Command, CommandKind, Message};
use crate::flow::Note;
use crate::markup::Document;

/// Returns notes on commands without a CmdID, with CmdID 0, or with the CmdID of another command.
pub fn note_cmd_ids(document: &Document) -> Vec<Note> {
    let commands = || Message::of(document).into_iter().flat_map(known);
    if are_counted(commands()) {
        return Vec::new();
    }
    let mut uses: HashMap<Cow<'_, str>, usize> = HashMap::new();
    for id in commands().filter_map(Command::cmd_id) {
        *uses.entry(id).or_default() += 1;
    }
    let mut seen: HashMap<Cow<'_, str>, usize> = HashMap::new();
    let mut notes = Vec::new();
    let mut more = 0;
    for command in commands() {
        let Some(text) = fault(command, &uses, &mut seen) else {
            continue;
        };
        if notes.len() == MOST_NOTES {
            more += 1;
            continue;
        }
        notes.push(Note::new("CMD-01", text).at(command.element().span().start));
    }
    if let Some(last) = notes.last_mut().filter(|_| more > 0) {
        last.text = format!("{}, and {more} more of the kind in this message", last.text);
    }
    notes
}

/// Whether each of these commands has a numeric CmdID that is greater than the one before: almost every peer counts so.
pub fn are_counted<'d>(mut commands: impl Iterator<Item = Command<'d>>) -> bool {
    let mut last = Some(0);
    commands.all(|command| {
        let number: Option<u64> = command.cmd_id().and_then(|id| id.parse().ok());
        let is_next = number > last;
        last = number;
        is_next
    })
}

/// Describes the error in the CmdID of a command. A CmdID that is used more than once is noted at its second use.
fn fault<'d>(
    command: Command<'d>,
    uses: &HashMap<Cow<'d, str>, usize>,
    seen: &mut HashMap<Cow<'d, str>, usize>,
) -> Option<String> {
    let Some(id) = command.cmd_id().filter(|id| !id.is_empty()) else {
        return Some(format!("{} has no CmdID", command.kind()));
    };
    if id == "0" {
        return Some(format!(
            "{} has CmdID 0, which means the SyncHdr",
            command.kind()
        ));
    }
    let times = uses.get(&id).copied().unwrap_or_default();
    let seen = seen.entry(id.clone()).or_default();
    *seen += 1;
    let short: String = id.chars().take(MAX_ID_CHARS).collect();
    match (*seen, times) {
        (2, 2) => Some(format!("CmdID {short} is used twice")),
        (2, times) => Some(format!("CmdID {short} is used {times} times")),
        _ => None,
    }
}

/// Returns the commands that the standard defines.
fn known(message: Message<'_>) -> impl Iterator<Item = Command<'_>> {
    let all = message.all_commands();
    all.filter(|command| command.kind() != CommandKind::Unknown)
}

/// The most notes about the CmdIDs of one message.
const MOST_NOTES: usize = 8;
/// The most characters of a CmdID in a note.
const MAX_ID_CHARS: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::{Hint, Limits, decode};

    #[test]
    fn commands_without_a_cmd_id_of_their_own_are_noted() {
        let check = |commands: &str, expected: &[&str]| {
            let text = format!(
                r#"<SyncML xmlns="SYNCML:SYNCML1.2"><SyncBody>{commands}</SyncBody></SyncML>"#
            );
            let document = decode(text.into(), Hint::default(), &Limits::default()).unwrap();
            let notes = note_cmd_ids(&document);
            let texts: Vec<_> = notes.iter().map(|note| &*note.text).collect();
            assert_eq!(texts, expected, "{commands}");
            assert!(notes.iter().all(|note| note.id == "CMD-01"));
        };
        let get = |id: &str| format!("<Get><CmdID>{id}</CmdID></Get>");
        check("", &[]);
        check(&(get("1") + &get("2") + &get("10")), &[]);
        check(&(get("b") + &get("2") + &get("01") + &get("1")), &[]);
        check("<Unheard/>", &[]);
        check("<Get/>", &["Get has no CmdID"]);
        check("<Get><CmdID/></Get>", &["Get has no CmdID"]);
        check(
            "<Sequence><CmdID>0</CmdID><Add/></Sequence>",
            &[
                "Sequence has CmdID 0, which means the SyncHdr",
                "Add has no CmdID",
            ],
        );
        check(
            "<Status><CmdID>1</CmdID></Status><Get><CmdID>1</CmdID></Get>",
            &["CmdID 1 is used twice"],
        );
        check(&get("7").repeat(3), &["CmdID 7 is used 3 times"]);
    }

    #[test]
    fn a_message_full_of_faults_gets_few_notes() {
        let text = format!(
            "<SyncML><SyncBody>{}</SyncBody></SyncML>",
            "<Get/>".repeat(100)
        );
        let document = decode(text.into(), Hint::default(), &Limits::default()).unwrap();
        let notes = note_cmd_ids(&document);
        assert_eq!(notes.len(), MOST_NOTES);
        let last = &notes[MOST_NOTES - 1].text;
        assert_eq!(
            last,
            "Get has no CmdID, and 92 more of the kind in this message"
        );
    }
}
