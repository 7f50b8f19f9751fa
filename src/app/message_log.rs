//! Sessions from a file that is no record: a trace of a device, a server's log, a single message.
//!
//! The messages are carved out of the text, and each goes through the conversation as one that passes the proxy
//! does, with no rules. What only the network knows is absent: addresses, heads, and when nothing dates a message,
//! the time (then it is 1970).

mod date;
mod har;

use std::io::{self, BufRead};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::tz::Offset;
use memchr::memmem;
use serde_json::Value;

pub use self::date::DateOrder;

use self::date::{WrittenDate, order_of};
use super::dry_run::{DryRun, speaker_of};
use super::print;
use super::rule_includes::take_bounded;
use crate::dm::carve::{carve, has_message};
use crate::dm::packed::unpack;
use crate::dm::{Dialect, Message};
use crate::flow::origin::UrlOrigin;
use crate::flow::{
    CapturedBody, CapturedMessage, Delivery, Event, Head, Note, ParsedBody, Severity, Side,
    Timestamp,
};
use crate::markup::utf16::in_utf8;
use crate::markup::{DecodeError, Document, Hint, Limits, before_break, decode, wbxml};
use crate::record::analysis::Analysis;
use crate::record::{Damage, EventRecord, Masking, replay_lines};
use crate::rules::RuleSet;

/// How the dates of a log are read.
#[derive(Clone, Copy, Debug)]
pub struct DateReading {
    /// The order of day, month and year; `None`: the file shows it.
    pub order: Option<DateOrder>,
    /// The zone of the times.
    pub zone: Offset,
}

/// Reads the events of a file in order, each with its line from 1 where it has one: of a record of JSON lines, or of any other file with
/// messages in it. Lines of a record that cannot be read are skipped and returned.
///
/// # Errors
/// Those of [`replay_lines`], which a file without any message has, too, and those of the reader.
pub fn read_file(
    mut input: impl BufRead,
    dates: DateReading,
    mut on_event: impl FnMut(EventRecord, Option<u64>) -> io::Result<()>,
) -> io::Result<Vec<Damage>> {
    if input.fill_buf()?.starts_with(LINE) {
        return replay_lines(input, |event, line| on_event(event, Some(line)));
    }
    let text: Bytes = take_bounded(input, MOST_BYTES)
        .map_err(io::Error::other)?
        .into();
    if text.starts_with(&PCAPNG) {
        let why = "this is a pcapng: the record in JSON lines (.jsonl) beside it has its sessions";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    // The first line alone may be torn.
    let mut lines = text.split(|byte| *byte == b'\n');
    if !lines.any(|line| line.starts_with(LINE)) {
        let (events, read_as) = events(&text, dates, Masking::Masked);
        if let Some(read_as) = read_as {
            print::line(&read_as);
        }
        if !events.is_empty() {
            for (event, line) in events {
                on_event(event, line)?;
            }
            return Ok(Vec::new());
        }
    }
    replay_lines(text.as_ref(), |event, line| on_event(event, Some(line)))
}

/// A message of a file that is no record.
pub struct LoggedMessage {
    /// Who sent it, where the file says so.
    pub speaker: Option<Side>,
    /// What it says, or why it cannot be read.
    pub reading: ParsedBody,
}

/// The messages of a file that is no record, in order.
pub fn messages(text: &Bytes, limits: &Limits) -> Vec<LoggedMessage> {
    let found = found(text, limits).into_iter().take(MOST_MESSAGES);
    let messages = found.map(|found| LoggedMessage {
        speaker: found.speaker(),
        reading: found.reading,
    });
    messages.collect()
}

/// The events of a file that is no record, as the proxy would have recorded them, with the lines of their messages; none
/// if it has no message. Where dates have no zone, also how they were read, for people.
fn events(
    text: &Bytes,
    dates: DateReading,
    masking: Masking,
) -> (Vec<(EventRecord, Option<u64>)>, Option<String>) {
    let limits = Limits::default();
    let mut found = found(text, &limits);
    found.truncate(MOST_MESSAGES);
    let written: Vec<_> = found.iter().filter_map(|found| found.date).collect();
    let order = dates.order.unwrap_or_else(|| order_of(&written));
    let has_local = written.iter().any(|date| date.zone().is_none());
    let read_as = has_local.then(|| {
        format!(
            "note: dates are read as {}, in the zone {}; --date-order and --zone change that",
            order.words(),
            dates.zone
        )
    });
    let mut conversation = DryRun::new(http::Uri::default(), limits);
    let mut at = Timestamp::default();
    let mut sessions = Analysis::default();
    let mut events: Vec<(EventRecord, Option<u64>)> = Vec::with_capacity(found.len());
    for (seq, message) in (1..).zip(found) {
        at = message.moment(order, dates.zone).unwrap_or(at);
        at.0 += u64::try_from(message.took.as_micros()).unwrap_or_default();
        let line = message.line;
        let event = message.event(seq, at, &mut conversation, masking);
        let over = sessions.event(&event);
        let ends = over.into_iter().map(|it| event.session_end(it.summary));
        let ends: Vec<_> = ends.collect();
        events.push((event, line));
        events.extend(ends.into_iter().map(|end| (end, line)));
    }
    if let Some((last, line)) = events.last().cloned() {
        let over = sessions.finish().into_iter();
        events.extend(over.map(|it| (last.session_end(it.summary), line)));
    }
    (events, read_as)
}

/// A message of the file.
struct Found {
    /// Its line in the file, from 1; absent inside a JSON document of several lines.
    line: Option<u64>,
    bytes: Bytes,
    reading: ParsedBody,
    date: Option<WrittenDate>,
    /// Its HTTP head, which a HAR has.
    head: Option<Head>,
    /// Host and port of the server, where the file has them besides the message.
    server: Option<String>,
    /// From the beginning of the request to the response, in a HAR.
    took: Duration,
}

fn found(text: &Bytes, limits: &Limits) -> Vec<Found> {
    let alone = unpack(text.to_vec());
    if wbxml::looks_like(&alone) {
        return vec![whole(alone, limits, None)];
    }
    let text = in_plain_utf8(&alone);
    // In JSON and HTML the text of a message is escaped: it would be carved as a broken one, or not at all.
    let found = in_json(&text, limits);
    if !found.is_empty() {
        return found;
    }
    let found = carved(&text, limits, None);
    match found.is_empty() {
        true => carved(&without_escapes(&text), limits, None),
        false => found,
    }
}

/// The text of a page of HTML, or of a message that was pasted into one.
fn without_escapes(text: &Bytes) -> Bytes {
    let Ok(escaped) = std::str::from_utf8(text) else {
        return text.clone();
    };
    let replaced = ESCAPES
        .iter()
        .fold(escaped.to_owned(), |text, (escape, character)| {
            text.replace(escape, character)
        });
    replaced.into()
}

/// What a message says; of one that is cut, what stands in front of the cut.
fn reading(bytes: &Bytes, decoded: Result<Document, DecodeError>, limits: &Limits) -> ParsedBody {
    let error = match decoded {
        Ok(document) => return read(document),
        Err(error) => error,
    };
    let front = is_cut(bytes).then(|| before_break(bytes, &error, Hint::default(), limits));
    match front.flatten() {
        Some(document) => read(document),
        None => ParsedBody::Undecodable(error),
    }
}

fn read(document: Document) -> ParsedBody {
    let dialect = Dialect::of(&document);
    ParsedBody::Document(Arc::new(document), dialect)
}

/// The messages of a text; `date` is that of those without one in front of them.
fn carved(text: &Bytes, limits: &Limits, date: Option<WrittenDate>) -> Vec<Found> {
    let (mut line, mut counted) = (1, 0);
    let messages = carve(text, limits).map(|message| {
        let start = message.range.start;
        line += memchr::memchr_iter(b'\n', &text[counted..start]).count() as u64;
        counted = start;
        let before = &text[message.before..message.range.start];
        let before = &before[before.len().saturating_sub(LONGEST_BEFORE)..];
        let bytes = text.slice(message.range);
        Found {
            line: Some(line),
            reading: reading(&bytes, message.document, limits),
            bytes,
            date: WrittenDate::last_in(&String::from_utf8_lossy(before)).or(date),
            head: None,
            server: None,
            took: Duration::ZERO,
        }
    });
    messages.collect()
}

/// The messages in the texts of JSON: of one document, as browsers and proxies save traffic (HAR), or of lines, as
/// servers log them.
fn in_json(text: &[u8], limits: &Limits) -> Vec<Found> {
    if let (true, Ok(value)) = (
        text.len() <= MOST_JSON_BYTES,
        serde_json::from_slice::<Value>(text),
    ) {
        let is_one_line = !text.trim_ascii().contains(&b'\n');
        return in_value(&value, limits, is_one_line.then_some(1));
    }
    let lines = (1..).zip(text.split(|byte| *byte == b'\n'));
    let values = lines.filter_map(|(number, line)| {
        // It is not at the beginning where something is logged in front of it.
        let start = line.iter().position(|byte| *byte == b'{')?;
        let value: Value = serde_json::from_slice(&line[start..]).ok()?;
        Some(in_value(&value, limits, Some(number)))
    });
    values.flatten().collect()
}

/// `line` is that of the value, where it has one.
fn in_value(value: &Value, limits: &Limits, line: Option<u64>) -> Vec<Found> {
    if let Some(found) = har::messages(value, limits) {
        return found;
    }
    if let Some(values) = value.as_array() {
        return values
            .iter()
            .flat_map(|value| in_value(value, limits, line))
            .collect();
    }
    let mut texts = Vec::new();
    texts_of(value, &mut texts);
    let date = texts.iter().find_map(|text| match text.len() < 40 {
        true => WrittenDate::last_in(text),
        false => None,
    });
    let found = texts.into_iter().flat_map(|text| {
        let text = match has_message(text.as_bytes()) || text.len() < SHORTEST_PACKED {
            true => Bytes::copy_from_slice(text.as_bytes()),
            false => unpack(text.as_bytes().to_vec()),
        };
        match wbxml::looks_like(&text) {
            true => Vec::from_iter(Some(whole(text, limits, date)).filter(Found::is_message)),
            false if has_message(&text) => carved(&text, limits, date),
            false => Vec::new(),
        }
    });
    found.map(|found| Found { line, ..found }).collect()
}

/// A message that is all of a text.
fn whole(bytes: Bytes, limits: &Limits, date: Option<WrittenDate>) -> Found {
    let decoded = decode(bytes.clone(), Hint::default(), limits);
    Found {
        line: Some(1),
        reading: reading(&bytes, decoded, limits),
        bytes,
        date,
        head: None,
        server: None,
        took: Duration::ZERO,
    }
}

fn texts_of<'v>(value: &'v Value, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(values) => values.iter().for_each(|value| texts_of(value, texts)),
        Value::Object(fields) => fields.values().for_each(|value| texts_of(value, texts)),
        _ => {}
    }
}

/// A text in UTF-8 without a byte order mark; PowerShell writes UTF-16.
fn in_plain_utf8(text: &Bytes) -> Bytes {
    let is_little = match text.as_ref() {
        [0xff, 0xfe, ..] => true,
        [0xfe, 0xff, ..] => false,
        [0xef, 0xbb, 0xbf, ..] => return text.slice(3..),
        _ => return in_utf8(text.clone()).unwrap_or_else(|_| text.clone()),
    };
    let units = text[2..].chunks_exact(2).map(|pair| match is_little {
        true => u16::from_le_bytes([pair[0], pair[1]]),
        false => u16::from_be_bytes([pair[0], pair[1]]),
    });
    let characters = char::decode_utf16(units);
    let text: String = characters
        .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    text.into()
}

impl Found {
    /// Whether it is a whole message of SyncML; other bytes may begin like WBXML.
    fn is_message(&self) -> bool {
        let document = self.reading.document();
        document.is_some_and(|document| Message::of(document).is_some())
    }

    /// Who sent it, by its head.
    fn speaker(&self) -> Option<Side> {
        Some(match self.head.as_ref()? {
            Head::Request(_) => Side::Device,
            Head::Response(_) => Side::Server,
        })
    }

    fn moment(&self, order: DateOrder, zone: Offset) -> Option<Timestamp> {
        let date = self.date?;
        let zone = date.zone().unwrap_or(zone);
        let moment = zone.to_timestamp(date.moment(order)?).ok()?;
        u64::try_from(moment.as_microsecond()).ok().map(Timestamp)
    }

    fn event(
        self,
        seq: u64,
        at: Timestamp,
        conversation: &mut DryRun,
        masking: Masking,
    ) -> EventRecord {
        let front = match &self.reading {
            ParsedBody::Undecodable(error) => {
                before_break(&self.bytes, error, Hint::default(), &Limits::default())
            }
            _ => None,
        };
        let is_broken = front.is_some();
        let document = self.reading.document().cloned();
        let document = document.or_else(|| front.map(Arc::new));
        let is_known = self.head.is_some();
        let speaker = self.speaker().unwrap_or_else(|| match &document {
            Some(document) => speaker_of(document).0,
            None => Side::Device,
        });
        let mut passed = conversation.message(speaker, self.bytes.clone(), document);
        passed.is_broken = is_broken;
        passed.at = at;
        match self.head {
            Some(Head::Request(head)) => passed.request = head,
            Some(Head::Response(head)) => passed.response = Some(head),
            None => {}
        }
        let named = || server_of(passed.document.as_deref()?, speaker);
        if let Some(server) = self.server.or_else(named) {
            passed.connection.server = server;
        }
        let mut decision = conversation.decide(&RuleSet::default(), &passed);
        if is_broken {
            // A part of a message shows whose it is. What it says and breaks is not known.
            (decision.links, decision.notes) = (Vec::new(), Vec::new());
        }
        let mut notes: Vec<_> = is_cut(&self.bytes).then(cut).into_iter().collect();
        notes.extend(decision.notes);
        let message = Arc::new(CapturedMessage {
            exchange: passed.exchange,
            connection: Arc::new(passed.connection),
            from: speaker,
            synthesized: false,
            at,
            took: self.took,
            head: match passed.response {
                Some(response) => Head::Response(response),
                None => Head::Request(passed.request),
            },
            payload: CapturedBody {
                received: self.bytes.clone(),
                plain: None,
                sent: self.bytes,
                reading: self.reading,
                sent_document: None,
            },
            client_auth: None,
            session: decision.session,
            links: decision.links,
            notes,
            applied: Vec::new(),
            delivery: Delivery::default(),
        });
        let event = match speaker {
            Side::Device => Event::Request(message),
            Side::Server => Event::Response(message),
        };
        let mut record = EventRecord::of(seq, &event, masking);
        // The file does not show them.
        if !is_known {
            (record.head, record.took_us) = (None, None);
        }
        (record.connection.device, record.connection.listener) = (None, None);
        record
    }
}

/// Host and port of the server, by the address in the header.
fn server_of(document: &Document, speaker: Side) -> Option<String> {
    let header = Message::of(document)?.header()?;
    let address = match speaker {
        Side::Device => header.target()?,
        Side::Server => header.source()?,
    };
    let origin = UrlOrigin::of(&address)?.origin;
    Some(format!("{}:{}", origin.host, origin.port))
}

/// Whether a message ends with the comment that SyncMLViewer writes where it had only the first 64 KB.
fn is_cut(message: &[u8]) -> bool {
    let end = &message[message.len().saturating_sub(LONGEST_CUT_END)..];
    memmem::find(end, b"truncated xml data -->").is_some()
}

fn cut() -> Note {
    Note {
        id: "LOG-01",
        severity: Severity::Warning,
        at: None,
        text: "SyncMLViewer had only the first 64 KB of this message: what follows is missing"
            .into(),
    }
}

/// What HTML writes for the characters of a tag; `&amp;` last, since the others may stand behind it.
const ESCAPES: [(&str, &str); 6] = [
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&#34;", "\""),
    ("&#39;", "'"),
    ("&amp;", "&"),
];
/// How a capture for Wireshark begins.
const PCAPNG: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// How each line of a record begins.
pub const LINE: &[u8] = b"{\"v\":";
/// Bytes of a file that is no record.
const MOST_BYTES: u64 = 256 << 20;
/// Bytes of one JSON document; of a larger file the lines are read.
const MOST_JSON_BYTES: usize = 64 << 20;
/// Bytes of a text in JSON that may be a message in base64 or hex.
const SHORTEST_PACKED: usize = 40;
/// Messages of one file.
const MOST_MESSAGES: usize = 100_000;
/// Bytes in front of a message in which its date is looked for.
const LONGEST_BEFORE: usize = 512;
/// Bytes of the comment about a cut, and of the end tags behind it.
const LONGEST_CUT_END: usize = 4096;
