//! `dmtap why`: the commands in a record that failed, have no answer, or are not done yet.

use std::time::Duration;

use super::session_file::SessionFile;
use super::{Failure, Outcome, Output, duration, filter_of};
use crate::app::why::{About, Question};
use crate::record::analysis::why::{LEAST_SLOW_US, Options};

/// Explain a record: which commands failed or have no answer, why, whose doing it is, and what to do next.
///
/// Every conclusion is from the record alone. If a rule of dmtap caused something, that comes first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap why session.jsonl
  dmtap why session.jsonl --session 7
  dmtap why session.jsonl '~csp BitLocker'   the same filters as dmtap show
  dmtap why SyncMLStream-PC1.xml             a file that SyncMLViewer saved
  dmtap why requests.txt responses.txt       both directions of a stream
  dmtap why session.jsonl --about ./Device/Vendor/MSFT/BitLocker
  dmtap why session.jsonl --ignore-rules     without what rules of dmtap did
  dmtap why session.jsonl --output json      one session per line

Exit code 0: nothing is pending; 1: something is; 2: the file cannot be read, or
has no message, or no such session.")]
pub struct Why {
    #[command(flatten)]
    file: SessionFile,
    /// First: more files of the same conversation. After them: a filter; dmtap shows only findings about exchanges that it
    /// selects.
    filter: Vec<String>,
    /// Only what is about this node, or nodes below it, with every command on it.
    #[arg(long, value_name = "LOCURI", value_parser = locuri)]
    about: Option<String>,
    /// Only this session.
    #[arg(long, value_name = "N")]
    session: Option<u64>,
    /// Report answers that took longer than this, at least 500ms.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = slow)]
    slow: Duration,
    /// Leave out what rules of dmtap did.
    #[arg(long)]
    ignore_rules: bool,
}

impl Why {
    /// Runs the verb.
    ///
    /// # Errors
    /// A file that cannot be read, a session that it does not have (2); something that is pending (1).
    pub fn run(mut self, output: Output) -> Outcome {
        self.file.take_more(&mut self.filter)?;
        let slow_us = u64::try_from(self.slow.as_micros()).unwrap_or(u64::MAX);
        let about = self.about.as_deref().map(About::new);
        let mut question = Question::new(
            Options {
                slow_us,
                ..Options::default()
            },
            about,
        );
        question.session = self.session;
        question.ignore_rules = self.ignore_rules;
        question.filter = filter_of(&self.filter)?;
        let (events, damaged) = self.file.ask(&mut question)?;
        let answer = question.answered();
        let text = match output {
            Output::Text => answer.text(events),
            Output::Json => answer.json(),
        };
        super::write_output(text.as_bytes())?;
        self.file.report(&damaged)?;
        match (answer.lacks_session(), answer.is_pending()) {
            (true, _) => Err(Failure::Usage(String::new())),
            (false, true) => Err(Failure::Failed(String::new())),
            (false, false) if answer.lacks_messages() => Err(Failure::Usage(String::new())),
            (false, false) => Ok(()),
        }
    }
}

/// Parses the address of a node.
fn locuri(text: &str) -> Result<String, String> {
    match text.starts_with('.') || text.contains('/') {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "a LocURI is wanted, such as ./Device/Vendor/MSFT/{text}"
        )),
    }
}

fn slow(text: &str) -> Result<Duration, String> {
    let slow = duration(text)?;
    match slow < Duration::from_micros(LEAST_SLOW_US) {
        true => Err("the shortest time is 500ms: what is shorter is not slow".into()),
        false => Ok(slow),
    }
}
