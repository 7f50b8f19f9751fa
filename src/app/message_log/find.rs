//! Messages in the text of a file: as it is, in JSON, under escapes, in base64 and hex.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use memchr::memmem;
use serde_json::Value;

use super::commands_alone::commands_alone;
use super::date::WrittenDate;
use super::dates_behind::move_to_messages;
use super::json_texts::{JsonTexts, in_latin_1};
use super::other_file::of_other_program;
use super::packed_file::{gunzipped, unzipped};
use super::series::one_or_more;
use super::{
    LoggedMessage, MOST_BYTES, NOTIFICATION, curl, har, is_cut, last_answer, mitm_flows, raw_http,
    table, wireshark,
};
use crate::dm::carve::{carve, has_message};
use crate::dm::layout::without_colours;
use crate::dm::notification::Notification;
use crate::dm::pasted::{in_base64_blocks, in_lines, unpack};
use crate::dm::soap::Envelope;
use crate::dm::{Command, CommandKind, Dialect, Message, unescape};
use crate::flow::{NotParsed, ParsedBody};
use crate::markup::utf16::{in_utf8, windows_1252};
use crate::markup::{DecodeError, Document, Element, Hint, Limits, decode, readable_part, wbxml};

/// Returns the messages of a file in the order of the file, and a remark about the unread part of a packed one.
pub(super) fn found(file: &Bytes, limits: &Limits) -> (Vec<LoggedMessage>, Option<String>) {
    if let Some((files, missing)) = unzipped(file, MOST_BYTES) {
        let found = raw_http::saz(&files, limits).unwrap_or_else(|| {
            let found = files.iter().flat_map(|(_, file)| in_file(file, limits));
            without_lines(found.collect())
        });
        return (found, missing);
    }
    match gunzipped(file, MOST_BYTES) {
        Some((plain, missing)) => (in_file(&plain, limits), missing),
        None => (in_file(file, limits), None),
    }
}

/// Returns the messages of a file that is not compressed.
fn in_file(text: &Bytes, limits: &Limits) -> Vec<LoggedMessage> {
    if let Some(flows) = mitm_flows::as_har(text, limits) {
        return har::messages(&flows, limits).unwrap_or_default();
    }
    // As base64, hex would be other bytes.
    if let Some(stream) = wireshark::followed(text) {
        return without_lines(in_plain_text(stream.into(), limits));
    }
    let alone = unpack(text.to_vec());
    if is_notification(&alone) {
        return vec![LoggedMessage {
            parsed: ParsedBody::Unread(NotParsed::MediaType(NOTIFICATION.to_owned())),
            ..LoggedMessage::of(alone)
        }];
    }
    if of_other_program(&alone).is_some() {
        return Vec::new();
    }
    if wbxml::looks_like(&alone) {
        let is_packed = alone != *text;
        let found = one_or_more(alone, limits, None);
        // A broken message hides those in the lines behind it.
        let in_lines = is_packed.then(|| in_packed_lines(text, limits));
        return in_lines
            .into_iter()
            .find(|it| it.len() > found.len())
            .unwrap_or(found);
    }
    let text = in_plain_utf8(&alone);
    let text = match without_colours(&text) {
        Cow::Owned(plain) => plain.into(),
        Cow::Borrowed(_) => text,
    };
    if let Some(found) = raw_http::burp(&text, limits) {
        return found;
    }
    if let Some(packets) = wireshark::as_har(&text) {
        return har::messages(&packets, limits).unwrap_or_default();
    }
    let rewritten = curl::as_http(&text)
        .or_else(|| curl::traced(&text))
        .or_else(|| table::by_columns(&text).map(String::into_bytes));
    match rewritten {
        Some(text) => without_lines(in_plain_text(text.into(), limits)),
        None => in_plain_text(text, limits),
    }
}

/// Removes the lines of messages, for a text that is not that of the file.
fn without_lines(mut found: Vec<LoggedMessage>) -> Vec<LoggedMessage> {
    found.iter_mut().for_each(|found| found.line = None);
    found
}

/// Returns the messages of a text in UTF-8.
fn in_plain_text(text: Bytes, limits: &Limits) -> Vec<LoggedMessage> {
    let text = raw_http::with_chunks_joined(&text).map_or(text, Bytes::from);
    // In JSON the text of a message is escaped: carved as it is, it would be a broken message, or none.
    let mut found = in_json(&text, limits);
    if found.is_empty() {
        found = in_text(&text, limits, None);
    }
    if found.iter().any(|it| it.is_read() || it.head.is_some()) {
        last_answer::note_missing(&text, &mut found);
        return found;
    }
    // The characters beside the octets of a dump look like a broken message.
    let packed = in_packed_lines(&text, limits);
    match found.is_empty() || packed.iter().any(LoggedMessage::is_read) {
        true => packed,
        false => found,
    }
}

/// Returns the messages in blocks of base64, in dumps, and packed in lines.
fn in_packed_lines(text: &Bytes, limits: &Limits) -> Vec<LoggedMessage> {
    let mut found = Vec::new();
    // A line of a block may look like a message by itself.
    let mut of_blocks = HashSet::new();
    for (lines, bytes) in in_base64_blocks(text) {
        let messages = match wbxml::looks_like(&bytes) {
            true => one_or_more(bytes, limits, None),
            false => in_text(&bytes, limits, None),
        };
        let messages = messages.into_iter().filter(LoggedMessage::may_be_message);
        let before = found.len();
        found.extend(messages.map(|found| LoggedMessage {
            line: Some(*lines.start()),
            ..found
        }));
        if found.len() > before {
            of_blocks.extend(lines);
        }
    }
    let packed = in_lines(text).into_iter();
    let packed = packed.filter(|(line, _)| !of_blocks.contains(line));
    let packed = packed.flat_map(|(line, bytes)| {
        let messages = one_or_more(bytes, limits, None).into_iter();
        messages.map(move |found| LoggedMessage {
            line: Some(line),
            ..found
        })
    });
    found.extend(packed.filter(LoggedMessage::may_be_message));
    found.sort_by_key(|found| found.line);
    found
}

/// Whether bytes are a notification and no message; the digest of a notification may begin like a message.
pub fn is_notification(bytes: &Bytes) -> bool {
    let is_message = || decode(bytes.clone(), Hint::default(), &Limits::default()).is_ok();
    Notification::of(bytes).is_some() && !is_message()
}

/// Returns the messages of a text, also of one whose lines are pieces of a longer one.
fn in_text(text: &Bytes, limits: &Limits, date: Option<WrittenDate>) -> Vec<LoggedMessage> {
    let plain = std::str::from_utf8(text).ok();
    // In front of other readings: the prefix of a line within a value would become a part of it.
    let pieces = plain.and_then(unescape::pieces_joined);
    let pieces = pieces.map(|joined| in_whole_text(&joined.into(), limits, date));
    if let Some(found) = pieces.filter(|found| found.iter().all(LoggedMessage::is_read)) {
        return found;
    }
    let joined = plain.and_then(unescape::joined);
    let joined = joined.map(|joined| in_whole_text(&joined.into(), limits, date));
    match joined.filter(|found| found.iter().any(LoggedMessage::is_read)) {
        Some(found) => without_lines(found),
        None => in_whole_text(text, limits, date),
    }
}

/// Returns the messages of a text, as it is or with escapes undone; `date` is for those without a date in front of them.
fn in_whole_text(text: &Bytes, limits: &Limits, date: Option<WrittenDate>) -> Vec<LoggedMessage> {
    let mut found = carved(text, limits, date);
    let names_one = || ROOTS.iter().any(|root| memmem::find(text, root).is_some());
    if found.iter().any(LoggedMessage::is_read) || !names_one() {
        return found;
    }
    let Ok(escaped) = std::str::from_utf8(text) else {
        return found;
    };
    for unescape in unescape::READINGS {
        let plain = Bytes::from(unescape(escaped));
        if plain == text || !has_message(&plain) {
            continue;
        }
        let mut more = carved(&plain, limits, date);
        let lines = |text: &[u8]| memchr::memchr_iter(b'\n', text).count();
        if lines(&plain) != lines(text) {
            more = without_lines(more);
        }
        if more.iter().any(LoggedMessage::is_read) {
            return more;
        }
        if found.is_empty() {
            found = more;
        }
    }
    found
}

/// Returns the messages of a text; `date` is for those without a date in front of them.
fn carved(text: &Bytes, limits: &Limits, date: Option<WrittenDate>) -> Vec<LoggedMessage> {
    let (mut line, mut counted) = (1, 0);
    let messages = carve(text, limits).flat_map(|message| {
        let start = message.range.start;
        let alone = commands_alone(&text[message.before..start], limits);
        line += memchr::memchr_iter(b'\n', &text[counted..start]).count() as u64;
        counted = start;
        let before = &text[message.before..message.range.start];
        let before = &before[before.len().saturating_sub(LONGEST_BEFORE)..];
        let place = message.range.clone();
        let (bytes, parsed) = parse_body(text.slice(message.range), message.document, limits);
        let found = LoggedMessage {
            line: Some(line),
            parsed,
            date: WrittenDate::last_in(&String::from_utf8_lossy(before)).or(date),
            ..LoggedMessage::of(bytes)
        };
        let date = found.date;
        let alone = alone
            .into_iter()
            .map(move |commands| (start..start, LoggedMessage { date, ..commands }));
        alone.chain([(place, found)])
    });
    let mut messages: Vec<_> = messages.filter(|(_, found)| is_of_dm(found)).collect();
    move_to_messages(text, &mut messages);
    raw_http::with_heads(text, messages, limits)
}

/// Whether a message is of OMA DM: an envelope may be of any service.
fn is_of_dm(found: &LoggedMessage) -> bool {
    let begins = &found.bytes[..found.bytes.len().min(LONGEST_TAG)];
    if memmem::find(begins, b"nvelope").is_none() || memmem::find(begins, b"SyncML").is_some() {
        return true;
    }
    let fault = found
        .parsed
        .document()
        .and_then(|document| Envelope::of(document)?.fault());
    fault.is_some() || memmem::find(&found.bytes, b"nrollment").is_some()
}

/// Parses a message; one that does not decode may have escapes, or be cut.
fn parse_body(
    bytes: Bytes,
    decoded: Result<Document, DecodeError>,
    limits: &Limits,
) -> (Bytes, ParsedBody) {
    let error = match decoded {
        Ok(document) => {
            let (bytes, document) = with_body(&document, limits).unwrap_or((bytes, document));
            return (bytes, read(document));
        }
        Err(error) => error,
    };
    let front = is_cut(&bytes).then(|| readable_part(&bytes, &error, Hint::default(), limits));
    if let Some(document) = front.flatten() {
        return (bytes, read(document));
    }
    match without_escapes(&bytes, limits) {
        Some((plain, document)) => (plain, read(document)),
        None => (bytes, ParsedBody::Broken(error)),
    }
}

/// Adds a SyncBody around the commands of a message without one, as excerpts have it.
fn with_body(document: &Document, limits: &Limits) -> Option<(Bytes, Document)> {
    let message = Message::of(document).filter(|it| it.body().is_none())?;
    let elements = || message.element().elements();
    let is_command = |it: &Element<'_>| {
        let command = Command::of(*it);
        command.is_some_and(|it| it.kind() != CommandKind::Unknown)
    };
    if document.is_wbxml() {
        return None;
    }
    let start = elements().find(is_command)?.span().start as usize;
    let end = elements().last()?.span().end as usize;
    let text = document.source();
    let parts = [
        text.get(..start)?,
        b"<SyncBody>",
        text.get(start..end)?,
        b"</SyncBody>",
        text.get(end..)?,
    ];
    let bytes = Bytes::from(parts.concat());
    let document = decode(bytes.clone(), Hint::default(), limits).ok()?;
    Some((bytes, document))
}

/// Returns a message that decodes after its escapes are undone.
fn without_escapes(bytes: &[u8], limits: &Limits) -> Option<(Bytes, Document)> {
    let escaped = std::str::from_utf8(bytes)
        .ok()
        .filter(|_| bytes.len() <= limits.bytes)?;
    unescape::READINGS.iter().find_map(|unescape| {
        let plain = Bytes::from(unescape(escaped));
        let is_other = plain != bytes;
        let document = is_other.then(|| decode(plain.clone(), Hint::default(), limits).ok());
        Some((plain, document.flatten()?))
    })
}

pub(super) fn read(document: Document) -> ParsedBody {
    let dialect = Dialect::of(&document);
    ParsedBody::Document(Arc::new(document), dialect)
}

/// Returns the messages in the texts of JSON: in one document, as browsers and proxies save traffic (HAR), or in lines,
/// as servers log them.
fn in_json(text: &[u8], limits: &Limits) -> Vec<LoggedMessage> {
    let whole = har::with_whole_characters(text);
    let text = whole.as_ref().map_or(text, |(text, _)| text);
    if let (true, Ok(value)) = (
        text.len() <= MOST_JSON_BYTES,
        serde_json::from_slice::<Value>(text),
    ) {
        let is_one_line = !text.trim_ascii().contains(&b'\n');
        return in_value(&value, limits, is_one_line.then_some(1), None);
    }
    let lines = (1..).zip(text.split(|byte| *byte == b'\n'));
    let values = lines.filter_map(|(number, line)| {
        // A log may have a prefix in front of the JSON.
        let start = line.iter().position(|byte| *byte == b'{')?;
        let value: Value = serde_json::from_slice(&line[start..]).ok()?;
        Some((number, value))
    });
    // The unfinished line of each stream of Docker.
    let mut open = HashMap::new();
    let mut found = Vec::new();
    let mut add = |(number, value): (u64, Value)| {
        let messages = in_value(&value, limits, Some(number), None);
        found.extend((!messages.is_empty()).then_some((number, messages)));
    };
    for (number, value) in values {
        whole_line(&mut open, number, value)
            .into_iter()
            .for_each(&mut add);
    }
    open.into_values().for_each(add);
    // An unfinished line ends behind others.
    found.sort_by_key(|(number, _)| *number);
    found
        .into_iter()
        .flat_map(|(_, messages)| messages)
        .collect()
}

/// Returns a whole line of a program, with the number of its first record: in a log of Docker a long line has several
/// records, and only the last one ends with a line break. `open` has the unfinished line of each stream.
fn whole_line(
    open: &mut HashMap<String, (u64, Value)>,
    number: u64,
    record: Value,
) -> Option<(u64, Value)> {
    let log = record["log"].as_str().zip(record["stream"].as_str());
    let Some((log, stream)) = log else {
        return Some((number, record));
    };
    let (ends, stream) = (log.ends_with('\n'), stream.to_owned());
    let line = match open.remove(&stream) {
        Some((first, mut begun)) => {
            if let Value::String(text) = &mut begun["log"] {
                text.push_str(log);
            }
            (first, begun)
        }
        None => (number, record),
    };
    if ends {
        return Some(line);
    }
    open.insert(stream, line);
    None
}

/// Returns the messages in a JSON value. `line` is its line, if known; `date` is that of the value around it.
fn in_value(
    value: &Value,
    limits: &Limits,
    line: Option<u64>,
    date: Option<WrittenDate>,
) -> Vec<LoggedMessage> {
    if let Some(found) = har::messages(value, limits) {
        return found;
    }
    if let Some(values) = value.as_array() {
        return values
            .iter()
            .flat_map(|value| in_value(value, limits, line, date))
            .collect();
    }
    let JsonTexts { texts, records } = JsonTexts::of(value);
    let written = texts.iter().find_map(|text| match text.len() < 40 {
        true => WrittenDate::last_in(text),
        false => None,
    });
    let date = written.or(date);
    let mut alone = Vec::new();
    let found = texts.into_iter().flat_map(|text| {
        // A container's log has the line of the program within it.
        let is_json = text.trim_start().starts_with('{');
        let inner = is_json.then(|| serde_json::from_str::<Value>(text).ok());
        if let Some(inner) = inner.flatten() {
            return in_value(&inner, limits, line, date);
        }
        let bytes = in_latin_1(text).unwrap_or_else(|| text.as_bytes().to_vec());
        let text = match has_message(&bytes) || bytes.len() < SHORTEST_PACKED {
            true => Bytes::from(bytes),
            false => unpack(bytes),
        };
        match wbxml::looks_like(&text) {
            true => { one_or_more(text, limits, date).into_iter() }
                .filter(LoggedMessage::may_be_message)
                .collect(),
            false => {
                let found = in_text(&text, limits, date);
                if found.is_empty() {
                    alone.extend(commands_alone(&text, limits));
                }
                found
            }
        }
    });
    let mut found: Vec<_> = found.map(|found| LoggedMessage { line, ..found }).collect();
    alone.iter_mut().for_each(|alone| alone.date = date);
    // The date is that of the first message, as a date in front of a text is.
    let others = found.iter_mut().skip(1);
    others.for_each(|found| found.date = found.date.filter(|own| Some(*own) != date));
    // Commands alone matter only together with a message that answers them.
    if found.is_empty() {
        alone.clear();
    }
    let of_records = records
        .into_iter()
        .flat_map(|it| in_value(it, limits, line, date));
    alone.into_iter().chain(found).chain(of_records).collect()
}

/// Parses a text that is one message.
pub(super) fn whole(bytes: Bytes, limits: &Limits, date: Option<WrittenDate>) -> LoggedMessage {
    let decoded = decode(bytes.clone(), Hint::default(), limits);
    let (bytes, parsed) = parse_body(bytes, decoded, limits);
    LoggedMessage {
        line: Some(1),
        parsed,
        date,
        ..LoggedMessage::of(bytes)
    }
}

/// Converts a text to UTF-8 without a byte order mark; PowerShell writes UTF-16.
pub(super) fn in_plain_utf8(text: &Bytes) -> Bytes {
    let is_little = match text.as_ref() {
        [0xff, 0xfe, ..] => true,
        [0xfe, 0xff, ..] => false,
        [0xef, 0xbb, 0xbf, ..] => return text.slice(3..),
        _ => {
            let plain = in_utf8(text.clone()).unwrap_or_else(|_| text.clone());
            let text = windows_1252(&plain);
            return text.map_or(plain, |text| text.slice('\u{feff}'.len_utf8()..));
        }
    };
    let units = text[2..].chunks_exact(2).map(|pair| match is_little {
        true => u16::from_le_bytes([pair[0], pair[1]]),
        false => u16::from_be_bytes([pair[0], pair[1]]),
    });
    let units: Vec<u16> = units.collect();
    String::from_utf16_lossy(&units).into()
}

/// Parts of the names of the root elements of messages, in any spelling of escapes.
const ROOTS: [&[u8]; 3] = [b"SyncML", b"nvelope", b"wap-provisioningdoc"];
/// The limit of the part of a start tag that must have the name, in bytes.
const LONGEST_TAG: usize = 80;
/// The limit of one JSON document, in bytes; a larger file is read line by line.
const MOST_JSON_BYTES: usize = 64 << 20;
/// The least length of a text in JSON that may be a message in base64 or hex, in bytes.
const SHORTEST_PACKED: usize = 40;
/// The limit of the text in front of a message that may have its date, in bytes.
const LONGEST_BEFORE: usize = 512;
