//! The rules for large objects: LOB-01 to LOB-07.

use std::collections::HashMap;

use super::Findings;
use super::lint_session::{LintSession, Turn, is_short};
use crate::dm::{AlertCode, Command, CommandKind, Item, locuri};

/// A large object whose chunks are being sent.
#[derive(Debug)]
pub(super) struct Object {
    node: String,
    size: Option<u64>,
    bytes: u64,
    /// Whether the length is not known: a value was masked, or is base64, whose Size may count the octets behind it.
    is_unknown: bool,
    /// Whether the last chunk was sent. The Status of that chunk ends the object.
    is_complete: bool,
}

pub(super) fn check(found: &mut Findings, turn: &Turn<'_>, seen: &mut LintSession) {
    answers(found, turn, seen);
    chunks(found, turn, seen);
}

/// Checks the Statuses for chunks of the other side.
fn answers(found: &mut Findings, turn: &Turn<'_>, seen: &mut LintSession) {
    let disturbed = !seen.is_comparable();
    // Each command is examined once, however many Statuses it has.
    let mut goes_on: HashMap<_, bool> = HashMap::new();
    for status in turn.message.statuses() {
        let answered = turn.answered(status.element());
        let Some(((place, command), code)) = answered.zip(status.code()) else {
            continue;
        };
        let at = Some(status.element());
        let mut items = command.items();
        let goes_on = match (items.next(), items.next()) {
            (Some(only), None) => only.more_data(),
            _ => *goes_on
                .entry(place)
                .or_insert_with(|| command.items().any(|item| item.more_data())),
        };
        if goes_on && code.is_success() && code.0 != 213 && !disturbed {
            found.add("LOB-02", at, format!("a chunk is answered {code}, not 213"));
        }
        let object = &mut seen.of_mut(turn.side.other()).object;
        let Some(known) = object else {
            continue;
        };
        if command.items().next().and_then(node_of).as_ref() != Some(&known.node) {
            continue;
        }
        let differs = known.size.is_some_and(|size| size != known.bytes) && !known.is_unknown;
        if known.is_complete && differs && code.is_success() && !disturbed {
            let size = known.size.unwrap_or_default();
            let text = format!(
                "{} bytes came, Size is {size}, and the Status is {code}, not 424",
                known.bytes
            );
            found.add("LOB-03", at, text);
        }
        if known.is_complete || !code.is_success() {
            *object = None;
        }
    }
    if turn.message.has_alert(AlertCode(1225)) || turn.message.has_alert(AlertCode::SESSION_ABORT) {
        seen.of_mut(turn.side.other()).object = None;
    }
}

/// Checks the chunks that the sender sends.
fn chunks(found: &mut Findings, turn: &Turn<'_>, seen: &mut LintSession) {
    let most = seen
        .of(turn.side.other())
        .max_obj_size
        .filter(|most| *most > 0);
    let disturbed = !seen.is_comparable();
    let object = &mut seen.of_mut(turn.side).object;
    let mut is_first = true;
    for command in turn.message.all_commands() {
        if !carries_data(command) {
            continue;
        }
        let common_size = command.meta().and_then(|meta| meta.size());
        for item in command.items() {
            let at = Some(item.element());
            let size = item.meta().and_then(|meta| meta.size());
            let size = size.or(common_size);
            if let Some((size, most)) = size.zip(most).filter(|(size, most)| size > most) {
                found.add(
                    "LOB-05",
                    at,
                    format!(
                        "the object has {size} bytes, the other side takes {most} (MaxObjSize)"
                    ),
                );
            }
            let is_open = object.as_ref().is_some_and(|object| !object.is_complete);
            if !is_open && !item.more_data() {
                is_first = false;
                continue;
            }
            let node = node_of(item);
            let data = item.data();
            let bytes = data.map_or(0, |data| data.octets().len() as u64);
            let is_masked = data.is_some_and(|data| data.text().contains("***"));
            let meta = item.meta().or(command.meta());
            let format = meta.and_then(|meta| meta.format());
            let is_base64 = format.is_some_and(|format| format.eq_ignore_ascii_case("b64"));
            let is_unknown = is_masked || is_base64;
            let continues = object
                .as_ref()
                .is_some_and(|object| !object.is_complete && Some(&object.node) == node.as_ref());
            if let Some(open) = object.as_mut().filter(|_| continues) {
                if size.is_some() && !disturbed {
                    found.add("LOB-01", at, "Size in a later chunk");
                }
                open.bytes += bytes;
                open.is_unknown |= is_unknown;
                open.is_complete = !item.more_data();
                let bytes = open.bytes;
                let differs = open.size.filter(|size| *size != bytes && !open.is_unknown);
                if let Some(size) = differs.filter(|_| open.is_complete && !disturbed) {
                    let text = format!("Size is {size}, and the chunks have {bytes} bytes");
                    found.add("LOB-07", at, text);
                }
            } else {
                let open = object.as_ref().filter(|object| !object.is_complete);
                if let Some(open) = open.filter(|_| is_first && !disturbed) {
                    let text = format!(
                        "{} comes before the last chunk of {}",
                        command.kind(),
                        open.node
                    );
                    found.add("LOB-04", at, text);
                    *object = None;
                }
                if item.more_data() {
                    match size {
                        None if disturbed => {}
                        None => found.add("LOB-01", at, "the first chunk of an object has no Size"),
                        Some(size) if size <= bytes => {
                            found.add(
                                "LOB-06",
                                at,
                                "MoreData, though the whole object is in this chunk",
                            );
                        }
                        Some(_) => {}
                    }
                    *object = node.filter(|node| is_short(node)).map(|node| Object {
                        node,
                        size,
                        bytes,
                        is_unknown,
                        is_complete: false,
                    });
                }
            }
            is_first = false;
        }
    }
}

fn carries_data(command: Command<'_>) -> bool {
    matches!(
        command.kind(),
        CommandKind::Add | CommandKind::Replace | CommandKind::Exec | CommandKind::Results
    )
}

fn node_of(item: Item<'_>) -> Option<String> {
    let node = item.target().or_else(|| item.source())?;
    Some(locuri::canonical(&node))
}
