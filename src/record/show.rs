//! Reading a record again.

use std::fmt;
use std::io::{self, BufRead};

use super::jsonl::{self, ReadError};
use super::{EventRecord, Sink};

/// Lines of a record that cannot be read.
#[derive(Debug)]
pub struct Damage {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub error: ReadError,
}

/// Most damaged lines that are reported one by one. A file that has more is no record.
pub const MOST_DAMAGE: usize = 100;

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.error)
    }
}

/// Writes a record of JSON lines to a sink, as when it happened. Lines that cannot be read are skipped and returned.
///
/// # Errors
/// Those of the reader and the writer; [`io::ErrorKind::InvalidData`] for a record of another version, for a file
/// that does not even begin as a record, and for one with more than [`MOST_DAMAGE`] damaged lines.
pub fn show<R: BufRead>(record: R, sink: &mut impl Sink) -> io::Result<Vec<Damage>> {
    let damaged = replay(record, |record| sink.write_event(&record))?;
    sink.finish().map(|()| damaged)
}

/// Gives every event of a record of JSON lines, in order. Lines that cannot be read are skipped and returned.
///
/// # Errors
/// Those of the reader and of `on_event`; [`io::ErrorKind::InvalidData`] as [`show`] has it.
pub fn replay<R: BufRead>(
    record: R,
    mut on_event: impl FnMut(EventRecord) -> io::Result<()>,
) -> io::Result<Vec<Damage>> {
    replay_lines(record, |event, _| on_event(event))
}

/// The same, with the line of each event, from 1.
///
/// # Errors
/// Those of [`replay`].
pub fn replay_lines<R: BufRead>(
    mut record: R,
    mut on_event: impl FnMut(EventRecord, u64) -> io::Result<()>,
) -> io::Result<Vec<Damage>> {
    let mut damage = Vec::new();
    let mut text = Vec::new();
    let mut is_record = false;
    for line in 1.. {
        text.clear();
        if record.read_until(b'\n', &mut text)? == 0 {
            break;
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        is_record |= text.starts_with(b"{\"");
        match jsonl::read(&text) {
            Ok(event) => on_event(event, line)?,
            Err(ReadError::UnknownEvent) => {}
            // The first line alone may be the end of one: somebody took the last bytes of a long record.
            Err(_) if !is_record && !damage.is_empty() => return Err(no_record()),
            Err(error) => {
                let fatal = matches!(error, ReadError::Version(_));
                let found = Damage { line, error };
                if fatal || damage.len() == MOST_DAMAGE {
                    let error = format!("line {found}");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
                damage.push(found);
            }
        }
    }
    match is_record || damage.is_empty() {
        true => Ok(damage),
        false => Err(no_record()),
    }
}

/// Whether these bytes begin as a record of JSON lines.
pub fn is_record(text: &[u8]) -> bool {
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut pairs = first.windows(EVENT.len());
    first.starts_with(b"{\"v\":") && pairs.any(|part| part == EVENT)
}

/// What every line of a record has.
const EVENT: &[u8] = b"\"event\":";

fn no_record() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "this is not a record")
}
