//! Rule files: TOML to rules, with errors that name the place, the wrong word and the right ones.
//!
//! The text is read into a tree with spans, and that tree is walked by hand: a derived reader stops at the
//! first error, and this one goes on to tell them all.

mod amount;
mod code;
mod connection;
pub mod inline_rule;
mod limit;
mod loc_uri;
mod matcher;
mod place;
mod read;
mod scenario;
mod step;
mod suggest;
mod syntax_errors;
mod unreachable;
pub mod vocabulary;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use toml::de::{DeTable, DeValue};

pub use self::read::Reader;
use self::read::{Report, Table};
use self::scenario::Scenarios;
pub(crate) use self::suggest::closest;
use self::unreachable::Endpoints;
use super::{ConnectionMatcher, Rule, RuleErrors, RuleSet, Scenario, Stage};

/// The rules of one file, in its order. `file_name` is for people; nothing is opened.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn parse(file_name: &str, text: &str) -> Result<Vec<Rule>, RuleErrors> {
    let mut loader = Loader::default();
    loader.read(file_name, text, &no_includes);
    loader.close()
}

/// The rule set of several files, each a name and its text, in the order given.
///
/// # Errors
/// Everything that is wrong with any of the files; names are unique across them.
pub fn parse_all<'t>(
    files: impl IntoIterator<Item = (&'t str, &'t str)>,
) -> Result<RuleSet, RuleErrors> {
    parse_all_with(files, &no_includes)
}

/// The same, where `reader` reads what the files name in turn (`set-body = { file = "…" }`).
///
/// # Errors
/// As [`parse_all`], and for what cannot be read.
pub fn parse_all_with<'t>(
    files: impl IntoIterator<Item = (&'t str, &'t str)>,
    reader: Reader<'_>,
) -> Result<RuleSet, RuleErrors> {
    let mut loader = Loader::default();
    for (name, text) in files {
        loader.read(name, text, reader);
    }
    loader.close().map(RuleSet::arranged)
}

/// The reader of rules that do not come from a folder.
fn no_includes(_: &str, _: &str) -> Result<Bytes, String> {
    Err("these rules do not come from a folder".into())
}

/// The verbs of steps, in the order in which errors list them.
pub fn verbs() -> Vec<&'static str> {
    step::verbs()
}

/// The rules of several files that join a set with others, whose names they may not use, and in
/// whose scenarios they may take part. Errors of the others are not reported.
///
/// # Errors
/// As [`parse_all`].
pub fn parse_beside<'r, 't>(
    others: impl IntoIterator<Item = &'r Rule>,
    files: impl IntoIterator<Item = (&'t str, &'t str)>,
) -> Result<Vec<Rule>, RuleErrors> {
    parse_beside_with(others, files, &no_includes)
}

/// The same, where `reader` reads what the files name in turn.
///
/// # Errors
/// As [`parse_all_with`].
pub fn parse_beside_with<'r, 't>(
    others: impl IntoIterator<Item = &'r Rule>,
    files: impl IntoIterator<Item = (&'t str, &'t str)>,
    reader: Reader<'_>,
) -> Result<Vec<Rule>, RuleErrors> {
    let mut loader = Loader::default();
    for rule in others {
        let place = (rule.file.clone(), rule.line, 0..0);
        loader.names.insert(rule.name.clone(), place);
        loader.scenarios.know(rule);
    }
    for (name, text) in files {
        loader.read(name, text, reader);
    }
    loader.close()
}

/// The JSON Schema of rule files, by which editors complete and check them; a test holds it against this loader.
pub const SCHEMA: &str = include_str!("../../rules/rules.schema.json");

/// What was read so far.
#[derive(Default)]
struct Loader {
    rules: Vec<Rule>,
    names: HashMap<String, (Arc<str>, usize, Range<usize>)>,
    scenarios: Scenarios,
    /// The files that have rules of their own, right or wrong, each with its name.
    texts: HashMap<String, String>,
    errors: Vec<super::RuleError>,
}

impl Loader {
    fn read(&mut self, file_name: &str, text: &str, reader: Reader<'_>) {
        let mut report = Report::new(file_name, text, reader);
        let names = self.names.len();
        if let Some(first) = self.texts.get(text) {
            let remedy = match first == file_name {
                true => "give it once: rules act as often as their `limit` says".into(),
                false => format!("give one of the two: the other is {first}"),
            };
            report
                .wrong(0..0, "these rules are given twice")
                .help(remedy);
            self.errors.extend(report.into_errors());
            return;
        }
        let (tree, errors) = DeTable::parse_recoverable(text);
        syntax_errors::report(&errors, tree.get_ref(), &mut report);
        if errors.is_empty() {
            let root = Table::new("a rule file", tree.get_ref(), 0..0);
            self.file(root, &mut report);
        }
        if self.names.len() > names {
            self.texts.insert(text.to_owned(), file_name.to_owned());
        }
        self.errors.extend(report.into_errors());
    }

    fn file(&mut self, root: Table<'_>, report: &mut Report) {
        root.refuse_other_keys(&FILE_KEYS, report);
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
        let mut ends = Endpoints::default();
        for value in rules {
            if let Some(table) = Table::of("a rule", value, report) {
                let before = report.count();
                let rule = self.rule(table, report);
                let is_right = report.count() == before;
                self.unique(table, report);
                if let Some(rule) = rule.as_ref().filter(|_| is_right) {
                    ends.pass(rule, table, report);
                }
                self.rules.extend(rule);
            }
        }
    }

    /// One rule, as far as it can be read; every part is looked at whatever is wrong with the others.
    fn rule(&mut self, table: Table<'_>, report: &mut Report) -> Option<Rule> {
        table.refuse_other_keys(&KEYS, report);
        let name = name(table, report);
        let stage = stage(table, report);
        if stage == Some(Stage::Connection) {
            return connection::rule(table, name, report);
        }
        let matcher = matcher::matcher(table, stage, report);
        let limit = match table.table("limit", "a limit", report) {
            Ok(Some(table)) => limit::limit(table, report).map(Some),
            Ok(None) => Some(None),
            Err(()) => None,
        };
        let scenario = self.scenario(table, report);
        let steps = step::steps(table, stage, matcher.as_ref(), report);
        let end = end(table, report);
        let warnings = report.take_warnings();
        Some(Rule {
            name: name?,
            file: report.file().clone(),
            line: report.line(table.span().start),
            stage: stage?,
            matcher: matcher?.matcher,
            limit: limit?,
            scenario: scenario?,
            steps: steps?,
            end: end?,
            connection: ConnectionMatcher::default(),
            warnings,
        })
    }

    fn scenario(&mut self, rule: Table<'_>, report: &mut Report) -> Option<Option<Scenario>> {
        let Some(table) = rule.table("scenario", "a scenario", report).ok()? else {
            return Some(None);
        };
        let scenario = scenario::scenario(table, report)?;
        self.scenarios.enter(scenario.clone(), table, report);
        Some(Some(scenario))
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

    fn close(mut self) -> Result<Vec<Rule>, RuleErrors> {
        for error in self.scenarios.errors() {
            let behind = self.errors.iter().position(|other| other.is_behind(&error));
            self.errors
                .insert(behind.unwrap_or(self.errors.len()), error);
        }
        match self.errors.is_empty() {
            true => Ok(self.rules),
            false => Err(RuleErrors(self.errors)),
        }
    }
}

/// The keys of a rule file.
const FILE_KEYS: [&str; 1] = ["rule"];

const KEYS: [&str; 7] = ["name", "stage", "match", "limit", "scenario", "step", "end"];

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

const STAGES: [(&str, Stage); 3] = [
    ("request", Stage::Request),
    ("response", Stage::Response),
    ("connection", Stage::Connection),
];

fn stage(table: Table<'_>, report: &mut Report) -> Option<Stage> {
    if !table.means("stage", &KEYS) {
        report.wrong(table.span(), "this rule has no stage").help(
            "stage = \"request\" (device to server), \"response\" (server to device) or \"connection\"",
        );
        return None;
    }
    read::one_of(table.value("stage")?, "stage", &STAGES, report)
}

/// `end = true`, or nothing.
fn end(table: Table<'_>, report: &mut Report) -> Option<bool> {
    let Some(value) = table.value("end") else {
        return Some(false);
    };
    let on = value.get_ref().as_bool() == Some(true);
    if !on {
        report
            .wrong(value.span(), "`end` is written end = true")
            .help("leave it out if further rules are to be asked");
    }
    on.then_some(true)
}
