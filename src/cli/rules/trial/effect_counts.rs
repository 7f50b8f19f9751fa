//! The effects of the rules on all tried messages.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::outcome::{MessageOutcome, Silent};
use crate::app::rule_sources::report::{are_of_one_option, name_column, short_name};
use crate::app::trial::why_not;
use crate::cli::{Output, json_line};
use crate::flow::ExchangeId;
use crate::printable::counted;
use crate::rules::{Rule, RuleSet, Stage};

/// The counts of messages, and of the effects of each rule.
#[derive(Debug, Default)]
pub(super) struct EffectCounts {
    pub(super) messages: u64,
    pub(super) acted_on: u64,
    /// The messages that would not have been sent.
    pub(super) not_tried: u64,
    /// The requests that rules see with dmtap's addresses and certificates, instead of the server's as in the proxy.
    pub(super) as_received: u64,
    rules: HashMap<String, RuleCounts>,
}

/// The counts of a rule.
#[derive(Clone, Debug, Default)]
struct RuleCounts {
    /// The messages on which it acted.
    messages: u64,
    /// The messages in which it matched and could not act.
    failed: u64,
    /// The reason of the first of those.
    unfit: Option<Reason>,
    /// The reason why it did not match in the first message of its stage.
    idle: Option<Reason>,
}

/// The reason why a rule did nothing to a message of this exchange.
#[derive(Clone, Debug)]
struct Reason {
    exchange: ExchangeId,
    why: String,
}

impl EffectCounts {
    /// Counts the effects on the next message.
    pub(super) fn message(&mut self, tried: &MessageOutcome<'_>) {
        self.messages += 1;
        self.acted_on += u64::from(tried.acts());
        for rule in tried.acting_rules() {
            self.rules.entry(rule.to_owned()).or_default().messages += 1;
        }
        for Silent { rule, why, failed } in tried.silent() {
            let counts = self.rules.entry(rule.name().to_owned()).or_default();
            counts.failed += u64::from(failed);
            let kept = match failed {
                true => &mut counts.unfit,
                false if rule.stage == tried.stage() => &mut counts.idle,
                false => continue,
            };
            kept.get_or_insert_with(|| Reason {
                exchange: tried.past.exchange,
                why,
            });
        }
    }

    /// Adds the counts of another file.
    pub(super) fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.acted_on += other.acted_on;
        self.not_tried += other.not_tried;
        self.as_received += other.as_received;
        for (rule, other) in other.rules {
            let counts = self.rules.entry(rule).or_default();
            counts.messages += other.messages;
            counts.failed += other.failed;
            counts.unfit = counts.unfit.take().or(other.unfit);
            counts.idle = counts.idle.take().or(other.idle);
        }
    }

    /// Returns the rules that acted on no message, each with the reason; rules about connections are not tried.
    pub(super) fn never_acted<'r>(&self, rules: &'r RuleSet) -> Vec<(&'r str, String)> {
        let tried = rules.rules().iter();
        let tried = tried.filter(|rule| rule.stage != Stage::Connection);
        let acts = |rule: &Rule| self.of(rule).messages > 0;
        let has_acting_half = |rule: &Rule| {
            let mut all = rules.rules().iter();
            all.any(|other| are_of_one_option(rule, other) && acts(other))
        };
        let idle = tried.filter(|rule| !acts(rule) && !has_acting_half(rule));
        let mut missing: Vec<&Rule> = idle.map(|rule| &**rule).collect();
        // Of two rules of one option the first stands for both.
        missing.dedup_by(|later, first| are_of_one_option(first, later));
        let missing = missing.into_iter();
        let missing =
            missing.map(|rule| (rule.name(), self.of(rule).why(rule).unwrap_or_default()));
        missing.collect()
    }

    /// Returns the summary of a record.
    pub(super) fn render(&self, file: &Path, rules: &RuleSet, output: Output) -> String {
        match output {
            Output::Text => self.text(file, rules),
            Output::Json => self.json(file, rules),
        }
    }

    fn of(&self, rule: &Rule) -> RuleCounts {
        self.rules.get(rule.name()).cloned().unwrap_or_default()
    }

    fn json(&self, file: &Path, rules: &RuleSet) -> String {
        let rule = |rule: &Arc<Rule>| {
            let counts = self.of(rule);
            let why = counts.why(rule);
            json!({"rule": rule.name(), "messages": counts.messages, "failed": counts.failed, "why": why})
        };
        let list: Vec<Value> = rules.rules().iter().map(rule).collect();
        json_line(json!({
            "v": 1,
            "file": file.display().to_string(),
            "messages": self.messages,
            "acted-on": self.acted_on,
            "not-tried": self.not_tried,
            "as-received": self.as_received,
            "rules": list,
        }))
    }

    fn text(&self, file: &Path, rules: &RuleSet) -> String {
        let (file, acted_on) = (file.display(), self.acted_on);
        let not_tried = match self.not_tried {
            0 => String::new(),
            some => format!(", {some} not tried"),
        };
        let mut text = format!(
            "{file}: {acted_on} of {} acted on{not_tried}\n",
            counted(self.messages, "message")
        );
        if self.as_received > 0 {
            let _ = writeln!(
                text,
                "  note: rules see {} with dmtap's addresses and certificates, because the record masks those of \
                 the server (record with --raw)",
                counted(self.as_received, "request")
            );
        }
        let width = name_column(rules.rules().iter().map(|rule| rule.name()));
        for rule in rules.rules() {
            let counts = self.of(rule);
            let (name, words) = (short_name(rule.name()), counts.words());
            let _ = writeln!(text, "  {name:<width$}  {words}");
            if let Some(why) = counts.why(rule) {
                let _ = writeln!(text, "      {why}");
            }
        }
        text
    }
}

impl RuleCounts {
    fn words(&self) -> String {
        let did = match self.messages {
            0 => "acts on none".to_owned(),
            messages => format!("acts on {}", counted(messages, "message")),
        };
        match self.failed {
            0 => did,
            failed => format!("{did}, cannot act on {}", counted(failed, "message")),
        }
    }

    /// Returns the reason why the rule could not act, or did not match, with the first such exchange.
    fn why(&self, rule: &Rule) -> Option<String> {
        let line = |reason: &Reason| format!("{}: {}", reason.exchange, reason.why);
        if let Some(unfit) = &self.unfit {
            return Some(line(unfit));
        }
        if self.messages > 0 {
            return None;
        }
        if rule.stage == Stage::Connection {
            return Some(why_not::CONNECTIONS.into());
        }
        let stage = rule.stage.name();
        Some(match &self.idle {
            Some(idle) => line(idle),
            None => format!("skipped, it applies to {stage}s and none was tried"),
        })
    }
}
