//! `dmtap rules`: rule files without traffic.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Failure, Outcome, Output, write_output};
use crate::app::book::read;
use crate::rules::{Look, RuleSet, load};

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
        /// Rule files, or folders of them.
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
        let book = read_book(&files)?;
        let names = book.rules().iter().map(|rule| rule.name.as_str());
        let text = match output {
            Output::Json => {
                let names: Vec<&str> = names.collect();
                format!(
                    "{}\n",
                    serde_json::json!({"v": 1, "ok": true, "rules": names})
                )
            }
            Output::Text => names.map(|name| format!("ok  {name}\n")).collect(),
        };
        write_output(text.as_bytes())
    }
}

/// The rule book of several files and folders, in order; everything that is wrong with any of them is told.
pub(super) fn read_book(files: &[PathBuf]) -> Result<RuleSet, Failure> {
    let texts = read::texts(files).map_err(Failure::Usage)?;
    let texts = texts
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    load::parse_all(texts).map_err(|errors| Failure::Usage(errors.render(Look::Coloured)))
}
