//! A record that rules are tried on: shown are the messages on which one acts.

use std::collections::HashMap;
use std::fmt::Write;
use std::io::{self, BufRead, ErrorKind};
use std::path::Path;

use serde_json::{Value, json};

use super::super::json_line;
use super::tried::Tried;
use crate::app::trial::{Recorded, Replayed, Trial};
use crate::cli::{Failure, Output, write_output};
use crate::record::{Damage, Telling, replay};
use crate::rules::RuleSet;

/// A record being played.
struct Playing<'a> {
    file: &'a Path,
    rules: &'a RuleSet,
    output: Output,
    recorded: Recorded,
    trial: Trial,
    messages: u64,
    acted_on: u64,
    hits: HashMap<String, Hits>,
}

/// What a rule did.
#[derive(Clone, Copy, Default)]
struct Hits {
    messages: u64,
    failed: u64,
}

/// Tries rules on every message of a record, and tells of it. Says whether one acted.
pub(super) fn play(
    file: &Path,
    lines: Box<dyn BufRead>,
    rules: &RuleSet,
    output: Output,
) -> Result<bool, Failure> {
    let mut playing = Playing {
        file,
        rules,
        output,
        recorded: Recorded::default(),
        trial: Trial::new(http::Uri::default()),
        messages: 0,
        acted_on: 0,
        hits: HashMap::new(),
    };
    let damage = replay(lines, |telling| playing.hear(&telling));
    let damage = match damage {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(true),
        Err(error) => {
            let name = file.display();
            return Err(Failure::Failed(format!("error: {name}: {error}")));
        }
        Ok(damage) => damage,
    };
    write_output(playing.summary().as_bytes())?;
    match damage.is_empty() {
        true => Ok(playing.acted_on > 0),
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
    fn hear(&mut self, telling: &Telling<'_>) -> io::Result<()> {
        let passed = match self.recorded.next(telling) {
            Replayed::Passed(passed) => passed,
            Replayed::Own(passed) => {
                self.trial.overhear(&passed);
                return Ok(());
            }
            Replayed::Other => return Ok(()),
        };
        let verdict = self.trial.play(self.rules, &passed);
        let tried = Tried::recorded(self.file, passed, verdict, self.rules);
        self.messages += 1;
        for (rule, acted) in tried.rules() {
            let hits = self.hits.entry(rule.to_owned()).or_default();
            match acted {
                true => hits.messages += 1,
                false => hits.failed += 1,
            }
        }
        if !tried.acts() {
            return Ok(());
        }
        self.acted_on += 1;
        write_output(tried.change(self.output).as_bytes())
            .map_err(|failure| io::Error::other(failure.why().to_owned()))
    }

    /// What came of it, at the end.
    fn summary(&self) -> String {
        let rules = self.rules.rules().iter();
        let rules = rules.map(|rule| {
            let hits = self.hits.get(rule.name());
            (rule.name(), hits.copied().unwrap_or_default())
        });
        if self.output == Output::Json {
            let rule = |(name, hits): (&str, Hits)| json!({"rule": name, "messages": hits.messages, "failed": hits.failed});
            let rules: Vec<Value> = rules.map(rule).collect();
            return json_line(json!({
                "v": 1,
                "file": self.file.display().to_string(),
                "messages": self.messages,
                "acted-on": self.acted_on,
                "rules": rules,
            }));
        }
        let (file, acted_on) = (self.file.display(), self.acted_on);
        let mut text = format!("{file}: {acted_on} of {} messages changed\n", self.messages);
        let width = rules.clone().map(|(name, _)| name.chars().count()).max();
        let width = width.unwrap_or_default();
        for (name, hits) in rules {
            let _ = writeln!(text, "  {name:<width$}  {}", hits.words());
        }
        text
    }
}

impl Hits {
    fn words(self) -> String {
        let count = |count: u64| match count {
            1 => "1 message".to_owned(),
            count => format!("{count} messages"),
        };
        let did = match self.messages {
            0 => "acts on none".to_owned(),
            messages => format!("acts on {}", count(messages)),
        };
        match self.failed {
            0 => did,
            failed => format!("{did}, cannot act on {}", count(failed)),
        }
    }
}
