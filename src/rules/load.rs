//! Rule files: TOML to rules, with errors that name the place, the wrong word and the right ones.
//!
//! The text is read into a tree with spans, and that tree is walked by hand: a derived reader stops at the
//! first error, and this one goes on to tell them all.

mod code;
mod matcher;
mod read;
mod step;
mod suggest;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use self::read::{Report, Table};
use super::{Limit, Per, Rule, RuleErrors, RuleSet, Stage};

/// The rules of one file, in its order. `file_name` is for people; nothing is opened.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn parse(file_name: &str, text: &str) -> Result<Vec<Rule>, RuleErrors> {
    let mut book = Book::default();
    book.read(file_name, text);
    book.close()
}

/// The book of several files, each a name and its text, in the order given.
///
/// # Errors
/// Everything that is wrong with any of the files; names are unique across them.
pub fn parse_all<'t>(
    files: impl IntoIterator<Item = (&'t str, &'t str)>,
) -> Result<RuleSet, RuleErrors> {
    let mut book = Book::default();
    for (name, text) in files {
        book.read(name, text);
    }
    book.close().map(RuleSet::arranged)
}

/// The verbs of steps, in the order in which errors list them.
pub fn verbs() -> Vec<&'static str> {
    step::verbs()
}

/// What was read so far.
#[derive(Default)]
struct Book {
    rules: Vec<Rule>,
    names: HashMap<String, (Arc<str>, usize, Range<usize>)>,
    errors: Vec<super::RuleError>,
}

impl Book {
    fn read(&mut self, file_name: &str, text: &str) {
        let mut report = Report::new(file_name, text);
        let (tree, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let span = error.span().unwrap_or(text.len()..text.len());
            report.wrong(span, format!("this is not TOML: {}", error.message()));
        }
        if errors.is_empty() {
            let root = Table::new("a rule file", tree.get_ref(), 0..0);
            self.file(root, &mut report);
        }
        self.errors.extend(report.into_errors());
    }

    fn file(&mut self, root: Table<'_>, report: &mut Report) {
        root.refuse_other_keys(&["rule"], report);
        let Some(value) = root.value("rule") else {
            return;
        };
        let DeValue::Array(rules) = value.get_ref() else {
            let header = root.key_span("rule");
            report
                .wrong(header, "`rule` is a list of rules")
                .label("one pair of brackets is missing")
                .help("begin each rule with [[rule]]");
            return;
        };
        for value in rules {
            if let Some(table) = Table::of("a rule", value, report) {
                let rule = rule(table, report);
                self.unique(table, report);
                self.rules.extend(rule);
            }
        }
    }

    fn unique(&mut self, table: Table<'_>, report: &mut Report) {
        let Some(value) = table.value("name") else {
            return;
        };
        let Some(name) = value.get_ref().as_str() else {
            return;
        };
        if let Some((file, line, span)) = self.names.get(name) {
            let same_file = file == report.file();
            let error = report.wrong(value.span(), format!("two rules are named `{name}`"));
            error
                .label("the second")
                .help("records tell rules by their names: choose another");
            if same_file {
                error.also(span.clone(), "the first");
            } else {
                error.help(format!("the first is in {file}, line {line}"));
            }
            return;
        }
        let line = report.line(value.span().start);
        let place = (report.file().clone(), line, value.span());
        self.names.insert(name.to_owned(), place);
    }

    fn close(self) -> Result<Vec<Rule>, RuleErrors> {
        match self.errors.is_empty() {
            true => Ok(self.rules),
            false => Err(RuleErrors(self.errors)),
        }
    }
}

/// One rule, as far as it can be read; every part is looked at whatever is wrong with the others.
fn rule(table: Table<'_>, report: &mut Report) -> Option<Rule> {
    table.refuse_other_keys(&KEYS, report);
    let name = name(table, report);
    let stage = stage(table, report);
    let matcher = matcher::matcher(table, stage, report);
    let limit = match table.table("limit", "a limit", report) {
        Ok(Some(table)) => limit(table, report).map(Some),
        Ok(None) => Some(None),
        Err(()) => None,
    };
    let steps = step::steps(table, stage, matcher.as_ref(), report);
    Some(Rule {
        name: name?,
        file: report.file().clone(),
        line: report.line(table.span().start),
        stage: stage?,
        matcher: matcher?.matcher,
        limit: limit?,
        steps: steps?,
    })
}

const KEYS: [&str; 5] = ["name", "stage", "match", "limit", "step"];

fn name(table: Table<'_>, report: &mut Report) -> Option<String> {
    if !table.means("name", &KEYS) {
        report
            .wrong(table.span(), "this rule has no name")
            .help("records tell rules by their names: name = \"bitlocker-fails-once\"");
        return None;
    }
    let value = table.value("name")?;
    let name = read::text(value, "name", report)?;
    if name.trim().is_empty() {
        report.wrong(value.span(), "the name is empty");
        return None;
    }
    Some(name.to_owned())
}

const STAGES: [(&str, Stage); 2] = [("request", Stage::Request), ("response", Stage::Response)];

fn stage(table: Table<'_>, report: &mut Report) -> Option<Stage> {
    if !table.means("stage", &KEYS) {
        report.wrong(table.span(), "this rule has no stage").help(
            "stage = \"request\" (device to server) or stage = \"response\" (server to device)",
        );
        return None;
    }
    read::one_of(table.value("stage")?, "stage", &STAGES, report)
}

fn limit(table: Table<'_>, report: &mut Report) -> Option<Limit> {
    let before = report.count();
    table.refuse_other_keys(&["times", "skip", "per"], report);
    let mut number = |key, least| match table.value(key) {
        Some(value) => read::number(value, key, least..=u64::from(u32::MAX), report).map(Some),
        None => Some(None),
    };
    let (times, skip) = (number("times", 1), number("skip", 0));
    let per = match table.value("per") {
        Some(value) => read::one_of(value, "per", &Per::ALL, report),
        None => Some(Per::default()),
    };
    let limit = Limit {
        skip: skip?.unwrap_or(0),
        times: times?,
        per: per?,
    };
    if limit.times.is_none() && limit.skip == 0 && report.count() == before {
        report
            .wrong(table.span(), "this limit limits nothing")
            .help("times = 1 acts once, skip = 1 lets the first one pass");
        return None;
    }
    Some(limit)
}
