//! Rules with their state and hits, as JSON and for people.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use super::never_acted::reason;
use super::{Entry, SourceState};
use crate::app::rule_errors_json;
use crate::printable::{self, counted};
use crate::proxy::Hits;
use crate::record::jsonl;
use crate::rules::{Rule, Stage, Step};

/// A rule as the control API and the summary report it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EntryReport<'e> {
    /// Its name.
    pub name: &'e str,
    /// The scope it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<&'e str>,
    /// The stage at which it looks.
    pub stage: &'static str,
    /// Whether it is in force; if not, it was disabled or removed.
    pub enabled: bool,
    /// Whether it was in force in this run and no longer is.
    #[serde(skip_serializing_if = "is_there")]
    pub removed: bool,
    /// The file that has it, or `control:N` for the Nth text that the control API took.
    pub file: &'e str,
    /// The line of its `[[rule]]` in there, from 1.
    pub line: usize,
    /// Its limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitReport>,
    /// Its scenario.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<ScenarioReport<'e>>,
    /// The verbs of its steps.
    pub steps: Vec<&'static str>,
    /// The warnings about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<serde_json::Value>,
    /// The reason why it never acted in the run, as far as its counts show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Its hits since the last reset.
    pub hits: Hits,
    /// Its hits in the whole run, with those of earlier rules of its name.
    pub run: Hits,
}

/// A limit.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LimitReport {
    /// The matches ignored first.
    pub skip: u64,
    /// The matches acted on after those.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Of the matches that remain, each n-th.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// Whether chance decides which of them.
    pub chance: bool,
    /// The unit for which the count starts again.
    pub per: &'static str,
}

/// The scenario of a rule.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ScenarioReport<'e> {
    /// The name of the scenario.
    pub name: &'e str,
    /// The state in which the rule looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requires: Option<&'e str>,
    /// The state that the rule sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub becomes: Option<&'e str>,
    /// The unit that has a state of its own.
    pub per: &'static str,
}

impl<'e> EntryReport<'e> {
    /// Creates the report about a rule.
    pub fn of(entry: &'e Entry) -> Self {
        let rule = &entry.rule;
        Self {
            name: &rule.name,
            scope: rule.scope_name(),
            stage: rule.stage.name(),
            enabled: entry.state == SourceState::InForce,
            removed: entry.state == SourceState::Removed,
            file: &rule.file,
            line: rule.line,
            limit: rule.limit.map(|limit| LimitReport {
                skip: limit.skip.map_or(0, |skip| skip.0),
                times: limit.times.map(|times| times.0),
                every: limit.every.map(|every| every.0),
                chance: limit.chance.is_some(),
                per: limit.per.name(),
            }),
            scenario: rule.scenario.as_ref().map(|scenario| ScenarioReport {
                name: &scenario.name,
                requires: scenario.requires.as_deref(),
                becomes: scenario.becomes.as_deref(),
                per: scenario.per.name(),
            }),
            steps: rule.steps.iter().map(Step::name).collect(),
            warnings: rule_errors_json::each(&rule.warnings),
            why: (entry.run.messages == 0).then(|| reason(entry, None)),
            hits: entry.hits,
            run: entry.run,
        }
    }
}

/// The effects of the rules in a run: the last line of `--output json`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RulesRecord<'e> {
    /// The rules, in the order in which dmtap evaluates them.
    rules: Vec<EntryReport<'e>>,
}

/// Returns the summary at the end of a run, as the last line of `--output json`.
pub fn summary_line(entries: &[Entry]) -> String {
    let rules = entries.iter().map(EntryReport::of).collect();
    jsonl::line(jsonl::RULES, &RulesRecord { rules })
}

/// Returns the summary at the end of a run, for people; empty without rules.
pub fn summary(entries: &[Entry]) -> String {
    summary_with(entries, |_| String::new())
}

/// Like [`summary`], with the text of `more` below each rule.
pub fn summary_with(entries: &[Entry], more: impl Fn(&str) -> String) -> String {
    let shown = entries.iter().filter(|entry| !is_idle_half(entry, entries));
    let shown: Vec<&Entry> = shown.collect();
    let width = name_column(shown.iter().map(|entry| &*entry.rule.name));
    let mut text = String::new();
    for entry in shown {
        let feed = if text.is_empty() {
            "what the rules did:"
        } else {
            ""
        };
        text.push_str(&format!(
            "{feed}\n  {:<width$}  {}{}",
            short_name(&entry.rule.name),
            did(entry),
            more(&entry.rule.name)
        ));
    }
    text
}

/// Returns the width of a column of rule names, in characters.
pub fn name_column<'n>(names: impl Iterator<Item = &'n str>) -> usize {
    let widths = names.map(|name| short_name(name).chars().count());
    widths.max().unwrap_or_default()
}

/// Returns a rule's name for a column: a long one without its middle.
pub fn short_name(name: &str) -> Cow<'_, str> {
    let name = printable::line(name);
    let count = name.chars().count();
    if count <= WIDEST_NAME {
        return name;
    }
    let half = WIDEST_NAME / 2;
    let begin: String = name.chars().take(half).collect();
    let end: String = name.chars().skip(count - (half - 1)).collect();
    format!("{begin}…{end}").into()
}

/// The limit of a name in a column, in characters.
const WIDEST_NAME: usize = 60;

/// Whether a rule is one of two that an option made, and did nothing although the other one acted.
pub(super) fn is_idle_half(entry: &Entry, entries: &[Entry]) -> bool {
    let is_idle = |entry: &Entry| entry.run.messages == 0 && entry.run.failed == 0;
    let mut halves = entries
        .iter()
        .filter(|other| are_of_one_option(&entry.rule, &other.rule));
    is_idle(entry) && halves.any(|other| !is_idle(other))
}

/// Whether one option of the command line made both rules, or they are one built-in for the two encodings.
pub fn are_of_one_option(one: &Rule, other: &Rule) -> bool {
    let are_halves =
        |one: &Rule, other: &Rule| other.name.strip_suffix("-wbxml") == Some(&one.name);
    let are_of_builtin = one.file.starts_with("built-in:") && one.file == other.file;
    one.option.is_some() && one.option == other.option
        || are_of_builtin && (are_halves(one, other) || are_halves(other, one))
}

/// Returns in words what a rule did in the whole run, and since the last reset if that differs.
fn did(entry: &Entry) -> String {
    let mut words = acted(entry, entry.run);
    match entry.state {
        SourceState::Removed => words.push_str(", removed since"),
        _ if acted(entry, entry.hits) != words => {
            let since = acted(entry, entry.hits);
            words.push_str(&format!(" (since the last reset: {since})"));
        }
        _ => {}
    }
    if entry.state == SourceState::Disabled {
        words.push_str(", disabled now");
    }
    words
}

fn acted(entry: &Entry, hits: Hits) -> String {
    let unit = unit(entry.rule.stage);
    let messages = counted(hits.messages, unit);
    let mut words = match entry.rule.steps.iter().any(Step::is_about_selected) {
        _ if hits.messages == 0 => "nothing".to_owned(),
        _ if hits.matches == hits.messages => format!("acted on {messages}"),
        true => format!("changed {} in {messages}", counted(hits.matches, "command")),
        false => format!(
            "acted on {} in {messages}",
            counted(hits.matches, "command")
        ),
    };
    if hits.partly > 0 {
        words.push_str(&format!(", partly on {}", hits.partly));
    }
    if hits.failed > hits.partly {
        let failed = counted(hits.failed - hits.partly, unit);
        words.push_str(&format!(", could not act on {failed}"));
    }
    words
}

/// Returns the name of the unit on which a rule of this stage acts.
pub(super) fn unit(stage: Stage) -> &'static str {
    match stage {
        Stage::Connection => "connection",
        Stage::Request | Stage::Response => "message",
    }
}

fn is_there(removed: &bool) -> bool {
    !removed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::load;

    #[test]
    fn the_summary_says_how_often_and_how_far_a_rule_acted() {
        let check = |stage: &str,
                     step: &str,
                     [messages, matches, failed, partly]: [u64; 4],
                     expected: &str| {
            let text = format!("[[rule]]\nname = 'r'\nstage = '{stage}'\nstep.{step}\n");
            let hits = Hits {
                messages,
                matches,
                failed,
                partly,
                ..Hits::default()
            };
            let entry = Entry::of(&text, hits);
            let summary = summary(&[entry]);
            assert_eq!(summary, format!("what the rules did:\n  r  {expected}"));
        };
        let delay = "delay = '1ms'";
        check("response", delay, [0; 4], "nothing");
        check("response", delay, [1, 1, 0, 0], "acted on 1 message");
        check(
            "response",
            delay,
            [2, 5, 0, 0],
            "acted on 5 commands in 2 messages",
        );
        let change = "set-text = 'x'\nmatch.command = 'Add'";
        check(
            "response",
            change,
            [2, 5, 0, 0],
            "changed 5 commands in 2 messages",
        );
        check(
            "response",
            delay,
            [1, 1, 1, 1],
            "acted on 1 message, partly on 1",
        );
        check(
            "response",
            delay,
            [4, 4, 3, 1],
            "acted on 4 messages, partly on 1, could not act on 2 messages",
        );
        check(
            "response",
            delay,
            [0, 0, 1, 0],
            "nothing, could not act on 1 message",
        );
        let refuse = "refuse-connection = true";
        check("connection", refuse, [1, 1, 0, 0], "acted on 1 connection");
        check(
            "connection",
            refuse,
            [2, 2, 1, 0],
            "acted on 2 connections, could not act on 1 connection",
        );
    }

    #[test]
    fn the_limit_of_a_rule_about_connections_is_reported_as_well() {
        let text = "[[rule]]\nname = 'r'\nstage = 'connection'\nlimit = { skip = 1, times = 2, every = 3, per = 'peer' }\n\
            step = { refuse-connection = true }\n";
        let entry = Entry::of(text, Hits::default());
        let report = serde_json::to_value(EntryReport::of(&entry)).unwrap();
        let limit =
            serde_json::json!({"skip": 1, "times": 2, "every": 3, "chance": false, "per": "peer"});
        assert_eq!(report["limit"], limit);
    }

    #[test]
    fn the_rules_of_a_builtin_for_each_encoding_are_one() {
        let builtin = crate::builtin_rules::find("wrong-namespace").unwrap();
        let rules = load::parse(&builtin.file(), builtin.text).unwrap();
        assert!(are_of_one_option(&rules[0], &rules[1]));
        assert!(!are_of_one_option(&rules[0], &rules[0]));
        let of_user = load::parse("wrong-namespace.toml", builtin.text).unwrap();
        assert!(!are_of_one_option(&of_user[0], &of_user[1]));
    }

    #[test]
    fn a_long_name_loses_its_middle_and_widens_no_column() {
        let long = format!("--fail ./Vendor/{}/End", "x".repeat(2000));
        let entries = [long.as_str(), "short"].map(|name| {
            let text =
                format!("[[rule]]\nname = '{name}'\nstage = 'response'\nstep.delay = '1ms'\n");
            Entry::of(&text, Hits::default())
        });
        let summary = summary(&entries);
        let widest = summary.lines().map(|line| line.chars().count()).max();
        assert!(widest < Some(80), "{summary}");
        assert!(
            summary.contains("--fail ./Vendor/") && summary.contains("/End  nothing"),
            "{summary}"
        );
    }

    #[test]
    fn the_summary_is_of_the_run_and_says_what_was_since_a_reset() {
        let check = |state: SourceState, messages: u64, expected: &str| {
            let acted = |messages: u64| Hits {
                messages,
                matches: messages,
                ..Hits::default()
            };
            let text = "[[rule]]\nname = 'r'\nstage = 'response'\nstep.delay = '1ms'\n";
            let entry = Entry {
                state,
                hits: acted(messages),
                ..Entry::of(text, acted(3))
            };
            assert_eq!(did(&entry), expected);
        };
        check(SourceState::InForce, 3, "acted on 3 messages");
        check(
            SourceState::Disabled,
            3,
            "acted on 3 messages, disabled now",
        );
        check(
            SourceState::InForce,
            0,
            "acted on 3 messages (since the last reset: nothing)",
        );
        check(
            SourceState::Removed,
            0,
            "acted on 3 messages, removed since",
        );
    }
}
