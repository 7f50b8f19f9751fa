//! Sessions from a file that is not a record: a trace of a device, a server's log, a single message.
//!
//! The messages are carved out of the text, and each goes through the conversation as if it passed the proxy without
//! rules. Facts of the network are absent: addresses and heads, and times. A message without a date has that of the one in
//! front of it, else the first one of the file, else 1970.

mod commands_alone;
mod curl;
mod date;
mod dates_behind;
mod event_lines;
mod find;
mod har;
mod json_texts;
mod last_answer;
mod mitm_flows;
mod order;
mod other_file;
mod packed_file;
mod raw_http;
mod series;
mod table;
mod wireshark;

use std::io::{self, BufRead};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::tz::Offset;
use memchr::memmem;

pub use self::date::DateReading;

use self::date::{DateOrder, WrittenDate, order_of};
pub use self::find::is_notification;
use self::find::{found, in_plain_utf8};
use self::order::{in_order, without_copies};
pub(super) use self::other_file::{nothing_found, of_other_program};
use self::packed_file::gunzipped;
use super::print;
use super::rule_includes::take_bounded;
use super::trial::{Evidence, Speakers, Trial, speaker_of};
use crate::dm::Message;
use crate::dm::carve::has_message;
use crate::dm::notification::Notification;
use crate::dm::soap::Envelope;
use crate::flow::origin::UrlOrigin;
use crate::flow::provider::note_provisioning;
use crate::flow::{
    CapturedBody, CapturedMessage, Delivery, Event, Head, NotParsed, Note, ParsedBody, Severity,
    Side, Timestamp,
};
use crate::markup::{Document, Hint, Limits, readable_part, wbxml};
use crate::printable::counted;
use crate::record::analysis::Analysis;
use crate::record::{Damage, EventRecord, Masking, replay};
use crate::rules::RuleSet;

/// Reads the events of a file in order: of a record of JSON lines, or of any other file with messages in it. Each comes
/// with its line, from 1, if it has one. Lines of a record that cannot be read are skipped and returned.
///
/// # Errors
/// Those of [`replay`], also for a file without any message, and those of the reader.
pub fn read_file(
    mut input: impl BufRead,
    dates: DateReading,
    mut on_event: impl FnMut(EventRecord, Option<u64>) -> io::Result<()>,
) -> io::Result<Vec<Damage>> {
    if input.fill_buf()?.starts_with(LINE) {
        return replay(input, |event, line| on_event(event, Some(line)));
    }
    let text: Bytes = take_bounded(input, MOST_BYTES)
        .map_err(io::Error::other)?
        .into();
    let (text, missing) = gunzipped(&text, MOST_BYTES).unwrap_or((text, None));
    if let Some(missing) = missing {
        print::line(&missing);
    }
    let unread = of_other_program(&text).map(str::to_owned);
    if let Some(why) = unread.or_else(|| har::broken(&in_plain_utf8(&text))) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    if text.trim_ascii_start().starts_with(b"{")
        && let Some((_, line)) = har::with_whole_characters(&text)
    {
        print::line(&format!(
            "note: line {line} of the file has half of a character (\\ud800 without its second half, or the like), read as \
             U+FFFD: something cut the text of its message"
        ));
    }
    // The first line of a record may be cut off.
    let mut lines = text.split(|byte| *byte == b'\n');
    let has_lines = lines.any(|line| line.starts_with(LINE));
    if !has_lines {
        let (events, notes) = events(&text, dates, Masking::Masked);
        notes.iter().for_each(|note| print::line(note));
        event_lines::print_named(&in_plain_utf8(&text), events.is_empty());
        if !events.is_empty() {
            for (event, line) in events {
                on_event(event, line)?;
            }
            return Ok(Vec::new());
        }
    }
    let mut is_record = has_lines;
    let read = replay(text.as_ref(), |event, line| {
        is_record = true;
        on_event(event, Some(line))
    });
    match read {
        Ok(damaged) if is_record || damaged.is_empty() => Ok(damaged),
        Err(error) if is_record || error.kind() != io::ErrorKind::InvalidData => Err(error),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            nothing_found(&text),
        )),
    }
}

/// Joins several files to one text: in their order, or in turns if one has the requests and the other the responses.
pub fn joined(files: &[Bytes]) -> Bytes {
    let plain = |file: &Bytes| {
        let file = gunzipped(file, MOST_BYTES).map_or_else(|| file.clone(), |(plain, _)| plain);
        match wbxml::looks_like(&file) {
            true => file,
            false => in_plain_utf8(&file),
        }
    };
    let files: Vec<Bytes> = files.iter().map(plain).collect();
    if let [one, other] = &files[..]
        && let Some(text) = raw_http::in_turns(one, other, &Limits::default())
    {
        return text;
    }
    match files.iter().any(|file| wbxml::looks_like(file)) {
        true => { files.iter().map(|file| STANDARD.encode(file)) }
            .collect::<Vec<_>>()
            .join("\n\n")
            .into(),
        false => files.join(&b"\n"[..]).into(),
    }
}

/// Returns the messages of a file that is not a record, in order.
pub fn messages(text: &Bytes, limits: &Limits) -> Vec<LoggedMessage> {
    in_order_of_dates(text, limits, DateReading::default()).0
}

/// Whether a file that is not a record has a message.
pub fn has_messages(text: &Bytes) -> bool {
    !messages(text, &Limits::default()).is_empty()
}

/// Returns the messages of a file that is not a record, in order; the remark about the unread part of a packed file; and
/// the order of day, month and year in the dates.
fn in_order_of_dates(
    text: &Bytes,
    limits: &Limits,
    dates: DateReading,
) -> (Vec<LoggedMessage>, Option<String>, DateOrder) {
    let (mut found, missing) = found(text, limits);
    found.truncate(MOST_MESSAGES);
    let order = dates.date_order.unwrap_or_else(|| {
        let written: Vec<_> = found.iter().filter_map(|found| found.date).collect();
        order_of(&written)
    });
    in_order(&mut found, |it| it.moment(order, dates.zone));
    (found, missing, order)
}

/// Returns the events of a file that is not a record, as the proxy would have recorded them, with the lines of their
/// messages; none if it has no message. Also returns notes for people: about unread parts, and the reading of dates
/// without a zone.
fn events(
    text: &Bytes,
    dates: DateReading,
    masking: Masking,
) -> (Vec<(EventRecord, Option<u64>)>, Vec<String>) {
    let limits = Limits::default();
    let (mut found, missing, order) = in_order_of_dates(text, &limits, dates);
    let copies = without_copies(&mut found, |it| it.moment(order, dates.zone));
    let copies = (copies > 0).then(|| {
        format!(
            "note: {} with the bytes and the time of the one before: not read once more",
            counted(copies, "message")
        )
    });
    let mut written = found.iter().filter_map(|found| found.date);
    let has_local = written.any(|date| date.zone().is_none());
    let read_as = has_local.then(|| {
        format!(
            "note: dates are read as {}, in the zone {}; --date-order and --zone change that",
            order.words(),
            dates.zone
        )
    });
    let mut conversation = Trial::new(http::Uri::default(), limits);
    // In front of the first time, no other one is known.
    let first = found.iter().find_map(|it| it.moment(order, dates.zone));
    let mut at = first.unwrap_or_default();
    let mut sessions = Analysis::default();
    let mut speakers = Speakers::default();
    let mut events: Vec<(EventRecord, Option<u64>)> = Vec::with_capacity(found.len());
    let mut seq = 0;
    for message in found {
        at = message.moment(order, dates.zone).unwrap_or(at);
        at.0 += u64::try_from(message.took.as_micros()).unwrap_or_default();
        let line = message.line;
        let no_answer = message.no_answer.clone();
        seq += 1;
        let event = message.event(seq, at, &mut conversation, &mut speakers, masking);
        let failed = no_answer.map(|why| {
            seq += 1;
            har::failed(seq, at, &event, &why, masking)
        });
        for event in std::iter::once(event).chain(failed) {
            let over = sessions.event(&event);
            let ends: Vec<_> = over
                .into_iter()
                .map(|it| event.session_end(it.summary))
                .collect();
            events.push((event, line));
            events.extend(ends.into_iter().map(|end| (end, line)));
        }
    }
    if let Some((last, line)) = events.last().cloned() {
        let over = sessions.finish().into_iter();
        events.extend(over.map(|it| (last.session_end(it.summary), line)));
    }
    (
        events,
        missing.into_iter().chain(copies).chain(read_as).collect(),
    )
}

/// A message of a file that is not a record.
pub struct LoggedMessage {
    /// Its line in the file, from 1; absent inside a JSON document of several lines.
    line: Option<u64>,
    bytes: Bytes,
    /// Its document, or the reason why it cannot be read.
    pub parsed: ParsedBody,
    date: Option<WrittenDate>,
    /// Its HTTP head, if the file has it, as a HAR.
    head: Option<Head>,
    /// Host and port of the server, if the file has them outside the message.
    server: Option<String>,
    /// Whether it answers the message in front of it, as in a HAR.
    is_answer: bool,
    /// The time from the beginning of the request to the response, in a HAR.
    took: Duration,
    /// For a request: the reason why no answer came, if the file has it.
    no_answer: Option<String>,
}

impl LoggedMessage {
    /// Creates a message from bytes alone.
    fn of(bytes: Bytes) -> Self {
        Self {
            line: None,
            bytes,
            parsed: ParsedBody::Empty,
            date: None,
            head: None,
            server: None,
            is_answer: false,
            took: Duration::ZERO,
            no_answer: None,
        }
    }

    /// Whether it decodes.
    fn is_read(&self) -> bool {
        self.parsed.document().is_some()
    }

    /// Whether it is a message of SyncML, or one that breaks off; other bytes may begin like WBXML.
    fn may_be_message(&self) -> bool {
        let is_message = |document: &Document| Message::of(document).is_some();
        let ParsedBody::Broken(error) = &self.parsed else {
            return self.parsed.document().is_some_and(|it| is_message(it));
        };
        let front = || readable_part(&self.bytes, error, Hint::default(), &Limits::default());
        has_message(&self.bytes) || front().as_ref().is_some_and(is_message)
    }

    /// Whether it is a notification (package 0), which makes a device begin a session.
    fn is_notification(&self) -> bool {
        let media_type = |parsed: &ParsedBody| match parsed {
            ParsedBody::Unread(NotParsed::MediaType(it)) => it == NOTIFICATION,
            _ => false,
        };
        self.head.is_none() && media_type(&self.parsed)
    }

    /// Returns the sender, if the message has a head.
    pub fn speaker(&self) -> Option<Side> {
        Some(match self.head.as_ref()? {
            Head::Request(_) => Side::Device,
            Head::Response(_) => Side::Server,
        })
    }

    /// Whether the device sent it; `None` if the message itself does not show it.
    fn is_of_device(&self) -> Option<bool> {
        let (side, evidence) = speaker_of(self.parsed.document()?);
        (evidence == Evidence::Message).then_some(side == Side::Device)
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
        conversation: &mut Trial,
        speakers: &mut Speakers,
        masking: Masking,
    ) -> EventRecord {
        let front = match &self.parsed {
            ParsedBody::Broken(error) => {
                readable_part(&self.bytes, error, Hint::default(), &Limits::default())
            }
            _ => None,
        };
        let is_broken = front.is_some();
        let document = self.parsed.document().cloned();
        let document = document.or_else(|| front.map(Arc::new));
        let is_known = self.head.is_some();
        let notification = Notification::of(&self.bytes).filter(|_| self.is_notification());
        let notification = notification.map(asks);
        let speaker = match &document {
            Some(document) => speakers.of(document, self.speaker()).0,
            None if notification.is_some() => Side::Server,
            None => self.speaker().unwrap_or(Side::Device),
        };
        let mut passed = match self.is_answer && speaker == Side::Server {
            true => conversation.answer(self.bytes.clone(), document),
            false => conversation.message(speaker, self.bytes.clone(), document),
        };
        let is_cut = is_cut(&self.bytes);
        // References to the part behind a cut cannot be resolved.
        let is_missing = matches!(
            self.parsed,
            ParsedBody::Unread(NotParsed::NotRecorded { .. } | NotParsed::Coding(_))
        );
        passed.is_broken = is_broken || is_cut || is_missing;
        passed.at = at;
        match self.head {
            Some(Head::Request(head)) => passed.request = Arc::unwrap_or_clone(head),
            Some(Head::Response(head)) => passed.response = Some(head),
            None => {}
        }
        let named = || server_of(passed.document.as_deref()?, speaker);
        if let Some(server) = self.server.or_else(named) {
            passed.connection.server = server;
        }
        let mut decision = conversation.decide(&RuleSet::default(), &passed);
        if is_broken {
            // A part of a message shows its session; its commands and mistakes are not known.
            (decision.links, decision.notes) = (Vec::new(), Vec::new());
        }
        if is_cut {
            // The last answer may refer to a command in the lost part.
            decision.notes.retain(|note| note.id != "STA-03");
        }
        let mut notes: Vec<_> = is_cut.then(cut).into_iter().collect();
        notes.extend(notification);
        notes.extend(
            passed
                .document
                .as_deref()
                .map(note_provisioning)
                .into_iter()
                .flatten(),
        );
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
                None => Head::Request(passed.request.into()),
            },
            body: CapturedBody {
                received: self.bytes.clone(),
                plain: None,
                sent: self.bytes,
                parsed: self.parsed,
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
        // The file does not have these values.
        if !is_known {
            record.head = None;
        }
        record.took_us = record.took_us.filter(|took| *took > 0);
        (record.connection.device, record.connection.listener) = (None, None);
        record
    }
}

/// Returns the note about a notification.
fn asks(notification: Notification<'_>) -> Note {
    Note {
        id: "LOG-02",
        severity: Severity::Info,
        at: None,
        text: format!(
            "a notification (package 0) of {:?}: it asks for the session {}; dmtap decode prints it",
            notification.server(),
            notification.session_id()
        ),
    }
}

/// Returns host and port of the server, from the address in the header.
fn server_of(document: &Document, speaker: Side) -> Option<String> {
    if let Some(envelope) = Envelope::of(document) {
        let origin = UrlOrigin::of(&envelope.to()?)?.origin;
        return Some(format!("{}:{}", origin.host, origin.port));
    }
    let header = Message::of(document)?.header()?;
    let address = match speaker {
        Side::Device => header.target()?,
        Side::Server => header.source()?,
    };
    let origin = UrlOrigin::of(&address)?.origin;
    Some(format!("{}:{}", origin.host, origin.port))
}

/// Whether a message ends with the comment that SyncMLViewer writes if it had only the first 64 KB.
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

/// The media type of a notification.
const NOTIFICATION: &str = "application/vnd.syncml.notification";
/// The beginning of each line of a record.
pub const LINE: &[u8] = b"{\"v\":";
/// The limit of a file that is not a record, in bytes.
const MOST_BYTES: u64 = 256 << 20;
/// The limit of messages of one file.
const MOST_MESSAGES: usize = 100_000;
/// The limit of the comment about a cut with the end tags behind it, in bytes.
const LONGEST_CUT_END: usize = 4096;
