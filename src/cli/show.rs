//! `dmtap show`: a recorded session for people.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use super::{Failure, Outcome, Output};
use crate::record::{self, Masking, Style, Transcript};

/// Print a recorded session (JSON lines) as an annotated transcript.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap show session.jsonl
  dmtap show session.jsonl | less -R

Exit code 1: a line of the record is damaged; the others are shown.")]
pub struct Show {
    /// The record.
    file: PathBuf,
}

impl Show {
    /// Runs the verb.
    ///
    /// # Errors
    /// A file that cannot be read, or lines that are damaged.
    pub fn run(self, _: Output) -> Outcome {
        let name = self.file.display();
        let file = File::open(&self.file)
            .map_err(|error| Failure::Usage(format!("error: cannot read {name}: {error}")))?;
        let mut transcript = Transcript::new(anstream::stdout(), Style::Colour, Masking::Raw);
        let damaged = record::show(BufReader::new(file), &mut transcript)
            .map_err(|error| Failure::Failed(format!("error: {name}: {error}")))?;
        if damaged.is_empty() {
            return Ok(());
        }
        let lines = damaged
            .iter()
            .map(|damage| format!("error: {name}: {damage}\n"));
        Err(Failure::Failed(lines.collect()))
    }
}
