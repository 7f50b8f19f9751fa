//! Loading of rule files: TOML to rules, with errors that name the place, the wrong word and the right ones.
//!
//! ```text
//! text ──► tree with places ──serde──► types of rules ──validation──► Vec<Rule>
//!                           deserialize.rs            step_validate.rs, match_table/validate.rs
//! ```
//!
//! The types that derive `Deserialize` are the only definition of what a file may hold; the schema and the reference
//! come from the same types ([`schema`]).

mod deserialize;
pub mod inline_rule;
mod left_out;
mod loc_uri;
mod match_table;
mod place;
mod report;
mod rule_table;
mod scenario;
mod schema;
mod step_validate;
mod syntax_errors;
mod unreachable;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use toml::de::{DeTable, DeValue};

use self::deserialize::{read, unknown_key};
use self::left_out::LeftOut;
pub use self::report::Reader;
use self::report::{Report, Table, Value};
use self::rule_table::{CONNECTION_KEYS, ConnectionLimit, KEYS, RuleTable};
use self::scenario::Scenarios;
pub use self::schema::{StepKeys, schema, schema_text, step_keys};
use self::unreachable::EndingRules;
use super::error::ErrorKind;
use super::mistake::list;
use super::step::{Content, NewBody};
use super::{ConnectionMatcher, Limit, Matcher, RawStep, Rule, RuleErrors, Stage, Step};
use crate::nearest::closest;

/// Loads the rules of one file, in file order. `file_name` is for messages; no file is opened.
///
/// # Errors
/// All errors in the file.
pub fn parse(file_name: &str, text: &str) -> Result<Vec<Rule>, RuleErrors> {
    parse_beside([], [(file_name, text)], &no_includes)
}

/// The reader for rules that do not come from a folder; it refuses every file.
///
/// # Errors
/// Always.
pub fn no_includes(_: &str, _: &str) -> Result<Bytes, String> {
    Err("these rules do not come from a folder".into())
}

/// Loads the rules of several files, each a name and a text, that are added to a set of other rules. They may not use
/// the names of the others, and may take part in their scenarios. `reader` reads the files that rule files name
/// (`set-body = { file = "…" }`).
///
/// # Errors
/// All errors in the files, including names that two rules have, also in different files, and named files that cannot
/// be read. Errors in the others are not reported.
pub fn parse_beside<'r, 't>(
    others: impl IntoIterator<Item = &'r Arc<Rule>>,
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

#[derive(Default)]
struct Loader {
    rules: Vec<Rule>,
    /// The places of the names: file, line and span; the span of a rule outside the files is empty.
    names: HashMap<String, (Arc<str>, usize, Range<usize>)>,
    scenarios: Scenarios,
    /// The texts of the files that have rules, valid or not, each with its file name.
    texts: HashMap<String, String>,
    errors: Vec<super::RuleError>,
}

impl Loader {
    fn read(&mut self, file_name: &str, text: &str, reader: Reader<'_>) {
        let mut report = Report::new(file_name, text, reader);
        let names = self.names.len();
        if let Some(first) = self.texts.get(text) {
            let error = report.wrong(0..0, "these rules are given twice");
            error.help(match first == file_name {
                true => "give it once: rules act as often as their `limit` says".into(),
                false => format!("give one of the two: the other is {first}"),
            });
        } else {
            let (tree, errors) = DeTable::parse_recoverable(text);
            syntax_errors::report(&errors, &mut report);
            if errors.is_empty() {
                self.file(tree.get_ref(), &mut report);
            }
        }
        if self.names.len() > names {
            self.texts.insert(text.to_owned(), file_name.to_owned());
        }
        self.errors.extend(report.into_errors());
    }

    fn file<'t>(&mut self, root: &'t DeTable<'t>, report: &mut Report<'_>) {
        for key in root.keys().filter(|key| key.get_ref() != "rule") {
            let name = key.get_ref();
            let mistake = unknown_key("a rule file", name, &["rule"]);
            report.mistake(mistake, key.span(), name);
        }
        let Some((key, value)) = root.get_key_value("rule") else {
            return;
        };
        let DeValue::Array(rules) = value.get_ref() else {
            report
                .wrong(key.span(), "`rule` is a list of rules")
                .label("one pair of brackets is missing")
                .help("begin each rule with [[rule]]");
            return;
        };
        let mut ends = EndingRules::default();
        for value in rules {
            let Some(table) = Table::of(value) else {
                read::<RuleTable<Matcher, Limit>>(value, "rule", LeftOut::default(), report);
                continue;
            };
            let before = report.count();
            let rule = self.rule(value, table, report);
            let is_right = report.count() == before;
            let warnings = report.take_warnings();
            self.unique(table, report);
            if let Some(rule) = rule.filter(|_| is_right) {
                ends.pass(&rule, table, report);
                self.rules.push(Rule { warnings, ..rule });
            }
        }
    }

    /// Loads one rule. Invalid parts are left out, and the rest is checked: so a mistake does not hide others, and
    /// errors that only follow from it are not reported.
    fn rule<'t>(
        &mut self,
        value: &'t Value<'t>,
        table: Table<'t>,
        report: &mut Report<'_>,
    ) -> Option<Rule> {
        if stage_of(table) == Some(Stage::Connection.name()) {
            return connection_rule(value, table, report);
        }
        let (rule, left_out) =
            read::<RuleTable<Matcher, Limit>>(value, "rule", LeftOut::default(), report);
        needs(table, report);
        let rule = rule?;
        let rest = table.without(&left_out);
        let all_known = table.keys().iter().all(|(key, _)| KEYS.contains(key));
        let is_whole = |key: &str| {
            let value = table.value(key);
            value.is_none_or(|value| !left_out.touches(value))
        };
        let is_right = |key: &str| {
            let is_read = table.value(key).is_none() || rest.value(key).is_some();
            all_known && is_read && is_whole(key)
        };
        let mut scenario_is_right = is_right("scenario");
        if let (Some(scenario), Some(table)) = (&rule.scenario, rest.table("scenario")) {
            let whole = is_whole("scenario");
            scenario_is_right &= self.scenarios.enter(scenario.clone(), table, whole, report);
        }
        if is_whole("limit") {
            check_limit(rule.limit, table, report);
        }
        let stage = rule.stage?;
        let mut matcher = rule.r#match.unwrap_or_default();
        let mut steps = rule.step.unwrap_or_default();
        let before = report.count();
        if let Some(table) = table.table("match").filter(|_| stage == Stage::Request) {
            match_table::of_requests(table, report);
        }
        if let Some(table) = rest.table("match") {
            match_table::check(&mut matcher, table, stage, report);
            if is_right("match") && report.count() == before {
                match_table::check_together(&mut matcher, table, stage, report);
            }
        }
        let matcher_is_right = is_right("match") && report.count() == before;
        files(&mut steps, rest, report);
        step_validate::each(&steps, rest, stage, report);
        if is_right("step") && scenario_is_right {
            let matcher = Some(&matcher).filter(|_| matcher_is_right);
            step_validate::together(&steps, rest, rule.scenario.as_ref(), matcher, report);
        }
        Some(Rule {
            file: report.file().clone(),
            line: report.line(table.span().start),
            matcher,
            limit: rule.limit,
            scenario: rule.scenario,
            end: rule.end.is_some(),
            ..Rule::new(rule.name?.0, stage, steps)
        })
    }

    fn unique(&mut self, table: Table<'_>, report: &mut Report<'_>) {
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
            if span.is_empty() {
                error.kind = ErrorKind::NameTaken;
            }
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

fn connection_rule<'t>(
    value: &'t Value<'t>,
    table: Table<'t>,
    report: &mut Report<'_>,
) -> Option<Rule> {
    let refused = refuse_parts_of_messages(table, report);
    let (rule, left_out) =
        read::<RuleTable<ConnectionMatcher, ConnectionLimit>>(value, "rule", refused, report);
    needs(table, report);
    let rule = rule?;
    let rest = table.without(&left_out);
    let is_whole = |key| table.value(key).is_some_and(|it| !left_out.touches(it));
    let (stage, steps) = (Stage::Connection, rule.step.unwrap_or_default());
    step_validate::each(&steps, rest, stage, report);
    if is_whole("step") {
        step_validate::together(&steps, rest, None, None, report);
    }
    let limit = rule.limit.map(Limit::from);
    if is_whole("limit") {
        check_limit(limit, rest, report);
    }
    Some(Rule {
        file: report.file().clone(),
        line: report.line(table.span().start),
        limit,
        connection: rule.r#match.unwrap_or_default(),
        ..Rule::new(rule.name?.0, stage, steps)
    })
}

/// Returns the text under `stage`, valid or not.
fn stage_of<'t>(rule: Table<'t>) -> Option<&'t str> {
    rule.value("stage")?.get_ref().as_str()
}

fn check_limit(limit: Option<Limit>, rule: Table<'_>, report: &mut Report<'_>) {
    if !limit.is_some_and(Limit::limits_nothing) {
        return;
    }
    let by_chance = match stage_of(rule) == Some(Stage::Connection.name()) {
        true => "",
        false => ", chance = 0.3 acts on three of ten",
    };
    report
        .wrong(rule.value_span("limit"), "this limit limits nothing")
        .help(format!("times = 1 acts once, skip = 1 lets the first one pass, every = 3 acts on each third one{by_chance}"));
}

/// Reports keys that rules of connections do not have; the rest of the rule is read without them.
fn refuse_parts_of_messages(rule: Table<'_>, report: &mut Report<'_>) -> LeftOut {
    let mut refused = LeftOut::default();
    let parts = [
        ("scenario", "its acts are those of a session"),
        ("end", "no message has passed yet"),
    ];
    for (key, why) in parts.iter().filter(|(key, _)| rule.value(key).is_some()) {
        let title = format!("`{key}` has no place at the stage `connection`");
        refused.0.insert(rule.key_span(key).start);
        report
            .wrong(rule.key_span(key), title)
            .label(*why)
            .help("leave it out; `limit` says how often a connection is acted on");
    }
    let known = KEYS.into_iter();
    let known: Vec<&str> = known
        .filter(|key| parts.iter().all(|(part, _)| part != key))
        .collect();
    for (key, span) in rule.keys() {
        if !KEYS.contains(&key) {
            refused.0.insert(span.start);
            report.mistake(unknown_key("a rule", key, &known), span, key);
        }
    }
    let keys = rule
        .table("match")
        .map_or_else(Vec::new, |table| table.keys());
    let is_slip = |key: &str| closest(key, &CONNECTION_KEYS).is_some();
    let others = keys.into_iter().filter(|(key, _)| !is_slip(key));
    for (key, span) in others {
        refused.0.insert(span.start);
        report
            .wrong(span, format!("`{key}` is not known when a device connects"))
            .label("the first message comes later")
            .help(format!("a connection is matched by {}", list(&CONNECTION_KEYS)))
            .help("or write the rule for stage = \"request\": `empty-response` and `reset` end the connection there");
    }
    refused
}

fn needs(rule: Table<'_>, report: &mut Report<'_>) {
    if !rule.means("name", &KEYS) {
        report
            .wrong(rule.span(), "this rule has no name")
            .help("records tell rules by their names: name = \"bitlocker-fails-once\"");
    }
    if !rule.means("stage", &KEYS) {
        report.wrong(rule.span(), "this rule has no stage").help(
            "stage = \"request\" (device to server), \"response\" (server to device) or \"connection\"",
        );
    }
    if !rule.means("step", &KEYS) {
        report
            .wrong(rule.span(), "this rule does nothing")
            .label("it has no step")
            .help("add one, such as step = { set-status = 500 }")
            .help(format!("every step stands in {}", report::REFERENCE));
    }
}

fn files(steps: &mut [Step], rule: Table<'_>, report: &mut Report<'_>) {
    for (step, table) in steps.iter_mut().zip(rule.tables("step")) {
        let verb = step.name();
        let Step::Raw(RawStep::SetBody(NewBody { content, .. })) = step else {
            continue;
        };
        let Content::File(name) = content else {
            continue;
        };
        match report.file_beside(name) {
            Ok(bytes) => *content = Content::Bytes(bytes),
            Err(why) => {
                let body = table.table(verb).unwrap_or(table);
                let title = format!("`{name}` cannot be read: {why}");
                report
                    .wrong(body.value_span("file"), title)
                    .help("a file is looked for from the folder of the rule file");
            }
        }
    }
}
