//! `dmtap rules try`: what rules would do to messages from files and of records.

mod record;
mod source;
mod tried;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use http::Uri;
use serde_json::json;

use self::source::Source;
use self::tried::Tried;
use super::check;
use crate::app::trial::{Trial, speaker_of};
use crate::cli::decode::unwrap_base64;
use crate::cli::seed::Seed;
use crate::cli::{Failure, Outcome, Output, tree, write_output};
use crate::flow::Side;
use crate::markup::{Hint, Limits, decode};
use crate::rules::RuleSet;
use crate::rules::load::closest;
use crate::shelf::{self, STORIES};

/// Try rules on messages, without any traffic: which rule finds what, and the message before and after.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap rules try my.toml message.xml
  dmtap rules try my.toml server-says.xml device-answers.wbxml
  dmtap rules try my.toml session.jsonl

Several messages are one conversation, in their order: that is how a rule finds out which command a Status
answers. Who speaks is told by the message; --stage settles it where it does not.
Of a record (JSON lines, as `dmtap proxy -w session.jsonl` writes them) every message is tried as it was
received, with its head, its session and its address; shown are those on which a rule acts. What is masked
in the record is masked for the rules, too.
The rules may be a story of the shelf (dmtap rules list):
  dmtap rules try permission-denied server-says.xml device-answers.wbxml

Exit code 1: no rule did anything, or a message cannot be decoded.")]
pub(super) struct Try {
    /// Rule file, folder of them, or the name of a story of the shelf.
    rules: PathBuf,
    /// Messages (XML, WBXML, or base64 of either) and records (JSON lines); `-` reads standard input.
    #[arg(required = true)]
    messages: Vec<PathBuf>,
    /// Take every message from a file for one of this stage.
    #[arg(long, value_enum)]
    stage: Option<StageArgument>,
    /// The address that messages from files go to, for rules about `host` and `path`.
    #[arg(long, default_value = "https://localhost/", value_name = "URL", value_parser = address)]
    url: Uri,
    #[command(flatten)]
    seed: Seed,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StageArgument {
    /// From the device to the server.
    Request,
    /// From the server to the device.
    Response,
}

impl Try {
    pub(super) fn run(self, output: Output) -> Outcome {
        let rules = self.book()?.with_seed(self.seed.number());
        let mut trial = Trial::new(self.url.clone());
        let (mut acted, mut worst) = (false, None);
        for file in &self.messages {
            match self.file(file, &rules, &mut trial, output) {
                Ok(acts) => acted |= acts,
                Err(failure) => {
                    write_output(tell(file, &failure, output).as_bytes())?;
                    worst = Some(worse(worst, &failure));
                }
            }
        }
        match (worst, acted) {
            (Some(failure), _) => Err(failure),
            (None, true) => Ok(()),
            (None, false) => Err(Failure::Failed(match output {
                Output::Text => "no rule did anything".into(),
                Output::Json => String::new(),
            })),
        }
    }

    /// Tries what a file holds, and tells of it. Says whether a rule acted.
    fn file(
        &self,
        file: &Path,
        rules: &RuleSet,
        trial: &mut Trial,
        output: Output,
    ) -> Result<bool, Failure> {
        match Source::open(file)? {
            Source::Record(lines) => record::play(file, lines, rules, output),
            Source::Message(bytes) => {
                let tried = self.message(file, bytes, rules, trial)?;
                write_output(tried.told(output).as_bytes())?;
                Ok(tried.acts())
            }
        }
    }

    /// The rules of the file, or of the story of that name where there is no such file.
    fn book(&self) -> Result<RuleSet, Failure> {
        let story = self.rules.to_str().and_then(shelf::find);
        let rules = match story.filter(|_| !self.rules.exists()) {
            Some(story) => check::book(vec![(story.file(), story.text.to_owned())]),
            None => check::read_book(std::slice::from_ref(&self.rules))
                .map_err(|failure| self.or_story(failure)),
        }?;
        match rules.is_empty() {
            true => Err(Failure::Usage(format!(
                "error: {} holds no rule",
                self.rules.display()
            ))),
            false => Ok(rules),
        }
    }

    /// Adds to the failure what else the argument could have been.
    fn or_story(&self, failure: Failure) -> Failure {
        let Failure::Usage(why) = &failure else {
            return failure;
        };
        let plain = self.rules.components().count() == 1 && self.rules.extension().is_none();
        let Some(name) = self.rules.to_str().filter(|name| plain && *name != "-") else {
            return failure;
        };
        if self.rules.exists() {
            return failure;
        }
        let names: Vec<&str> = STORIES.iter().map(|story| story.name).collect();
        let meant = match closest(name, &names) {
            Some(near) => format!("did you mean the story `{near}`?"),
            None => "nor is a story named so:".to_owned(),
        };
        Failure::Usage(format!("{why}\n{meant} dmtap rules list has the names"))
    }

    fn message<'r>(
        &self,
        file: &Path,
        bytes: Vec<u8>,
        rules: &'r RuleSet,
        trial: &mut Trial,
    ) -> Result<Tried<'r>, Failure> {
        let source = unwrap_base64(bytes);
        let document = decode(source, Hint::default(), &Limits::default()).map_err(|error| {
            let why = tree::refused(&error);
            Failure::Failed(format!("error: {}: {why}", file.display()))
        })?;
        let (speaker, evidence) = match self.stage {
            Some(StageArgument::Request) => (Side::Device, None),
            Some(StageArgument::Response) => (Side::Server, None),
            None => {
                let (speaker, evidence) = speaker_of(&document);
                (speaker, Some(evidence))
            }
        };
        let passed = trial.message(speaker, Arc::new(document));
        let verdict = trial.play(rules, &passed);
        Ok(Tried::message(file, passed, evidence, verdict, rules))
    }
}

/// The worse of two ends, of which everything was told already.
fn worse(before: Option<Failure>, now: &Failure) -> Failure {
    match (before, now) {
        (Some(Failure::Usage(_)), _) | (_, Failure::Usage(_)) => Failure::Usage(String::new()),
        _ => Failure::Failed(String::new()),
    }
}

/// Tells that a message cannot be tried: people on standard error, programs by the line that is returned.
fn tell(file: &Path, failure: &Failure, output: Output) -> String {
    let why = failure.why();
    match output {
        Output::Text => {
            anstream::eprintln!("{}", why.trim_end());
            String::new()
        }
        Output::Json => {
            let why = why.trim_start_matches("error: ").trim_end();
            format!(
                "{}\n",
                json!({"v": 1, "file": file.display().to_string(), "error": why})
            )
        }
    }
}

/// An address with scheme and host.
fn address(text: &str) -> Result<Uri, String> {
    let uri = text.parse::<Uri>().map_err(|error| error.to_string())?;
    match uri.scheme().and(uri.host()) {
        Some(_) => Ok(uri),
        None => Err("an address has a scheme and a host: https://mdm.example.com/dm".into()),
    }
}
