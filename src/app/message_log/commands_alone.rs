//! Commands outside of messages: a server may show its command beside the answer of the device, as Fleet does.

use std::ops::Range;

use bytes::Bytes;
use memchr::{memchr_iter, memmem};

use super::LoggedMessage;
use super::find::read;
use crate::dm::Message;
use crate::markup::{Hint, Limits, decode};

/// Returns the last commands in a text without messages, each in a message of its own.
pub(super) fn commands_alone(text: &[u8], limits: &Limits) -> Vec<LoggedMessage> {
    let text = &text[text.len().saturating_sub(LONGEST)..];
    if memmem::find(text, b"<CmdID>").is_none() {
        return Vec::new();
    }
    let places = places(text);
    let last = places.into_iter().rev().take(MOST).rev();
    let found = last.filter_map(|place| {
        let parts: [&[u8]; 3] = [b"<SyncML><SyncBody>", &text[place], b"</SyncBody></SyncML>"];
        let bytes = Bytes::from(parts.concat());
        let document = decode(bytes.clone(), Hint::default(), limits).ok()?;
        Message::of(&document)?;
        Some(LoggedMessage {
            parsed: read(document),
            ..LoggedMessage::of(bytes)
        })
    });
    found.collect()
}

/// Returns the places of the outermost commands in a text.
fn places(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut end = 0;
    for at in memchr_iter(b'<', text) {
        let tag = &text[at + 1..];
        let names = |name: &&&str| {
            let rest = tag.strip_prefix(name.as_bytes());
            rest.is_some_and(|rest| rest.starts_with(b">"))
        };
        let Some(name) = NAMES.iter().find(names).filter(|_| at >= end) else {
            continue;
        };
        let close = format!("</{name}>");
        let Some(length) = memmem::find(&text[at..], close.as_bytes()) else {
            break;
        };
        end = at + length + close.len();
        found.push(at..end);
    }
    found
}

const NAMES: [&str; 6] = ["Add", "Atomic", "Delete", "Exec", "Get", "Replace"];

/// The limit of commands of one text: the analysis keeps no more without an answer.
const MOST: usize = 1_000;
/// The limit of the end of a text that is searched, in bytes.
const LONGEST: usize = 1 << 20;
