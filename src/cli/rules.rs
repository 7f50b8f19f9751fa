//! `dmtap rules`: rule files without traffic.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{Failure, Outcome, Output, write_output};
use crate::rules::{Rule, RuleSet, load};

/// Work with rule files.
#[derive(Debug, clap::Args)]
pub struct Rules {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Check rule files; exit code 2 if one is wrong, with the line and what would be right.
    #[command(after_help = "Example:\n  dmtap rules check rules/status/*.toml")]
    Check {
        /// Rule files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

impl Rules {
    /// Runs the verb.
    ///
    /// # Errors
    /// A rule file that is wrong.
    pub fn run(self, output: Output) -> Outcome {
        let Verb::Check { files } = self.verb;
        let rules = read_rules(&files)?;
        let text = match output {
            Output::Json => {
                let names: Vec<&str> = rules.iter().map(Rule::name).collect();
                format!("{}\n", serde_json::json!({"v": 1, "ok": true, "rules": names}))
            }
            Output::Text => rules.iter().map(|rule| format!("ok  {}\n", rule.name())).collect(),
        };
        write_output(text.as_bytes())
    }
}

/// The rules of several files, in order; every file that is wrong is reported.
pub(super) fn read_rules(files: &[PathBuf]) -> Result<Vec<Rule>, Failure> {
    let mut rules = Vec::new();
    let mut wrong = String::new();
    for file in files {
        match read_file(file) {
            Ok(more) => rules.extend(more),
            Err(why) => wrong.push_str(&why),
        }
    }
    if wrong.is_empty() { Ok(rules) } else { Err(Failure::Usage(wrong)) }
}

/// The rule book of several files.
pub(super) fn read_book(files: &[PathBuf]) -> Result<RuleSet, Failure> {
    RuleSet::from_rules(read_rules(files)?).map_err(|error| Failure::Usage(format!("error: {error}\n")))
}

fn read_file(file: &Path) -> Result<Vec<Rule>, String> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| format!("error: cannot read {name}: {error}\n"))?;
    load::parse(&name, &text).map_err(|errors| errors.render())
}
