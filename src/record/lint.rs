//! Lints events while they are recorded, and the events of a record.

use std::sync::Arc;

use super::EventRecord;
use super::model::{BodyRecord, DeliveryStepRecord, EventKind, ParsedBodyRecord};
use crate::flow::lint::{LintHead, LintMessage, Linter};
use crate::flow::{
    CapturedMessage, EffectDetail, EffectKind, Event, Head, Note, ParsedBody, SessionKey, Side,
    Timestamp,
};
use crate::markup::Limits;

/// Returns the notes of the linter about a live event.
pub(super) fn of_event(linter: &mut Linter, event: &Event) -> Vec<Note> {
    match event {
        Event::Request(message) | Event::Response(message) => of_captured(linter, message),
        Event::Failed { exchange, .. } => {
            linter.missed(exchange.0);
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn of_captured(linter: &mut Linter, captured: &CapturedMessage) -> Vec<Note> {
    let exchange = captured.exchange.0;
    let body = &captured.body;
    let ParsedBody::Document(document, _) = &body.parsed else {
        // An empty body ends a session in a way that Windows accepts; any other body hides its content.
        if !matches!(body.parsed, ParsedBody::Empty) {
            linter.missed(exchange);
        }
        return Vec::new();
    };
    linter.at(captured.at);
    let sent = match body.sent == body.received {
        true => Some(document),
        false => body.sent_document.as_ref(),
    };
    let (method, uri) = match &captured.head {
        Head::Request(head) => (Some(head.method.as_str()), Some(head.uri.to_string())),
        Head::Response(_) => (None, None),
    };
    let fields = captured.head.headers().iter();
    let head = LintHead {
        method,
        uri: uri.as_deref(),
        fields: fields
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect(),
    };
    let mut changes = captured.applied.iter().flat_map(|effect| &effect.changes);
    let mut notes = linter.message(LintMessage {
        speaker: captured.from,
        server: &captured.connection.server,
        exchange,
        document,
        delivered: sent.filter(|_| captured.delivery.is_whole()),
        is_own: captured.synthesized,
        is_changed: changes.any(disturbs),
        head: (!captured.synthesized).then_some(&head),
        links: Some(&captured.links),
    });
    notes.retain(|note| {
        let mut known = captured.notes.iter();
        !known.any(|known| known.id == note.id && known.at == note.at)
    });
    notes
}

/// Returns the notes of the linter about an event of a record, without the notes that the record already has.
pub fn of_record(linter: &mut Linter, record: &EventRecord) -> Vec<Note> {
    let Some(exchange) = record.exchange else {
        return Vec::new();
    };
    let speaker = match record.event {
        EventKind::Request => Side::Device,
        EventKind::Response => Side::Server,
        EventKind::Failed => {
            linter.missed(exchange);
            return Vec::new();
        }
        _ => return Vec::new(),
    };
    let decoded = |body: &BodyRecord| {
        let document = body.document(record.head.as_ref(), &Limits::default());
        document.map(Arc::new)
    };
    if record.is_enrollment_answer_in_chunks()
        && !record.notes.iter().any(|note| note.id == "HTTP-04")
    {
        let text =
            "the server sent this answer in chunks (Transfer-Encoding), which Windows refuses";
        return vec![Note::new("HTTP-04", text)];
    }
    linter.at(Timestamp(record.at_us));
    // dmtap did not see the part of a cut message after the cut.
    let is_cut = record.notes.iter().any(|note| note.id == "LOG-01");
    let is_document = matches!(record.reading, Some(ParsedBodyRecord::Document { .. }));
    let body = record.body.as_ref().filter(|_| is_document || record.own);
    let Some(document) = body.and_then(decoded) else {
        let is_empty = matches!(record.reading, Some(ParsedBodyRecord::Empty));
        if !is_empty || record.own {
            linter.missed(exchange);
        }
        if let (false, Some(session)) = (is_empty, &record.session) {
            linter.unread(&SessionKey {
                server: record
                    .connection
                    .server
                    .as_deref()
                    .unwrap_or_default()
                    .into(),
                device: session.device.as_str().into(),
                id: session.id.as_str().into(),
            });
        }
        return Vec::new();
    };
    let sent = match record.bytes_sent.is_some() {
        true => record.sent.as_ref().and_then(decoded),
        false => Some(document.clone()),
    };
    let is_whole = DeliveryStepRecord::is_whole(&record.delivery);
    let head = record.head.as_ref().map(|head| LintHead {
        method: head.method.as_deref(),
        uri: head.uri.as_deref(),
        fields: head
            .headers
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect(),
    });
    let mut changes = record.applied.iter().flat_map(|applied| &applied.changes);
    let mut notes = linter.message(LintMessage {
        speaker,
        server: record.connection.server.as_deref().unwrap_or_default(),
        exchange,
        document: &document,
        delivered: sent.as_ref().filter(|_| is_whole && !is_cut),
        is_own: record.own || is_cut,
        is_changed: changes.any(disturbs),
        head: head.as_ref().filter(|_| !record.own),
        links: None,
    });
    notes.retain(|note| {
        let mut known = record.notes.iter();
        !known.any(|known| known.id == note.id && known.at == note.at)
    });
    notes
}

/// Returns whether a change gives the two peers different views of the conversation.
fn disturbs(change: &EffectDetail) -> bool {
    change.is_done() && change.kind != EffectKind::Header
}
