//! The rules that never acted in a run, each with the nearest reason.

use std::fmt::Write as _;

use super::keys_met::SCOPE;
use super::report::{are_of_one_option, is_idle_half, name_column, short_name, unit};
use super::{Entry, KeysMet, SourceState};
use crate::printable::counted;
use crate::rules::Per;

/// Checks that every rule acted in the run. Disabled rules do not count, and one of the rules of an option is enough.
/// `met` has the values of the messages, if they were collected.
///
/// # Errors
/// The rules that never acted, with the nearest reason of each.
pub fn require_hits(entries: &[Entry], met: Option<&KeysMet>) -> Result<(), String> {
    let is_due = |entry: &&Entry| {
        let is_enabled = entry.state != SourceState::Disabled;
        is_enabled && entry.run.messages == 0 && !is_idle_half(entry, entries)
    };
    let mut missing: Vec<&Entry> = entries.iter().filter(is_due).collect();
    // Of two rules of one option the first stands for both.
    missing.dedup_by(|later, first| are_of_one_option(&first.rule, &later.rule));
    let missing = missing.iter();
    let missing = missing.map(|entry| (entry.rule.name.as_str(), reason(entry, met)));
    match missing.collect::<Vec<_>>() {
        missing if missing.is_empty() => Ok(()),
        missing => Err(list(&missing)),
    }
}

/// Lists rules that never acted, each with the reason.
pub fn list(missing: &[(&str, String)]) -> String {
    let mut text = format!("error: {} never acted:", counted(missing.len(), "rule"));
    let width = name_column(missing.iter().map(|(name, _)| *name));
    for (name, why) in missing {
        let _ = write!(text, "\n  {:<width$}  {why}", short_name(name));
    }
    text
}

/// Returns the reason why a rule never acted, as far as its counts and the values of the messages show it.
pub(super) fn reason(entry: &Entry, met: Option<&KeysMet>) -> String {
    let (rule, hits) = (&entry.rule, entry.run);
    let unit = unit(rule.stage);
    if entry.state == SourceState::Disabled {
        return "is disabled".to_owned();
    }
    if hits.failed > 0 {
        let messages = counted(hits.failed, unit);
        return format!("matched in {messages}, and no step could act: the transcript says why");
    }
    if hits.excluded_by_limit > 0 {
        let messages = counted(hits.excluded_by_limit, unit);
        let per = match rule.limit.map(|limit| limit.per) {
            Some(Per::Session) => ": it counts each session separately (per = \"session\")",
            Some(Per::Device) => ": it counts each device separately (per = \"device\")",
            _ => "",
        };
        return format!("matched in {messages}, and its limit excluded every match{per}");
    }
    if let (1.., Some(why)) = hits.excluded_unread {
        let messages = counted(hits.excluded_unread.0, unit);
        return format!("was not applied in {messages}: {why}");
    }
    if let Some(scenario) = rule
        .scenario
        .as_ref()
        .filter(|_| hits.excluded_by_scenario > 0)
    {
        let (messages, name) = (counted(hits.excluded_by_scenario, unit), &scenario.name);
        return match &scenario.requires {
            Some(state) => {
                format!("waited for the state `{state}` of its scenario `{name}` in {messages}")
            }
            None => format!("its scenario `{name}` was in another state in {messages}"),
        };
    }
    let stage = rule.stage.name();
    if hits.arrived == 0 {
        return format!("no {stage} arrived");
    }
    let arrived = counted(hits.arrived, stage);
    match met.and_then(|met| met.unmet(rule)) {
        None => format!("{arrived} arrived, and none matched"),
        Some(SCOPE) => {
            let scope = rule.scope.as_ref().map_or("", |scope| &*scope.name);
            format!("{arrived} arrived, and none was in its scope `{scope}`")
        }
        Some(key) => format!("{arrived} arrived, and none matched its `{key}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::Hits;

    fn entry(stage: &str, more: &str, run: Hits) -> Entry {
        let step = match stage {
            "connection" => "refuse-connection = true",
            _ => "delay = '1ms'",
        };
        let text = format!(
            "[[rule]]\nname = 'other'\nstage = 'request'\nstep.delay = '1ms'\n\
             scenario = {{ name = 's', becomes = 'x' }}\n\
             [[rule]]\nname = 'r'\nstage = '{stage}'\nstep.{step}\n{more}\n"
        );
        Entry::of(&text, run)
    }

    #[test]
    fn a_rule_that_never_acted_is_named_with_the_nearest_reason() {
        let check = |stage: &str, more: &str, run: Hits, expected: &str| {
            let error = require_hits(&[entry(stage, more, run)], None).unwrap_err();
            assert_eq!(
                error,
                format!("error: 1 rule never acted:\n  r  {expected}")
            );
        };
        let none = Hits::default();
        check("request", "", none, "no request arrived");
        check("connection", "", none, "no connection arrived");
        let came = Hits { arrived: 2, ..none };
        check(
            "response",
            "",
            came,
            "2 responses arrived, and none matched",
        );
        let failed = Hits {
            failed: 1,
            excluded_by_limit: 2,
            ..none
        };
        let expected = "matched in 1 message, and no step could act: the transcript says why";
        check("request", "", failed, expected);
        let limited = Hits {
            excluded_by_limit: 2,
            excluded_by_scenario: 3,
            ..none
        };
        let expected = "matched in 2 messages, and its limit excluded every match: \
            it counts each session separately (per = \"session\")";
        check("request", "limit = { skip = 5 }", limited, expected);
        let unread = Hits {
            excluded_unread: (2, Some("the body is larger than --max-body")),
            arrived: 2,
            ..none
        };
        let expected = "was not applied in 2 messages: the body is larger than --max-body";
        check("response", "", unread, expected);
        let waited = Hits {
            excluded_by_scenario: 3,
            ..none
        };
        let scenario = "scenario = { name = 's', requires = 'x' }";
        let expected = "waited for the state `x` of its scenario `s` in 3 messages";
        check("request", scenario, waited, expected);
    }

    #[test]
    fn a_disabled_rule_and_the_idle_half_of_an_option_are_not_due() {
        let acted = Hits {
            messages: 1,
            matches: 1,
            ..Hits::default()
        };
        let mut entry = entry("request", "", Hits::default());
        entry.state = SourceState::Disabled;
        assert_eq!(require_hits(&[entry.clone()], None), Ok(()));
        assert_eq!(reason(&entry, None), "is disabled");
        entry.state = SourceState::Removed;
        assert!(require_hits(&[entry.clone()], None).is_err());
        entry.state = SourceState::InForce;
        let mut half = entry.clone();
        entry.rule.option = Some("fail ./A=500".into());
        half.rule.option = entry.rule.option.clone();
        let error = require_hits(&[entry.clone(), half.clone()], None).unwrap_err();
        assert!(error.starts_with("error: 1 rule never acted:"), "{error}");
        entry.run = acted;
        assert_eq!(require_hits(&[entry, half], None), Ok(()));
    }
}
