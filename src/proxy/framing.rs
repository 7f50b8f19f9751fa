//! How a message states the length of its body: as received, except for answers that carry SOAP or SyncML.
//!
//! Windows refuses an enrollment answer in chunks (Microsoft Learn, "MDM enrollment of Windows devices"), and whether a
//! server sends chunks depends on its framework. So these answers are always collected, and state their length.

use http::header::{self, HeaderMap};
use http::{HeaderValue, Version};
use http_body::Body as _;
use hyper::body::Incoming;

use super::headers::{forwarded, set_length};
use super::message::IncomingMessage;
use crate::dm::Dialect;
use crate::flow::{Note, ResponseHead, Severity, media};

/// How the head of a message states the length of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// As it was received.
    AsReceived,
    /// One `Content-Length`, without trailers.
    Length,
}

impl Framing {
    /// Returns the framing of a response.
    pub(super) fn of_response(head: &ResponseHead, body: &Incoming) -> Self {
        let has_length = body.size_hint().exact().is_some();
        // HTTP/2 allows both trailers and a length.
        let may_have_trailers = !has_length || head.version == Version::HTTP_2;
        match may_have_trailers && !body.is_end_stream() && media::is_message(&head.headers) {
            true => Self::Length,
            false => Self::AsReceived,
        }
    }

    /// Returns the framing of a received response with these header fields. A body that is shorter than announced, but
    /// a complete message, states its real length.
    pub(super) fn settle(self, message: &mut IncomingMessage, headers: &HeaderMap) -> Self {
        if self == Self::Length
            && message.body.length_at_hand().is_some()
            && headers.contains_key(header::TRANSFER_ENCODING)
            && is_soap(message, headers)
        {
            message.notes.push(note_length_stated());
        }
        if !message.is_short {
            return self;
        }
        let text = "the body is shorter than its Content-Length; the message in it is complete and goes on with the right length";
        message.notes.push(Note::new("HTTP-06", text));
        Self::Length
    }

    /// Applies the framing to a received message.
    pub(super) fn apply(self, message: &mut IncomingMessage, headers: &mut HeaderMap) {
        if self == Self::AsReceived {
            return;
        }
        if let Some(length) = message.body.length_at_hand() {
            message.body.state_length();
            set_length(headers, length as usize);
            drop_trailers(message, headers);
        } else if message.body.size_hint().exact().is_none() {
            message.notes.push(note_no_length());
        }
    }
}

/// Drops the trailers of a message whose head states the length, and the field that announces them.
pub(super) fn drop_trailers(message: &mut IncomingMessage, headers: &mut HeaderMap) {
    if headers.contains_key(header::TRAILER) {
        *headers = forwarded(headers, |name, _| *name == header::TRAILER);
    }
    let Some(dropped) = message.body.take_trailers() else {
        return;
    };
    let names: Vec<_> = dropped
        .keys()
        .take(MAX_NAMED_TRAILERS)
        .map(|name| name.as_str())
        .collect();
    message.notes.push(Note::new(
        "HTTP-05",
        format!(
            "trailers are dropped, since the head states the length: {}",
            names.join(", ")
        ),
    ));
}

/// Whether a response belongs to enrollment. Responses of management may come in chunks.
fn is_soap(message: &IncomingMessage, headers: &HeaderMap) -> bool {
    match message.document() {
        Some(document) => Dialect::of(document) == Dialect::Soap,
        None => media::mentions(headers, "soap+xml"),
    }
}

fn note_length_stated() -> Note {
    let text =
        "the server sent this answer in chunks, which Windows refuses: dmtap states its length";
    Note::new("HTTP-04", text).with_severity(Severity::Info)
}

fn note_no_length() -> Note {
    Note::new(
        "HTTP-04",
        "the answer was not collected: it leaves as it came, without Content-Length, which Windows refuses",
    )
}

/// Returns the length of a field that states it several times with the same value (RFC 9110 §8.6).
pub(super) fn one_length(value: &HeaderValue) -> Option<HeaderValue> {
    let (first, others) = value.to_str().ok()?.split_once(',')?;
    let is_same = others.split(',').all(|other| other.trim() == first.trim());
    is_same.then(|| HeaderValue::from_str(first.trim()).ok())?
}

/// The most trailers that a note names.
const MAX_NAMED_TRAILERS: usize = 8;
