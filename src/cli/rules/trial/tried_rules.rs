//! The rules to try: those of the first path, or those that options name.

use std::path::{Path, PathBuf};

use super::super::check;
use super::Try;
use crate::app::rule_sources::Sources;
use crate::builtin_rules::{self, BUILTIN_RULES};
use crate::cli::Failure;
use crate::nearest::closest;
use crate::rules::RuleSet;

impl Try {
    /// Returns the rules, and the paths of messages.
    pub(super) fn rule_set(&self) -> Result<(RuleSet, &[PathBuf]), Failure> {
        let (sources, name, messages) = match &*self.paths {
            messages if !self.picked.is_empty() || !self.rules.is_empty() => {
                let names = self.rules.iter().map(|file| file.display().to_string());
                let names: Vec<String> = names.collect();
                (self.picked.open(&self.rules)?, names.join(", "), messages)
            }
            [rules, messages @ ..] if !messages.is_empty() => {
                let sources = first(rules, self.picked.seed)?;
                (sources, rules.display().to_string(), messages)
            }
            _ => {
                return Err(Failure::usage(
                    "rules and messages are needed: dmtap rules try RULES MESSAGES, \
                     or dmtap rules try --rule NAME MESSAGES",
                ));
            }
        };
        if sources.are_random() {
            self.picked.announce_seed();
        }
        let (rules, _) = sources.assemble().map_err(Failure::usage)?;
        match rules.is_empty() {
            true => Err(Failure::usage(format_args!("{name} holds no rule"))),
            false => Ok((rules, messages)),
        }
    }
}

/// Returns the rules of the file, or the built-in rule of that name if there is no such file.
fn first(path: &Path, seed: u64) -> Result<Sources, Failure> {
    let builtin = path.to_str().and_then(builtin_rules::find);
    let opened = match builtin.filter(|_| !path.exists()) {
        Some(rule) => Sources::open(&[], vec![(rule.file(), rule.text.to_owned())], seed),
        None => check::open(&[path.to_owned()], seed),
    };
    opened.map_err(|error| {
        let meant = builtin_meant(path).unwrap_or_default();
        Failure::Rules(error.drawn() + &meant)
    })
}

/// Returns a line about the built-in rule that the name of a missing file may have meant.
fn builtin_meant(path: &Path) -> Option<String> {
    let is_name = path.components().count() == 1 && path.extension().is_none() && !path.exists();
    let name = path.to_str().filter(|name| is_name && *name != "-")?;
    let names: Vec<&str> = BUILTIN_RULES.iter().map(|rule| rule.name).collect();
    let meant = match closest(name, &names) {
        Some(near) => format!("did you mean the built-in rule `{near}`?"),
        None => "and no built-in rule has this name:".to_owned(),
    };
    Some(format!("\n{meant} dmtap rules list has the names"))
}
