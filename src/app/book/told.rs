//! Rules and how they stand, as JSON and for people.

use serde::Serialize;

use super::Entry;
use crate::flow::Timestamp;
use crate::rules::{Limit, Scenario, Step};

/// A rule as the control API and the summary tell it.
#[derive(Debug, Serialize)]
pub struct EntryTold<'e> {
    /// Its name.
    pub name: &'e str,
    /// When it looks.
    pub stage: &'static str,
    /// Whether it is in force, or was disabled.
    pub enabled: bool,
    /// Where it is written: a file, or `control:N` for the Nth text the control API took.
    pub file: &'e str,
    /// The line its `[[rule]]` stands in there, from 1.
    pub line: usize,
    /// How often it acts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitTold>,
    /// Its part in a story.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<ScenarioTold<'e>>,
    /// The verbs of its steps.
    pub steps: Vec<&'static str>,
    /// How often it acted.
    pub hits: HitsTold,
}

/// A limit.
#[derive(Debug, Serialize)]
pub struct LimitTold {
    /// Finds let pass first.
    pub skip: u64,
    /// Finds acted on after those.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Whether chance decides which of them.
    pub chance: bool,
    /// What the count begins anew for.
    pub per: &'static str,
}

/// A part in a story.
#[derive(Debug, Serialize)]
pub struct ScenarioTold<'e> {
    /// The story's name.
    pub name: &'e str,
    /// The state in which the rule looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requires: Option<&'e str>,
    /// The state it brings about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub becomes: Option<&'e str>,
    /// What has a state of its own.
    pub per: &'static str,
}

/// Hits.
#[derive(Debug, Serialize)]
pub struct HitsTold {
    /// Messages it acted on.
    pub messages: u64,
    /// What it acted on in them.
    pub finds: u64,
    /// Messages in which it found something and could not act.
    pub failed: u64,
    /// When it last acted: RFC 3339, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
}

impl<'e> EntryTold<'e> {
    /// What is told of a rule.
    pub fn of(entry: &'e Entry) -> Self {
        let (rule, hits) = (&entry.rule, entry.hits);
        Self {
            name: &rule.name,
            stage: rule.stage.name(),
            enabled: entry.enabled,
            file: &rule.file,
            line: rule.line,
            limit: rule.limit.map(limit),
            scenario: rule.scenario.as_ref().map(scenario),
            steps: rule.steps.iter().map(Step::name).collect(),
            hits: HitsTold {
                messages: hits.messages,
                finds: hits.finds,
                failed: hits.failed,
                last: hits.last.and_then(time).map(|time| time.to_string()),
            },
        }
    }
}

/// The summary at the end of a run, as the last line of `--output json`.
pub fn summary_line(entries: &[Entry]) -> String {
    #[derive(Serialize)]
    struct Summary<'e> {
        v: u32,
        event: &'static str,
        rules: Vec<EntryTold<'e>>,
    }
    let summary = Summary {
        v: crate::record::telling::VERSION,
        event: crate::record::jsonl::RULES,
        rules: entries.iter().map(EntryTold::of).collect(),
    };
    let line = serde_json::to_string(&summary);
    line.expect("texts and numbers make JSON") + "\n"
}

/// The summary at the end of a run, for people; empty without rules.
pub fn summary(entries: &[Entry]) -> String {
    summary_with(entries, |_| String::new())
}

/// The same, with what `more` says below each rule.
pub fn summary_with(entries: &[Entry], more: impl Fn(&str) -> String) -> String {
    let shown = entries.iter().filter(|entry| !is_idle_half(entry, entries));
    let shown: Vec<&Entry> = shown.collect();
    let width = shown.iter().map(|entry| entry.rule.name.chars().count());
    let width = width.max().unwrap_or_default();
    let mut text = String::new();
    for entry in shown {
        let feed = if text.is_empty() {
            "what the rules did:"
        } else {
            ""
        };
        text.push_str(&format!(
            "{feed}\n  {:<width$}  {}{}",
            entry.rule.name,
            did(entry),
            more(&entry.rule.name)
        ));
    }
    text
}

/// Whether a rule is one of two that an option made, and did nothing where the other one acted.
fn is_idle_half(entry: &Entry, entries: &[Entry]) -> bool {
    let option = |entry: &Entry| {
        let name = entry.rule.name.as_str();
        let halves = [" (Results)", " (request)", " (response)"];
        let half = halves.iter().find_map(|half| name.strip_suffix(half));
        half.unwrap_or(name).to_owned()
    };
    let is_idle = |entry: &Entry| entry.hits.messages == 0 && entry.hits.failed == 0;
    let is_half =
        |other: &&Entry| other.rule.file == entry.rule.file && option(other) == option(entry);
    let is_given = entry.rule.file.starts_with('-');
    is_given && is_idle(entry) && entries.iter().filter(is_half).any(|other| !is_idle(other))
}

fn did(entry: &Entry) -> String {
    let hits = entry.hits;
    let many = |count: u64, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    let mut words = match hits.messages {
        0 => "nothing".to_owned(),
        messages if hits.finds == messages => format!("acted on {}", many(messages, "message")),
        messages => format!(
            "acted on {} in {}",
            many(hits.finds, "find"),
            many(messages, "message")
        ),
    };
    if hits.failed > 0 {
        words.push_str(&format!(
            ", could not act on {}",
            many(hits.failed, "message")
        ));
    }
    if !entry.enabled {
        words.push_str(", disabled now");
    }
    words
}

fn limit(limit: Limit) -> LimitTold {
    LimitTold {
        skip: limit.skip,
        times: limit.times,
        chance: limit.chance.is_some(),
        per: limit.per.name(),
    }
}

fn scenario(scenario: &Scenario) -> ScenarioTold<'_> {
    ScenarioTold {
        name: &scenario.name,
        requires: scenario.requires.as_deref(),
        becomes: scenario.becomes.as_deref(),
        per: scenario.per.name(),
    }
}

fn time(time: Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_microsecond(i64::try_from(time.0).ok()?).ok()
}
