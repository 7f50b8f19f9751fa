//! A message, from its receipt until its event is emitted.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body as _;
use hyper::body::Incoming;

use super::body::{Body, Broken, End};
use super::body_timeout::BodyTimeout;
use super::clock::now;
use super::failure::Failure;
use super::read::{self, Bounds, CollectedBody};
use super::state::{FailedEnd, ProxyState};
use crate::conversation::as_signed;
use crate::flow::event::{Event, FailureCause};
use crate::flow::{CapturedBody, CapturedMessage, NotParsed, Note, ParsedBody, Severity, Side};
use crate::markup::Document;
use crate::markup::utf16::Utf16;

/// A received message: its facts, and the body to send.
pub(super) struct IncomingMessage {
    pub(super) captured: CapturedBody,
    pub(super) notes: Vec<Note>,
    pub(super) body: Body,
    /// The counter of the bytes that pass, if the length is not known in advance.
    pub(super) count: Option<Arc<AtomicU64>>,
    /// The bytes that were read, without content coding; `None` if they were not read, or the coding cannot be undone.
    pub(super) plain: Option<Bytes>,
    /// The UTF-16 encoding in which the text arrived, if `plain` has it in UTF-8.
    pub(super) utf16: Option<Utf16>,
    /// Whether the body is shorter than its head announces. It is a complete document nevertheless.
    pub(super) is_short: bool,
}

impl IncomingMessage {
    /// Creates a message whose body nobody reads.
    pub(super) fn unread(body: Incoming, timeout: BodyTimeout) -> Self {
        let hint = body.size_hint();
        let is_empty = body.is_end_stream();
        let body = Body::stream(VecDeque::new(), body, timeout);
        let parsed = match is_empty {
            true => ParsedBody::Empty,
            false => ParsedBody::Unread(NotParsed::NotAsked {
                bytes: hint.exact().unwrap_or(0),
            }),
        };
        let (body, count) = match hint.exact() {
            Some(_) => (body, None),
            None => {
                let count = Arc::<AtomicU64>::default();
                (body.counted(count.clone()), Some(count))
            }
        };
        Self {
            count,
            plain: is_empty.then(Bytes::new),
            ..Self::of(untouched(Bytes::new(), parsed), body)
        }
    }

    fn of(captured: CapturedBody, body: Body) -> Self {
        Self {
            captured,
            notes: Vec::new(),
            body,
            count: None,
            plain: None,
            utf16: None,
            is_short: false,
        }
    }

    /// Creates a message whose body exceeds the bounds for reading it.
    fn uncollected(body: Body, why: NotParsed) -> Self {
        Self::of(untouched(Bytes::new(), ParsedBody::Unread(why)), body)
    }

    /// Collects a body within its bounds, to have it in memory. Nobody reads it.
    ///
    /// # Errors
    /// [`Broken`] if the peer breaks off or stops sending.
    pub(super) async fn collected(body: Incoming, bounds: Bounds<'_>) -> Result<Self, Broken> {
        let (bytes, trailers, mut permit) = match read::collect(body, None, bounds).await? {
            CollectedBody::Whole {
                bytes,
                trailers,
                permit,
                short: None,
            } => (bytes, trailers, permit),
            CollectedBody::Whole {
                short: Some(broken),
                ..
            } => return Err(broken),
            CollectedBody::Stream(body, why) => return Ok(Self::uncollected(body, why)),
        };
        permit.keep(bytes.len());
        let parsed = match bytes.len() as u64 {
            0 => ParsedBody::Empty,
            bytes => ParsedBody::Unread(NotParsed::NotAsked { bytes }),
        };
        let plain = bytes.is_empty().then(Bytes::new);
        let body = Body::whole(bytes, trailers).holding(Arc::new(permit));
        Ok(Self {
            plain,
            ..Self::of(untouched(Bytes::new(), parsed), body)
        })
    }

    /// Collects and reads a body within its bounds. `decodes` decides from the body without content coding whether it
    /// is decoded. With `may_be_short`, a body is accepted if the connection ended before the announced length and the
    /// body is a complete document.
    ///
    /// # Errors
    /// [`Broken`] if the peer breaks off or stops sending.
    pub(super) async fn read(
        body: Incoming,
        headers: &HeaderMap,
        bounds: Bounds<'_>,
        decodes: &(dyn Fn(&[u8]) -> bool + Sync),
        may_be_short: bool,
    ) -> Result<Self, Broken> {
        // The transfer coding ends here, and a length replaces it.
        let is_coded = read::has_transfer_codings(headers);
        let has_length = body.size_hint().exact().is_some() || is_coded;
        let (bytes, trailers, mut permit, short) =
            match read::collect(body, Some(headers), bounds).await? {
                CollectedBody::Whole {
                    bytes,
                    trailers,
                    permit,
                    short,
                } => (bytes, trailers, permit, short),
                CollectedBody::Stream(..) if is_coded => {
                    let why = "transfer coding needs too much memory to undo";
                    return Err(Broken::Coding(why.into()));
                }
                CollectedBody::Stream(body, why) => return Ok(Self::uncollected(body, why)),
            };
        let mut bytes = match is_coded {
            true => read::undo_transfer_coding(bytes, headers, bounds, &mut permit).await?,
            false => bytes,
        };
        let read = read::read(&mut bytes, headers, bounds, &mut permit, decodes).await;
        let is_document = matches!(read.parsed, ParsedBody::Document(..));
        let is_short = short.is_some();
        if let Some(broken) = short.filter(|_| !may_be_short || !is_document) {
            return Err(broken);
        }
        let body = Body::whole(bytes.clone(), trailers).holding(Arc::new(permit));
        let body = match has_length {
            true => body,
            false => body.open_ended(),
        };
        let captured = match read.parsed {
            // Nobody reads the body, so its memory is free as soon as it was sent.
            ParsedBody::Unread(NotParsed::NotAsked { .. }) => untouched(Bytes::new(), read.parsed),
            _ => CapturedBody {
                plain: uncoded(&bytes, &read, headers),
                ..untouched(bytes, read.parsed)
            },
        };
        let mut notes = read.notes;
        let is_read = !matches!(
            captured.parsed,
            ParsedBody::Empty
                | ParsedBody::Unread(NotParsed::NotAsked { .. } | NotParsed::Coding(_))
        );
        notes.extend(read::coding::note_no_coding(headers).filter(|_| is_read));
        Ok(Self {
            notes,
            plain: read.plain,
            utf16: read.utf16,
            is_short,
            ..Self::of(captured, body)
        })
    }

    /// Notes the bytes that came behind the length that the head states.
    pub(super) fn note_excess(&mut self, stated: Option<u64>, came: Option<u64>) {
        let is_collected = self.body.length_at_hand().is_some();
        let (Some(stated @ 1..), Some(came), true) = (stated, came, is_collected) else {
            return;
        };
        if came > stated {
            let more = came - stated;
            let text = format!(
                "the server sent at least {more} bytes behind the body, which ends after {stated} bytes according to its Content-Length"
            );
            self.notes
                .push(Note::new("HTTP-07", text).with_severity(Severity::Error));
        }
    }

    /// Returns a body that a rule made from this one, in the encoding in which this one arrived.
    pub(super) fn encoded(&self, changed: Bytes) -> Bytes {
        let encoded = self.utf16.and_then(|utf16| utf16.from_utf8(&changed));
        encoded.map_or(changed, Bytes::from)
    }

    /// Returns the bytes that the sender signed, if they were read.
    pub(super) fn signed(&self) -> Option<Cow<'_, [u8]>> {
        Some(as_signed(self.plain.as_ref()?, self.utf16))
    }

    /// Replaces the body by other bytes.
    pub(super) fn change(&mut self, bytes: Bytes, document: Option<Arc<Document>>) {
        self.captured.sent = bytes.clone();
        self.captured.sent_document = document;
        self.body.replace(bytes);
        self.count = None;
    }

    /// Returns the reason why the body could not be read, for the rules that need it.
    pub(super) fn why_unread(&self) -> Option<&'static str> {
        match &self.captured.parsed {
            ParsedBody::Unread(NotParsed::TooLarge { .. }) => {
                Some("the body is larger than --max-body")
            }
            ParsedBody::Unread(NotParsed::NoRoom { .. }) => {
                Some("the memory for bodies was used up")
            }
            ParsedBody::Unread(NotParsed::TooSlow { .. }) => Some("the body came too slowly"),
            ParsedBody::Unread(NotParsed::Coding(_)) => {
                Some("the content coding of the body is not known, or does not decode")
            }
            _ => None,
        }
    }

    /// Returns the document if the body was decoded.
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

/// Returns the body without its content coding, if neither the document nor the received bytes are known to have it.
fn uncoded(bytes: &Bytes, read: &read::Read, headers: &HeaderMap) -> Option<Bytes> {
    let plain = read.plain.as_ref()?;
    let is_uncoded = !headers.contains_key(http::header::CONTENT_ENCODING);
    let is_known =
        read.parsed.document().is_some() || is_uncoded && plain.as_ptr() == bytes.as_ptr();
    (!is_known).then(|| plain.clone())
}

/// A message whose event is emitted when the bytes that passed are known.
pub(super) struct PendingEvent {
    pub(super) message: CapturedMessage,
    pub(super) count: Option<Arc<AtomicU64>>,
}

impl PendingEvent {
    /// Returns the message with the bytes that were counted so far.
    pub(super) fn counted(self) -> CapturedMessage {
        let mut message = self.message;
        if let Some(count) = self.count {
            set_passed(&mut message, count.load(Ordering::Relaxed));
        }
        message
    }

    /// Reports a response: at once if its body is in memory, else when the body has passed. Reports also that the device
    /// left before it took the body.
    pub(super) fn emit_response(self, proxy: &Arc<ProxyState>, body: Body, asked: Instant) -> Body {
        let mut message = self.message;
        if !body.is_streaming() {
            let (exchange, connection) = (message.exchange, message.connection.id);
            let is_whole = message.delivery.is_whole();
            proxy.emit(Event::Response(Arc::new(message)));
            // A rule that ends the connection leaves the rest of the body.
            if !is_whole || body.length_at_hand() == Some(0) {
                return body;
            }
            let proxy = proxy.clone();
            return body.on_end(move |end, passed| {
                if end == End::Dropped {
                    let why = match passed {
                        0 => "the device left before it took the response".to_owned(),
                        bytes => format!(
                            "the device left before it took the whole response, at most {bytes} bytes of it"
                        ),
                    };
                    let failure = Failure {
                        cause: Some(FailureCause::NotTaken),
                        ..Failure::of_device(why)
                    };
                    proxy.emit_failed(exchange, connection, FailedEnd::NoResponse, failure);
                }
            });
        }
        let proxy = proxy.clone();
        body.on_end(move |end, passed| {
            let at = now();
            // A rule that cuts the body leaves the rest of it undelivered.
            let cut = end == End::Dropped && message.delivery.is_ended();
            let (side, what) = match end {
                _ if cut => {
                    set_passed(&mut message, passed);
                    return proxy.emit(Event::Response(Arc::new(message)));
                }
                End::Whole => {
                    message.at = at;
                    message.took = asked.elapsed();
                    set_passed(&mut message, passed);
                    return proxy.emit(Event::Response(Arc::new(message)));
                }
                End::Broken => (Side::Server, "broke off"),
                End::Malformed => (Side::Server, "has malformed chunks"),
                End::Stalled(_) => (Side::Server, "stalled"),
                End::Dropped => (Side::Device, "broke off"),
            };
            let why = format!("the response {what} after {passed} bytes");
            let connection = message.connection.id;
            let failure = Failure {
                side,
                ..Failure::of_device(why)
            };
            proxy.emit_failed(message.exchange, connection, FailedEnd::NoResponse, failure);
        })
    }
}

fn set_passed(message: &mut CapturedMessage, passed: u64) {
    if let ParsedBody::Unread(NotParsed::NotAsked { bytes }) = &mut message.body.parsed {
        *bytes = passed;
    }
}
