//! The reason why a rule did nothing to a message, as far as it is known without the full matcher.

use http::Uri;

use super::PastMessage;
use crate::dm::Message;
use crate::rules::glob::any_matches;
use crate::rules::{Matcher, Rule, Stage};

/// The origin of the address of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// `--url`, for messages from files.
    Option,
    /// The record.
    Record,
}

/// The reason for rules that apply before there is any message.
pub const CONNECTIONS: &str = "is about connections: it cannot be tried on a message";

/// Returns the reason why a rule did nothing to a message, in words.
pub fn why(rule: &Rule, past: &PastMessage, address: Address) -> String {
    if rule.stage == Stage::Connection {
        return CONNECTIONS.into();
    }
    if rule.stage != Stage::of(past.speaker) {
        let (wanted, is) = (rule.stage.name(), Stage::of(past.speaker).name());
        return format!("skipped, it applies to {wanted}s and this is a {is}");
    }
    if let Some(why) = elsewhere(&rule.matcher, &past.request.uri) {
        return match address {
            Address::Option => format!("{why} of --url"),
            Address::Record => why,
        };
    }
    let message = past.document.as_deref().and_then(Message::of);
    if rule.matcher.selects_commands() && message.is_none() {
        return "selects commands of a message, and this has no SyncML around it".into();
    }
    match (rule.limit.is_some(), rule.scenario.is_some()) {
        (_, true) => "does not match, or its scenario is in another state".into(),
        (true, false) => "does not match, or its limit excludes the match".into(),
        (false, false) => "does not match".into(),
    }
}

/// Returns the part of the address that a matcher does not match, in words.
fn elsewhere(matcher: &Matcher, uri: &Uri) -> Option<String> {
    let (host, path) = (uri.host().unwrap_or_default(), uri.path());
    let wrong = [
        ("host", any_matches(&matcher.host, host), host),
        ("path", any_matches(&matcher.path, path), path),
    ];
    if let Some((key, _, is)) = wrong.iter().find(|(_, matches, _)| !matches) {
        return Some(format!("its `{key}` does not match `{is}`"));
    }
    matcher.all.iter().find_map(|inner| elsewhere(inner, uri))
}
