//! The trial of rules on a record; it prints the messages on which a rule acts.

use std::io::{self, BufRead};
use std::path::Path;

use super::effect_counts::EffectCounts;
use super::outcome::MessageOutcome;
use crate::app::trial::{Applicability, PastMessage, Recorded, Trial};
use crate::cli::{Failure, Output, write_text};
use crate::error_text;
use crate::markup::Limits;
use crate::record::{Damage, EventRecord, replay};
use crate::rules::RuleSet;

/// A record being played.
struct Playing<'a> {
    file: &'a Path,
    rules: &'a RuleSet,
    output: Output,
    recorded: Recorded,
    trial: Trial,
    counts: EffectCounts,
}

/// Tries rules on every message of a record, prints the results, and returns the counts.
pub(super) fn play(
    file: &Path,
    lines: Box<dyn BufRead>,
    rules: &RuleSet,
    limits: Limits,
    output: Output,
) -> Result<EffectCounts, Failure> {
    let mut playing = Playing {
        file,
        rules,
        output,
        recorded: Recorded::new(limits),
        trial: Trial::new(http::Uri::default(), limits),
        counts: EffectCounts::default(),
    };
    let damage = replay(lines, |record, _| playing.next(&record));
    let damage = damage.map_err(|error| {
        Failure::usage(format_args!(
            "{}: {}",
            file.display(),
            error_text::io(&error)
        ))
    })?;
    write_text(&playing.counts.render(file, rules, output), output)?;
    match damage.is_empty() {
        true => Ok(playing.counts),
        false => Err(damaged(file, &damage)),
    }
}

fn damaged(file: &Path, damage: &[Damage]) -> Failure {
    let name = file.display();
    let lines = damage
        .iter()
        .map(|damage| format!("error: {name}: line {damage}\n"));
    Failure::Failed(lines.collect())
}

impl Playing<'_> {
    fn next(&mut self, record: &EventRecord) -> io::Result<()> {
        let Some(past) = self.recorded.next(record) else {
            return Ok(());
        };
        if past.is_own {
            self.trial.overhear(&past);
            return Ok(());
        }
        match self.trial.fits(&past) {
            Applicability::Fits => self.report(past),
            fit => self.pass_over(&past, fit),
        }
    }

    fn report(&mut self, past: PastMessage) -> io::Result<()> {
        self.counts.as_received += u64::from(past.is_as_received);
        let mut tried = MessageOutcome::of(self.file, past, self.rules, &mut self.trial);
        tried.exchange = Some(tried.past.exchange);
        self.counts.message(&tried);
        if !tried.acts() {
            return Ok(());
        }
        write(&tried.render(self.output), self.output)
    }

    /// Counts a message that would not have been sent; its session is reported once.
    fn pass_over(&mut self, past: &PastMessage, fit: Applicability) -> io::Result<()> {
        self.counts.messages += 1;
        self.counts.not_tried += 1;
        if fit != Applicability::First || self.output == Output::Json {
            return Ok(());
        }
        let (file, exchange) = (self.file.display(), past.exchange);
        let words = format!(
            "{file}: from here the record no longer fits: {exchange} and what follows in its session is not tried\n"
        );
        write(&words, self.output)
    }
}

fn write(text: &str, output: Output) -> io::Result<()> {
    write_text(text, output).map_err(|failure| io::Error::other(failure.why().to_owned()))
}
