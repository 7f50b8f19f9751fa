//! `dmtap rules try`: the effects of rules on messages from files and of records.

mod effect_counts;
mod outcome;
mod record;
mod source;
mod tried_rules;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use clap::ValueEnum;
use http::Uri;
use serde_json::json;

use self::effect_counts::EffectCounts;
use self::outcome::MessageOutcome;
use self::source::Source;
use crate::app::rule_sources::list_never_acted;
use crate::app::trial::{Trial, speaker_of};
use crate::app::{message_log, print};
use crate::cli::proxy::bytes;
use crate::cli::rule_args::RuleArgs;
use crate::cli::{Failure, Outcome, Output, annotate, json_line, write_text};
use crate::dm::Message;
use crate::dm::pasted::unpack;
use crate::flow::{ParsedBody, Side};
use crate::markup::utf16::in_utf8;
use crate::markup::{Document, Hint, Limits, decode};
use crate::rules::RuleSet;

/// Try rules on messages, without traffic: which rule matches what, and the message before and after.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "dmtap rules try [OPTIONS] RULES MESSAGES...\n       \
                      dmtap rules try [OPTIONS] --rule NAME MESSAGES...",
    after_help = "\
Examples:
  dmtap rules try my.toml message.xml
  dmtap rules try my.toml server-says.xml device-answers.wbxml
  dmtap rules try my.toml session.jsonl
  dmtap rules try permission-denied server-says.xml device-answers.wbxml
  dmtap rules try --rule not-found --rules my.toml session.jsonl
  dmtap rules try --fail ./DevDetail/SwV=404 session.jsonl

RULES is a rule file, a folder of them, or the name of a built-in rule
(dmtap rules list). With --rule, --rules, --fail, -H or -B there is no RULES:
every path is a message.

Several messages are one conversation, in this order: that is how a rule knows
which command a Status answers. The SyncHdr says who sent a message; use --stage
for a message without one.

From a record (JSON lines, as `dmtap proxy -w session.jsonl` writes them) dmtap
takes every message as rules in the proxy saw it, with its head, session and
address, and prints those that a rule changes. Rules see masked values where the
record is masked. If a rule stops a request before the server, the record no
longer fits, and dmtap skips the rest of that session.

Exit code 1: no rule acted, or a message cannot be decoded."
)]
pub(super) struct Try {
    /// Rules, if no option names them; then messages (XML, WBXML, or base64 of either), files with several messages in them (such as those of
    /// SyncMLViewer) and records (JSON lines).
    /// `-` reads standard input.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// A rule file or folder. Can be repeated.
    #[arg(long, value_name = "FILE")]
    rules: Vec<PathBuf>,
    #[command(flatten)]
    picked: RuleArgs,
    /// Treat every message from a file as one of this stage.
    #[arg(long, value_enum)]
    stage: Option<StageArgument>,
    /// The server address for messages from files, for rules about `host` and `path`.
    #[arg(long, default_value = "https://localhost/", value_name = "URL", value_parser = address)]
    url: Uri,
    /// Largest body to read, as that of `dmtap proxy`.
    #[arg(long, default_value = "16M", value_parser = bytes, value_name = "SIZE")]
    max_body: usize,
    /// Fail (exit code 1) if one of the rules acts on no message, and name each such rule. Rules about connections do
    /// not count.
    #[arg(long)]
    require_hits: bool,
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
        let (rules, messages) = self.rule_set()?;
        let mut trial = Trial::new(self.url.clone(), self.limits());
        let (mut effects, mut worst) = (EffectCounts::default(), None);
        for file in messages {
            match self.file(file, &rules, &mut trial, output) {
                Ok(found) => effects.add(found),
                Err(failure) => {
                    write_text(&render_failure(file, &failure, output), output)?;
                    worst = Some(worse(worst, &failure));
                }
            }
        }
        let missing = match self.require_hits {
            true => effects.never_acted(&rules),
            false => Vec::new(),
        };
        match (worst, effects.acted_on > 0) {
            (Some(failure), _) => Err(failure),
            (None, _) if !missing.is_empty() => Err(Failure::Failed(list_never_acted(&missing))),
            (None, true) => Ok(()),
            (None, false) => Err(Failure::Failed(match output {
                Output::Text => "no rule did anything".into(),
                Output::Json => String::new(),
            })),
        }
    }

    /// Tries the rules on the messages of a file, prints the results, and returns the counts.
    fn file(
        &self,
        file: &Path,
        rules: &RuleSet,
        trial: &mut Trial,
        output: Output,
    ) -> Result<EffectCounts, Failure> {
        match Source::open(file)? {
            Source::Record(lines) => record::play(file, lines, rules, self.limits(), output),
            Source::Message(bytes) => {
                let mut effects = EffectCounts::default();
                for (speaker, document) in self.documents(file, bytes)? {
                    let tried = self.message(file, speaker, document, rules, trial);
                    write_text(&tried.render(output), output)?;
                    effects.message(&tried);
                }
                Ok(effects)
            }
        }
    }

    /// Returns the message in a file, or the messages of a log.
    fn documents(&self, file: &Path, bytes: Bytes) -> Result<Vec<SentDocument>, Failure> {
        let source = unpack(bytes.into());
        let whole = in_utf8(source.clone())
            .and_then(|source| decode(source, Hint::default(), &self.limits()));
        if let Ok(document) = &whole
            && Message::of(document).is_some()
        {
            return Ok(whole.into_iter().map(|it| (None, Arc::new(it))).collect());
        }
        let mut documents = Vec::new();
        for message in message_log::messages(&source, &self.limits()) {
            let speaker = message.speaker();
            match message.parsed {
                ParsedBody::Document(document, _) => documents.push((speaker, document)),
                ParsedBody::Broken(error) => {
                    let why = annotate::refused(&error);
                    let file = file.display();
                    print::line(&format!(
                        "warning: {file}: a message could not be read: {why}"
                    ));
                }
                _ => {}
            }
        }
        match whole {
            _ if !documents.is_empty() => Ok(documents),
            Ok(document) => Ok(vec![(None, Arc::new(document))]),
            Err(error) => {
                let why = annotate::refused(&error);
                let why = format!("error: {}: {why}", file.display());
                Err(annotate::failure(&error, why))
            }
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            bytes: self.max_body,
            ..Limits::default()
        }
    }

    fn message<'r>(
        &self,
        file: &Path,
        logged: Option<Side>,
        document: Arc<Document>,
        rules: &'r RuleSet,
        trial: &mut Trial,
    ) -> MessageOutcome<'r> {
        let (speaker, evidence) = match self.stage {
            Some(StageArgument::Request) => (Side::Device, None),
            Some(StageArgument::Response) => (Side::Server, None),
            None => match logged {
                Some(speaker) => (speaker, None),
                None => {
                    let (speaker, evidence) = speaker_of(&document);
                    (speaker, Some(evidence))
                }
            },
        };
        let past = trial.message(speaker, document.source().clone(), Some(document));
        let mut outcome = MessageOutcome::of(file, past, rules, trial);
        outcome.evidence = evidence;
        outcome
    }
}

/// A message, with its sender if the file names it.
type SentDocument = (Option<Side>, Arc<Document>);

/// Returns the worse of two failures, both of which were reported already.
fn worse(before: Option<Failure>, now: &Failure) -> Failure {
    match (before, now) {
        (Some(Failure::Usage(_) | Failure::Rules(_)), _)
        | (_, Failure::Usage(_) | Failure::Rules(_)) => Failure::Usage(String::new()),
        _ => Failure::Failed(String::new()),
    }
}

/// Reports that a message cannot be tried: as text on standard error, as JSON in the returned line.
fn render_failure(file: &Path, failure: &Failure, output: Output) -> String {
    let why = failure.why();
    match output {
        Output::Text => {
            print::line(why.trim_end());
            String::new()
        }
        Output::Json => {
            let why = why.trim_start_matches("error: ").trim_end();
            json_line(json!({"v": 1, "file": file.display().to_string(), "error": why}))
        }
    }
}

/// Parses an address with scheme and host.
fn address(text: &str) -> Result<Uri, String> {
    let uri = text.parse::<Uri>().map_err(|_| "this is no URL")?;
    match uri.scheme().and(uri.host()) {
        Some(_) => Ok(uri),
        None => Err("an address has a scheme and a host: https://mdm.example.com/dm".into()),
    }
}
