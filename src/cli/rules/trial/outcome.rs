//! A message that was tried, and its printed form.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};
use similar::TextDiff;

use crate::app::trial::why_not::{self, Address};
use crate::app::trial::{Evidence, PastMessage, Trial};
use crate::cli::{Output, json_line};
use crate::flow::{EffectDetail, ExchangeId, RuleEffect, Side, media};
use crate::markup::convert::{XmlLayout, to_xml};
use crate::markup::utf16::in_utf8;
use crate::markup::{self, Document, Limits};
use crate::printable;
use crate::rules::{Rule, RuleSet, Stage, SyntheticResponse, Verdict};

/// A message that was tried.
pub(super) struct MessageOutcome<'r> {
    file: String,
    /// Its exchange; only for a message of a record.
    pub(super) exchange: Option<ExchangeId>,
    /// The evidence for the speaker of a message from a file; `None` if the record or the user named the speaker.
    pub(super) evidence: Option<Evidence>,
    rules: &'r RuleSet,
    pub(super) past: PastMessage,
    verdict: Verdict,
}

/// A rule that did nothing, with the reason.
pub(super) struct Silent<'r> {
    pub(super) rule: &'r Rule,
    pub(super) why: String,
    /// Whether it matched, and could not act.
    pub(super) failed: bool,
}

/// The limit of listed rules that did nothing to a message.
const MOST_SILENT: usize = 20;

impl<'r> MessageOutcome<'r> {
    /// Tries the rules on a message.
    pub(super) fn of(
        file: &Path,
        past: PastMessage,
        rules: &'r RuleSet,
        trial: &mut Trial,
    ) -> Self {
        Self {
            file: file.display().to_string(),
            exchange: None,
            evidence: None,
            rules,
            verdict: trial.decide(rules, &past).verdict,
            past,
        }
    }

    /// Whether a rule acted.
    pub(super) fn acts(&self) -> bool {
        self.verdict.applied.iter().any(RuleEffect::has_acted)
    }

    /// Returns the stage of the message.
    pub(super) fn stage(&self) -> Stage {
        Stage::of(self.past.speaker)
    }

    /// Returns the names of the rules that acted.
    pub(super) fn acting_rules(&self) -> BTreeSet<&str> {
        self.acting().map(|it| &*it.rule).collect()
    }

    fn did(&self, rule: &str) -> bool {
        let mut applied = self.verdict.applied.iter();
        applied.any(|entry| entry.rule == rule && entry.has_acted())
    }

    /// Returns the effects of the rules that acted.
    fn acting(&self) -> impl Iterator<Item = &RuleEffect> {
        let applied = self.verdict.applied.iter();
        applied.filter(|entry| self.did(&entry.rule))
    }

    /// Returns the rules that did nothing; those that matched come first.
    pub(super) fn silent(&self) -> Vec<Silent<'r>> {
        let address = match self.exchange {
            Some(_) => Address::Record,
            None => Address::Option,
        };
        let idle = self.rules.rules().iter();
        let idle = idle.filter(|rule| !self.did(rule.name()));
        let silent = idle.map(|rule| {
            let entries = self.verdict.applied.iter();
            let mut entries = entries.filter(|entry| entry.rule == rule.name());
            let refusal = entries.find_map(|entry| entry.changes.first());
            Silent {
                rule,
                why: refusal.map_or_else(|| why_not::why(rule, &self.past, address), line_of),
                failed: refusal.is_some(),
            }
        });
        let mut silent: Vec<Silent<'_>> = silent.collect();
        silent.sort_by_key(|silent| !silent.failed);
        silent
    }

    /// Returns the printed form.
    pub(super) fn render(&self, output: Output) -> String {
        if output == Output::Json {
            return json_line(self.json());
        }
        let mut text = self.head() + &self.acts_as_text();
        // The summary of a record lists the rules that did nothing.
        if self.exchange.is_none() {
            text += &self.silent_as_text();
        }
        text + &self.diff()
    }

    fn head(&self) -> String {
        let (file, stage) = (printable::line(&self.file), self.stage().name());
        let exchange = self.exchange.map(|exchange| format!(" {exchange}"));
        let exchange = exchange.unwrap_or_default();
        let what = match (&self.past.document, &self.past.body) {
            (Some(document), _) => {
                let bytes = document.source().len();
                format!("{}, {bytes} bytes", document.encoding().name())
            }
            (None, Some(body)) if !body.is_empty() => format!("no document, {} bytes", body.len()),
            (None, Some(_)) => "no body".to_owned(),
            (None, None) => "not read".to_owned(),
        };
        format!("{file}{exchange}: a {stage}, {what}\n{}", self.guess())
    }

    fn acts_as_text(&self) -> String {
        let mut out = String::new();
        let mut before = "";
        for applied in self.acting() {
            // The effect of a rule and its later reconciliation belong together.
            if applied.rule != before {
                let _ = writeln!(out, "  rule {}", printable::line(&applied.rule));
            }
            before = &applied.rule;
            for change in &applied.changes {
                let _ = writeln!(out, "    {}", line_of(change));
            }
        }
        if !self.acts() {
            out.push_str("  no rule acts on it\n");
        }
        out
    }

    fn silent_as_text(&self) -> String {
        let mut out = String::new();
        let silent = self.silent();
        for Silent { rule, why, .. } in silent.iter().take(MOST_SILENT) {
            let rule = rule.name();
            let _ = writeln!(out, "    {rule}: {why}");
        }
        if let Some(more) = silent.len().checked_sub(MOST_SILENT + 1) {
            let _ = writeln!(out, "    and {} more", more + 1);
        }
        out
    }

    /// Returns the remark for a message whose sender is guessed.
    fn guess(&self) -> &'static str {
        match (self.evidence, self.past.speaker) {
            (Some(Evidence::Commands), Side::Server) => {
                "  taken for a response, since no header says who speaks: --stage request if it was the device\n"
            }
            (Some(Evidence::Commands), Side::Device) => {
                "  taken for a request, since no header says who speaks: --stage response if it was the server\n"
            }
            _ => "",
        }
    }

    /// Returns the difference between the received and the sent message, as lines of XML; or the answer that replaces it.
    fn diff(&self) -> String {
        if let Some(answer) = &self.verdict.answer {
            return answered(answer, self.past.speaker);
        }
        let Some(body) = &self.verdict.body else {
            return String::new();
        };
        let (Some(received), Some(sent)) = (&self.past.document, &self.verdict.document) else {
            return format!("  sent as {} bytes that do not decode\n", body.len());
        };
        let (before, after) = (shown(received), shown(sent));
        let diff = TextDiff::from_lines(&before, &after);
        let mut unified = diff.unified_diff();
        unified.header("received", "sent").to_string()
    }

    fn json(&self) -> Value {
        let changes = |changes: &[EffectDetail]| -> Vec<Value> {
            let one = |c: &EffectDetail| json!({"at": c.path, "step": c.step, "kind": c.kind, "before": c.before, "after": c.after});
            changes.iter().map(one).collect()
        };
        let applied: Vec<Value> = self
            .acting()
            .map(|applied| json!({"rule": applied.rule, "changes": changes(&applied.changes)}))
            .collect();
        let silent = self.silent().into_iter();
        let silent: Vec<Value> = silent
            .map(|silent| json!({"rule": silent.rule.name(), "why": silent.why}))
            .collect();
        json!({
            "v": 1,
            "file": self.file,
            "exchange": self.exchange.map(|exchange| exchange.0),
            "stage": self.stage().name(),
            "guessed": self.evidence == Some(Evidence::Commands),
            "applied": applied,
            "silent": silent,
            "received": self.past.document.as_deref().map(shown),
            "sent": self.verdict.document.as_deref().map(shown),
            "answer": self.verdict.answer.as_ref().map(answer_json),
        })
    }
}

/// `/SyncML/SyncBody/Status[2]/Data: Status 200 OK → 404 Not found`
fn line_of(change: &EffectDetail) -> String {
    match &*change.path {
        "" => change.text(""),
        path => format!("{}: {}", printable::line(path), change.text("")),
    }
}

/// Returns the answer that the device gets in place of the message, in words.
fn answered(answer: &SyntheticResponse, speaker: Side) -> String {
    let place = match speaker {
        Side::Device => "the server, which is not asked",
        Side::Server => "this response",
    };
    let mut out = format!("  dmtap answers in place of {place}: {}\n", answer.status);
    for (name, value) in &answer.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let _ = writeln!(out, "    {name}: {value}");
    }
    for line in body(answer).lines() {
        let _ = writeln!(out, "    {line}");
    }
    out
}

fn answer_json(answer: &SyntheticResponse) -> Value {
    let headers = answer.headers.iter();
    let headers: Vec<(&str, _)> = headers
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
        .collect();
    json!({"status": answer.status.as_u16(), "headers": headers, "body": body(answer)})
}

/// Returns the body of an answer as XML or text; for other bytes, their number.
fn body(answer: &SyntheticResponse) -> String {
    let hint = media::hint(&answer.headers);
    let text = in_utf8(answer.body.clone());
    if let Ok(document) = text.and_then(|text| markup::decode(text, hint, &Limits::default())) {
        return shown(&document);
    }
    match std::str::from_utf8(&answer.body) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("{} bytes that are not text", answer.body.len()),
    }
}

fn shown(document: &Document) -> String {
    to_xml(document, XmlLayout::Indented).xml
}
