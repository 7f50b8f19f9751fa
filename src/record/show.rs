//! Reading a record again.

use std::io::{self, BufRead, Write};

use super::Transcript;
use super::jsonl::{self, ReadError};

/// What became of a record that was shown.
#[derive(Debug, Default)]
pub struct Shown {
    /// Events printed.
    pub events: u64,
    /// Lines that could not be read, with their numbers, from 1; the first [`MOST_FAULTS`] of them.
    pub faults: Vec<(u64, ReadError)>,
    /// All lines that could not be read.
    pub skipped: u64,
}

/// Most faults that are kept.
pub const MOST_FAULTS: usize = 20;

/// Prints a record of JSON lines as the transcript it was when it happened. Lines that cannot be read are skipped
/// and reported; a record of another version is not read at all.
///
/// # Errors
/// Those of the reader and the writer; [`io::ErrorKind::InvalidData`] for another version.
pub fn show<R: BufRead, W: Write>(
    mut record: R,
    transcript: &mut Transcript<W>,
) -> io::Result<Shown> {
    let mut shown = Shown::default();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if record.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match jsonl::read(&String::from_utf8_lossy(&line)) {
            Ok(telling) => {
                transcript.print(&telling)?;
                shown.events += 1;
            }
            Err(error @ ReadError::Version(_)) => {
                let error = format!("line {number}: {error}");
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            Err(error) => {
                shown.skipped += 1;
                if shown.faults.len() < MOST_FAULTS {
                    shown.faults.push((number, error));
                }
            }
        }
    }
    Ok(shown)
}
