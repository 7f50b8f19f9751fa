//! Reading a body: it is collected within a limit, its content coding is undone, and it is decoded.
//!
//! ```text
//! frames ──collect──► bytes ──undo──► text ──decode──► tree
//!            └──────────── BudgetPermit ─────────────────┘   the budget counts all of it
//! ```

pub(super) mod coding;
mod cost;
mod utf16;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use tokio::runtime::RuntimeFlavor;
use tokio::time::Instant;

use super::body::{Body, Broken};
use super::body_budget::{BodyBudget, BudgetPermit};
use super::body_timeout::BodyTimeout;
use super::failure::is_short;
use super::settings;
use crate::dm::{Dialect, dialect::MediaKind};
use crate::flow::note::clipped;
use crate::flow::provider::note_provisioning;
use crate::flow::{NotParsed, Note, ParsedBody, Severity, media};
use crate::markup::utf16::Utf16;
use crate::markup::{self, DecodeError, Document, Limits};
use coding::CodingError;
use cost::{Cost, tree_of};
use utf16::{NoText, Plain};

/// The result of collecting a body.
pub(super) enum CollectedBody {
    /// The whole body.
    Whole {
        bytes: Bytes,
        trailers: Option<Box<HeaderMap>>,
        permit: BudgetPermit,
        /// The error of a connection that ended before the length in the head.
        short: Option<Broken>,
    },
    /// A body that exceeds a bound, with the reason: the bytes so far, and the stream that follows.
    Stream(Body, NotParsed),
}

/// The bounds for collecting a body.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'a> {
    /// The most bytes, as received and as decompressed.
    pub(super) length: usize,
    /// The limits on time.
    pub(super) limits: &'a settings::Limits,
    /// Whether the device may wait for 100 (Continue) in vain.
    pub(super) waits: bool,
    /// The budget of memory.
    pub(super) budget: &'a BodyBudget,
}

/// A body that is being collected.
struct Collecting<'a> {
    first: VecDeque<Bytes>,
    length: usize,
    permit: BudgetPermit,
    /// The header fields of a body that is read; `None` if it is only collected.
    headers: Option<&'a HeaderMap>,
    bounds: Bounds<'a>,
    begun: Instant,
}

impl Collecting<'_> {
    /// Reserves memory for a body that announces its length, before any of it is read.
    async fn announce(&mut self, length: u64) -> Option<NotParsed> {
        let limit = self.bounds.length as u64;
        if length > limit {
            return Some(NotParsed::TooLarge { limit });
        }
        if length <= SMALL as u64 {
            return None;
        }
        // The length is at most the limit, which is a usize.
        self.reserve(length as usize).await
    }

    /// Reserves memory for a large body of at most `received` bytes.
    async fn reserve(&mut self, received: usize) -> Option<NotParsed> {
        let cost = self.headers.map_or(Cost::UNREAD, Cost::of);
        let most = cost.at_most(received, self.bounds.length);
        let got = self.bounds.budget.announce(&mut self.permit, most).await;
        (!got).then(|| no_room(&self.bounds))
    }

    /// Takes in a frame. Returns the reason if the body must not be read any more.
    async fn take(&mut self, data: Bytes) -> Option<NotParsed> {
        let Bounds { length, budget, .. } = self.bounds;
        let more = data.len();
        self.length += more;
        self.first.push_back(data);
        if self.length > length {
            let limit = length as u64;
            return Some(NotParsed::TooLarge { limit });
        }
        if !self.permit.is_large() {
            if self.length > SMALL {
                return self.reserve(length).await;
            }
            // The memory for what is made of a small body is taken when it is decoded.
            let got = budget.add(&mut self.permit, more).await;
            return (!got).then(|| no_room(&self.bounds));
        }
        let slow = self.bounds.limits.slow;
        let seconds = slow.as_secs();
        (self.begun.elapsed() > slow).then_some(NotParsed::TooSlow { seconds })
    }
}

impl Bounds<'_> {
    /// Creates the timeout for the body.
    pub(super) fn timeout(&self) -> BodyTimeout {
        match self.waits {
            true => BodyTimeout::in_vain(self.limits),
            false => BodyTimeout::new(self.limits),
        }
    }
}

fn no_room(bounds: &Bounds<'_>) -> NotParsed {
    let limit = bounds.budget.bytes() as u64;
    NotParsed::NoRoom { limit }
}

/// Collects a body. A body of one frame is not copied. `headers` are those of a body that is read.
///
/// # Errors
/// [`Broken`] if the peer breaks off before it sent anything, stops sending, or sends too slowly.
pub(super) async fn collect(
    mut body: Incoming,
    headers: Option<&HeaderMap>,
    bounds: Bounds<'_>,
) -> Result<CollectedBody, Broken> {
    let mut trailers = None;
    let mut timeout = bounds.timeout();
    let mut collecting = Collecting {
        first: VecDeque::new(),
        length: 0,
        permit: BudgetPermit::default(),
        headers,
        bounds,
        begun: Instant::now(),
    };
    let has_length = body.size_hint().exact().is_some();
    let mut why = collecting.announce(body.size_hint().lower()).await;
    while why.is_none() {
        let (frame, short) = match next_frame(&mut body, &mut timeout).await {
            Ok(frame) => (frame, None),
            Err(Broken::Peer(error)) if has_length && is_short(&error) && collecting.length > 0 => {
                (None, Some(Broken::Peer(error)))
            }
            Err(broken) => return Err(broken),
        };
        let is_last = frame.is_none() || body.is_end_stream();
        match frame.map(Frame::into_data) {
            Some(Ok(data)) => why = collecting.take(data).await,
            Some(Err(frame)) => trailers = frame.into_trailers().ok().map(Box::new),
            None => {}
        }
        if is_last && why.is_none() {
            let bytes = join(collecting.first, collecting.length);
            return Ok(CollectedBody::Whole {
                bytes,
                trailers,
                permit: collecting.permit,
                short,
            });
        }
    }
    let mut permit = collecting.permit;
    permit.keep(collecting.length);
    let body = Body::stream(collecting.first, body, timeout).holding(Arc::new(permit));
    let why = why.unwrap_or_else(|| no_room(&bounds));
    Ok(CollectedBody::Stream(body, why))
}

async fn next_frame(
    body: &mut Incoming,
    timeout: &mut BodyTimeout,
) -> Result<Option<Frame<Bytes>>, Broken> {
    let frame = poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
        Poll::Ready(frame) => Poll::Ready(Ok(frame)),
        Poll::Pending => timeout.poll_end(cx).map(Err),
    });
    let Ok(frame) = frame.await else {
        return Err(Broken::Stalled(timeout.stall()));
    };
    let frame = frame.transpose()?;
    let data = frame.as_ref().and_then(Frame::data_ref);
    timeout.renew(data.map_or(0, Bytes::len));
    Ok(frame)
}

fn join(mut frames: VecDeque<Bytes>, length: usize) -> Bytes {
    if frames.len() <= 1 {
        return frames.pop_front().unwrap_or_default();
    }
    let mut bytes = BytesMut::with_capacity(length);
    for frame in frames {
        bytes.extend_from_slice(&frame);
    }
    bytes.freeze()
}

/// The result of reading a body.
pub(super) struct Read {
    pub(super) parsed: ParsedBody,
    pub(super) notes: Vec<Note>,
    /// The bytes without content coding, converted to UTF-8 if they are XML in UTF-16; `None` if a coding could not be
    /// undone.
    pub(super) plain: Option<Bytes>,
    /// The UTF-16 encoding in which the text arrived, if any.
    pub(super) utf16: Option<Utf16>,
}

impl Read {
    fn of(parsed: ParsedBody, plain: Option<Bytes>) -> Self {
        Self {
            parsed,
            notes: Vec::new(),
            plain,
            utf16: None,
        }
    }

    fn unread(why: NotParsed) -> Self {
        Self::of(ParsedBody::Unread(why), None)
    }
}

/// Decodes a body as received. A body that cannot be decoded is data, with a note on the reason. Afterwards the permit
/// covers the memory that stays in use. A small body that is decoded is copied out of the connection's buffer.
pub(super) async fn read(
    body: &mut Bytes,
    headers: &HeaderMap,
    bounds: Bounds<'_>,
    permit: &mut BudgetPermit,
    decodes: &(dyn Fn(&[u8]) -> bool + Sync),
) -> Read {
    if body.is_empty() {
        return Read::of(ParsedBody::Empty, Some(Bytes::new()));
    }
    let codings = coding::listed(headers, &header::CONTENT_ENCODING);
    let plain = match unfold(body, &codings, bounds, permit).await {
        Ok(plain) => plain,
        Err(why) => {
            permit.keep(body.len());
            return Read::unread(why);
        }
    };
    if !decodes(&plain) {
        let is_copy = plain.as_ptr() != body.as_ptr();
        permit.keep(body.len() + if is_copy { plain.len() } else { 0 });
        let bytes = body.len() as u64;
        return Read::unread(NotParsed::NotAsked { bytes });
    }
    // The session remembers the message, and its bytes would keep the buffer in which they arrived.
    let plain = match plain.as_ptr() == body.as_ptr() && body.len() <= MAX_COPIED_BYTES {
        true => {
            *body = Bytes::copy_from_slice(body);
            body.clone()
        }
        false => plain,
    };
    let plain = match utf16::in_utf8(plain.clone(), body, bounds, permit).await {
        Ok(plain) => plain,
        Err(NoText::Broken(error)) => {
            // The bytes that it was decompressed from may be kept, too.
            permit.keep(body.len() + plain.len());
            return Read {
                notes: vec![note_broken(&error, false)],
                ..Read::of(ParsedBody::Broken(error), Some(plain))
            };
        }
        Err(NoText::TooLarge(why)) => {
            drop(plain);
            permit.keep(body.len());
            return Read::unread(why);
        }
    };
    let most = plain.kept + tree_of(&plain.bytes);
    if !utf16::cover(bounds, permit, most).await {
        drop(plain);
        permit.keep(body.len());
        return Read::unread(no_room(&bounds));
    }
    permit.keep(most);
    let (parsed, notes) = heavy(plain.bytes.len(), || {
        read_plain(&plain, headers, bounds.length)
    });
    permit.keep(match &parsed {
        ParsedBody::Document(document, _) => {
            plain.kept + document.bytes() - document.source().len()
        }
        _ => plain.kept,
    });
    Read {
        parsed,
        notes,
        plain: Some(plain.bytes),
        utf16: plain.utf16,
    }
}

/// Whether a body has transfer codings other than `chunked`. They end here (RFC 9112 §7).
pub(super) fn has_transfer_codings(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING)
        && !coding::listed(headers, &header::TRANSFER_ENCODING).is_empty()
}

/// Undoes the transfer codings of a body that has some.
///
/// # Errors
/// [`Broken::Coding`] if they cannot be undone.
pub(super) async fn undo_transfer_coding(
    body: Bytes,
    headers: &HeaderMap,
    bounds: Bounds<'_>,
    permit: &mut BudgetPermit,
) -> Result<Bytes, Broken> {
    let codings = coding::listed(headers, &header::TRANSFER_ENCODING);
    let unfolded = unfold(&body, &codings, bounds, permit).await;
    unfolded.map_err(|why| {
        Broken::Coding(match why {
            NotParsed::Coding(why) => format!("transfer coding: {why}"),
            _ => "transfer coding needs too much memory to undo".into(),
        })
    })
}

/// Undoes codings. A small result needs no more memory in advance; for a larger one, the memory for the largest
/// possible result is requested.
async fn unfold(
    body: &Bytes,
    codings: &[String],
    bounds: Bounds<'_>,
    permit: &mut BudgetPermit,
) -> Result<Bytes, NotParsed> {
    if codings.is_empty() {
        return Ok(body.clone());
    }
    let unread = |error: CodingError| NotParsed::Coding(error.to_string());
    if !permit.is_large() {
        let small = SMALL.min(bounds.length);
        match coding::undo(body, codings, small) {
            Err(CodingError::TooLong { .. }) if small < bounds.length => {}
            done => return done.map_err(unread),
        }
        let most = Cost::CODED.at_most(0, bounds.length);
        if !bounds.budget.announce(permit, most).await {
            return Err(no_room(&bounds));
        }
    }
    // A coded body may be a thousand times longer when it is decoded.
    heavy(bounds.length, || coding::undo(body, codings, bounds.length)).map_err(unread)
}

/// Runs long work without blocking others: the other tasks of this worker move to another worker.
pub(super) fn heavy<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let may_block = || {
        let runtime = tokio::runtime::Handle::try_current();
        runtime.is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
    };
    match bytes > HEAVY && may_block() {
        true => tokio::task::block_in_place(work),
        false => work(),
    }
}

/// Returns the limits for decoding a body of at most `bytes`.
pub(super) fn decode_limits(bytes: usize) -> Limits {
    Limits {
        bytes,
        ..Limits::default()
    }
}

fn read_plain(plain: &Plain, headers: &HeaderMap, limit: usize) -> (ParsedBody, Vec<Note>) {
    let hint = media::hint(headers);
    let media_type = hint.media_type;
    let announced = MediaKind::by(media_type);
    let foreign = || {
        let media_type = clipped(media_type.unwrap_or("a body without a media type"));
        (
            ParsedBody::Unread(NotParsed::MediaType(media_type)),
            Vec::new(),
        )
    };
    if announced != MediaKind::Markup && !looks_like_markup(&plain.bytes) {
        return foreign();
    }
    let is_wbxml = markup::wbxml::looks_like(&plain.bytes);
    match markup::decode(plain.bytes.clone(), hint, &decode_limits(limit)) {
        Ok(document) => {
            let mut notes = note_flags(&document);
            notes.extend(plain.utf16.map(utf16::note));
            notes.extend(note_media_type(media_type, document.is_wbxml()));
            notes.extend(note_provisioning(&document));
            let dialect = Dialect::of(&document);
            (ParsedBody::Document(Arc::new(document), dialect), notes)
        }
        Err(_) if announced == MediaKind::Other => foreign(),
        // The document uses another vocabulary, such as that of ActiveSync.
        Err(error) if error.kind.is_of_another_vocabulary() => foreign(),
        Err(error) => {
            let mut notes = vec![note_broken(&error, is_wbxml)];
            notes.extend(plain.utf16.map(utf16::note));
            (ParsedBody::Broken(error), notes)
        }
    }
}

fn note_broken(error: &DecodeError, is_wbxml: bool) -> Note {
    Note {
        id: if is_wbxml { "WBXML-01" } else { "XML-01" },
        severity: Severity::Error,
        at: Some(error.at),
        text: clipped(&error.kind.to_string()),
    }
}

/// Returns notes on the deviations that the decoder accepted. Only the first ones have notes of their own.
fn note_flags(document: &Document) -> Vec<Note> {
    let flags = document.flags();
    let mut notes: Vec<_> = flags.iter().take(FLAGS_NOTED).map(Note::of_flag).collect();
    let more = flags.len().saturating_sub(FLAGS_NOTED);
    if let Some(last) = notes.last_mut().filter(|_| more > 0) {
        last.text = format!("{}, and {more} more deviations", last.text);
    }
    notes
}

/// Returns note HTTP-02 if the media type names the other encoding.
fn note_media_type(media_type: Option<&str>, is_wbxml: bool) -> Option<Note> {
    let text = media::note_other_encoding(media_type?, is_wbxml)?;
    Some(Note {
        id: "HTTP-02",
        severity: Severity::Error,
        at: None,
        text: clipped(&text),
    })
}

fn looks_like_markup(body: &[u8]) -> bool {
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    markup::wbxml::looks_like(body)
        || first == Some(&b'<')
        || body.starts_with(b"\xfe\xff")
        || body.starts_with(b"\xff\xfe")
}

/// The bytes from which on reading is work that must not block other tasks.
const HEAVY: usize = 256 << 10;
/// The longest body, or decompressed text, that takes its memory from the reserve for small bodies.
const SMALL: usize = 128 << 10;
/// The longest body that is copied. A longer one fills most of its buffer.
const MAX_COPIED_BYTES: usize = 64 << 10;
/// The most deviations of a document that have notes of their own.
const FLAGS_NOTED: usize = 16;

#[cfg(test)]
mod tests;
