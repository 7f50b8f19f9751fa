//! The rules behind a message, or behind its consequences.

use smol_str::SmolStr;

use super::super::exchanged::{Exchanged, of_user};
use super::OpenSession;

impl OpenSession {
    /// Returns the rules behind a message; for dmtap's own answer, those that acted on the request.
    pub(in crate::record::analysis) fn rules_behind(
        &self,
        message: &Exchanged<'_>,
    ) -> Vec<SmolStr> {
        let rules = message.rules_felt();
        match rules.is_empty() && message.record.own {
            true => of_user(&self.last.device.all_rules),
            false => rules,
        }
    }

    /// Returns the rules that acted on the device's message of an exchange.
    pub(in crate::record::analysis) fn rules_on(&self, exchange: u64) -> Vec<SmolStr> {
        let known = self.acted.iter().find(|(known, _)| *known == exchange);
        known.map_or_else(Vec::new, |(_, rules)| rules.clone())
    }

    /// Returns the rules behind an HTTP error: those that made it, else those that changed the request before it. `stay`, and
    /// rules that did something else to the response, are not among them.
    pub(super) fn rules_behind_error(&self, message: &Exchanged<'_>) -> Vec<SmolStr> {
        let is_received = message.record.http_status().is_some_and(|it| it >= 300);
        match (message.record.own, message.is_foreign() || is_received) {
            (true, _) => of_user(&self.rules_behind(message)),
            (false, true) => self.last.device.content_rules.clone(),
            (false, false) => message.rules_of_status(),
        }
    }

    /// Returns the rules that acted on the last message of the server, else those that changed the frame of any message;
    /// and their deed, in words.
    pub(in crate::record::analysis) fn last_rules(&self) -> (Vec<SmolStr>, &'static str) {
        let rules = of_user(&self.last.server.all_rules);
        match rules.is_empty() {
            true => (self.frame_rules.clone(), CHANGED_FRAME),
            false => (rules, "acted on the last answer to it."),
        }
    }
}

const CHANGED_FRAME: &str =
    "changed the SyncHdr, the Final or the body of a message of this session.";
