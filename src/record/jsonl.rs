//! JSON lines: one object for each event, for programs and for `dmtap show`.
//!
//! A line is `{"v":1,"seq":…,"event":"request",…}`; `docs/records.md` has every field. Bodies come last, so that the
//! beginning of a line shows what the line is about.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::Sink;
use super::model::{BodyRecord, EventKind, EventRecord, VERSION};
use crate::error_text;

/// A sink that writes JSON lines.
pub struct JsonLines<W> {
    out: W,
    /// The lines in front of all events.
    beginning: String,
    line: Vec<u8>,
}

/// The reason why a line of a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The line was written by a dmtap with another record format.
    #[error("the record has version {0}, this dmtap reads version {VERSION}")]
    Version(u64),
    /// The line is not a whole JSON object: a crash cut it off, or the file is not a record.
    #[error("the line is damaged: {why}", why = error_text::json(.0))]
    Damaged(serde_json::Error),
    /// An event that this dmtap does not know, or a line about a whole run such as `rules`. This is not damage.
    #[error("the line is an event that this dmtap does not know")]
    UnknownEvent,
    /// The line at the beginning of the run with this id. This is not damage.
    #[error("the line is the beginning of a run")]
    Run(String),
    /// A JSON object that is not an event.
    #[error("the line is no event: {why}", why = error_text::json(.0))]
    NoEvent(serde_json::Error),
}

impl<W: Write> JsonLines<W> {
    /// Creates a sink that writes lines to `out`. `out` should be buffered: each line is one call.
    pub fn new(out: W) -> Self {
        Self {
            out,
            beginning: String::new(),
            line: Vec::new(),
        }
    }
}

impl<W> JsonLines<W> {
    /// Puts lines about the run in front of all events.
    pub fn beginning_with(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.beginning);
        self
    }

    /// Returns the writer.
    pub fn into_inner(self) -> W {
        self.out
    }
}

impl<W: Write + Send> Sink for JsonLines<W> {
    fn begin(&mut self) -> io::Result<()> {
        self.out.write_all(self.beginning.as_bytes())?;
        self.out.flush()
    }

    fn write_event(&mut self, record: &EventRecord) -> io::Result<()> {
        self.line.clear();
        if let Some(line) = &record.run_line {
            self.line.extend_from_slice(line.as_bytes());
            self.line.push(b'\n');
        }
        write_line(record, &mut self.line)?;
        self.out.write_all(&self.line)?;
        if self.line.capacity() > KEPT {
            self.line = Vec::new();
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Reads one line of a record.
///
/// # Errors
/// Returns a [`ReadError`] that says what is wrong with the line.
pub fn read(line: &[u8]) -> Result<EventRecord, ReadError> {
    #[derive(Deserialize)]
    struct Version {
        #[serde(default)]
        v: u64,
        #[serde(default)]
        event: String,
        run: Option<String>,
    }
    let version: Version = serde_json::from_slice(line).map_err(ReadError::Damaged)?;
    match version.v {
        0 => {}
        v if v == u64::from(VERSION) => {}
        other => return Err(ReadError::Version(other)),
    }
    if !version.event.is_empty() && !EventKind::is_name(&version.event) {
        return Err(match version.run {
            Some(run) if version.event == RUN => ReadError::Run(run),
            _ => ReadError::UnknownEvent,
        });
    }
    serde_json::from_slice(line).map_err(ReadError::NoEvent)
}

/// Returns the line, with its line feed, of the run event called `event`.
pub fn line(event: &'static str, what: &impl Serialize) -> String {
    #[derive(Serialize)]
    struct Line<'w, T> {
        v: u32,
        event: &'static str,
        #[serde(flatten)]
        what: &'w T,
    }
    let v = VERSION;
    let line = serde_json::to_string(&Line { v, event, what });
    line.expect("texts and numbers make JSON") + "\n"
}

/// Returns an event as a JSON object, the same text as in its line.
///
/// # Errors
/// None is known: an event consists of texts and numbers.
pub fn object(record: &EventRecord) -> io::Result<String> {
    let mut line = Vec::new();
    write_line(record, &mut line)?;
    line.pop();
    String::from_utf8(line).map_err(io::Error::other)
}

/// Appends the line of an event, with its line feed. The bodies are most of a line, so they are written without serde.
fn write_line(record: &EventRecord, line: &mut Vec<u8>) -> io::Result<()> {
    serde_json::to_writer(&mut *line, record)?;
    let closed = line.pop();
    debug_assert_eq!(closed, Some(b'}'), "an event is a JSON object");
    for (name, body) in [("body", &record.body), ("sent", &record.sent)] {
        if let Some(body) = body {
            line.extend_from_slice(b",\"");
            line.extend_from_slice(name.as_bytes());
            line.extend_from_slice(b"\":");
            write_body(body, line);
        }
    }
    line.extend_from_slice(b"}\n");
    Ok(())
}

fn write_body(body: &BodyRecord, line: &mut Vec<u8>) {
    match body.text() {
        Some(text) => {
            line.extend_from_slice(b"{\"text\":\"");
            escape(text, line);
        }
        None => {
            line.extend_from_slice(b"{\"base64\":\"");
            let from = line.len();
            line.resize(from + 4 * body.0.len().div_ceil(3), 0);
            let written = BASE64.encode_slice(&body.0, &mut line[from..]);
            line.truncate(from + written.unwrap_or_default());
        }
    }
    line.extend_from_slice(b"\"}");
}

/// Appends a text as the content of a JSON string. Searches for special characters eight bytes at a time.
fn escape(text: &str, line: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    line.reserve(bytes.len() + bytes.len() / 16);
    let mut from = 0;
    while let Some(len) = plain_run(&bytes[from..]) {
        line.extend_from_slice(&bytes[from..from + len]);
        let special = bytes[from + len];
        match special {
            b'"' => line.extend_from_slice(b"\\\""),
            b'\\' => line.extend_from_slice(b"\\\\"),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' => line.extend_from_slice(b"\\t"),
            control => {
                let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
                let hex = [digit(control >> 4), digit(control & 0xF)];
                line.extend_from_slice(b"\\u00");
                line.extend_from_slice(&hex);
            }
        }
        from += len + 1;
    }
    line.extend_from_slice(&bytes[from..]);
}

/// Returns the number of bytes before the first byte that JSON has to escape, or `None` if there is no such byte.
fn plain_run(bytes: &[u8]) -> Option<usize> {
    let special = |byte: &u8| matches!(byte, 0..0x20 | b'"' | b'\\');
    let mut chunks = bytes.chunks_exact(8);
    let mut at = 0;
    for chunk in &mut chunks {
        let chunk: [u8; 8] = chunk.try_into().unwrap_or_default();
        if may_have_special(u64::from_le_bytes(chunk))
            && let Some(found) = chunk.iter().position(special)
        {
            return Some(at + found);
        }
        at += 8;
    }
    let rest = chunks.remainder().iter().position(special);
    rest.map(|found| at + found)
}

/// Returns whether one of eight bytes may be below 0x20, a quote or a backslash. There are false positives (the borrow
/// of a subtraction carries over) but no false negatives.
fn may_have_special(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zero_in = |word: u64| word.wrapping_sub(ONES) & !word;
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = zero_in(word ^ (ONES * u64::from(b'"')));
    let backslash = zero_in(word ^ (ONES * u64::from(b'\\')));
    (control | quote | backslash) & HIGHS != 0
}

/// The names of the lines about a run: its listening addresses, the run itself, and at its end the effects of its
/// rules.
pub const START: &str = "start";
#[expect(missing_docs, reason = "see START")]
pub const RUN: &str = "run";
#[expect(missing_docs, reason = "see START")]
pub const RULES: &str = "rules";

/// The largest line buffer that is kept for the next line, in bytes.
const KEPT: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_as_json_wants_it() {
        let check = |text: &str| {
            let mut line = vec![b'"'];
            escape(text, &mut line);
            line.push(b'"');
            let read: String = serde_json::from_slice(&line).unwrap();
            assert_eq!(read, text);
        };
        check("");
        check("<Data a=\"b\">\r\n\t\\ \u{1} \u{7f} ä€😀</Data>");
        for at in 0..20 {
            for special in ["\"", "\\", "\n", "\0", "\u{1f}", " ", "ÿ", "!\"", "~\u{7f}"] {
                let mut text = "abcdefghijklmnopqrstuvwxyz".to_owned();
                text.insert_str(at, special);
                check(&text);
            }
        }
    }
}
