//! `dmtap lint`: the rules of OMA DM that peers break.

use std::cell::RefCell;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::session_file::refuse_files;
use super::{Failure, Outcome, Output, filter_of, read_input, report_no_match, write_text};
use crate::app::lint::{EachWithLine, Lint, is_log, junit, sarif, text};
use crate::app::message_log::{self, DateReading};
use crate::dm::pasted::unpack;
use crate::error_text;
use crate::flow::Severity;
use crate::flow::lint::Profile;
use crate::printable;
use crate::record;
use crate::record::select::{self, Each};

/// Check messages, or the messages of a record, against the rules of OMA DM.
///
/// Each message is judged as its sender wrote it: the changes of dmtap's rules count against nobody, and neither do messages
/// that dmtap did not see.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap lint session.jsonl
  dmtap lint session.jsonl '~dev PHONE-1' --fail-on warning
  dmtap lint 01-req.xml 01-rsp.xml 02-req.xml    one conversation, in order
  dmtap lint session.jsonl --junit lint.xml --sarif lint.sarif

Exit code 1: something is as severe as --fail-on; 2: a file cannot be read, or has
nothing to do with OMA DM. dmtap explain CMD-07 says what a rule means.")]
pub struct LintVerb {
    /// A record, a message, or another file with messages in it (HAR, logs); `-` reads standard input.
    #[arg(required = true)]
    file: PathBuf,
    /// More files: those with one message each in the order in which they were sent. Behind the files of records, a filter:
    /// only the exchanges that it selects are judged.
    more: Vec<String>,
    /// How severe are the known deviations of Windows from the standard? oma: as severe as for anybody; windows: one step
    /// less (error to warning, warning to info); auto: windows for the sessions in which Windows takes part, oma for others.
    #[arg(long, value_enum, default_value_t)]
    profile: ProfileName,
    /// Exit with 1 if there is a note of this severity or a worse one.
    #[arg(long, value_enum, default_value_t, value_name = "SEVERITY")]
    fail_on: FailOn,
    /// Also write a JUnit report to this file.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Also write a SARIF 2.1.0 log to this file.
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
}

/// The profiles by name.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum ProfileName {
    /// windows or oma, for each session by what its messages show.
    #[default]
    Auto,
    /// As the standard says.
    Oma,
    /// Milder for what Windows is known to do.
    Windows,
}

/// The severities that can fail.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum FailOn {
    /// Errors.
    #[default]
    Error,
    /// Warnings and errors.
    Warning,
}

impl LintVerb {
    /// Runs the verb.
    ///
    /// # Errors
    /// Notes as severe as asked for (1), files that cannot be read (2).
    pub fn run(self, output: Output) -> Outcome {
        let profile = match self.profile {
            ProfileName::Auto => Profile::Auto,
            ProfileName::Oma => Profile::Oma,
            ProfileName::Windows => Profile::Windows,
        };
        let fail_on = match self.fail_on {
            FailOn::Error => Severity::Error,
            FailOn::Warning => Severity::Warning,
        };
        let (lint, damage) = self.lint(profile)?;
        if let Some(file) = &self.junit {
            let report = junit(&lint, fail_on).map_err(Failure::Failed)?;
            write_report(file, &report)?;
        }
        if let Some(file) = &self.sarif {
            write_report(file, &sarif(&lint))?;
        }
        let shown = match output {
            Output::Text => text(&lint),
            Output::Json => lines(&lint),
        };
        write_text(&shown, output)?;
        let is_bad = lint.count(Severity::Error) > 0
            || fail_on == Severity::Warning && lint.count(Severity::Warning) > 0;
        let is_foreign = lint.synchronization > 0 && lint.synchronization == lint.messages.len();
        let is_empty = lint.messages.is_empty() && lint.others.is_empty() && self.more.is_empty();
        match is_bad || !damage.is_empty() {
            false if is_empty => {
                let why = "the record has no message: dmtap show lists its connections";
                Err(Failure::usage(why))
            }
            _ if is_foreign => Err(Failure::Usage(damage)),
            true => Err(Failure::Failed(damage)),
            false => Ok(()),
        }
    }

    /// Judges all files: each file with sessions on its own, and all files with a single message as one conversation.
    fn lint(&self, profile: Profile) -> Result<(Lint, String), Failure> {
        let is_file = |more: &&String| Path::new(more).exists();
        let more = self.more.iter().take_while(is_file).map(PathBuf::from);
        let files: Vec<PathBuf> = std::iter::once(self.file.clone()).chain(more).collect();
        let words = &self.more[files.len() - 1..];
        refuse_files(words, "files come before the filter")?;
        let (mut lint, mut damage) = (Lint::default(), String::new());
        let mut messages = Vec::new();
        for file in &files {
            let source = read_input(file)?;
            if record::is_record(&source) || is_log(&source) {
                let (found, damaged) = self.record(file, &source, words, profile)?;
                lint.add(found);
                damage += &damaged;
            } else if words.is_empty() {
                messages.push((printable::path(file), unpack(source)));
            } else {
                let why = "a filter selects exchanges of a record, and this file is not one";
                return Err(Failure::usage(format_args!(
                    "{}: {why}",
                    printable::path(file)
                )));
            }
        }
        lint.add(Lint::messages(messages, profile).map_err(Failure::Usage)?);
        Ok((lint, damage))
    }

    fn record(
        &self,
        file: &Path,
        source: &[u8],
        words: &[String],
        profile: Profile,
    ) -> Result<(Lint, String), Failure> {
        let name = printable::path(file);
        let damage = RefCell::new(String::new());
        let read = |each: &mut EachWithLine<'_>| -> Result<(), Failure> {
            let read = message_log::read_file(Cursor::new(source), DateReading::default(), each);
            let damaged =
                read.map_err(|error| Failure::unreadable(&name, error_text::io(&error)))?;
            let lines = damaged
                .iter()
                .map(|damage| format!("error: {name}: {damage}\n"));
            damage.replace(lines.collect());
            Ok(())
        };
        let filter = filter_of(words)?;
        let selected = filter
            .map(|filter| {
                let events = |each: &mut Each<'_>| read(&mut |event, _| each(event));
                select::exchanges(&filter, events)
            })
            .transpose()?;
        if let Some((_, exchanges)) = selected.as_ref().filter(|(it, _)| it.is_empty()) {
            report_no_match(words, *exchanges);
        }
        let is_selected = |run, exchange| {
            let mut selected = selected.iter();
            selected.all(|(selected, _)| selected.contains(&(run, exchange)))
        };
        let lint = Lint::record(&name, read, profile, is_selected)?;
        Ok((lint, damage.into_inner()))
    }
}

/// Returns a line for each note, and a summary.
fn lines(lint: &Lint) -> String {
    let mut text = String::new();
    for message in &lint.messages {
        for note in &message.notes {
            let line = serde_json::json!({
                "v": 1,
                "id": note.id,
                "severity": note.severity.name(),
                "by": message.by,
                "file": message.file,
                "exchange": message.exchange,
                "session": message.session,
                "place": message.place,
                "at": note.at,
                "line": note.line,
                "column": note.column,
                "text": note.text,
            });
            text.push_str(&format!("{line}\n"));
        }
    }
    let not_judged = lint.others.iter();
    let not_judged = not_judged.map(|(file, what)| serde_json::json!({"file": file, "what": what}));
    let not_judged: Vec<_> = not_judged.collect();
    let summary = serde_json::json!({
        "v": 1,
        "messages": lint.messages.len(),
        "others": lint.others.len(),
        "data_synchronization": lint.synchronization,
        "not_judged": not_judged,
        "errors": lint.count(Severity::Error),
        "warnings": lint.count(Severity::Warning),
        "infos": lint.count(Severity::Info),
    });
    text + &format!("{summary}\n")
}

fn write_report(file: &std::path::Path, text: &str) -> Outcome {
    std::fs::write(file, text).map_err(|error| {
        let (name, why) = (printable::path(file), error_text::io(&error));
        Failure::usage(format_args!("cannot write {name}: {why}"))
    })
}
