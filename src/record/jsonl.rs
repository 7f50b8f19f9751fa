//! JSON lines: one object for each event, for programs and for reading a record again.
//!
//! A line is `{"v":1,"seq":…,"event":"request",…}`; `docs/records.md` has every field. Bodies come last, so
//! that the beginning of a line tells what it is about.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::Sink;
use super::json::{self, escape};
use super::model::{BodyRecord, EventKind, EventRecord, VERSION};
use crate::error_text;
use crate::flow::EffectKind;

/// Writes JSON lines.
pub struct JsonLines<W> {
    out: W,
    /// What stands in front of all events.
    beginning: String,
    line: Vec<u8>,
}

/// Why a line of a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Written by a dmtap that records differently.
    #[error("the record has version {0}, this dmtap reads version {VERSION}")]
    Version(u64),
    /// No whole JSON object: a line torn by a crash, or another file altogether.
    #[error("the line is damaged: {why}", why = error_text::json(.0))]
    Damaged(serde_json::Error),
    /// An event that this dmtap does not know, or what rules did over a whole run: no damage.
    #[error("the line is an event that this dmtap does not know")]
    UnknownEvent,
    /// A JSON object that is no event.
    #[error("the line is no event: {why}", why = error_text::json(.0))]
    NoEvent(serde_json::Error),
}

impl<W: Write> JsonLines<W> {
    /// Lines written to `out`, which should be buffered: each is written with one call.
    pub fn new(out: W) -> Self {
        Self {
            out,
            beginning: String::new(),
            line: Vec::new(),
        }
    }
}

impl<W> JsonLines<W> {
    /// The same, with these lines about the run in front of all events.
    pub fn beginning_with(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.beginning);
        self
    }

    /// The writer again.
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

/// Reads a line.
///
/// # Errors
/// [`ReadError`]: what is wrong with it.
pub fn read(line: &[u8]) -> Result<EventRecord, ReadError> {
    #[derive(Deserialize)]
    struct Version {
        #[serde(default)]
        v: u64,
        #[serde(default)]
        event: String,
    }
    let version: Version = serde_json::from_slice(line).map_err(ReadError::Damaged)?;
    match version.v {
        0 => {}
        v if v == u64::from(VERSION) => {}
        other => return Err(ReadError::Version(other)),
    }
    if !version.event.is_empty() && !EventKind::is_name(&version.event) {
        return Err(ReadError::UnknownEvent);
    }
    let mut record: EventRecord = serde_json::from_slice(line).map_err(ReadError::NoEvent)?;
    // Records of the first version have no fields for these.
    let why = record.why.as_deref();
    record.by_rule |= why.is_some_and(|why| ["closed by a rule", "reset by a rule"].contains(&why));
    for change in record
        .applied
        .iter_mut()
        .flat_map(|applied| &mut applied.changes)
    {
        if change.kind == EffectKind::Other {
            change.kind = kind_of_step(&change.step);
        }
    }
    Ok(record)
}

/// The kind of a change in a record that does not name it.
fn kind_of_step(step: &str) -> EffectKind {
    match step {
        "set-header" | "add-header" | "remove-header" => EffectKind::Header,
        "set-status" => EffectKind::Status,
        "answer" => EffectKind::Answered,
        own => EffectKind::of_own(own),
    }
}

/// The line about the run that is called `event`, with its line feed.
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

/// An event as a JSON object, as a line has it.
///
/// # Errors
/// None that is known: an event is texts and numbers.
pub fn object(record: &EventRecord) -> io::Result<String> {
    let mut line = Vec::new();
    write_line(record, &mut line)?;
    line.pop();
    String::from_utf8(line).map_err(io::Error::other)
}

/// Appends the line of an event, with its line feed. The bodies are most of it, and are written by hand.
fn write_line(record: &EventRecord, line: &mut Vec<u8>) -> io::Result<()> {
    json::write(record, line)?;
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

/// What the lines about a run are called: where dmtap listens, the run itself, and at its end what its rules did.
pub const START: &str = "start";
#[expect(missing_docs, reason = "see START")]
pub const RUN: &str = "run";
#[expect(missing_docs, reason = "see START")]
pub const RULES: &str = "rules";

/// The largest buffer that is kept from one line to the next, in bytes.
const KEPT: usize = 1 << 20;
