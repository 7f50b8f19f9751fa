//! Reading a body: collecting it within a limit, undoing its content coding, decoding it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::header::{self, HeaderMap};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use tokio::runtime::RuntimeFlavor;

use super::body::Broken;
use super::patience::Patience;
use super::room::{Hold, Room};
use crate::dm::{Dialect, dialect::Announced};
use crate::flow::session::{note_cmd_ids, note_escaped_twice};
use crate::flow::{Note, Reading, Severity, Unread, media};
use crate::markup::{self, DecodeError, Document, Flag, FlagKind, Limits};

/// A body that was asked for.
pub(super) enum Collected {
    /// All of it.
    Whole {
        bytes: Bytes,
        trailers: Option<Box<HeaderMap>>,
        hold: Option<Hold>,
    },
    /// More than may be read: what came so far, what follows, and why.
    Stream {
        first: VecDeque<Bytes>,
        rest: Incoming,
        hold: Option<Hold>,
        why: Unread,
    },
}

/// What bounds the collecting of a body.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'a> {
    /// Its length, in bytes.
    pub(super) length: usize,
    /// The wait for the next of its bytes, and for room.
    pub(super) wait: Duration,
    /// The memory for it.
    pub(super) room: &'a Room,
}

/// Collects a body. One frame is not copied.
///
/// # Errors
/// Where the peer breaks off, or stops sending.
pub(super) async fn collect(mut body: Incoming, bounds: Bounds<'_>) -> Result<Collected, Broken> {
    let mut first = VecDeque::new();
    let mut trailers = None;
    let mut hold = None;
    let mut length = 0;
    let limit = bounds.length as u64;
    let mut why = (body.size_hint().lower() > limit).then_some(Unread::TooLarge { limit });
    let mut patience = Patience::new(bounds.wait);
    while why.is_none() {
        let Some(frame) = next_frame(&mut body, &mut patience).await? else {
            let bytes = join(first, length);
            return Ok(Collected::Whole {
                bytes,
                trailers,
                hold,
            });
        };
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                trailers = frame.into_trailers().ok().map(Box::new);
                continue;
            }
        };
        let more = data.len();
        length += more;
        first.push_back(data);
        if length > bounds.length {
            why = Some(Unread::TooLarge { limit });
        } else if !bounds.room.grow(&mut hold, more, bounds.wait).await {
            let limit = bounds.room.bytes() as u64;
            why = Some(Unread::NoRoom { limit });
        }
    }
    Ok(Collected::Stream {
        first,
        rest: body,
        hold,
        why: why.unwrap_or(Unread::TooLarge { limit }),
    })
}

async fn next_frame(
    body: &mut Incoming,
    patience: &mut Patience,
) -> Result<Option<Frame<Bytes>>, Broken> {
    patience.renew();
    let frame = poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
        Poll::Ready(frame) => Poll::Ready(Ok(frame)),
        Poll::Pending => patience.poll_end(cx).map(Err),
    });
    match frame.await {
        Ok(frame) => Ok(frame.transpose()?),
        Err(()) => Err(Broken::Stalled(patience.limit())),
    }
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

/// Decodes a body as received; what cannot be read is data, with a note that says why.
pub(super) fn read(body: &Bytes, headers: &HeaderMap, limit: usize) -> (Reading, Vec<Note>) {
    if body.is_empty() {
        return (Reading::Empty, Vec::new());
    }
    let is_coded = headers.contains_key(header::CONTENT_ENCODING);
    // A coded body may unfold to a thousand times its length.
    let weight = if is_coded { limit } else { body.len() };
    heavy(weight, || read_plain(body, headers, limit))
}

/// Runs what takes long where it holds nobody else up: other tasks of this worker go on at another one.
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

/// What bounds the decoding of a body of at most `bytes`.
pub(super) fn limits(bytes: usize) -> Limits {
    Limits {
        bytes,
        ..Limits::default()
    }
}

fn read_plain(body: &Bytes, headers: &HeaderMap, limit: usize) -> (Reading, Vec<Note>) {
    let plain = match uncoded(body, headers, limit) {
        Ok(plain) => plain,
        Err(why) => return (Reading::Unread(Unread::Coding(why)), Vec::new()),
    };
    let hint = media::hint(headers);
    let media_type = hint.media_type;
    let announced = Announced::by(media_type);
    let foreign = || {
        let media_type = clipped(media_type.unwrap_or("a body without a media type"));
        (Reading::Unread(Unread::MediaType(media_type)), Vec::new())
    };
    if announced != Announced::Markup && !looks_like_markup(&plain) {
        return foreign();
    }
    let is_wbxml = markup::wbxml::looks_like(&plain);
    match markup::decode(plain, hint, &limits(limit)) {
        Ok(document) => {
            let mut notes = note_flags(&document);
            notes.extend(note_media_type(media_type, document.is_wbxml()));
            notes.extend(note_cmd_ids(&document));
            notes.extend(note_escaped_twice(&document));
            let dialect = Dialect::of(&document);
            (Reading::Document(Arc::new(document), dialect), notes)
        }
        Err(_) if announced == Announced::Other => foreign(),
        // A language of its own, such as that of ActiveSync.
        Err(error) if error.kind.is_of_another_vocabulary() => foreign(),
        Err(error) => {
            let note = note_broken(&error, is_wbxml);
            (Reading::Opaque(error), vec![note])
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

/// What the decoder let pass, the first of it one by one.
fn note_flags(document: &Document) -> Vec<Note> {
    let flags = document.flags();
    let note = |flag: &Flag| Note {
        id: flag.kind.id().unwrap_or(match flag.kind {
            FlagKind::Doctype => "XML-06",
            _ => "XML-01",
        }),
        severity: match flag.kind {
            FlagKind::PaddedNumber | FlagKind::VendorTag { .. } | FlagKind::IdleSwitch => {
                Severity::Info
            }
            _ => Severity::Warning,
        },
        at: Some(flag.at),
        text: clipped(&flag.kind.to_string()),
    };
    let mut notes: Vec<_> = flags.iter().take(FLAGS_TOLD).map(note).collect();
    let untold = flags.len().saturating_sub(FLAGS_TOLD);
    if let Some(last) = notes.last_mut().filter(|_| untold > 0) {
        last.text = format!("{}, and {untold} leniencies more", last.text);
    }
    notes
}

/// Words for a note: names in them are the peer's choice.
fn clipped(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// HTTP-02: the media type names the other encoding.
fn note_media_type(media_type: Option<&str>, is_wbxml: bool) -> Option<Note> {
    let named = media_type?.to_ascii_lowercase();
    let says_wbxml = named.contains("wbxml");
    let says_xml = named.ends_with("xml") && !says_wbxml;
    if says_wbxml == is_wbxml || !(says_wbxml || says_xml) {
        return None;
    }
    let is = if is_wbxml { "WBXML" } else { "XML" };
    Some(Note {
        id: "HTTP-02",
        severity: Severity::Error,
        at: None,
        text: clipped(&format!("the body is {is}, but its media type is {named}")),
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

/// Undoes the content codings, the last one first; without any, the very bytes.
pub(super) fn uncoded(body: &Bytes, headers: &HeaderMap, limit: usize) -> Result<Bytes, String> {
    let mut plain = body.clone();
    if !headers.contains_key(header::CONTENT_ENCODING) {
        return Ok(plain);
    }
    let values = headers.get_all(header::CONTENT_ENCODING).iter();
    let codings: Vec<_> = values
        .flat_map(|value| value.to_str().unwrap_or("?").split(','))
        .map(|coding| coding.trim().to_ascii_lowercase())
        .filter(|coding| !coding.is_empty() && coding != "identity")
        .collect();
    if codings.len() > CODINGS {
        return Err(format!("{} codings on top of each other", codings.len()));
    }
    for coding in codings.iter().rev() {
        plain = decompress(&plain, coding, limit)?;
    }
    Ok(plain)
}

fn decompress(body: &[u8], coding: &str, limit: usize) -> Result<Bytes, String> {
    match coding {
        "gzip" | "x-gzip" => drain(MultiGzDecoder::new(body), coding, limit),
        // RFC 9110 §8.4.1.2 means zlib; some senders leave the wrapper out.
        "deflate" => drain(ZlibDecoder::new(body), coding, limit)
            .or_else(|_| drain(DeflateDecoder::new(body), coding, limit)),
        _ => Err(format!("{} is not known", clipped(coding))),
    }
}

fn drain(reader: impl Read, coding: &str, limit: usize) -> Result<Bytes, String> {
    let mut plain = Vec::new();
    let read = reader.take(limit as u64 + 1).read_to_end(&mut plain);
    read.map_err(|e| format!("{coding} does not decode: {e}"))?;
    if plain.len() > limit {
        return Err(format!("{coding} unfolds to more than {limit} bytes"));
    }
    Ok(plain.into())
}

/// Codings on top of each other that are undone.
const CODINGS: usize = 3;
/// Bytes from which on reading is work that other tasks must not wait for.
const HEAVY: usize = 256 << 10;
/// Leniencies of a decoder that are noted one by one.
const FLAGS_TOLD: usize = 16;
/// Characters of a note.
const LONGEST_TEXT: usize = 200;

#[cfg(test)]
mod tests;
