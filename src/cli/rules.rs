//! `dmtap rules`: rule files without traffic.

mod check;
mod trial;

use std::path::PathBuf;

use clap::Subcommand;

use super::rule_args::story;
use super::{Failure, Outcome, Output, write_output};
use crate::builtin_rules::{BuiltinRule, STORIES};

/// Work with rule files: check your own, use those of the shelf.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap rules list tls                    stories of the shelf about TLS
  dmtap rules show forbidden > my.toml    one of them, as a file to change
  dmtap rules check my.toml               whether the file is right
  dmtap rules try my.toml session.jsonl   what it would do to a record")]
pub struct Rules {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Check rule files; exit code 2 if one is wrong, with the line and what would be right.
    #[command(after_help = "\
Examples:
  dmtap rules check my.toml
  dmtap rules check my-rules --output json
  dmtap rules show forbidden | dmtap rules check -")]
    Check {
        /// Rule files, or folders of them; `-` reads standard input.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// List the stories of the shelf: theme, name, and what each shows.
    #[command(after_help = "\
Examples:
  dmtap rules list
  dmtap rules list tls
  dmtap rules list atomic 507

Exit code 1: no story has all of the words.")]
    List {
        /// Only stories that have each of these words in their theme, their name or their file, in any case.
        words: Vec<String>,
    },
    /// Print a story of the shelf, to read it or to make a file of your own of it.
    #[command(after_help = "Example:\n  dmtap rules show forbidden > my.toml")]
    Show {
        /// Its name.
        #[arg(value_parser = story(), hide_possible_values = true)]
        name: &'static BuiltinRule,
    },
    Try(Box<trial::Try>),
    /// Print the JSON Schema of rule files, by which editors complete and check them.
    #[command(after_help = "\
Example:
  dmtap rules schema > rules.schema.json

Then begin a rule file with the line
  #:schema ./rules.schema.json")]
    Schema,
}

impl Rules {
    /// Runs the verb.
    ///
    /// # Errors
    /// A rule file that is wrong.
    pub fn run(self, output: Output) -> Outcome {
        match self.verb {
            Verb::Check { files } => check::run(&files, output),
            Verb::List { words } => list(&words, output),
            Verb::Show { name } => show(name, output),
            Verb::Try(verb) => verb.run(output),
            Verb::Schema => write_output(crate::rules::load::SCHEMA.as_bytes()),
        }
    }
}

fn list(words: &[String], output: Output) -> Outcome {
    let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let stories: Vec<&BuiltinRule> = STORIES.iter().filter(|story| has(story, &words)).collect();
    if stories.is_empty() {
        let words = words.join(" ");
        let why = format!("no story has {words:?} in its theme, its name or its file");
        return Err(Failure::Failed(why));
    }
    let widest = stories.iter().map(|story| story.name.len()).max();
    let width = widest.unwrap_or_default();
    let line = |story: &&BuiltinRule| match output {
        Output::Text => {
            let BuiltinRule { theme, name, .. } = story;
            format!("{theme:<11} {name:<width$}  {}\n", story.shows())
        }
        Output::Json => json_line(to_json(story)),
    };
    let text: String = stories.iter().map(line).collect();
    write_output(text.as_bytes())
}

/// Whether a story has all of these words, which are in lower case.
fn has(story: &BuiltinRule, words: &[String]) -> bool {
    let text = story.text.to_lowercase();
    words.iter().all(|word| {
        [story.theme, story.name, &text]
            .iter()
            .any(|place| place.contains(&**word))
    })
}

fn show(story: &BuiltinRule, output: Output) -> Outcome {
    let text = match output {
        Output::Text => story.text.to_owned(),
        Output::Json => {
            let mut told = to_json(story);
            told["text"] = story.text.into();
            json_line(told)
        }
    };
    write_output(text.as_bytes())
}

/// A story as JSON.
fn to_json(story: &BuiltinRule) -> serde_json::Value {
    serde_json::json!({
        "v": 1,
        "theme": story.theme,
        "name": story.name,
        "shows": story.shows(),
        "right": story.right(),
    })
}

fn json_line(value: serde_json::Value) -> String {
    format!("{value}\n")
}
