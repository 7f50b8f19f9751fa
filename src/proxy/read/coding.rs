//! Content codings, and transfer codings other than `chunked`: undone one by one, within a limit.

use std::io::{self, Read};

use brotli_decompressor::Decompressor;
use bytes::Bytes;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::header::{CONTENT_ENCODING, HeaderMap, HeaderName};

use crate::flow::note::clipped;

/// Why codings are not undone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::proxy) enum CodingError {
    /// The text is longer than the limit.
    #[error("{coding} unfolds to more than {limit} bytes")]
    TooLong {
        /// The coding that unfolds so far.
        coding: String,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The bytes are not what the coding allows.
    #[error("{coding} does not decode: {why}")]
    Broken {
        /// The coding.
        coding: String,
        /// What is wrong with them.
        why: &'static str,
    },
    /// There is no decoder for it.
    #[error("{0} is not known")]
    Unknown(String),
    /// More than anybody needs.
    #[error("{0} codings on top of each other")]
    TooMany(usize),
}

/// The codings that a field lists, in the order in which they were applied.
pub(in crate::proxy) fn listed(headers: &HeaderMap, field: &HeaderName) -> Vec<String> {
    let values = headers.get_all(field).iter();
    values
        .flat_map(|value| value.to_str().unwrap_or("?").split(','))
        .map(|coding| coding.trim().to_ascii_lowercase())
        .filter(|coding| !coding.is_empty() && !["identity", "chunked"].contains(&&**coding))
        .collect()
}

/// A body with the content codings that its fields list undone, at most `limit` bytes.
///
/// # Errors
/// Why they cannot be undone, in words.
pub(crate) fn without_codings(
    body: &Bytes,
    headers: &HeaderMap,
    limit: usize,
) -> Result<Bytes, String> {
    let codings = listed(headers, &CONTENT_ENCODING);
    undo(body, &codings, limit).map_err(|error| error.to_string())
}

/// Undoes codings, the last one first; without any, the very bytes.
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
        // RFC 9110 §8.4.1.2 means zlib; some senders leave the wrapper out.
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

/// Each decoder has words of its own for the same two faults.
fn broken(coding: &str, error: &io::Error) -> CodingError {
    let why = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the body ends too early",
        _ => "the body is damaged, or in another coding",
    };
    CodingError::Broken {
        coding: coding.into(),
        why,
    }
}

/// Codings on top of each other that are undone.
const CODINGS: usize = 3;
/// Bytes that the Brotli decoder takes at a time.
const BUFFER: usize = 4096;
/// The largest window of zstd in HTTP, as a power of two (RFC 9659 §3).
const WINDOW_LOG: u32 = 23;
