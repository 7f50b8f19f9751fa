//! `dmtap show`: recorded sessions for people.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::io::{self, BufWriter, ErrorKind};

use clap::ValueEnum;

use super::session_file::SessionFile;
use super::{Failure, Outcome, Output, filter_of, report_no_match};
use crate::app::print;
use crate::app::why::Question;
use crate::filter::Filter;
use crate::record::analysis::why::Options;
use crate::record::model::{BodyRecord, EventKind};
use crate::record::{Colour, EventRecord, JsonLines, Layout, Sink, Transcript};

/// Print recorded sessions as an annotated transcript, or as their events.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap show session.jsonl
  dmtap show --color always session.jsonl | less -R
  dmtap show --failed session.jsonl           what failed; dmtap why says why
  dmtap show --output json session.jsonl      its events, without damaged lines
  dmtap show SyncMLStream-PC1.xml             a file that SyncMLViewer saved
  dmtap show 1.xml 2.xml 3.xml                messages of one session, in order
  dmtap show session.jsonl --exchange 7 --full --headers
  dmtap show session.jsonl --exchange 7 --body response   its bytes
  dmtap show session.jsonl '~cmd Replace & ~status 404'

Filters join words with & | ! ( ), as mitmproxy does. About a command and its
answers: ~loc ~csp ~cmd ~status ~hr ~data ~fmt ~type ~alert ~scope ~open; about
a message: ~sid ~msg ~pkg ~dev ~user ~enc ~dialect ~rule ~changed ~own ~lint
~why ~sess ~x ~took ~size ~at ~u ~d ~m ~c ~h ~q ~s ~e

Exit code 0 also where a filter selects nothing; 1: a line of the record is
damaged, the others are shown.")]
pub struct Show {
    #[command(flatten)]
    file: SessionFile,
    /// First: more files of the same conversation. After them: a filter; dmtap shows only the exchanges that it selects.
    filter: Vec<String>,
    /// Only this exchange (x7 in the transcript is 7).
    #[arg(long, value_name = "N")]
    exchange: Option<u64>,
    /// Write the body of this message as dmtap received it (and recorded it), or as dmtap itself wrote it, and nothing else.
    #[arg(
        long,
        value_enum,
        value_name = "MESSAGE",
        requires = "exchange",
        conflicts_with = "filter"
    )]
    body: Option<BodyArgument>,
    /// Show values in full under their commands, with the documents and certificates in them.
    #[arg(long)]
    full: bool,
    /// Show all HTTP header fields.
    #[arg(long)]
    headers: bool,
    /// Only what failed, has no answer or is not done yet: two lines each.
    #[arg(long, conflicts_with_all = ["exchange", "full", "headers"])]
    failed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum BodyArgument {
    /// The body of the request.
    Request,
    /// The body of the response.
    Response,
}

impl Show {
    /// Runs the verb.
    ///
    /// # Errors
    /// A file that cannot be read, or lines that are damaged.
    pub fn run(mut self, output: Output) -> Outcome {
        self.file.take_more(&mut self.filter)?;
        let filter = filter_of(&self.filter)?;
        if self.failed {
            return self.failures(filter, output);
        }
        let mut sink: Box<dyn Sink> = match output {
            Output::Text => {
                let transcript = Transcript::new(anstream::stdout(), Colour::Colour);
                Box::new(transcript.with_layout(self.layout()))
            }
            Output::Json => Box::new(JsonLines::new(BufWriter::new(std::io::stdout()))),
        };
        let mut exchanges = self.file.exchanges(filter)?;
        let (mut events, mut shown, mut written) = (0_u64, 0_u64, 0_u64);
        // The last body, with its run.
        let mut body = None;
        let mut runs = BTreeSet::new();
        // The line of each run is written in front of the first event of it that is shown.
        let lines_of_runs = RefCell::new(HashMap::new());
        let mut unwritten = None;
        let mut write = |event: &EventRecord| {
            written += 1;
            let line = lines_of_runs.borrow_mut().remove(&event.run);
            let done = match line.is_some() {
                true => sink.write_event(&EventRecord {
                    run_line: line,
                    ..event.clone()
                }),
                false => sink.write_event(event),
            };
            // An output that fails ends the reading; the file is not to blame.
            done.map_err(|error| {
                unwritten = Some(error);
                io::Error::from(ErrorKind::BrokenPipe)
            })
        };
        let damaged = self.file.read(|mut event| {
            events += 1;
            if let Some(line) = event.run_line.take() {
                lines_of_runs.borrow_mut().insert(event.run, line);
            }
            if self.exchange.is_some()
                && (event.exchange != self.exchange || event.summary.is_some())
            {
                return Ok(());
            }
            shown += 1;
            if let Some(wanted) = self.body {
                runs.insert(event.run);
                body = body_of(&event, wanted)
                    .map(|it| (event.run, it))
                    .or(body.take());
                return Ok(());
            }
            match &mut exchanges {
                Some(exchanges) => exchanges.event(&event, &mut write),
                None => write(&event),
            }
        })?;
        if let Some((run, body)) = body {
            super::write_bytes(&body.0)?;
            if runs.len() > 1 {
                let run = run + 1;
                print::line(&format!(
                    "several runs in this record have this exchange: this is the body of run {run}"
                ));
            }
        }
        let last = exchanges.as_mut();
        let last = last.map_or(Ok(()), |exchanges| exchanges.finish(&mut write));
        let finished = last.and_then(|()| sink.finish());
        match unwritten.map_or(finished, Err) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                return Err(Failure::unwritable("standard output", &error));
            }
            _ => {}
        }
        if damaged.is_empty() && events == 0 {
            return Err(self.file.empty());
        }
        if let Some(exchanges) = exchanges.filter(|_| shown > 0 && written == 0) {
            report_no_match(&self.filter, exchanges.count());
        }
        self.file.report(&damaged)?;
        match self.exchange.filter(|_| events > 0 && shown == 0) {
            Some(exchange) => {
                let name = self.file.name();
                let why = format_args!("{name} has no exchange {exchange}");
                Err(Failure::failed(why))
            }
            None => Ok(()),
        }
    }

    /// Prints the failures in the exchanges that a filter selects.
    fn failures(&self, filter: Option<Filter>, output: Output) -> Outcome {
        let mut question = Question::new(Options::default(), None);
        question.filter = filter;
        let (events, damaged) = self.file.ask(&mut question)?;
        let answer = question.answered();
        let failures = answer.failures();
        let text = match (output, failures.is_empty()) {
            _ if events == 0 => String::new(),
            (Output::Json, _) => failures.json(),
            (Output::Text, true) if answer.selects_nothing() => answer.text(events),
            (Output::Text, true) => "nothing failed\n".to_owned(),
            (Output::Text, false) => failures.text(Colour::Colour),
        };
        super::write_output(text.as_bytes())?;
        if damaged.is_empty() && events == 0 {
            return Err(self.file.empty());
        }
        self.file.report(&damaged)
    }

    fn layout(&self) -> Layout {
        Layout {
            width: print::columns(),
            headers: self.headers,
            full: self.full,
        }
    }
}

/// Returns the body of a message as it was recorded: as received, or as dmtap wrote it in a peer's place.
fn body_of(event: &EventRecord, wanted: BodyArgument) -> Option<BodyRecord> {
    let kind = match wanted {
        BodyArgument::Request => EventKind::Request,
        BodyArgument::Response => EventKind::Response,
    };
    let body = event.written_body().filter(|_| event.event == kind);
    body.cloned()
}
