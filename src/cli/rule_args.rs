//! Rules without a file: built-in rules, and rules of one line.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};

use super::Failure;
use crate::app::print;
use crate::app::rule_sources::Sources;
use crate::builtin_rules::{self, BUILTIN_RULES, BuiltinRule};
use crate::nearest::closest;
use crate::printable;
use crate::rules::chance::DEFAULT_SEED;
use crate::rules::load::inline_rule;
use crate::rules::{ErrorStyle, Rule, RuleErrors};

/// Rules given on the command line; they act after those of `--rules`, in the order of these options.
#[derive(Clone, Debug, clap::Args)]
pub struct RuleArgs {
    /// A built-in rule (see dmtap rules list). Can be repeated.
    #[arg(
        long = "rule",
        value_name = "NAME",
        value_parser = builtin_rule(&[]),
        hide_possible_values = true
    )]
    builtin: Vec<&'static BuiltinRule>,
    /// Report commands on these nodes to the server as failed, e.g. './Device/Vendor/MSFT/BitLocker/**=500'.
    #[arg(long, value_name = "LOCURI=CODE")]
    fail: Vec<String>,
    /// Set a header field, or remove it if the value is empty: mitmproxy's [/filter]/name/value, e.g.
    /// '/~s ~c 503/Retry-After/120'. Filters are those of `dmtap show`.
    #[arg(short = 'H', long, value_name = "PATTERN")]
    modify_headers: Vec<String>,
    /// Replace matches in bodies: mitmproxy's [/filter]/regex/replacement.
    #[arg(short = 'B', long, value_name = "PATTERN")]
    modify_body: Vec<String>,
    /// Seed for `chance` in rules: the same seed and the same conversation give the same faults.
    #[arg(long, default_value_t = DEFAULT_SEED, value_name = "NUMBER", value_parser = seed)]
    pub(super) seed: u64,
}

/// Parses a seed.
fn seed(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("write a whole number from 0 to {}", u64::MAX))
}

impl RuleArgs {
    /// Whether no rule was given.
    pub(super) fn is_empty(&self) -> bool {
        let lines = [&self.fail, &self.modify_headers, &self.modify_body];
        self.builtin.is_empty() && lines.iter().all(|lines| lines.is_empty())
    }

    /// Prints the option that repeats the same faults.
    pub(super) fn announce_seed(&self) {
        print::line(&format!("random choices use --seed {}", self.seed));
    }

    /// Returns the rules of the one-line options, each with its argument, or every mistake.
    fn built(&self) -> Result<Vec<(&str, Vec<Rule>)>, RuleErrors> {
        type Build = fn(&str) -> Result<Vec<Rule>, RuleErrors>;
        let options: [(&str, &[String], Build); 3] = [
            ("--fail", &self.fail, inline_rule::fail),
            ("-H", &self.modify_headers, inline_rule::modify_headers),
            ("-B", &self.modify_body, inline_rule::modify_body),
        ];
        let mut built = Vec::new();
        for (flag, arguments, build) in options {
            for (at, argument) in arguments.iter().enumerate() {
                built.push(match arguments[..at].contains(argument) {
                    true => Err(inline_rule::given_twice(flag, argument)),
                    false => build(argument).map(|rules| (argument.as_str(), rules)),
                });
            }
        }
        RuleErrors::or_all(built)
    }

    /// Returns the rules of these files and folders, then those of the command line.
    ///
    /// # Errors
    /// Every file that cannot be read or has mistakes.
    pub(super) fn open(&self, files: &[PathBuf]) -> Result<Sources, Failure> {
        let built = self.built();
        let built = built.map_err(|errors| Failure::Rules(errors.render(ErrorStyle::Coloured)))?;
        let builtin = self.builtin.iter();
        let builtin = builtin.map(|rule| (rule.file(), rule.text.to_owned()));
        let sources = Sources::open(files, builtin.collect(), self.seed);
        let mut sources = sources.map_err(|error| Failure::Rules(error.drawn()))?;
        for (argument, rules) in built {
            sources.add_built(argument, rules);
        }
        let warnings = sources.rules().flat_map(|rule| &rule.warnings);
        warnings.for_each(|warning| print::coloured(&warning.render(ErrorStyle::Coloured)));
        for (file, _, mut rules) in sources.texts() {
            if rules.next().is_none() {
                print::line(&format!("warning: {} has no rules", printable::line(file)));
            }
        }
        Ok(sources)
    }
}

/// Returns a parser for the name of a built-in rule, or of one of `others`; its error suggests the nearest name.
pub(super) fn builtin_rule(
    others: &'static [BuiltinRule],
) -> impl TypedValueParser<Value = &'static BuiltinRule> {
    BuiltinRuleParser(others)
}

/// A parser that suggests the nearest name, while clap would print all names.
#[derive(Clone)]
struct BuiltinRuleParser(&'static [BuiltinRule]);

impl TypedValueParser for BuiltinRuleParser {
    type Value = &'static BuiltinRule;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, clap::Error> {
        let others = self.0;
        let find = move |name: String| {
            let other = others.iter().find(|rule| rule.name == name);
            let found = other.or_else(|| builtin_rules::find(&name));
            found.ok_or_else(|| no_such_rule(&name))
        };
        // clap adds the argument to the error.
        let parser = StringValueParser::new().try_map(find);
        parser.parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let rules = self.0.iter().chain(BUILTIN_RULES.iter());
        let values = rules.map(|rule| PossibleValue::new(rule.name).help(rule.shows()));
        Some(Box::new(values))
    }
}

/// The limit of names in an error.
const MOST: usize = 5;

fn no_such_rule(name: &str) -> String {
    if name.contains('/') || name.ends_with(".toml") {
        return "no built-in rule has this name; use --rules FILE for a rule file".into();
    }
    if name == crate::stay::NAME {
        return "dmtap proxy acts by it in reverse mode without this option; --stay off switches it off".into();
    }
    let names: Vec<&str> = BUILTIN_RULES.iter().map(|rule| rule.name).collect();
    let word = name.to_lowercase();
    let having = names.iter().filter(|name| name.contains(&word));
    let having: Vec<&str> = having.copied().take(MOST).collect();
    if !word.is_empty() && !having.is_empty() {
        let having = having.join("', '");
        return format!(
            "no built-in rule has this name; similar ones: '{having}' (dmtap rules list {word})"
        );
    }
    let tip = closest(name, &names).map_or(String::new(), |near| {
        format!("; a similar name exists: '{near}'")
    });
    format!("no built-in rule has this name{tip} (dmtap rules list prints all)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_name_gets_the_one_that_was_meant() {
        let check = |name: &str, word: &str| {
            let message = no_such_rule(name);
            assert!(message.contains(word), "{name}: {message}");
        };
        check("r/401.toml", "--rules FILE");
        check("my.toml", "--rules FILE");
        check("permission", "'permission-denied'");
        check("bsy", "'busy'");
        check("", "dmtap rules list");
    }
}
