//! `dmtap rules check`: the mistakes in rule files.

use std::io;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::app::rule_sources::read::{self, Found};
use crate::app::rule_sources::{OpenError, Sources};
use crate::app::{print, rule_errors_json, rule_includes};
use crate::cli::{Failure, Outcome, Output, json_line, write_output, write_text};
use crate::printable;
use crate::rules::chance::DEFAULT_SEED;
use crate::rules::{ErrorStyle, RuleErrors};

pub(super) fn run(files: &[PathBuf], output: Output) -> Outcome {
    let (error, empty) = match open(files, DEFAULT_SEED) {
        Ok(sources) if sources.rules().next().is_some() => return print(&sources, output),
        Ok(sources) => {
            let names = sources.texts().map(|(name, ..)| name.to_owned());
            (OpenError::default(), names.collect())
        }
        Err(error) => (error, Vec::new()),
    };
    if output == Output::Json {
        write_output(errors_json(&error, &empty).as_bytes())?;
        return Err(Failure::Usage(String::new()));
    }
    let line = |file: &String| format!("error: {} has {NO_RULES}\n", printable::line(file));
    let lines: String = empty.iter().map(line).collect();
    Err(Failure::Rules(lines + &error.drawn()))
}

/// Reads rule files and folders; `-` is standard input.
pub(super) fn open(arguments: &[PathBuf], seed: u64) -> Result<Sources, OpenError> {
    let files = arguments
        .iter()
        .flat_map(|argument| match argument.as_os_str() == "-" {
            true => {
                let text = rule_includes::take_bounded(io::stdin().lock(), rule_includes::MOST);
                vec![Found {
                    argument: 0,
                    path: "standard input".into(),
                    text: text.and_then(read::decoded),
                }]
            }
            false => read::files(std::slice::from_ref(argument)),
        });
    Sources::of(files.collect(), Vec::new(), seed)
}

fn print(sources: &Sources, output: Output) -> Outcome {
    let warnings = || sources.rules().flat_map(|rule| &rule.warnings);
    let names = sources.rules().map(|rule| rule.name());
    let empty = sources.texts().filter_map(|(file, _, mut names)| {
        let is_empty = names.next().is_none();
        is_empty.then_some(file)
    });
    let text = match output {
        Output::Json => {
            let (names, empty): (Vec<&str>, Vec<&str>) = (names.collect(), empty.collect());
            let warnings = rule_errors_json::each(warnings());
            json_line(json!({
                "v": 1, "ok": true, "rules": names, "empty": empty, "warnings": warnings
            }))
        }
        Output::Text => {
            warnings().for_each(|warning| print::coloured(&warning.render(ErrorStyle::Coloured)));
            names
                .map(|name| format!("ok  {}\n", printable::line(name)))
                .chain(empty.map(|file| format!("{}: no rules\n", printable::line(file))))
                .collect()
        }
    };
    write_text(&text, output)
}

/// Returns all errors as a line of JSON; `empty` are files without rules.
fn errors_json(error: &OpenError, empty: &[String]) -> String {
    let unreadable = error.unreadable.iter();
    let unreadable = unreadable
        .map(|(file, why)| json!({"file": file, "title": format!("cannot read it: {why}")}));
    let rules = error.rules.iter().flat_map(RuleErrors::errors);
    let rules = rule_errors_json::each(rules);
    let empty = empty.iter();
    let empty = empty.map(|file| json!({"file": file, "title": NO_RULES}));
    let errors: Vec<Value> = unreadable.chain(rules).chain(empty).collect();
    json_line(json!({"v": 1, "ok": false, "errors": errors}))
}

const NO_RULES: &str = "no rules: [[rule]] begins one";
