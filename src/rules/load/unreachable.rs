//! The check for rules that no message reaches.

use std::ops::Range;

use super::report::{Report, Table};
use crate::rules::{ConnectionMatcher, Matcher, Rule};

/// The rules of a file that end the evaluation for every message of their stage.
#[derive(Default)]
pub(super) struct EndingRules(Vec<EndingRule>);

struct EndingRule {
    rule: Rule,
    span: Range<usize>,
}

impl EndingRules {
    /// Reports a rule that comes after one that leaves nothing to it, and remembers a rule that leaves nothing to later
    /// ones.
    pub(super) fn pass(&mut self, rule: &Rule, table: Table<'_>, report: &mut Report) {
        let name = table.value_span("name");
        let before = self.0.iter().find(|end| leaves_nothing(&end.rule, rule));
        if let Some(end) = before {
            let (first, stage) = (end.rule.name(), rule.stage.name());
            let title = format!("rule `{}` can never act", rule.name());
            report
                .wrong(name, title)
                .label(format!("no {stage} comes this far"))
                .also(end.span.clone(), "this acts on every one and ends there")
                .help(format!(
                    "give `{first}` a `match` or a `limit`, or put this rule in front of it"
                ));
            return;
        }
        let requires = rule.scenario.as_ref().and_then(|it| it.requires.as_ref());
        let always = rule.matcher == Matcher::default()
            && rule.connection == ConnectionMatcher::default()
            && rule.limit.is_none()
            && requires.is_none();
        if always && rule.ends() {
            let rule = rule.clone();
            self.0.push(EndingRule { rule, span: name });
        }
    }
}

fn leaves_nothing(end: &Rule, rule: &Rule) -> bool {
    // A rule that edits does not act on bodies that are not documents.
    end.stage == rule.stage
        // Duplicate names are reported elsewhere.
        && end.name != rule.name
        && (!end.edits() || rule.edits() || rule.matcher.reads_document())
}
