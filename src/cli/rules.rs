//! `dmtap rules`: rule files without traffic.

mod check;
mod stay;
mod trial;

use std::path::PathBuf;

use clap::Subcommand;

use self::stay::STAY;
use super::rule_args::builtin_rule;
use super::{Failure, Outcome, Output, json_line, write_output, write_text};
use crate::builtin_rules::{BUILTIN_RULES, BuiltinRule};

/// Check and try rule files, list and print built-in rules.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap rules list tls                    built-in rules about TLS
  dmtap rules show forbidden > my.toml    one of them, as a file to change
  dmtap rules check my.toml               whether the file is right
  dmtap rules try my.toml session.jsonl   what it would change in a record")]
pub struct Rules {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Check rule files. Prints each mistake with its line and what would be right, and exits with 2.
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
    /// List the built-in rules: theme, name, and description.
    #[command(after_help = "\
Examples:
  dmtap rules list
  dmtap rules list tls
  dmtap rules list atomic 507

Exit code 1: no rule contains all of the words.")]
    List {
        /// Only rules that contain each of these words in their theme, name or text; case is ignored.
        words: Vec<String>,
    },
    /// Print a built-in rule, to read it or to change it.
    #[command(after_help = "Example:\n  dmtap rules show forbidden > my.toml")]
    Show {
        /// Its name, or stay for the rule that keeps devices on the proxy.
        #[arg(value_parser = builtin_rule(&STAY), hide_possible_values = true)]
        name: &'static BuiltinRule,
    },
    Try(Box<trial::Try>),
    /// Print the JSON Schema of rule files, with which editors complete and check them.
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
            Verb::Show { name } if *name == STAY[0] => stay::show(output),
            Verb::Show { name } => show(name, output),
            Verb::Try(verb) => verb.run(output),
            Verb::Schema => write_output(crate::rules::load::schema_text().as_bytes()),
        }
    }
}

fn list(words: &[String], output: Output) -> Outcome {
    let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let rules = BUILTIN_RULES.iter().chain(&STAY);
    let rules: Vec<&BuiltinRule> = rules.filter(|rule| has(rule, &words)).collect();
    if rules.is_empty() {
        let words = words.join(" ");
        let why = format!("no built-in rule contains `{words}` in its theme, name or text");
        return Err(Failure::Failed(why));
    }
    let widest = rules.iter().map(|rule| rule.name.len()).max();
    let width = widest.unwrap_or_default();
    let line = |rule: &&BuiltinRule| match output {
        Output::Text => {
            let BuiltinRule { theme, name, .. } = rule;
            format!("{theme:<11} {name:<width$}  {}\n", rule.shows())
        }
        Output::Json => json_line(to_json(rule)),
    };
    let text: String = rules.iter().map(line).collect();
    write_text(&text, output)
}

/// Whether a rule contains all of these words, which are in lower case.
fn has(rule: &BuiltinRule, words: &[String]) -> bool {
    let text = rule.text.to_lowercase();
    words.iter().all(|word| {
        [rule.theme, rule.name, &text]
            .iter()
            .any(|place| place.contains(&**word))
    })
}

fn show(rule: &BuiltinRule, output: Output) -> Outcome {
    let text = match output {
        Output::Text => rule.text.to_owned(),
        Output::Json => {
            let mut value = to_json(rule);
            value["text"] = rule.text.into();
            json_line(value)
        }
    };
    write_text(&text, output)
}

/// A built-in rule as JSON.
fn to_json(rule: &BuiltinRule) -> serde_json::Value {
    serde_json::json!({
        "v": 1,
        "theme": rule.theme,
        "name": rule.name,
        "shows": rule.shows(),
        "right": rule.right(),
    })
}
