//! Rules of one line, as the command line takes them: written out as a rule file, and read as one.
//!
//! Errors point at the place in the argument.

mod mitm_pattern;

use std::ops::Range;

use super::report::Report;
use crate::rules::value::MEANT;
use crate::rules::{RuleError, RuleErrors};

/// A rule of one line, written out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlineRule {
    flag: &'static str,
    /// What its rules are named with.
    word: &'static str,
    argument: String,
    text: String,
    /// Which part of the argument stands where in the text.
    pieces: Vec<(Range<usize>, Range<usize>)>,
}

impl InlineRule {
    /// `LOCURI=CODE`: whatever the device reports of these nodes becomes CODE for the server.
    ///
    /// Results, which a command that failed does not have, are taken out where CODE is no success.
    ///
    /// # Errors
    /// An argument of another form.
    pub fn fail(argument: &str) -> Result<Self, RuleErrors> {
        let parts = argument.rsplit_once('=');
        let Some((uri, code)) = parts.filter(|(uri, code)| !uri.is_empty() && !code.is_empty())
        else {
            let title = format!("`{argument}` is not LOCURI=CODE");
            let help = "write --fail './Device/Vendor/MSFT/BitLocker/**=500'";
            return Err(error_at(FAIL.0, argument, 0..argument.len(), title, help));
        };
        let code_at = uri.len() + 1..argument.len();
        let (code, native) = match code.split_once(':') {
            Some((code, native)) => (code, Some(native)),
            None => (code, None),
        };
        if code.parse::<u16>().is_err() {
            let title = format!("`{code}` is no status code");
            let help = match is_windows_result(code) {
                true => format!("write a status code before it: '{uri}=500:{code}'"),
                false => "write a number, such as 500".to_owned(),
            };
            return Err(error_at(FAIL.0, argument, code_at, title, &help));
        }
        if let Some(native) = native.filter(|native| !is_windows_result(native)) {
            let title = format!("`{native}` is no result of Windows");
            let help = "write eight hex digits, such as 500:0x86000011";
            return Err(error_at(FAIL.0, argument, code_at, title, help));
        }
        let native_at = code_at.start + code.len() + 1..code_at.end;
        let code_at = code_at.start..code_at.start + code.len();
        let mut line = Self::new(FAIL, argument);
        line.begin("", "request");
        line.add("match = { command = \"Status\", loc-uri = ");
        line.quote("", 0..uri.len());
        match native {
            None => {
                line.add(" }, step = { set-status = ");
                line.bare(code_at);
                line.add(" } }");
            }
            Some(_) => {
                line.add(" }, step = [{ set-status = ");
                line.bare(code_at);
                line.add(" }, { set-attribute = \"msft:originalerror\", at = \"Data\", value = ");
                line.quote("", native_at);
                line.add(" }] }");
            }
        }
        if !code.starts_with('2') {
            line.add(", ");
            line.begin(" (Results)", "request");
            line.add("match = { command = \"Results\", loc-uri = ");
            line.quote("", 0..uri.len());
            line.add(" }, step = { remove = true } }");
        }
        line.add("]\n");
        Ok(line)
    }

    /// What stands in the place of a file's name.
    pub fn name(&self) -> &'static str {
        self.flag
    }

    /// The rule file.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn new((flag, word): (&'static str, &'static str), argument: &str) -> Self {
        Self {
            flag,
            word,
            argument: argument.into(),
            text: "rule = [".into(),
            pieces: Vec::new(),
        }
    }

    fn add(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Begins a rule: its name is the argument.
    fn begin(&mut self, suffix: &str, stage: &str) {
        self.add("{ name = ");
        let from = self.text.len();
        let name = format!("{} {}{suffix}", self.word, self.argument);
        self.add(&toml::Value::from(name).to_string());
        self.pieces
            .push((from..self.text.len(), 0..self.argument.len()));
        self.add(&format!(", stage = \"{stage}\", "));
    }

    /// Writes a part of the argument as a text, behind `before`.
    fn quote(&mut self, before: &str, part: Range<usize>) {
        let value = format!("{before}{}", &self.argument[part.clone()]);
        self.text_of(&value, part);
    }

    /// Writes a text that was made of a part of the argument.
    fn text_of(&mut self, value: &str, part: Range<usize>) {
        let from = self.text.len();
        self.add(&toml::Value::from(value).to_string());
        self.pieces.push((from..self.text.len(), part));
    }

    /// Writes a part of the argument as it is.
    fn bare(&mut self, part: Range<usize>) {
        let from = self.text.len();
        let value = self.argument[part.clone()].to_owned();
        self.add(&value);
        self.pieces.push((from..self.text.len(), part));
    }

    /// The part of the argument that a part of the text comes from; all of it where that is not known.
    fn origin(&self, span: &Range<usize>) -> Range<usize> {
        let within =
            |(text, _): &&(Range<usize>, _)| text.start <= span.start && span.end <= text.end;
        let piece = self.pieces.iter().find(within);
        piece.map_or(0..self.argument.len(), |(_, part)| part.clone())
    }
}

impl RuleErrors {
    /// The errors, with the places of one-line rules translated to places in the arguments.
    pub fn in_arguments(mut self, lines: &[InlineRule]) -> Self {
        for error in &mut self.0 {
            let line = lines
                .iter()
                .find(|line| line.flag == error.file() && *line.text == *error.text);
            if let Some(line) = line {
                error.span = line.origin(&error.span);
                error.text = (&*line.argument).into();
                error.also = None;
                error.help_in_file(MEANT);
            }
        }
        // The rules of both directions have the same mistake.
        let mut errors: Vec<RuleError> = Vec::new();
        for error in self.0 {
            if !errors.contains(&error) {
                errors.push(error);
            }
        }
        Self(errors)
    }
}

/// What is wrong with an argument.
fn error_at(
    flag: &str,
    argument: &str,
    part: Range<usize>,
    title: String,
    help: &str,
) -> RuleErrors {
    let mut report = Report::new(flag, argument, &super::no_includes);
    report.wrong(part, title).help(help);
    RuleErrors(report.into_errors())
}

/// The flag and the word that rules are named with.
const FAIL: (&str, &str) = ("--fail", "fail");

/// A result as Windows writes it: `0x` and eight hex digits.
fn is_windows_result(text: &str) -> bool {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    digits.is_some_and(|digits| {
        digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{ErrorStyle, load};

    fn read(argument: &str) -> Result<Vec<String>, String> {
        let line = InlineRule::fail(argument).map_err(|errors| errors.render(ErrorStyle::Plain))?;
        let rules = load::parse(line.name(), line.text());
        let rules =
            rules.map_err(|errors| errors.in_arguments(&[line]).render(ErrorStyle::Plain))?;
        Ok(rules.into_iter().map(|rule| rule.name).collect())
    }

    #[test]
    fn an_argument_becomes_rules_that_are_named_after_it() {
        let check = |argument: &str, names: &[&str]| {
            assert_eq!(read(argument).unwrap(), names, "{argument}");
        };
        let failed = "./Device/Vendor/MSFT/BitLocker/**=500";
        check(
            failed,
            &[
                &format!("fail {failed}"),
                &format!("fail {failed} (Results)"),
            ],
        );
        check("./A=202", &["fail ./A=202"]);
        check(
            "./A=\"b\\=404",
            &["fail ./A=\"b\\=404", "fail ./A=\"b\\=404 (Results)"],
        );
    }

    #[test]
    fn mistakes_are_reported_at_their_place_in_the_argument() {
        let check = |argument: &str, place: &str, word: &str| {
            let said = read(argument).unwrap_err();
            assert!(said.contains(&format!("--> --fail:1:{place}")), "{said}");
            assert!(said.contains(&format!("1 | {argument}")), "{said}");
            assert!(said.contains(word), "{said}");
        };
        check("./A", "1", "LOCURI=CODE");
        check("=500", "1", "LOCURI=CODE");
        check("./A=five", "5", "`five` is no status code");
        check("./A=599", "5", "SyncML has no status code 599");
    }
}
