//! Failures of commands that the record does not have.

use super::Case;
use crate::record::model::SessionFinding;

impl Case<'_> {
    /// WHY-15 of these failures, if no other finding lists them.
    pub(super) fn of_unknown_commands(
        &self,
        findings: &[SessionFinding],
    ) -> Option<SessionFinding> {
        let is_named = |failure: &&String| {
            let mut pending = findings.iter().filter(|finding| finding.pending);
            pending.any(|finding| finding.why.contains(failure))
        };
        let mut unnamed = self.session.orphans.iter().filter(|it| !is_named(it));
        let first = unnamed.next()?.clone();
        let why = std::iter::once(first).chain(unnamed.cloned());
        let summary = &self.session.summary;
        Some(SessionFinding {
            what: "A command failed that the record does not have".into(),
            why: why.take(MOST_LISTED).collect(),
            next: "look for this command in the sender's log: it was never sent in this session, or the record lacks it".into(),
            exchanges: vec![summary.first_exchange, summary.last_exchange],
            ..SessionFinding::new("WHY-15")
        })
    }
}

/// The most failures that a finding lists.
const MOST_LISTED: usize = 10;
