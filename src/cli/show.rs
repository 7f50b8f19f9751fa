//! `dmtap show`: a recorded session for people.

use std::io::{BufWriter, ErrorKind};

use super::session_file::SessionFile;
use super::{Failure, Outcome, Output, filter_of};
use crate::app::print;
use crate::error_text;
use crate::record::analysis::Analysis;
use crate::record::select::{self, Selecting};
use crate::record::transcript::Failures;
use crate::record::{Colour, JsonLines, Sink, Transcript};

/// Print recorded sessions as an annotated transcript, or as their events.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap show session.jsonl
  dmtap show --color always session.jsonl | less -R
  dmtap show --failed session.jsonl           what failed; dmtap why says why
  dmtap show --output json session.jsonl      its events, without damaged lines
  dmtap show SyncMLStream-PC1.xml             a file that SyncMLViewer saved
  dmtap show session.jsonl '~cmd Replace & ~status 404'

Filters join words with & | ! ( ), as mitmproxy does. About a command and its
answers: ~loc ~csp ~cmd ~status ~hr ~data ~fmt ~type ~alert ~scope ~open; about
a message: ~sid ~msg ~pkg ~dev ~user ~enc ~dialect ~rule ~changed ~own ~lint
~why ~sess ~x ~took ~size ~at ~u ~m ~c ~h ~q ~s ~e

Exit code 1: a line of the record is damaged; the others are shown.")]
pub struct Show {
    #[command(flatten)]
    file: SessionFile,
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
        let filter = filter_of(&self.filter)?;
        let (mut analysis, mut failures) = (Analysis::default(), Failures::default());
        let sink: Box<dyn Sink> = match output {
            Output::Text => Box::new(Transcript::new(anstream::stdout(), Colour::Colour)),
            Output::Json => Box::new(JsonLines::new(BufWriter::new(std::io::stdout()))),
        };
        let mut sink: Box<dyn Sink> = match &filter {
            // A file is read twice: answers find their commands first.
            Some(filter) if !self.failed && self.file.is_rereadable() => {
                let read = |each: &mut select::Each<'_>| self.file.read(each).map(drop);
                let exchanges = select::of_record(filter, read)?;
                Box::new(Selecting::new(sink, exchanges))
            }
            filter => select::sink(sink, filter.as_ref()),
        };
        let mut events = 0_u64;
        let damaged = self.file.read(|event| {
            events += 1;
            if self.failed {
                let over = analysis.event(&event);
                over.iter().for_each(|it| failures.enter(&it.summary));
                return Ok(());
            }
            sink.write_event(&event)
        })?;
        let over = analysis.finish();
        over.iter().for_each(|it| failures.enter(&it.summary));
        match sink.finish() {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                let why = error_text::io(&error);
                return Err(Failure::Usage(format!("error: standard output: {why}")));
            }
            _ => {}
        }
        if self.failed && events > 0 {
            let text = match failures.is_empty() {
                true => "nothing failed\n".to_owned(),
                false => Transcript::<Vec<u8>>::failures(&failures, Colour::Colour),
            };
            super::write_output(text.as_bytes())?;
        }
        if damaged.is_empty() && events == 0 {
            let name = self.file.name();
            print::line(&format!("{name} is empty: it records no event"));
        }
        self.file.report(&damaged)
    }
}
