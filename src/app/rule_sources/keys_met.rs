//! The values that the messages of a run had for the keys of `match`: the reason of a rule that never acted names a key
//! that no message met.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::dm::locuri;
use crate::record::model::{CommandRecord, EventKind};
use crate::record::redact::MASK;
use crate::record::{EventRecord, Sink};
use crate::rules::glob::any_matches;
use crate::rules::{Matcher, Rule, SCOPE_HEADER, Stage};

/// A sink that keeps the values of the messages for each key of `match`; clones share them.
#[derive(Clone, Default)]
pub struct KeysMet(Arc<Mutex<HashMap<(&'static str, Stage), Texts>>>);

/// The values of one key; `None` after too many, or a masked one.
type Texts = Option<BTreeSet<String>>;

/// Whether a key of a matcher holds for a value.
type Holds<'m> = dyn Fn(&str) -> bool + 'm;

impl Sink for KeysMet {
    fn write_event(&mut self, record: &EventRecord) -> io::Result<()> {
        let stage = match record.event {
            EventKind::Request => Stage::Request,
            EventKind::Response if !record.own => Stage::Response,
            _ => return Ok(()),
        };
        if let Some(head) = record.head.as_ref().filter(|_| stage == Stage::Request) {
            let uri = head.uri.as_ref().and_then(|uri| uri.parse().ok());
            let uri: http::Uri = uri.unwrap_or_default();
            let host = uri.host().unwrap_or(MASK);
            // Rules of both stages ask about the request.
            for stage in [Stage::Request, Stage::Response] {
                self.met("method", stage, head.method.as_deref().unwrap_or(MASK));
                self.met("host", stage, host);
                self.met("path", stage, uri.path());
                if let Some(scope) = head.header(SCOPE_HEADER.as_str()) {
                    self.met(SCOPE, stage, scope);
                }
            }
        }
        if let Some(session) = &record.session {
            self.met("device", stage, &session.device);
        }
        for command in &record.commands {
            self.met("command", stage, &command.kind);
            for uri in nodes(command) {
                self.met("loc-uri", stage, &locuri::canonical(uri));
            }
            if command.answers.as_ref().is_some_and(|it| it.more) {
                self.met("loc-uri", stage, MASK);
            }
        }
        Ok(())
    }
}

/// Returns the nodes that a command may be about.
fn nodes(command: &CommandRecord) -> impl Iterator<Item = &str> {
    let items = command.items.iter();
    let items = items.flat_map(|item| item.target.iter().chain(&item.source));
    let answers = command.answers.iter();
    let answers = answers.flat_map(|it| it.loc_uri.iter().chain(&it.loc_uris));
    items.chain(answers).map(|uri| &**uri)
}

impl KeysMet {
    /// Returns a key of a rule's `match` that held for no message of its stage, if there is one.
    pub(super) fn unmet(&self, rule: &Rule) -> Option<&'static str> {
        let is_outside = rule.scope.as_ref().is_some_and(|scope| {
            let is_device = |it: &str| scope.device.as_ref().is_some_and(|glob| glob.matches(it));
            self.is_unmet(SCOPE, rule.stage, &|it| it == &*scope.name)
                && self.is_unmet("device", rule.stage, &is_device)
        });
        match is_outside {
            true => Some(SCOPE),
            false => self.unmet_of(&rule.matcher, rule.stage),
        }
    }

    /// Whether this holds for no value of a key.
    fn is_unmet(&self, key: &'static str, stage: Stage, holds: &Holds<'_>) -> bool {
        match self.0.lock().get(&(key, stage)) {
            Some(Some(texts)) => !texts.iter().any(|text| holds(text)),
            Some(None) => false,
            None => true,
        }
    }

    fn unmet_of(&self, matcher: &Matcher, stage: Stage) -> Option<&'static str> {
        let (commands, uris) = (&matcher.command, &matcher.loc_uri);
        let is_command = |name: &str| {
            commands.is_empty() || commands.iter().any(|command| command.name() == name)
        };
        let is_node = |uri: &str| uris.is_empty() || uris.iter().any(|glob| glob.matches(uri));
        let keys: [(&str, &Holds<'_>); 6] = [
            ("method", &|it| any_matches(&matcher.method, it)),
            ("host", &|it| any_matches(&matcher.host, it)),
            ("path", &|it| any_matches(&matcher.path, it)),
            ("device", &|it| any_matches(&matcher.device, it)),
            ("command", &is_command),
            ("loc-uri", &is_node),
        ];
        // A key that the rule does not have holds for every value.
        let is_asked = |holds: &Holds<'_>| !holds(MASK);
        let mut unmet = keys
            .into_iter()
            .filter(|(key, holds)| is_asked(holds) && self.is_unmet(key, stage, holds));
        let own = unmet.next().map(|(key, _)| key);
        own.or_else(|| {
            let mut inner = matcher.all.iter();
            inner.find_map(|inner| self.unmet_of(inner, stage))
        })
    }

    fn met(&self, key: &'static str, stage: Stage, text: &str) {
        let mut all = self.0.lock();
        let texts = all.entry((key, stage));
        let texts = texts.or_insert_with(|| Some(BTreeSet::new()));
        let Some(known) = texts else { return };
        if known.contains(text) {
            return;
        }
        if text.contains(MASK) || known.len() == MOST_TEXTS || text.len() > LONGEST_TEXT {
            *texts = None;
            return;
        }
        known.insert(text.to_owned());
    }
}

/// The key for the scope of a rule.
pub(super) const SCOPE: &str = "scope";
/// The limit of values of one key.
const MOST_TEXTS: usize = 10_000;
/// The limit of a value, in bytes.
const LONGEST_TEXT: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::load;

    fn record(event: &str, uri: &str, node: &str) -> EventRecord {
        let record = serde_json::json!({
            "v": 1, "seq": 1, "event": event, "at": "2026-11-23T04:16:40.000000Z", "at_us": 1,
            "connection": {"id": 1}, "exchange": 1,
            "head": {"method": "POST", "uri": uri, "version": "HTTP/1.1", "headers": []},
            "session": {"number": 1, "device": "urn:a", "id": "1", "exchange": 1},
            "commands": [{"kind": "Replace", "path": "/", "span": [0, 1], "items": [{"target": node}]}],
        });
        serde_json::from_value(record).unwrap()
    }

    fn unmet(keys: &str, records: &[EventRecord]) -> Option<&'static str> {
        let mut met = KeysMet::default();
        for record in records {
            met.write_event(record).unwrap();
        }
        let text = format!(
            "[[rule]]\nname = 'r'\nstage = 'request'\nmatch = {{ {keys} }}\nstep.delay = '1ms'\n"
        );
        met.unmet(&load::parse("a.toml", &text).unwrap()[0])
    }

    #[test]
    fn a_key_that_no_message_of_the_stage_met_is_named() {
        let check = |keys: &str, expected: Option<&str>| {
            let records = [
                record("request", "https://mdm.example/a", "./Device/A"),
                record("response", "https://mdm.example/a", "./Device/B"),
            ];
            assert_eq!(unmet(keys, &records), expected, "{keys}");
        };
        check("method = 'PUT'", Some("method"));
        check("host = 'other.example'", Some("host"));
        check("host = '*.example', path = '/b'", Some("path"));
        check("device = 'urn:b*'", Some("device"));
        check("command = 'Get'", Some("command"));
        check(
            "command = 'Replace', loc-uri = './Device/B'",
            Some("loc-uri"),
        );
        check("all = [{ loc-uri = './Device/B' }]", Some("loc-uri"));
        check("command = 'Replace', loc-uri = './device/a'", None);
        check("data = 'x'", None);
        check("not = { loc-uri = './Device/A' }", None);
    }

    #[test]
    fn a_rule_of_a_scope_lacks_messages_in_it_first() {
        let check = |device: Option<&str>, named: Option<&str>, expected: Option<&str>| {
            let mut met = KeysMet::default();
            let mut asked = record("request", "https://mdm.example/a", "./Device/A");
            if let (Some(head), Some(named)) = (&mut asked.head, named) {
                head.headers.push(("x-dmtap-scope".into(), named.into()));
            }
            met.write_event(&asked).unwrap();
            let text =
                "[[rule]]\nname = 'r'\nstage = 'request'\nmatch.path = '/b'\nstep.delay = '1ms'\n";
            let mut rule = load::parse("a.toml", text).unwrap()[0].clone();
            crate::app::rule_sources::scope::bind(&mut rule, "one", device);
            assert_eq!(met.unmet(&rule), expected, "{device:?} {named:?}");
        };
        check(None, None, Some("scope"));
        check(None, Some("two"), Some("scope"));
        check(Some("urn:b"), None, Some("scope"));
        check(Some("urn:*"), None, Some("path"));
        check(None, Some("one"), Some("path"));
    }

    #[test]
    fn nothing_is_concluded_from_masked_texts_and_from_too_many() {
        let masked = record("request", "https://mdm.example/a", "./Device/********");
        assert_eq!(unmet("loc-uri = './Device/B'", &[masked]), None);
        let many = |count: usize| -> Vec<EventRecord> {
            let node = |number: usize| format!("./Device/A/{number}");
            let all = (0..count).map(|it| record("request", "https://mdm.example/a", &node(it)));
            all.collect()
        };
        let asked = "loc-uri = './Device/B'";
        assert_eq!(unmet(asked, &many(MOST_TEXTS)), Some("loc-uri"));
        assert_eq!(unmet(asked, &many(MOST_TEXTS + 1)), None);
    }
}
