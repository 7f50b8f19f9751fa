//! Reads a record again.

use std::fmt;
use std::io::{self, BufRead};

use super::EventRecord;
use super::jsonl::{self, ReadError};

/// A line of a record that cannot be read.
#[derive(Debug)]
pub struct Damage {
    /// The line, from 1.
    pub line: u64,
    /// The reason why the line cannot be read.
    pub error: ReadError,
}

/// The most damaged lines that are reported one by one. A file with more is not a record.
pub const MOST_DAMAGE: usize = 100;

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.error)
    }
}

/// Passes every event of a record of JSON lines to `on_event`, in order, with its line, from 1. Skips lines that cannot
/// be read and returns them.
///
/// # Errors
/// Returns errors of the reader and of `on_event`; [`io::ErrorKind::InvalidData`] for a record of another version, for a
/// file that does not even begin as a record, and for a record with more than [`MOST_DAMAGE`] damaged lines.
pub fn replay<R: BufRead>(
    mut record: R,
    mut on_event: impl FnMut(EventRecord, u64) -> io::Result<()>,
) -> io::Result<Vec<Damage>> {
    let mut damage = Vec::new();
    let mut text = Vec::new();
    let mut is_record = false;
    let mut runs = RunCounter::default();
    let mut run_line = None;
    for line in 1.. {
        text.clear();
        if record.read_until(b'\n', &mut text)? == 0 {
            break;
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        if line == 1 && text.starts_with(BOM) {
            text.drain(..BOM.len());
        }
        is_record |= text.starts_with(b"{\"");
        match jsonl::read(&text) {
            Ok(mut event) => {
                event.run = runs.run_of(&event);
                event.run_line = run_line.take();
                on_event(event, line)?;
            }
            Err(ReadError::Run(id)) => {
                runs.line(id);
                run_line = Some(String::from_utf8_lossy(text.trim_ascii()).into_owned());
            }
            Err(ReadError::UnknownEvent) => {}
            // Only the first line may be an incomplete one: somebody may have taken the last bytes of a long record.
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

/// Counts the runs of a file while it is read: it may hold several, one after the other, and each numbers its events
/// from 1.
#[derive(Debug, Default)]
struct RunCounter {
    number: u32,
    last_seq: u64,
    /// The id of the run, from its `run` line; without one, the numbers of the events show where a run begins.
    id: Option<String>,
    has_ended: bool,
}

impl RunCounter {
    /// Takes the `run` line of a run. A record that was begun again at SIGHUP repeats the line.
    fn line(&mut self, id: String) {
        self.has_ended |= self.last_seq > 0 && self.id.as_ref() != Some(&id);
        self.id = Some(id);
    }

    /// Returns the number of the run of the next event, from 0.
    fn run_of(&mut self, event: &EventRecord) -> u32 {
        // The end of a session repeats the number of the event before it.
        let is_end = event.summary.is_some();
        if self.has_ended || !is_end && event.seq <= self.last_seq {
            self.number += 1;
        }
        self.has_ended = false;
        self.last_seq = event.seq;
        self.number
    }
}

/// Returns whether these bytes begin as a record of JSON lines.
pub fn is_record(text: &[u8]) -> bool {
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first = first.strip_prefix(BOM).unwrap_or(first);
    first.starts_with(b"{\"v\":") && first.windows(EVENT.len()).any(|part| part == EVENT)
}

/// The byte order mark that editors of Windows put in front of a text.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// A part that every line of a record contains.
const EVENT: &[u8] = b"\"event\":";

fn no_record() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "this is not a record")
}
