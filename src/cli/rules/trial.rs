//! `dmtap rules try`: what rules would do to messages from files.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use http::Uri;
use serde_json::{Value, json};
use similar::TextDiff;

use super::check;
use crate::app::trial::{Evidence, Trial, silent, speaker_of, stage_of};
use crate::cli::decode::unwrap_base64;
use crate::cli::{Failure, Outcome, Output, read_input, tree, write_output};
use crate::flow::{Change, Side};
use crate::markup::convert::{XmlOptions, to_xml};
use crate::markup::{Document, Hint, Limits, decode};
use crate::rules::load::closest;
use crate::rules::{Rule, RuleSet, Verdict};
use crate::shelf::{self, STORIES};

/// Try rules on messages, without any traffic: which rule finds what, and the message before and after.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap rules try my.toml message.xml
  dmtap rules try my.toml server-says.xml device-answers.wbxml

Several messages are one conversation, in their order: that is how a rule finds out which command a Status
answers. Who speaks is told by the message; --stage settles it where it does not.
The rules may be a story of the shelf (dmtap rules list):
  dmtap rules try permission-denied server-says.xml device-answers.wbxml

Exit code 1: no rule did anything, or a message cannot be decoded.")]
pub(super) struct Try {
    /// Rule file, or the name of a story of the shelf.
    rules: PathBuf,
    /// Messages: XML, WBXML, or base64 of either; `-` reads standard input.
    #[arg(required = true)]
    messages: Vec<PathBuf>,
    /// Take every message for one of this stage.
    #[arg(long, value_enum)]
    stage: Option<StageArgument>,
    /// The address requests go to, for rules about `host` and `path`.
    #[arg(long, default_value = "https://localhost/", value_name = "URL", value_parser = address)]
    url: Uri,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StageArgument {
    /// From the device to the server.
    Request,
    /// From the server to the device.
    Response,
}

/// A message that was tried.
struct Tried<'f> {
    file: &'f Path,
    speaker: Side,
    /// How the speaker is known; `None`: it was said with `--stage`.
    evidence: Option<Evidence>,
    document: Arc<Document>,
    verdict: Verdict,
    silent: Vec<Silent>,
}

/// A rule that did nothing, and why.
struct Silent {
    rule: String,
    why: String,
}

impl Try {
    pub(super) fn run(self, output: Output) -> Outcome {
        let rules = self.book()?;
        let mut trial = Trial::new(self.url.clone());
        let (mut acted, mut worst) = (false, None);
        for file in &self.messages {
            let text = match self.one(file, &rules, &mut trial) {
                Ok(tried) => {
                    acted |= tried.acts();
                    tried.told(output)
                }
                Err(failure) => {
                    let said = tell(file, &failure, output);
                    worst = Some(worse(worst, &failure));
                    said
                }
            };
            write_output(text.as_bytes())?;
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

    fn one<'f>(
        &self,
        file: &'f Path,
        rules: &RuleSet,
        trial: &mut Trial,
    ) -> Result<Tried<'f>, Failure> {
        let source = unwrap_base64(read_input(file)?);
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
        let document = Arc::new(document);
        let verdict = trial.play(rules, speaker, &document);
        let acts = |rule: &&Rule| verdict.applied.iter().any(|a| *a.rule == *rule.name);
        let silent = rules.rules().iter().filter(|rule| !acts(rule));
        let silent = silent.map(|rule| Silent {
            rule: rule.name.clone(),
            why: silent::why(rule, stage_of(speaker), &self.url, &document),
        });
        Ok(Tried {
            file,
            speaker,
            evidence,
            silent: silent.collect(),
            document,
            verdict,
        })
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
    let (Failure::Failed(why) | Failure::Usage(why) | Failure::Interrupted(why)) = failure;
    match output {
        Output::Text => {
            anstream::eprintln!("{why}");
            String::new()
        }
        Output::Json => {
            let why = why.trim_start_matches("error: ");
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

/// Most rules that are told to have done nothing to a message.
const MOST_SILENT: usize = 20;

impl Tried<'_> {
    fn acts(&self) -> bool {
        !self.verdict.applied.is_empty()
    }

    fn told(&self, output: Output) -> String {
        match output {
            Output::Text => self.text(),
            Output::Json => format!("{}\n", self.json()),
        }
    }

    fn text(&self) -> String {
        let (file, stage) = (self.file.display(), stage_of(self.speaker).name());
        let encoding = self.document.encoding().name();
        let bytes = self.document.source().len();
        let mut out = format!("{file}: a {stage}, {encoding}, {bytes} bytes\n");
        out.push_str(self.guess());
        for applied in &self.verdict.applied {
            let _ = writeln!(out, "  rule {}", applied.rule);
            for change in &applied.changes {
                let _ = writeln!(out, "    {}", line(change));
            }
        }
        if !self.acts() {
            out.push_str("  no rule acts on it\n");
        }
        for Silent { rule, why } in self.silent.iter().take(MOST_SILENT) {
            let _ = writeln!(out, "    {rule}: {why}");
        }
        if let Some(more) = self.silent.len().checked_sub(MOST_SILENT + 1) {
            let _ = writeln!(out, "    and {} more", more + 1);
        }
        out.push_str(&self.diff());
        out
    }

    /// What is said where nobody said who speaks.
    fn guess(&self) -> &'static str {
        match (self.evidence, self.speaker) {
            (Some(Evidence::Commands), Side::Server) => {
                "  taken for a response, since no header says who speaks: --stage request if it was the device\n"
            }
            (Some(Evidence::Commands), Side::Device) => {
                "  taken for a request, since no header says who speaks: --stage response if it was the server\n"
            }
            _ => "",
        }
    }

    /// The message as received and as sent, as XML, line by line.
    fn diff(&self) -> String {
        let Some(body) = &self.verdict.body else {
            return String::new();
        };
        let Some(sent) = &self.verdict.document else {
            return format!("  sent as {} bytes that do not decode\n", body.len());
        };
        let (before, after) = (shown(&self.document), shown(sent));
        let diff = TextDiff::from_lines(&before, &after);
        let mut unified = diff.unified_diff();
        unified.header("received", "sent").to_string()
    }

    fn json(&self) -> Value {
        let changes = |changes: &[Change]| -> Vec<Value> {
            let one = |c: &Change| json!({"at": c.path, "step": c.step, "before": c.before, "after": c.after});
            changes.iter().map(one).collect()
        };
        let applied = self.verdict.applied.iter();
        let applied: Vec<Value> = applied
            .map(|applied| json!({"rule": applied.rule, "changes": changes(&applied.changes)}))
            .collect();
        let silent = self.silent.iter();
        let silent: Vec<Value> = silent
            .map(|silent| json!({"rule": silent.rule, "why": silent.why}))
            .collect();
        json!({
            "v": 1,
            "file": self.file.display().to_string(),
            "stage": stage_of(self.speaker).name(),
            "guessed": self.evidence == Some(Evidence::Commands),
            "applied": applied,
            "silent": silent,
            "received": shown(&self.document),
            "sent": self.verdict.document.as_deref().map(shown),
        })
    }
}

fn line(change: &Change) -> String {
    let mut line = change.step.to_owned();
    if !change.path.is_empty() {
        let _ = write!(line, " at {}", change.path);
    }
    match (change.before.as_str(), change.after.as_str()) {
        ("", "") => {}
        ("", after) => line.extend([": ", after]),
        (before, "") => line.extend([": ", before, " goes"]),
        (before, after) => line.extend([": ", before, " → ", after]),
    }
    line
}

fn shown(document: &Document) -> String {
    to_xml(document, &XmlOptions::indented()).xml
}
