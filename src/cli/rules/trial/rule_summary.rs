//! The rules that are tried: those of the first path, or those that options name.

use std::path::{Path, PathBuf};

use super::super::check;
use super::Try;
use crate::builtin_rules::{self, BUILTIN_RULES};
use crate::cli::Failure;
use crate::nearest::closest;
use crate::rules::RuleSet;

impl Try {
    /// The rules, and the paths that are messages.
    pub(super) fn rule_set(&self) -> Result<(RuleSet, &[PathBuf]), Failure> {
        if !self.picked.is_empty() || !self.rules.is_empty() {
            let sources = self.picked.open(&self.rules)?;
            let (rules, _) = sources.assemble().map_err(Failure::usage)?;
            let names = self.rules.iter().map(|file| file.display().to_string());
            let rules = filled(rules, &names.collect::<Vec<_>>().join(", "))?;
            return Ok((rules, &self.paths));
        }
        match &*self.paths {
            [rules, messages @ ..] if !messages.is_empty() => {
                let rules = filled(first(rules)?, &rules.display().to_string())?;
                Ok((rules.with_seed(self.picked.seed), messages))
            }
            _ => Err(Failure::usage(
                "rules and messages are needed: dmtap rules try RULES MESSAGES, \
                 or dmtap rules try --rule NAME MESSAGES",
            )),
        }
    }
}

fn filled(rules: RuleSet, name: &str) -> Result<RuleSet, Failure> {
    match rules.is_empty() {
        true => Err(Failure::usage(format_args!("{name} holds no rule"))),
        false => Ok(rules),
    }
}

/// The rules of the file, or the built-in rule of that name if there is no such file.
fn first(path: &Path) -> Result<RuleSet, Failure> {
    let builtin = path.to_str().and_then(builtin_rules::find);
    match builtin.filter(|_| !path.exists()) {
        Some(rule) => check::rule_set(vec![(rule.file(), rule.text.to_owned())]),
        None => check::read_rules(&[path.to_owned()]).map_err(|failure| or_builtin(path, failure)),
    }
}

/// Adds to the failure what else the argument could have been.
fn or_builtin(path: &Path, failure: Failure) -> Failure {
    let Failure::Usage(why) = &failure else {
        return failure;
    };
    let plain = path.components().count() == 1 && path.extension().is_none();
    let Some(name) = path.to_str().filter(|name| plain && *name != "-") else {
        return failure;
    };
    if path.exists() {
        return failure;
    }
    let names: Vec<&str> = BUILTIN_RULES.iter().map(|rule| rule.name).collect();
    let meant = match closest(name, &names) {
        Some(near) => format!("did you mean the built-in rule `{near}`?"),
        None => "and no built-in rule has this name:".to_owned(),
    };
    Failure::Usage(format!("{why}\n{meant} dmtap rules list has the names"))
}
