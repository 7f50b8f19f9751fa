//! The order of the messages of a file: by their times, if it has them. Consoles and log explorers show the newest first.

use std::collections::{HashMap, VecDeque};

use super::LoggedMessage;
use crate::app::trial::speaker_of;
use crate::dm::Message;
use crate::flow::{Side, Timestamp};

/// Puts messages into the order in which they were sent. A message without a time stays behind the one in front of it; the
/// message numbers decide about those with the same time.
pub(super) fn in_order(
    found: &mut Vec<LoggedMessage>,
    moment: impl Fn(&LoggedMessage) -> Option<Timestamp>,
) {
    let moments: Vec<_> = found.iter().map(moment).collect();
    let times: Vec<_> = moments.iter().flatten().collect();
    if times.len() < 2 {
        *found = by_numbers(in_turns(std::mem::take(found)));
        return;
    }
    let (is_in_order, is_newest_first) = (
        times.is_sorted(),
        times.is_sorted_by(|one, next| one >= next),
    );
    let mut blocks: Vec<(Option<Timestamp>, Vec<LoggedMessage>)> = Vec::new();
    for (message, at) in found.drain(..).zip(moments) {
        // Commands alone belong to the answer behind them.
        let last = blocks.last_mut();
        match last.filter(|(_, block)| at.is_none() || block.iter().all(is_alone)) {
            Some((time, block)) => {
                *time = time.or(at);
                block.push(message);
            }
            None => blocks.push((at, vec![message])),
        }
    }
    match (is_in_order, is_newest_first) {
        (true, _) => {}
        (false, true) => blocks.reverse(),
        (false, false) => blocks.sort_by_key(|(at, _)| *at),
    }
    for blocks in blocks.chunk_by_mut(|(one, _), (next, _)| one == next) {
        let blocks = blocks.iter_mut();
        let of_one_time = blocks.flat_map(|(_, block)| std::mem::take(block));
        found.extend(by_numbers(in_turns(of_one_time.collect())));
    }
}

/// Whether a message has no SyncHdr.
fn is_alone(found: &LoggedMessage) -> bool {
    let message = found.parsed.document().and_then(|it| Message::of(it));
    message.is_some_and(|it| it.header().is_none())
}

/// Removes a message with the bytes and the time of the previous one: a program may log both the receipt and the
/// forwarding of a message. Returns the number of removed messages.
pub(super) fn without_copies(
    found: &mut Vec<LoggedMessage>,
    moment: impl Fn(&LoggedMessage) -> Option<Timestamp>,
) -> usize {
    let before = found.len();
    found.dedup_by(|next, one| {
        let is_of_one_time = moment(next).is_none_or(|at| moment(one).is_none_or(|one| at == one));
        next.head.is_none() && one.head.is_none() && next.bytes == one.bytes && is_of_one_time
    });
    before - found.len()
}

/// Orders messages of which one side comes before the other, as two files with one direction each have them, or in which
/// each answer stands in front of its request, as in JMeter's results: puts each answer of the server behind the message to
/// which its Status for the SyncHdr refers. Other messages stay as they are.
fn in_turns(found: Vec<LoggedMessage>) -> Vec<LoggedMessage> {
    let is_bare = |it: &LoggedMessage| it.head.is_none() && !it.is_answer;
    let sides = found
        .iter()
        .map(|it| it.is_of_device().filter(|_| is_bare(it)));
    let Some(sides) = sides.collect::<Option<Vec<bool>>>() else {
        return found;
    };
    let is_split = sides.chunk_by(|one, next| one == next).count() == 2;
    let mut asked: HashMap<_, VecDeque<usize>> = HashMap::new();
    for (place, message) in found.iter().enumerate().filter(|(place, _)| sides[*place]) {
        if let Some(key) = exchange_key(message) {
            asked.entry(key).or_default().push_back(place);
        }
    }
    let mut request_of =
        |answer: &LoggedMessage| asked.get_mut(&exchange_key(answer)?)?.pop_front();
    // An answer without such a message stays behind the previous answer.
    let (mut last, mut places) = (0, Vec::with_capacity(found.len()));
    for (place, message) in found.iter().enumerate() {
        places.push(match sides[place] {
            true => 2 * place + 1,
            false => {
                let request = request_of(message);
                if !is_split && request.is_none_or(|request| request < place) {
                    return found;
                }
                last = request.map_or(last, |request| 2 * request + 2);
                last
            }
        });
    }
    if last == 0 {
        return found;
    }
    let mut placed: Vec<_> = places.into_iter().zip(found).collect();
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, message)| message).collect()
}

/// Returns the key of a device's message and its answer: SessionID, device, and the MsgID of the device's message.
pub(super) fn exchange_key(found: &LoggedMessage) -> Option<[String; 3]> {
    let message = Message::of(found.parsed.document()?)?;
    let header = message.header()?;
    let (device, number) = match found.is_of_device()? {
        true => (header.source()?, header.msg_id()?),
        false => (header.target()?, message.header_status()?.msg_ref()?),
    };
    let session = header.session_id()?.into_owned();
    Some([session, device.to_ascii_lowercase(), number.into_owned()])
}

/// Reverses messages without times if their numbers only fall.
fn by_numbers(found: Vec<LoggedMessage>) -> Vec<LoggedMessage> {
    if !runs_backwards(&found) {
        return found;
    }
    let begins = block_begins(&found);
    let mut blocks: Vec<Vec<LoggedMessage>> = Vec::new();
    for (message, begins) in found.into_iter().zip(begins) {
        match blocks.last_mut().filter(|_| !begins) {
            Some(block) => block.push(message),
            None => blocks.push(vec![message]),
        }
    }
    blocks.into_iter().rev().flatten().collect()
}

/// Whether the numbers of the messages of each session and side only fall.
fn runs_backwards(found: &[LoggedMessage]) -> bool {
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

/// Returns the session and the sender of a message, and its number.
fn numbered(found: &LoggedMessage) -> Option<((String, Side), u32)> {
    let document = found.parsed.document()?;
    let header = Message::of(document)?.header()?;
    let side = found.speaker().unwrap_or_else(|| speaker_of(document).0);
    let session = header.session_id()?.into_owned();
    Some(((session, side), header.msg_id()?.parse().ok()?))
}

/// Returns for each message whether a block begins with it: a message, or a request with its answer.
fn block_begins(found: &[LoggedMessage]) -> Vec<bool> {
    let sides = found
        .iter()
        .map(|found| numbered(found).map(|((_, side), _)| side));
    let sides: Vec<_> = sides.collect();
    let is_of_device = |side: Option<&Option<Side>>| side == Some(&Some(Side::Device));
    let has_pairs = is_of_device(sides.first()) && !is_of_device(sides.last());
    found
        .iter()
        .zip(&sides)
        .map(|(found, side)| !found.is_answer && (!has_pairs || is_of_device(Some(side))))
        .collect()
}
