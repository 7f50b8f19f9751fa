//! `dmtap show`: a recorded session for people.

use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read};
use std::path::PathBuf;

use super::{Failure, Outcome, Output, filter_of};
use crate::app::print;
use crate::error_text;
use crate::printable;
use crate::record::analysis::Analysis;
use crate::record::transcript::Failures;
use crate::record::{self, Colour, JsonLines, Sink, Transcript, select};

/// Print a recorded session (JSON lines) as an annotated transcript, or as its events.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap show session.jsonl
  dmtap show --color always session.jsonl | less -R
  dmtap show --failed session.jsonl         what failed; dmtap why says why
  dmtap show --output json session.jsonl      its events, without damaged lines
  dmtap show session.jsonl '~cmd Replace & ~status 404'

Filters join words with & | ! ( ), as mitmproxy does. About a command and its
answers: ~loc ~csp ~cmd ~status ~hr ~data ~fmt ~type ~alert ~scope ~open; about
a message: ~sid ~msg ~pkg ~dev ~user ~enc ~dialect ~rule ~changed ~own ~lint
~why ~sess ~x ~took ~size ~at ~u ~m ~c ~h ~q ~s ~e

Exit code 1: a line of the record is damaged; the others are shown.")]
pub struct Show {
    /// The record; `-` reads standard input.
    file: PathBuf,
    /// Only the exchanges that this filter selects.
    filter: Vec<String>,
    /// Only what failed, has no answer or is not done yet: two lines each.
    #[arg(long)]
    failed: bool,
}

impl Show {
    /// Runs the verb.
    ///
    /// # Errors
    /// A file that cannot be read, or lines that are damaged.
    pub fn run(self, output: Output) -> Outcome {
        let name = printable::path(&self.file);
        let filter = filter_of(&self.filter)?;
        let unreadable = |error| {
            let why = error_text::io(&error);
            Failure::Usage(format!("error: cannot read {name}: {why}"))
        };
        let record: Box<dyn Read> = match self.file.as_os_str() == "-" {
            true => Box::new(std::io::stdin()),
            false => Box::new(File::open(&self.file).map_err(unreadable)?),
        };
        let (record, mut events) = (BufReader::new(record), 0_u64);
        let (mut analysis, mut failures) = (Analysis::default(), Failures::default());
        let sink: Box<dyn Sink> = match output {
            Output::Text => Box::new(Transcript::new(anstream::stdout(), Colour::Colour)),
            Output::Json => Box::new(JsonLines::new(BufWriter::new(std::io::stdout()))),
        };
        let mut sink = select::sink(sink, filter.as_ref());
        let shown = record::replay(record, |event| {
            events += 1;
            if self.failed {
                let over = analysis.event(&event);
                over.iter().for_each(|it| failures.enter(&it.summary));
                return Ok(());
            }
            sink.write_event(&event)
        });
        let over = analysis.finish();
        over.iter().for_each(|it| failures.enter(&it.summary));
        let shown = shown.and_then(|damaged| sink.finish().map(|()| damaged));
        let damaged = match shown {
            // A reader that went away (`| head`) is no error.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                let remedy = "show reads the JSON lines that `-w FILE.jsonl` writes";
                return Err(Failure::Failed(format!(
                    "error: {name}: {}; {remedy}",
                    error_text::io(&error)
                )));
            }
            Err(error) => return Err(unreadable(error)),
            Ok(damaged) => damaged,
        };
        if self.failed && events > 0 {
            let text = match failures.is_empty() {
                true => "nothing failed\n".to_owned(),
                false => Transcript::<Vec<u8>>::failures(&failures, Colour::Colour),
            };
            super::write_output(text.as_bytes())?;
        }
        if damaged.is_empty() {
            if events == 0 {
                print::line(&format!("{name} is empty: it records no event"));
            }
            return Ok(());
        }
        let lines = damaged
            .iter()
            .map(|damage| format!("error: {name}: {damage}\n"));
        Err(Failure::Failed(lines.collect()))
    }
}
