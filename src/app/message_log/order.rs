//! The order of the messages of a file: by their times where it has them. Consoles and log explorers show the newest first.

use std::collections::HashMap;

use super::Found;
use crate::app::dry_run::speaker_of;
use crate::dm::Message;
use crate::flow::{Side, Timestamp};

/// Puts messages into the order in which they were sent. A message without a time of its own stays with the one in front
/// of it.
pub(super) fn in_order(found: &mut Vec<Found>, moment: impl Fn(&Found) -> Option<Timestamp>) {
    let moments: Vec<_> = found.iter().map(moment).collect();
    let times: Vec<_> = moments.iter().flatten().collect();
    let begins_block: Vec<bool> = match times.len() {
        0 | 1 if runs_backwards(found) => block_begins(found),
        0 | 1 => return,
        _ if times.is_sorted() => return,
        _ => moments.iter().map(Option::is_some).collect(),
    };
    let is_newest_first = times.is_sorted_by(|one, next| one >= next);
    let mut blocks: Vec<(Option<Timestamp>, Vec<Found>)> = Vec::new();
    for ((message, at), begins) in found.drain(..).zip(moments).zip(begins_block) {
        match blocks.last_mut().filter(|_| !begins) {
            Some((_, block)) => block.push(message),
            None => blocks.push((at, vec![message])),
        }
    }
    match is_newest_first {
        true => blocks.reverse(),
        false => blocks.sort_by_key(|(at, _)| *at),
    }
    found.extend(blocks.into_iter().flat_map(|(_, block)| block));
}

/// Whether the numbers of the messages of each session and side only fall.
fn runs_backwards(found: &[Found]) -> bool {
    let mut last: HashMap<(String, Side), u32> = HashMap::new();
    let mut falls = false;
    for found in found {
        let Some((key, number)) = numbered(found) else {
            continue;
        };
        match last.insert(key, number) {
            Some(before) if before < number => return false,
            Some(before) => falls |= before > number,
            None => {}
        }
    }
    falls
}

/// The session of a message with its sender, and the number of the message.
fn numbered(found: &Found) -> Option<((String, Side), u32)> {
    let document = found.reading.document()?;
    let header = Message::of(document)?.header()?;
    let side = found.speaker().unwrap_or_else(|| speaker_of(document).0);
    let session = header.session_id()?.into_owned();
    Some(((session, side), header.msg_id()?.parse().ok()?))
}

/// Where blocks of messages begin that stand in the order of time: each message is one, or each request with its answer.
fn block_begins(found: &[Found]) -> Vec<bool> {
    let sides = found
        .iter()
        .map(|found| numbered(found).map(|((_, side), _)| side));
    let sides: Vec<_> = sides.collect();
    let is_of_device = |side: Option<&Option<Side>>| side == Some(&Some(Side::Device));
    let has_pairs = is_of_device(sides.first()) && !is_of_device(sides.last());
    { sides.iter() }
        .map(|side| !has_pairs || is_of_device(Some(side)))
        .collect()
}
