//! Commands outside of messages: a server may show its command beside the answer of the device, as Fleet does.

use bytes::Bytes;
use memchr::memmem;

use super::LoggedMessage;
use super::find::read;
use crate::dm::Message;
use crate::markup::{Hint, Limits, decode};

/// Returns the commands in a text without messages, each in a message of its own.
pub(super) fn commands_alone(text: &[u8], limits: &Limits) -> Vec<LoggedMessage> {
    let mut found = Vec::new();
    let mut rest = &text[text.len().saturating_sub(LONGEST)..];
    while found.len() < MOST && memmem::find(rest, b"<CmdID>").is_some() {
        let starts = NAMES.iter().filter_map(|name| {
            let at = memmem::find(rest, format!("<{name}>").as_bytes())?;
            Some((at, *name))
        });
        let Some((at, name)) = starts.min() else {
            break;
        };
        let end = format!("</{name}>");
        let Some(length) = memmem::find(&rest[at..], end.as_bytes()) else {
            break;
        };
        let (command, behind) = rest[at..].split_at(length + end.len());
        rest = behind;
        let parts: [&[u8]; 3] = [b"<SyncML><SyncBody>", command, b"</SyncBody></SyncML>"];
        let bytes = Bytes::from(parts.concat());
        let document = decode(bytes.clone(), Hint::default(), limits).ok();
        let document = document.filter(|it| Message::of(it).is_some());
        found.extend(document.map(|document| LoggedMessage {
            parsed: read(document),
            ..LoggedMessage::of(bytes)
        }));
    }
    found
}

const NAMES: [&str; 6] = ["Add", "Atomic", "Delete", "Exec", "Get", "Replace"];

/// The limit of commands of one text.
const MOST: usize = 100;
/// The limit of the end of a text that is searched, in bytes.
const LONGEST: usize = 256 << 10;
