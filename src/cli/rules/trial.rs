//! `dmtap rules try`: what rules would do to messages from files.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use http::Uri;
use serde_json::{Value, json};
use similar::TextDiff;

use crate::app::trial::{Trial, speaker_of, stage_of};
use crate::cli::decode::unwrap_base64;
use crate::cli::{Failure, Outcome, Output, read_input, tree, write_output};
use crate::flow::{Change, Side};
use crate::markup::convert::{XmlOptions, to_xml};
use crate::markup::{Document, Hint, Limits, decode};
use crate::rules::{RuleSet, Verdict};

/// Try rules on messages, without any traffic: which rule finds what, and the message before and after.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap rules try my.toml message.xml
  dmtap rules try my.toml server-says.xml device-answers.wbxml

Several messages are one conversation, in their order: that is how a rule finds out which command a Status
answers. Who speaks is told by the message; --stage settles it where it does not.

Exit code 1: no rule did anything.")]
pub(super) struct Try {
    /// Rule file.
    rules: PathBuf,
    /// Messages: XML, WBXML, or base64 of either; `-` reads standard input.
    #[arg(required = true)]
    messages: Vec<PathBuf>,
    /// Take every message for one of this stage.
    #[arg(long, value_enum)]
    stage: Option<StageArgument>,
    /// The address requests go to, for rules about `host` and `path`.
    #[arg(long, default_value = "https://localhost/", value_name = "URL")]
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
    document: Arc<Document>,
    verdict: Verdict,
}

impl Try {
    pub(super) fn run(self, output: Output) -> Outcome {
        let rules = super::read_book(std::slice::from_ref(&self.rules))?;
        let mut trial = Trial::new(self.url.clone());
        let mut acted = false;
        for file in &self.messages {
            let tried = self.one(file, &rules, &mut trial)?;
            acted |= !tried.verdict.applied.is_empty();
            let text = match output {
                Output::Text => tried.text(),
                Output::Json => format!("{}\n", tried.json()),
            };
            write_output(text.as_bytes())?;
        }
        match acted {
            true => Ok(()),
            false => Err(Failure::Failed(match output {
                Output::Text => "no rule did anything".into(),
                Output::Json => String::new(),
            })),
        }
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
        let speaker = match self.stage {
            Some(StageArgument::Request) => Side::Device,
            Some(StageArgument::Response) => Side::Server,
            None => speaker_of(&document),
        };
        let document = Arc::new(document);
        let verdict = trial.play(rules, speaker, &document);
        Ok(Tried {
            file,
            speaker,
            document,
            verdict,
        })
    }
}

impl Tried<'_> {
    fn text(&self) -> String {
        let (file, stage) = (self.file.display(), stage_of(self.speaker).name());
        let encoding = self.document.encoding().name();
        let bytes = self.document.source().len();
        let mut out = format!("{file}: a {stage}, {encoding}, {bytes} bytes\n");
        for applied in &self.verdict.applied {
            let _ = writeln!(out, "  rule {}", applied.rule);
            for change in &applied.changes {
                let _ = writeln!(out, "    {}", line(change));
            }
        }
        if self.verdict.applied.is_empty() {
            out.push_str("  no rule acts on it\n");
        }
        out.push_str(&self.diff());
        out
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
        json!({
            "v": 1,
            "file": self.file.display().to_string(),
            "stage": stage_of(self.speaker).name(),
            "applied": applied,
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
