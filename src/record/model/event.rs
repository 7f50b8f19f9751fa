//! Makes the record of an event.

use std::borrow::Cow;

use bytes::Bytes;
use jiff::fmt::temporal::DateTimePrinter;
use smol_str::SmolStr;

use super::{
    BodyRecord, CommandRecord, ConnectionRecord, DeliveryStepRecord, EnrollmentRecord, EventKind,
    EventRecord, HeadRecord, MessageRecord, NoteRecord, ParsedBodyRecord, SessionRecord,
    SessionSummary, VERSION, rule_effect,
};
use crate::dm::{Command, Dialect, Message};
use crate::flow::note::clipped_note;
use crate::flow::{
    AnswerLink, CapturedBody, CapturedMessage, ConnectionId, DeliveryStep, Event, NotParsed, Pace,
    ParsedBody, Side, Timestamp, media,
};
use crate::markup::{self, Document, Limits, NameId};
use crate::record::redact::{Masking, Redactor, SecretSpans};

impl EventRecord {
    /// Makes the record of an event.
    pub fn of(seq: u64, event: &Event, masking: Masking) -> Self {
        match event {
            Event::Opened(connection) => {
                Self::bare(seq, EventKind::Opened, connection.opened, &**connection)
            }
            Event::ConnectionDecided {
                connection,
                at,
                applied,
            } => Self {
                applied: rule_effect::of_connection(applied, masking),
                ..Self::bare(seq, EventKind::ConnectionDecided, *at, *connection)
            },
            Event::Refused {
                connection,
                at,
                why,
            } => Self {
                why: Some(SmolStr::new(why)),
                ..Self::bare(seq, EventKind::Refused, *at, *connection)
            },
            Event::Malformed {
                connection,
                device,
                at,
                why,
            } => Self {
                why: Some(SmolStr::new(why)),
                from: Some(SmolStr::new_static(Side::Device.name())),
                connection: ConnectionRecord {
                    device: Some(*device),
                    ..(*connection).into()
                },
                ..Self::bare(seq, EventKind::Malformed, *at, *connection)
            },
            Event::Closed { connection, at } => {
                Self::bare(seq, EventKind::Closed, *at, *connection)
            }
            Event::Request(captured) => Self::captured(seq, EventKind::Request, captured, masking),
            Event::Response(captured) => {
                let own = own_answer(captured);
                let message = own.as_ref().unwrap_or(captured);
                Self::captured(seq, EventKind::Response, message, masking)
            }
            Event::Failed {
                exchange,
                connection,
                at,
                side,
                by_rule,
                is_answered,
                cause,
                why,
                help,
            } => Self {
                exchange: Some(exchange.0),
                cause: *cause,
                help: help.as_deref().map(SmolStr::new),
                by_rule: *by_rule,
                is_answered: *is_answered,
                from: side.map(|side| SmolStr::new_static(side.name())),
                why: Some(SmolStr::new(why)),
                ..Self::bare(seq, EventKind::Failed, *at, *connection)
            },
        }
    }

    /// Makes the record of an event that could not be examined: it shows only metadata, not the content.
    pub(in crate::record) fn unexamined(seq: u64, event: &Event) -> Self {
        let of_message = |kind, message: &CapturedMessage| Self {
            exchange: Some(message.exchange.0),
            from: Some(SmolStr::new_static(message.from.name())),
            own: message.synthesized,
            why: Some(SmolStr::new_static("dmtap could not examine the message")),
            ..Self::bare(seq, kind, message.at, &*message.connection)
        };
        match event {
            Event::Request(message) => of_message(EventKind::Request, message),
            Event::Response(message) => of_message(EventKind::Response, message),
            Event::ConnectionDecided { connection, at, .. } => {
                Self::bare(seq, EventKind::ConnectionDecided, *at, *connection)
            }
            // The other events have nothing to examine.
            other => Self::of(seq, other, Masking::Masked),
        }
    }

    /// Makes the record of the end of a session that this event caused. It has the number of this event.
    pub fn session_end(&self, summary: SessionSummary) -> Self {
        Self {
            exchange: Some(summary.last_exchange),
            summary: Some(Box::new(summary)),
            ..Self::bare(
                self.seq,
                EventKind::Session,
                Timestamp(self.at_us),
                ConnectionId(self.connection.id),
            )
        }
    }

    /// Returns the header and commands of the message as sent, if a rule changed it. Masked values stay masked.
    pub(in crate::record) fn sent_message(&self) -> Option<(MessageRecord, Vec<CommandRecord>)> {
        let document = self.sent_document()?;
        let message = Message::of(&document)?;
        let secret_spans = SecretSpans::default();
        let header = MessageRecord::of(message, &secret_spans);
        Some((header, commands(message, &[], &secret_spans)))
    }

    /// Returns the content of the message of enrollment as sent, if a rule changed it.
    pub(in crate::record) fn sent_enrollment(&self) -> Option<EnrollmentRecord> {
        let document = self.sent_document()?;
        EnrollmentRecord::of(&document, &SecretSpans::default())
    }

    /// Returns the body as received; for a message that dmtap wrote in a peer's place, the body as sent.
    pub fn written_body(&self) -> Option<&BodyRecord> {
        let received = self.body.as_ref();
        received
            .filter(|body| !self.own || !body.0.is_empty())
            .or_else(|| self.sent.as_ref().filter(|_| self.own))
    }

    fn sent_document(&self) -> Option<Document> {
        let sent = self.sent.as_ref()?;
        sent.document(self.head.as_ref(), &Limits::default())
    }

    fn bare(
        seq: u64,
        event: EventKind,
        at: Timestamp,
        connection: impl Into<ConnectionRecord>,
    ) -> Self {
        Self {
            v: VERSION,
            seq,
            event,
            at: rfc3339(at).into(),
            at_us: at.0,
            connection: connection.into(),
            ..Self::default()
        }
    }

    fn captured(seq: u64, event: EventKind, captured: &CapturedMessage, masking: Masking) -> Self {
        let mut secrets = Redactor::new(masking);
        secrets.learn(&captured.head);
        let document = captured.body.parsed.document();
        let secret_spans = document.map(|document| secrets.find(document, &captured.links));
        let sent_spans = captured.body.sent_document.as_ref();
        let sent_spans = sent_spans.map(|document| secrets.find(document, &[]));
        let applied = rule_effect::of_message(
            captured,
            secret_spans.as_ref(),
            sent_spans.as_ref(),
            &secrets,
        );
        let secret_spans = secret_spans.unwrap_or_default();
        let message = document.and_then(|document| Message::of(document));
        let changed = captured.body.sent != captured.body.received;
        let notes = captured.notes.iter().map(|note| NoteRecord {
            text: clipped_note(&secrets.mask_known(&note.text)).into(),
            ..note.into()
        });
        let mut record = Self {
            exchange: Some(captured.exchange.0),
            from: Some(SmolStr::new_static(captured.from.name())),
            own: captured.synthesized,
            took_us: (event == EventKind::Response).then(|| micros(captured.took)),
            head: Some(HeadRecord::of(&captured.head, &secrets)),
            bytes: Some(received_bytes(&captured.body)),
            bytes_sent: changed.then_some(captured.body.sent.len() as u64),
            reading: Some(ParsedBodyRecord::of(captured)),
            client_auth: captured.client_auth.clone(),
            session: captured
                .session
                .as_ref()
                .map(|tag| SessionRecord::of(tag, captured.from)),
            message: message.map(|message| MessageRecord::of(message, &secret_spans)),
            enrollment: document.and_then(|document| EnrollmentRecord::of(document, &secret_spans)),
            commands: message
                .map_or_else(Vec::new, |m| commands(m, &captured.links, &secret_spans)),
            notes: notes.collect(),
            applied,
            delivery: captured.delivery.ops.iter().map(delivery_step).collect(),
            body: received(captured, &secret_spans, &secrets),
            sent: changed.then(|| sent(&captured.body, sent_spans.as_ref(), &secrets)),
            ..Self::bare(seq, event, captured.at, &*captured.connection)
        };
        record.mask_known(&secrets);
        record
    }
}

/// Reads dmtap's own answer to enrollment as its receiver does. Its SyncML answers were already read.
fn own_answer(message: &CapturedMessage) -> Option<CapturedMessage> {
    let sent = &message.body.sent;
    let is_unread = matches!(message.body.parsed, ParsedBody::Empty) && !sent.is_empty();
    if !message.synthesized || !is_unread {
        return None;
    }
    let hint = media::hint(message.head.headers());
    let document = markup::decode(sent.clone(), hint, &Limits::default()).ok()?;
    let dialect = Dialect::of(&document);
    let parsed = ParsedBody::Document(document.into(), dialect);
    (dialect == Dialect::Soap).then(|| CapturedMessage {
        body: CapturedBody {
            received: sent.clone(),
            parsed,
            ..message.body.clone()
        },
        ..message.clone()
    })
}

/// Returns a time as RFC 3339 in UTC, to the microsecond.
pub(super) fn rfc3339(at: Timestamp) -> String {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
    let micros = i64::try_from(at.0).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX);
    PRINTER.timestamp_to_string(&moment)
}

fn received_bytes(body: &CapturedBody) -> u64 {
    match body.parsed {
        ParsedBody::Unread(NotParsed::NotAsked { bytes }) => bytes,
        _ => body.received.len() as u64,
    }
}

/// Returns the body as received: the source of a document, or the body without content coding. An encoded body that may
/// hide secrets is left out.
fn received(
    captured: &CapturedMessage,
    secret_spans: &SecretSpans,
    secrets: &Redactor,
) -> Option<BodyRecord> {
    let body = &captured.body;
    if let Some(document) = body.parsed.document() {
        return Some(filled(document, secret_spans));
    }
    if let Some(plain) = &body.plain {
        return Some(unread(plain, secrets));
    }
    let hidden = captured
        .head
        .headers()
        .contains_key(http::header::CONTENT_ENCODING);
    if body.received.is_empty() || hidden && secrets.masking() == Masking::Masked {
        return None;
    }
    Some(unread(&body.received, secrets))
}

fn sent(body: &CapturedBody, secret_spans: Option<&SecretSpans>, secrets: &Redactor) -> BodyRecord {
    if let (Some(document), Some(secret_spans)) = (&body.sent_document, secret_spans) {
        return filled(document, secret_spans);
    }
    unread(&body.sent, secrets)
}

/// Records a body that is not a document: masks known secrets and what looks like a secret.
fn unread(body: &Bytes, secrets: &Redactor) -> BodyRecord {
    let shown = secrets.mask_lookalikes(body);
    let masked = match secrets.mask_known_bytes(&shown) {
        Cow::Owned(masked) => Some(masked),
        Cow::Borrowed(_) => None,
    };
    BodyRecord(match (masked, shown) {
        (Some(masked), _) => masked.into(),
        (None, Cow::Owned(shown)) => shown.into(),
        (None, Cow::Borrowed(_)) => body.clone(),
    })
}

fn filled(document: &Document, secret_spans: &SecretSpans) -> BodyRecord {
    BodyRecord(match secret_spans.fill(document.source()) {
        Some(masked) => masked.into(),
        None => document.source().clone(),
    })
}

fn commands(
    message: Message<'_>,
    links: &[AnswerLink],
    secret_spans: &SecretSpans,
) -> Vec<CommandRecord> {
    let mut listing = Listing {
        links,
        secret_spans,
        path: String::from("/SyncML/SyncBody"),
        record: Vec::new(),
    };
    if let Some(body) = message.body() {
        listing.level(&body.commands().collect::<Vec<_>>(), 0);
    }
    listing.record
}

/// Lists the commands of a message with their paths.
struct Listing<'a> {
    links: &'a [AnswerLink],
    secret_spans: &'a SecretSpans,
    path: String,
    record: Vec<CommandRecord>,
}

impl Listing<'_> {
    /// Adds sibling commands, each followed by its nested commands. Counts the paths along the way: asking each element
    /// for its own path would take quadratic time.
    fn level(&mut self, siblings: &[Command<'_>], depth: u32) {
        // Sorted by name; usually there are few names.
        let mut counts: Vec<(NameId, usize, usize)> = Vec::new();
        for command in siblings {
            let name = command.element().name();
            match counts.binary_search_by_key(&name, |(known, ..)| *known) {
                Ok(at) => counts[at].1 += 1,
                Err(at) => counts.insert(at, (name, 1, 0)),
            }
        }
        self.record.reserve(siblings.len());
        let outer = self.path.len();
        for command in siblings {
            let element = command.element();
            self.path.push('/');
            self.path.push_str(element.local());
            let known = counts.binary_search_by_key(&element.name(), |(known, ..)| *known);
            if let Some((_, 2.., seen)) = known.ok().and_then(|at| counts.get_mut(at)) {
                *seen += 1;
                self.path.push('[');
                push_number(&mut self.path, *seen);
                self.path.push(']');
            }
            let path = SmolStr::new(&self.path);
            let record = CommandRecord::of(*command, depth, path, self.links, self.secret_spans);
            self.record.push(record);
            let inner: Vec<Command<'_>> = command.nested().collect();
            if !inner.is_empty() {
                self.level(&inner, depth + 1);
            }
            self.path.truncate(outer);
        }
    }
}

/// Does the same as `write!`, which would take as long as the rest of a path.
fn push_number(text: &mut String, number: usize) {
    if number >= 10 {
        push_number(text, number / 10);
    }
    text.push(char::from(b'0' + (number % 10) as u8));
}

fn delivery_step(step: &DeliveryStep) -> DeliveryStepRecord {
    match step {
        DeliveryStep::Wait(time) => DeliveryStepRecord::WaitUs(micros(*time)),
        DeliveryStep::Pace(Pace::Rate(rate)) => DeliveryStepRecord::BytesPerSecond(rate.get()),
        DeliveryStep::Pace(Pace::Slices { size, pause }) => {
            DeliveryStepRecord::SlicesUs(size.get(), micros(*pause))
        }
        DeliveryStep::Announce(_) => DeliveryStepRecord::LengthWrong,
        &DeliveryStep::WHOLE => DeliveryStepRecord::SentWhole,
        DeliveryStep::Send(bytes) => DeliveryStepRecord::SentBytes(*bytes),
        DeliveryStep::Noise(noise) => DeliveryStepRecord::NoiseBytes(noise.bytes),
        DeliveryStep::Close => DeliveryStepRecord::Close,
        DeliveryStep::Reset => DeliveryStepRecord::Reset,
    }
}

fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Delivery, Noise};
    use std::time::Duration;

    #[test]
    fn a_record_says_of_a_delivery_what_the_proxy_said() {
        let wait = || DeliveryStep::Wait(Duration::from_secs(1));
        let noise = || DeliveryStep::Noise(Noise { seed: 1, bytes: 9 });
        for (steps, whole) in [
            (vec![], true),
            (vec![wait()], true),
            (vec![wait(), DeliveryStep::Close], false),
            (vec![noise(), DeliveryStep::Close], false),
            (vec![DeliveryStep::Send(9), DeliveryStep::Reset], false),
            (vec![DeliveryStep::WHOLE, DeliveryStep::Reset], true),
        ] {
            let delivery = Delivery { ops: steps };
            let recorded: Vec<DeliveryStepRecord> =
                delivery.ops.iter().map(delivery_step).collect();
            assert_eq!(delivery.is_whole(), whole, "{delivery:?}");
            assert_eq!(
                DeliveryStepRecord::is_whole(&recorded),
                whole,
                "{recorded:?}"
            );
        }
    }
}
