//! Content codings, and transfer codings other than `chunked`. They are undone one by one, within a limit.

use std::io::{self, Read};

use brotli_decompressor::Decompressor;
use bytes::Bytes;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::header::{CONTENT_ENCODING, HeaderMap, HeaderName};

use crate::flow::Note;
use crate::flow::note::clipped;

/// The reason why codings cannot be undone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::proxy) enum CodingError {
    /// The decoded text is longer than the limit.
    #[error("{coding} unfolds to more than {limit} bytes")]
    TooLong {
        /// The coding whose result is too long.
        coding: String,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The bytes do not follow the coding.
    #[error("{coding} does not decode: {why}")]
    Broken {
        /// The coding.
        coding: String,
        /// The error in the bytes.
        why: &'static str,
    },
    /// There is no decoder for the coding.
    #[error("{0} is not known")]
    Unknown(String),
    /// There are more codings than dmtap undoes.
    #[error("{0} codings on top of each other")]
    TooMany(usize),
}

/// Returns the codings that a field lists, in the order in which they were applied.
pub(in crate::proxy) fn listed(headers: &HeaderMap, field: &HeaderName) -> Vec<String> {
    let is_content = *field == CONTENT_ENCODING;
    let mut names = names(headers, field);
    names.retain(|name| !(is_content && is_no_coding(name)));
    names
}

/// Returns note HTTP-09 if Content-Encoding has a value that is no coding.
pub(in crate::proxy) fn note_no_coding(headers: &HeaderMap) -> Option<Note> {
    let mut names = names(headers, &CONTENT_ENCODING).into_iter();
    let name = names.find(|name| is_no_coding(name))?;
    let text =
        format!("Content-Encoding: {name} names no content coding; dmtap read the body without it");
    Some(Note::new("HTTP-09", clipped(&text)))
}

fn names(headers: &HeaderMap, field: &HeaderName) -> Vec<String> {
    let values = headers.get_all(field).iter();
    values
        .flat_map(|value| value.to_str().unwrap_or("?").split(','))
        .map(|coding| coding.trim().to_ascii_lowercase())
        .filter(|coding| !coding.is_empty() && !["identity", "chunked"].contains(&&**coding))
        .collect()
}

/// Whether a value of Content-Encoding leaves the body as it is: senders write the charset there, the media type, or
/// a transfer encoding of MIME. Most clients ignore such a field.
fn is_no_coding(name: &str) -> bool {
    let is_charset = CHARSETS.iter().any(|start| name.starts_with(start));
    is_charset || name.contains('/') || ["none", "7bit", "8bit", "binary"].contains(&name)
}

/// Undoes the content codings that the fields of a body list. The result has at most `limit` bytes.
///
/// # Errors
/// The reason, as text, if they cannot be undone.
pub(crate) fn without_codings(
    body: &Bytes,
    headers: &HeaderMap,
    limit: usize,
) -> Result<Bytes, String> {
    let codings = listed(headers, &CONTENT_ENCODING);
    undo(body, &codings, limit).map_err(|error| error.to_string())
}

/// Undoes codings, the last one first. Without codings the same bytes are returned.
pub(in crate::proxy) fn undo(
    body: &Bytes,
    codings: &[String],
    limit: usize,
) -> Result<Bytes, CodingError> {
    if codings.len() > CODINGS {
        return Err(CodingError::TooMany(codings.len()));
    }
    let mut plain = body.clone();
    for coding in codings.iter().rev() {
        plain = decompress(&plain, coding, limit)?;
    }
    Ok(plain)
}

fn decompress(body: &[u8], coding: &str, limit: usize) -> Result<Bytes, CodingError> {
    match coding {
        "gzip" | "x-gzip" => drain(MultiGzDecoder::new(body), coding, limit),
        // RFC 9110 §8.4.1.2 requires zlib; some senders omit the wrapper.
        "deflate" => match drain(ZlibDecoder::new(body), coding, limit) {
            Err(CodingError::Broken { .. }) => drain(DeflateDecoder::new(body), coding, limit),
            done => done,
        },
        "br" => drain(Decompressor::new(body, BUFFER), coding, limit),
        "zstd" => {
            let broken = |error| broken(coding, &error);
            let mut decoder = zstd::stream::read::Decoder::with_buffer(body).map_err(broken)?;
            decoder.window_log_max(WINDOW_LOG).map_err(broken)?;
            drain(decoder, coding, limit)
        }
        _ => Err(CodingError::Unknown(clipped(coding))),
    }
}

fn drain(reader: impl Read, coding: &str, limit: usize) -> Result<Bytes, CodingError> {
    let mut plain = Vec::new();
    let read = reader.take(limit as u64 + 1).read_to_end(&mut plain);
    read.map_err(|error| broken(coding, &error))?;
    if plain.len() > limit {
        return Err(CodingError::TooLong {
            coding: coding.into(),
            limit,
        });
    }
    Ok(plain.into())
}

/// Returns an error in dmtap's words: each decoder has other words for the same two errors.
fn broken(coding: &str, error: &io::Error) -> CodingError {
    let why = match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            "the body ends too early, or other bytes stand behind its end"
        }
        _ => "the body is damaged, or in another coding",
    };
    CodingError::Broken {
        coding: coding.into(),
        why,
    }
}

/// The beginnings of the names of charsets.
const CHARSETS: [&str; 8] = [
    "utf-",
    "utf8",
    "utf16",
    "us-ascii",
    "ascii",
    "iso-8859",
    "windows-125",
    "charset",
];
/// The most codings of one body that are undone.
const CODINGS: usize = 3;
/// The bytes that the Brotli decoder reads at a time.
const BUFFER: usize = 4096;
/// The largest window of zstd in HTTP, as a power of two (RFC 9659 §3).
const WINDOW_LOG: u32 = 23;
