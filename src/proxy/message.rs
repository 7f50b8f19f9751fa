//! A message from its receipt until its event is emitted.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body as _;
use hyper::body::Incoming;

use super::body::{Body, Broken, Count, End, Passed};
use super::body_budget::BudgetPermit;
use super::body_timeout::BodyTimeout;
use super::context::{FailedEnd, Shared, now};
use super::failure::Failure;
use super::read::{self, Bounds, CollectedBody, Cost};
use super::settings::Limits;
use crate::conversation::as_signed;
use crate::flow::event::Event;
use crate::flow::{CapturedBody, CapturedMessage, NotParsed, Note, ParsedBody, Side, Timestamp};
use crate::markup::Document;
use crate::markup::utf16::Utf16;

/// A body that came in: what is known of it, and what is to be sent.
pub(super) struct IncomingMessage {
    pub(super) captured: CapturedBody,
    pub(super) notes: Vec<Note>,
    pub(super) body: Body,
    /// Counts what passes where the length is not known beforehand.
    pub(super) count: Option<Arc<Count>>,
    /// The bytes that were read, without content coding; `None` where they were not, or are coded in a way that
    /// cannot be undone.
    pub(super) plain: Option<Bytes>,
    /// How its text was written, where it was in UTF-16 and `plain` is not.
    utf16: Option<Utf16>,
    /// Whether less came than its head announces. It is a whole document all the same.
    pub(super) is_short: bool,
}

impl IncomingMessage {
    /// A body nobody reads.
    pub(super) fn unread(body: Incoming, limits: &Limits) -> Self {
        let hint = body.size_hint();
        let is_empty = body.is_end_stream();
        let body = Body::stream(VecDeque::new(), body, BodyTimeout::new(limits));
        let plain = is_empty.then(Bytes::new);
        let parsed = match is_empty {
            true => ParsedBody::Empty,
            false => ParsedBody::Unread(NotParsed::NotAsked {
                bytes: hint.exact().unwrap_or(0),
            }),
        };
        let (body, count) = match hint.exact() {
            Some(_) => (body, None),
            None => {
                let count = Arc::new(Count::default());
                (body.counted(count.clone()), Some(count))
            }
        };
        Self {
            captured: untouched(Bytes::new(), parsed),
            notes: Vec::new(),
            body,
            count,
            plain,
            utf16: None,
            is_short: false,
        }
    }

    /// A body that nobody reads, but that is to be at hand, where it stays within its bounds.
    ///
    /// # Errors
    /// Where the peer breaks off, or stops sending.
    pub(super) async fn collected(body: Incoming, bounds: Bounds<'_>) -> Result<Self, Broken> {
        Ok(match read::collect(body, Cost::UNREAD, bounds).await? {
            CollectedBody::Whole {
                bytes,
                trailers,
                mut permit,
                short: None,
            } => {
                permit.keep(bytes.len());
                let parsed = match bytes.len() as u64 {
                    0 => ParsedBody::Empty,
                    bytes => ParsedBody::Unread(NotParsed::NotAsked { bytes }),
                };
                Self {
                    captured: untouched(Bytes::new(), parsed),
                    notes: Vec::new(),
                    plain: bytes.is_empty().then(Bytes::new),
                    body: Body::whole(bytes, trailers).holding(Arc::new(permit)),
                    count: None,
                    utf16: None,
                    is_short: false,
                }
            }
            CollectedBody::Stream {
                first,
                rest,
                timeout,
                permit,
                why,
            } => Self::uncollected(Body::stream(first, rest, timeout), permit, why),
            CollectedBody::Whole {
                short: Some(broken),
                ..
            } => return Err(broken),
        })
    }

    /// A body that is read, where it stays within its bounds. `decodes` tells of the body without content coding
    /// whether it is decoded. One that `may_be_short` is taken where the connection ended in front of its announced
    /// length, if it is a whole document.
    ///
    /// # Errors
    /// Where the peer breaks off, or stops sending.
    pub(super) async fn read(
        body: Incoming,
        headers: &HeaderMap,
        bounds: Bounds<'_>,
        decodes: &(dyn Fn(&[u8]) -> bool + Sync),
        may_be_short: bool,
    ) -> Result<Self, Broken> {
        // A framing that ends here is replaced by a length.
        let has_length = body.size_hint().exact().is_some() || read::has_transfer_codings(headers);
        Ok(
            match read::collect(body, Cost::of(headers), bounds).await? {
                CollectedBody::Whole {
                    bytes,
                    trailers,
                    mut permit,
                    short,
                } => {
                    let bytes = read::untransferred(bytes, headers, bounds, &mut permit).await?;
                    let read = read::read(&bytes, headers, bounds, &mut permit, decodes).await;
                    let is_document = matches!(read.parsed, ParsedBody::Document(..));
                    let is_short = short.is_some();
                    if let Some(broken) = short.filter(|_| !may_be_short || !is_document) {
                        return Err(broken);
                    }
                    let body = Body::whole(bytes.clone(), trailers).holding(Arc::new(permit));
                    let captured = match read.parsed {
                        // Nobody looks at it: its memory is free as soon as it has left.
                        ParsedBody::Unread(NotParsed::NotAsked { .. }) => {
                            untouched(Bytes::new(), read.parsed)
                        }
                        _ => CapturedBody {
                            plain: uncoded(&bytes, &read),
                            ..untouched(bytes, read.parsed)
                        },
                    };
                    Self {
                        body: match has_length {
                            true => body,
                            false => body.open_ended(),
                        },
                        captured,
                        notes: read.notes,
                        count: None,
                        plain: read.plain,
                        utf16: read.utf16,
                        is_short,
                    }
                }
                CollectedBody::Stream {
                    first,
                    rest,
                    timeout,
                    permit,
                    ..
                } if read::has_transfer_codings(headers) => {
                    drop((first, rest, timeout, permit));
                    return Err(Broken::Coding(
                        "transfer coding needs too much memory to undo".into(),
                    ));
                }
                CollectedBody::Stream {
                    first,
                    rest,
                    timeout,
                    permit,
                    why,
                } => Self::uncollected(Body::stream(first, rest, timeout), permit, why),
            },
        )
    }

    fn uncollected(body: Body, permit: BudgetPermit, why: NotParsed) -> Self {
        Self {
            captured: untouched(Bytes::new(), ParsedBody::Unread(why)),
            notes: Vec::new(),
            body: body.holding(Arc::new(permit)),
            count: None,
            plain: None,
            utf16: None,
            is_short: false,
        }
    }

    /// A body that a rule made of this one, in the encoding this one came in.
    pub(super) fn encoded(&self, changed: Bytes) -> Bytes {
        let encoded = self.utf16.and_then(|utf16| utf16.from_utf8(&changed));
        encoded.map_or(changed, Bytes::from)
    }

    /// How its text was written, where that was UTF-16.
    pub(super) fn utf16(&self) -> Option<Utf16> {
        self.utf16
    }

    /// The bytes that its sender signed, where they were read.
    pub(super) fn signed(&self) -> Option<Cow<'_, [u8]>> {
        Some(as_signed(self.plain.as_ref()?, self.utf16))
    }

    /// Sends other bytes instead.
    pub(super) fn change(&mut self, bytes: Bytes, document: Option<Arc<Document>>) {
        self.captured.sent = bytes.clone();
        self.captured.sent_document = document;
        self.body.replace(bytes);
        self.count = None;
    }

    /// The document, if it was decoded.
    pub(super) fn document(&self) -> Option<&Arc<Document>> {
        self.captured.parsed.document()
    }
}

fn untouched(bytes: Bytes, parsed: ParsedBody) -> CapturedBody {
    CapturedBody {
        sent: bytes.clone(),
        received: bytes,
        plain: None,
        parsed,
        sent_document: None,
    }
}

/// What a body is without its content coding, where nothing else has it.
fn uncoded(bytes: &Bytes, read: &read::Read) -> Option<Bytes> {
    let plain = read.plain.as_ref()?;
    let is_known = read.parsed.document().is_some() || plain.as_ptr() == bytes.as_ptr();
    (!is_known).then(|| plain.clone())
}

/// A message to tell of, when what passed is known.
pub(super) struct PendingEvent {
    pub(super) message: CapturedMessage,
    pub(super) count: Option<Arc<Count>>,
}

impl PendingEvent {
    /// Whether nothing is to be counted any more.
    pub(super) fn is_complete(&self) -> bool {
        self.count.is_none()
    }

    /// The message, with what was counted up to now.
    pub(super) fn counted(self) -> CapturedMessage {
        let mut message = self.message;
        if let Some(count) = self.count {
            set_passed(&mut message, count.bytes());
        }
        message
    }

    /// Reports a response: at once where it is at hand, else when it has passed.
    pub(super) fn emit_response(self, shared: &Arc<Shared>, body: Body, asked: Timestamp) -> Body {
        let mut message = self.message;
        if !body.is_streaming() {
            shared.emit(Event::Response(Arc::new(message)));
            return body;
        }
        let shared = shared.clone();
        body.on_end(Box::new(move |passed: Passed| {
            let at = now();
            // A rule that cuts the body leaves the rest of it undelivered.
            let cut = passed.end == End::Dropped && message.delivery.is_ended();
            let (side, what) = match passed.end {
                _ if cut => {
                    set_passed(&mut message, passed.bytes);
                    return shared.emit(Event::Response(Arc::new(message)));
                }
                End::Whole => {
                    message.at = at;
                    message.took = at.since(asked);
                    set_passed(&mut message, passed.bytes);
                    return shared.emit(Event::Response(Arc::new(message)));
                }
                End::Broken => (Side::Server, "broke off"),
                End::Malformed => (Side::Server, "has malformed chunks"),
                End::Stalled(_) => (Side::Server, "stalled"),
                End::Dropped => (Side::Device, "broke off"),
            };
            let why = format!("the response {what} after {} bytes", passed.bytes);
            let connection = message.connection.id;
            let failure = Failure {
                side,
                ..Failure::of_device(why)
            };
            shared.emit_failed(message.exchange, connection, FailedEnd::NoResponse, failure);
        }))
    }
}

fn set_passed(message: &mut CapturedMessage, passed: u64) {
    if let ParsedBody::Unread(NotParsed::NotAsked { bytes }) = &mut message.body.parsed {
        *bytes = passed;
    }
}
