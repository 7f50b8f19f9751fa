//! Rules from options of the command line. Errors point at the place in the argument.

mod mitm_pattern;

pub use mitm_pattern::{modify_body, modify_headers};

use std::ops::Range;

use serde::de::DeserializeOwned;

use super::loc_uri::warning_about;
use super::report::Report;
use crate::dm::CommandKind;
use crate::rules::glob::UriGlob;
use crate::rules::matcher::{Kinds, Matcher};
use crate::rules::mistake::Mistake;
use crate::rules::place::ElementPlace;
use crate::rules::value::{AttributeName, Code, MEANT, SyncMl, from_text};
use crate::rules::{EditStep, Rule, RuleErrors, Stage, Step};

/// Makes the rules of `--fail LOCURI=CODE`: the server gets CODE for every command about these nodes.
///
/// If CODE is not a success, the rules also remove Results, which a failed command does not have.
///
/// # Errors
/// All errors in the argument.
pub fn fail(argument: &str) -> Result<Vec<Rule>, RuleErrors> {
    let mut argument = Argument::new(("--fail", "fail"), argument);
    let rules = fail_rules(&mut argument);
    argument.finish(rules)
}

fn fail_rules(argument: &mut Argument<'_>) -> Option<Vec<Rule>> {
    let text = argument.text;
    let parts = text.rsplit_once('=');
    let Some((uri, code)) = parts.filter(|(uri, code)| !uri.is_empty() && !code.is_empty()) else {
        let title = format!("`{text}` is not LOCURI=CODE");
        let help = "write --fail './Device/Vendor/MSFT/BitLocker/**=500'";
        return argument.wrong(0..text.len(), title, help);
    };
    let code_at = uri.len() + 1..text.len();
    let (code, native) = match code.split_once(':') {
        Some((code, native)) => (code, Some(native)),
        None => (code, None),
    };
    let Ok(number) = code.parse::<u16>() else {
        let title = format!("`{code}` is not a status code");
        let help = match is_windows_result(code) {
            true => format!("write a status code before it: '{uri}=500:{code}'"),
            false => "write a number, such as 500".to_owned(),
        };
        return argument.wrong(code_at, title, &help);
    };
    if let Some(native) = native.filter(|native| !is_windows_result(native)) {
        let title = format!("`{native}` is not a result of Windows");
        return argument.wrong(
            code_at,
            title,
            "write eight hex digits, such as 500:0x86000011",
        );
    }
    let loc_uri = argument.read::<UriGlob>(0..uri.len(), "loc-uri");
    if let Some(warning) = warning_about(uri) {
        argument.report.warn(0..uri.len(), warning);
    }
    let code_at = code_at.start..code_at.start + code.len();
    let code = Code::<SyncMl>::known(number.into());
    let code = argument.right(code, code_at.clone(), "set-status")?;
    let loc_uri = loc_uri?;
    let on = |kind: CommandKind| Matcher {
        command: vec![kind],
        loc_uri: vec![loc_uri.clone()],
        kinds: Some(Kinds::of(kind)),
        ..Matcher::default()
    };
    let mut steps = vec![Step::Edit(EditStep::SetStatus(code))];
    if native.is_some() {
        let native_at = code_at.end + 1..text.len();
        steps.push(Step::Edit(EditStep::SetAttribute {
            name: AttributeName("msft:originalerror".into()),
            value: argument.read(native_at.clone(), "value")?,
            at: argument.right(from_text("Data"), native_at, "at")?,
        }));
    }
    let mut rules = vec![argument.rule("", Stage::Request, on(CommandKind::Status), steps)];
    if !code.status().is_success() {
        let at = ElementPlace::default();
        let remove = vec![Step::Edit(EditStep::Remove { at })];
        let on_results = on(CommandKind::Results);
        rules.push(argument.rule(" (Results)", Stage::Request, on_results, remove));
    }
    Some(rules)
}

/// An argument of an option that makes rules, with its errors.
struct Argument<'a> {
    flag: &'static str,
    /// The first word of the names of its rules.
    word: &'static str,
    text: &'a str,
    report: Report<'static>,
}

impl<'a> Argument<'a> {
    fn new((flag, word): (&'static str, &'static str), text: &'a str) -> Self {
        Self {
            flag,
            word,
            text,
            report: Report::new(flag, text, &super::no_includes),
        }
    }

    /// Returns the rules, or the errors if there are any.
    fn finish(mut self, rules: Option<Vec<Rule>>) -> Result<Vec<Rule>, RuleErrors> {
        let warnings = self.report.take_warnings();
        let mut errors = self.report.into_errors();
        match rules.filter(|_| errors.is_empty()) {
            Some(mut rules) => {
                if let Some(first) = rules.first_mut() {
                    first.warnings = warnings;
                }
                Ok(rules)
            }
            None => {
                errors
                    .iter_mut()
                    .for_each(|error| error.help_in_file(MEANT));
                Err(RuleErrors(errors))
            }
        }
    }

    /// Reports an error in a part of the argument.
    fn wrong<T>(&mut self, part: Range<usize>, title: String, help: &str) -> Option<T> {
        self.report.wrong(part, title).help(help);
        None
    }

    /// Parses a part as the value of a key.
    fn read<T: DeserializeOwned>(&mut self, part: Range<usize>, key: &str) -> Option<T> {
        let value = from_text(&self.text[part.clone()]);
        self.right(value, part, key)
    }

    /// Returns the parsed value, or reports the mistake.
    fn right<T>(&mut self, value: Result<T, Mistake>, part: Range<usize>, key: &str) -> Option<T> {
        let report = &mut self.report;
        value
            .map_err(|mistake| report.mistake(mistake, part, key))
            .ok()
    }

    /// Creates a rule that is named after the argument.
    fn rule(&self, suffix: &str, stage: Stage, matcher: Matcher, steps: Vec<Step>) -> Rule {
        let option = format!("{} {}", self.word, self.text);
        let name = format!("{option}{suffix}");
        Rule {
            file: self.flag.into(),
            option: Some(option.into()),
            matcher,
            ..Rule::new(name, stage, steps)
        }
    }
}

/// Returns the error of an option that was given before.
pub fn given_twice(flag: &str, argument: &str) -> RuleErrors {
    let mut report = Report::new(flag, argument, &super::no_includes);
    report
        .wrong(0..argument.len(), "these rules are given twice")
        .help("give the option once: its rules act as often as they match");
    RuleErrors(report.into_errors())
}

/// Whether a text is a result code as Windows writes it: `0x` and eight hex digits.
fn is_windows_result(text: &str) -> bool {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    digits.is_some_and(|digits| {
        digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}
