//! What came of a record that rules were tried on.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::outcome::{MessageOutcome, Silent};
use crate::app::dry_run::why_not;
use crate::app::rule_sources::report::{are_of_one_option, name_column, short_name};
use crate::cli::{Output, json_line};
use crate::flow::ExchangeId;
use crate::printable::counted;
use crate::rules::{Rule, RuleSet, Stage};

/// How many messages there were, and what each rule did.
#[derive(Debug, Default)]
pub(super) struct EffectCounts {
    pub(super) messages: u64,
    pub(super) acted_on: u64,
    /// Messages that would not have been said.
    pub(super) not_tried: u64,
    /// Requests that rules see with dmtap's addresses and certificates, not the server's as in the proxy.
    pub(super) as_received: u64,
    hits: HashMap<String, Hits>,
}

/// What a rule did.
#[derive(Clone, Debug, Default)]
struct Hits {
    messages: u64,
    failed: u64,
    /// Why it could not act, the first time.
    unfit: Option<Reason>,
    /// Why it found nothing, in the first message of its stage.
    idle: Option<Reason>,
}

/// Why a rule did nothing to a message of this exchange.
#[derive(Clone, Debug)]
struct Reason {
    exchange: ExchangeId,
    why: String,
}

impl EffectCounts {
    /// Counts what the rules did to the next message.
    pub(super) fn message(&mut self, tried: &MessageOutcome<'_>) {
        self.messages += 1;
        self.acted_on += u64::from(tried.acts());
        for (rule, acted) in tried.rules() {
            self.count(rule, acted);
        }
        for silent in tried.silent() {
            self.keep(&silent, tried.tried_in(), tried.stage());
        }
    }

    /// Adds what came of another file.
    pub(super) fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.acted_on += other.acted_on;
        self.not_tried += other.not_tried;
        self.as_received += other.as_received;
        for (rule, other) in other.hits {
            let hits = self.hits.entry(rule).or_default();
            hits.messages += other.messages;
            hits.failed += other.failed;
            hits.unfit = hits.unfit.take().or(other.unfit);
            hits.idle = hits.idle.take().or(other.idle);
        }
    }

    /// The rules that acted on no message, each with the reason; rules about connections are not tried.
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
        // Of two that one option made, the first stands for both.
        missing.dedup_by(|later, first| are_of_one_option(first, later));
        let missing = missing.into_iter();
        let missing =
            missing.map(|rule| (rule.name(), self.of(rule).why(rule).unwrap_or_default()));
        missing.collect()
    }

    /// A rule found something in the next message, and did something, or could not.
    fn count(&mut self, rule: &str, acted: bool) {
        let hits = self.hits.entry(rule.to_owned()).or_default();
        match acted {
            true => hits.messages += 1,
            false => hits.failed += 1,
        }
    }

    /// Keeps why a rule did nothing to a message of this stage.
    fn keep(&mut self, silent: &Silent<'_>, exchange: ExchangeId, stage: Stage) {
        let hits = self.hits.entry(silent.rule.name().to_owned()).or_default();
        let kept = match silent.failed {
            true => &mut hits.unfit,
            false if silent.rule.stage == stage => &mut hits.idle,
            false => return,
        };
        kept.get_or_insert_with(|| Reason {
            exchange,
            why: silent.why.clone(),
        });
    }

    /// The end of the page.
    pub(super) fn render(&self, file: &Path, rules: &RuleSet, output: Output) -> String {
        match output {
            Output::Text => self.text(file, rules),
            Output::Json => self.json(file, rules),
        }
    }

    fn of(&self, rule: &Rule) -> Hits {
        self.hits.get(rule.name()).cloned().unwrap_or_default()
    }

    fn json(&self, file: &Path, rules: &RuleSet) -> String {
        let rule = |rule: &Arc<Rule>| {
            let hits = self.of(rule);
            let why = hits.why(rule);
            json!({"rule": rule.name(), "messages": hits.messages, "failed": hits.failed, "why": why})
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
            let hits = self.of(rule);
            let _ = writeln!(
                text,
                "  {:<width$}  {}",
                short_name(rule.name()),
                hits.words()
            );
            if let Some(why) = hits.why(rule) {
                let _ = writeln!(text, "      {why}");
            }
        }
        text
    }
}

impl Hits {
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

    /// Why the rule could not act, or did not, with the first exchange in which that was so.
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
