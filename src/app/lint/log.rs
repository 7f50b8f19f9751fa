//! The kind of a file for lint: a log with messages in it, or a single message.

use std::sync::Arc;

use bytes::Bytes;
use memchr::memmem;

use crate::app::message_log::{LoggedMessage, is_notification, messages, of_other_program};
use crate::dm::pasted::unpack;
use crate::dm::{Command, CommandKind, Dialect, Message, SyncBody};
use crate::markup::utf16::in_utf8;
use crate::markup::{Document, Element, Hint, Limits, decode, tag, wbxml};

/// Whether a file is a log: a text with messages in it, such as a trace of SyncMLViewer. A single message is not one, also
/// if more text is around it, or if it does not decode. The file of another program is read as a log, which says so.
pub fn is_log(source: &[u8]) -> bool {
    let source = Bytes::copy_from_slice(source);
    let limits = Limits::default();
    if of_other_program(&source).is_some() {
        return true;
    }
    let plain = unpack(source.to_vec());
    if is_notification(&plain) {
        return false;
    }
    let messages = messages(&source, &limits);
    if with_more(&source, &messages).is_some() {
        return false;
    }
    let [message] = &messages[..] else {
        return !messages.is_empty();
    };
    if message.parsed.document().is_none() {
        let text = plain.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&plain);
        let is_one = text.trim_ascii_start().starts_with(b"<") || wbxml::looks_like(&plain);
        return !is_one;
    }
    let whole = in_utf8(plain).and_then(|plain| decode(plain, Hint::default(), &limits));
    !whole.is_ok_and(|whole| Dialect::of(&whole) != Dialect::Other)
}

/// Returns the only message of a file that does not decode because of more text in front of it or behind it (a warning of
/// a program, a second byte order mark, the message once more), and its offset. A log has other text in front.
pub(super) fn message_with_more(source: &[u8]) -> Option<(usize, Arc<Document>)> {
    let source = Bytes::copy_from_slice(source);
    with_more(&source, &messages(&source, &Limits::default()))
}

fn with_more(source: &Bytes, found: &[LoggedMessage]) -> Option<(usize, Arc<Document>)> {
    let document = found.first()?.parsed.document()?.clone();
    let is_it = |other: &Document| other.source() == document.source();
    let mut others = found.iter().map(|found| found.parsed.document());
    if Message::of(&document).is_none() || !others.all(|it| it.is_some_and(|it| is_it(it))) {
        return None;
    }
    let at = memmem::find(source, document.source())?;
    let front = String::from_utf8_lossy(&source[..at]);
    let front = front.trim_start_matches(|it: char| it == '\u{feff}' || it.is_whitespace());
    // `<13>` begins a line of syslog, `< HTTP/1.1` one of curl.
    let is_markup =
        |rest: &str| rest.starts_with(|it: char| it.is_ascii_alphabetic() || "!?/".contains(it));
    let is_it = front.is_empty() || front.strip_prefix('<').is_some_and(is_markup);
    let is_whole = || decode(source.clone(), Hint::default(), &Limits::default()).is_ok();
    (is_it && !is_whole()).then_some((at, document))
}

/// Returns a message around commands that stand alone, as a custom profile has them, and how many bytes it has in front of
/// them; `None` for a text with anything else in it.
pub(super) fn commands_in_a_message(text: &[u8]) -> Option<(Document, usize)> {
    let start = memmem::find(text, b"<")?;
    let (front, rest) = text.split_at(start);
    if !front.trim_ascii_end().is_empty() && front != "\u{feff}".as_bytes() {
        return None;
    }
    let declaration = match rest.starts_with(b"<?xml") {
        true => memmem::find(rest, b"?>")? + 2,
        false => 0,
    };
    // Blanks in its place keep the offsets of what follows.
    let blank = vec![b' '; start + declaration];
    let wraps: [[&[u8]; 2]; 2] = [
        [b"<SyncML><SyncBody>", b"</SyncBody></SyncML>"],
        [b"<SyncML>", b"</SyncML>"],
    ];
    wraps.iter().find_map(|[front, end]| {
        let parts = [front, &blank[..], &rest[declaration..], end];
        let document = decode(parts.concat().into(), Hint::default(), &Limits::default()).ok()?;
        let are_commands = Message::of(&document)?.body().is_some_and(only_commands);
        are_commands.then_some((document, front.len()))
    })
}

fn only_commands(body: SyncBody<'_>) -> bool {
    let mut inside = body.element().elements().peekable();
    let is_command = |it: Element<'_>| {
        let is_known = Command::of(it).is_some_and(|it| it.kind() != CommandKind::Unknown);
        is_known || it.is(tag::FINAL)
    };
    inside.peek().is_some() && inside.all(is_command)
}
