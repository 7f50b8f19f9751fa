//! `dmtap rules check`: what is wrong with rule files.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::app::rule_sources::read::{self, Found};
use crate::app::{print, rule_errors_json, rule_includes};
use crate::cli::{Failure, Outcome, Output, json_line, read_input, write_output, write_text};
use crate::printable;
use crate::rules::{ErrorStyle, RuleErrors, RuleSet, load};

/// A file's name for people, and its text.
type Named = (String, String);

/// What is wrong with several files.
struct Wrong {
    /// Files that cannot be read, each with the reason.
    unreadable: Vec<(String, String)>,
    rules: Option<RuleErrors>,
    /// Files without rules, where no other has one.
    empty: Vec<String>,
}

pub(super) fn run(files: &[PathBuf], output: Output) -> Outcome {
    let (texts, unreadable) = texts(files)?;
    let rules = parse(&texts);
    let is_empty = rules.as_ref().is_ok_and(|rules| rules.rules().is_empty());
    match (rules, unreadable.is_empty()) {
        (Ok(rules), true) if !is_empty => print(&texts, &rules, output),
        (rules, _) => {
            let names = texts.into_iter().map(|(name, _)| name);
            let wrong = Wrong {
                unreadable,
                rules: rules.err(),
                empty: names.filter(|_| is_empty).collect(),
            };
            Err(wrong.failure(output)?)
        }
    }
}

/// The rule set of several files and folders, in order; the error lists every mistake.
pub(super) fn read_rules(files: &[PathBuf]) -> Result<RuleSet, Failure> {
    let (texts, unreadable) = texts(files)?;
    match unreadable.is_empty() {
        true => rule_set(texts),
        false => {
            let rules = parse(&texts).err();
            let empty = Vec::new();
            let wrong = Wrong {
                unreadable,
                rules,
                empty,
            };
            Err(Failure::Usage(wrong.drawn()))
        }
    }
}

/// The rule set of these texts.
pub(super) fn rule_set(texts: Vec<Named>) -> Result<RuleSet, Failure> {
    parse(&texts).map_err(|errors| Failure::Rules(errors.render(ErrorStyle::Coloured)))
}

fn parse(texts: &[Named]) -> Result<RuleSet, RuleErrors> {
    let texts = texts.iter();
    let texts = texts.map(|(name, text)| (name.as_str(), text.as_str()));
    load::parse_all_with(texts, &rule_includes::read)
}

/// The files that can be read, and those that cannot; `-` is standard input.
fn texts(arguments: &[PathBuf]) -> Result<(Vec<Named>, Vec<Named>), Failure> {
    let (mut texts, mut unreadable) = (Vec::new(), Vec::new());
    for argument in arguments {
        let found = match argument.as_os_str() == "-" {
            true => vec![Found {
                argument: 0,
                path: "standard input".into(),
                text: read::decoded(read_input(argument)?),
            }],
            false => read::files(std::slice::from_ref(argument)),
        };
        for Found { path, text, .. } in found {
            let name = path.display().to_string();
            match text {
                Ok(text) => texts.push((name, text)),
                Err(why) => unreadable.push((name, why)),
            }
        }
    }
    Ok((texts, unreadable))
}

fn print(texts: &[Named], rules: &RuleSet, output: Output) -> Outcome {
    let rules = rules.rules();
    let is_empty = |file: &&Named| !rules.iter().any(|rule| *rule.file == *file.0);
    let empty = texts.iter().filter(is_empty).map(|(name, _)| name.as_str());
    let names = rules.iter().map(|rule| rule.name.as_str());
    let warnings = || rules.iter().flat_map(|rule| &rule.warnings);
    if output == Output::Text {
        warnings().for_each(|warning| print::coloured(&warning.render(ErrorStyle::Coloured)));
    }
    let text = match output {
        Output::Json => {
            let (names, empty): (Vec<&str>, Vec<&str>) = (names.collect(), empty.collect());
            let warnings = rule_errors_json::each(warnings());
            json_line(json!({
                "v": 1, "ok": true, "rules": names, "empty": empty, "warnings": warnings
            }))
        }
        Output::Text => names
            .map(|name| format!("ok  {}\n", printable::line(name)))
            .chain(empty.map(|file| format!("{}: no rules\n", printable::line(file))))
            .collect(),
    };
    write_text(&text, output)
}

const NO_RULES: &str = "no rules: [[rule]] begins one";

impl Wrong {
    /// How the verb ends: text goes to standard error, JSON to standard output.
    fn failure(self, output: Output) -> Result<Failure, Failure> {
        if output == Output::Text {
            return Ok(Failure::Rules(self.drawn()));
        }
        let unreadable = self.unreadable.iter();
        let unreadable = unreadable
            .map(|(file, why)| json!({"file": file, "title": format!("cannot read it: {why}")}));
        let rules = self.rules.iter().flat_map(RuleErrors::errors);
        let rules = rule_errors_json::each(rules);
        let empty = self.empty.iter();
        let empty = empty.map(|file| json!({"file": file, "title": NO_RULES}));
        let errors: Vec<Value> = unreadable.chain(rules).chain(empty).collect();
        let line = json_line(json!({"v": 1, "ok": false, "errors": errors}));
        write_output(line.as_bytes())?;
        Ok(Failure::Usage(String::new()))
    }

    fn drawn(&self) -> String {
        let unreadable = self.unreadable.iter();
        let lines = unreadable.map(|(file, why)| {
            let (file, why) = (printable::line(file), printable::line(why));
            format!("error: cannot read {file}: {why}")
        });
        let empty = self.empty.iter();
        let empty = empty.map(|file| format!("error: {} has {NO_RULES}", printable::line(file)));
        let mut parts: Vec<String> = lines.chain(empty).collect();
        if let Some(errors) = &self.rules {
            let gap = if parts.is_empty() { "" } else { "\n" };
            parts.push(format!("{gap}{}", errors.render(ErrorStyle::Coloured)));
        }
        parts.join("\n")
    }
}
