//! The answer to a question, for people and programs.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::json;

use super::{KeptSession, Question, is_enrollment, is_pending};
use crate::flow::Side;
use crate::printable::{self, counted};
use crate::record::Colour;
use crate::record::analysis::Begun;
use crate::record::analysis::why::{attempt_words, transaction_line};
use crate::record::model::{SessionFinding, SessionSummary, VERSION};
use crate::record::transcript::{self, Failures};

/// The answer, after the end of the record.
impl Question {
    /// Whether something is pending.
    pub fn is_pending(&self) -> bool {
        self.sessions.iter().any(|it| is_pending(&it.summary))
            || self.counts.left_out[0] > 0
            || self.never_sent().is_some()
    }

    /// Whether the record does not have the session of `--session`.
    pub fn lacks_session(&self) -> bool {
        self.session.is_some() && self.counts.selected == 0
    }

    /// Whether the record has no message, and no rule that was ignored is the reason.
    pub fn lacks_messages(&self) -> bool {
        self.messages == 0 && !self.has_ignored
    }

    /// Whether the session or the filter selects nothing.
    pub fn selects_nothing(&self) -> bool {
        self.unselected.is_some()
    }

    /// Returns the failures, for a table.
    pub fn failures(&self) -> Failures {
        let mut failures = Failures::default();
        let sessions = self.sessions.iter();
        sessions.for_each(|session| failures.enter(&session.summary, session.run));
        failures
    }

    /// Returns the answer for people; `events` is the number of events in the record.
    pub fn text(&self, events: u64) -> String {
        let mut text = String::new();
        let named = |it: &KeptSession| it.summary.number.map(|_| it.summary.device.clone());
        let devices: BTreeSet<_> = self.sessions.iter().filter_map(named).collect();
        let of_several = devices.len() > 1;
        for KeptSession {
            summary,
            transactions,
            run,
            ..
        } in &self.sessions
        {
            if summary.findings.is_empty() && transactions.is_empty() {
                continue;
            }
            let run = (self.run > 0).then_some(*run);
            text += &transcript::session(summary, run, of_several, Colour::Colour);
            for transaction in transactions {
                let _ = writeln!(
                    text,
                    "  {}",
                    printable::lines(&transaction_line(transaction))
                );
            }
            text.push('\n');
        }
        if let Some(never_sent) = self.never_sent() {
            let summary = SessionSummary {
                findings: vec![never_sent],
                ..SessionSummary::default()
            };
            text += &transcript::session(&summary, None, false, Colour::Colour);
            text.push('\n');
        }
        let shown = self.sessions.iter();
        let shown = shown.filter(|it| it.summary.number.is_some()).count() as u64;
        let left_out: u64 = self.counts.left_out.iter().sum();
        let summaries = self.sessions.iter().map(|it| &it.summary);
        let open: Vec<_> = summaries.filter(|it| is_pending(it)).collect();
        let in_sessions = open.iter().filter(|it| it.number.is_some()).count() as u64;
        let in_sessions = in_sessions + self.counts.left_out[0];
        let enrollments = || open.iter().filter(|it| is_enrollment(it));
        let in_enrollments = enrollments().count() as u64;
        let are_renewals = enrollments().all(|it| it.is_renewal);
        let open = open.len() as u64 + self.counts.left_out[0];
        let elsewhere = open - in_sessions - in_enrollments;
        let sessions = |count: u64| counted(count, "session");
        let in_record = sessions(self.counts.all);
        let is_all = self.session.is_none() && self.filter.is_none() && self.about.is_none();
        let begun = match is_all {
            true => self.analysis.enrollments(),
            false => Begun::default(),
        };
        let mut all = sessions(shown + left_out);
        for (begun, is_renewal) in [(begun.enrollments, false), (begun.renewals, true)] {
            let kept = self
                .sessions
                .iter()
                .filter(|it| is_enrollment(&it.summary) && it.summary.is_renewal == is_renewal);
            match begun.max(kept.count() as u64) {
                0 => {}
                some => all += &format!(" and {}", counted(some, attempt_words(is_renewal))),
            }
        }
        let mut places = Vec::new();
        match in_sessions {
            0 => {}
            // The only kind that needs no name.
            count if in_enrollments + elsewhere == 0 => places.push(format!("in {count}")),
            count => places.push(format!("in {}", sessions(count))),
        }
        if in_enrollments > 0 {
            let name = attempt_words(are_renewals);
            places.push(format!("in {}", counted(in_enrollments, name)));
        }
        if elsewhere > 0 {
            places.push("outside of sessions".to_owned());
        }
        let places = places.join(" and ");
        let _ = match (&self.unselected, open) {
            _ if events == 0 => writeln!(
                text,
                "the record has no event: nothing reached dmtap, or it is cut off"
            ),
            (Some(why), _) => writeln!(text, "nothing selected: {in_record}, {why}"),
            _ if self.never_sent().is_some() => {
                writeln!(text, "{in_record}, none with a command on this node")
            }
            (None, 0) if self.lacks_messages() => {
                writeln!(
                    text,
                    "the record has no message: dmtap show lists its connections, and the rules that acted on them"
                )
            }
            (None, 0) => writeln!(text, "{all}, nothing pending"),
            (None, _) => writeln!(text, "{all}, something pending {places}"),
        };
        if self.counts.left_out[0] > 0 {
            let _ = writeln!(
                text,
                "{} of them with something pending are not shown",
                self.counts.left_out[0]
            );
        }
        text
    }

    /// One object a line: each session, and the sum.
    pub fn json(&self) -> String {
        let mut text = String::new();
        for KeptSession {
            summary,
            transactions,
            run,
            ..
        } in &self.sessions
        {
            let mut line = json!(summary);
            line["v"] = json!(VERSION);
            if self.run > 0 {
                line["run"] = json!(run + 1);
            }
            if self.about.is_some() {
                line["transactions"] = json!(transactions);
            }
            let _ = writeln!(text, "{line}");
        }
        let mut sum =
            json!({"v": VERSION, "sessions": self.sessions.len(), "pending": self.is_pending()});
        if let Some(why) = &self.unselected {
            sum["nothing_selected"] = json!(why);
        } else if self.lacks_messages() {
            sum["nothing_selected"] = json!("the record has no message");
        }
        if let Some(never_sent) = self.never_sent() {
            sum["findings"] = json!([never_sent]);
        }
        let _ = writeln!(text, "{sum}");
        text
    }

    /// WHY-14: no command of the server names the node of `--about`.
    pub(super) fn never_sent(&self) -> Option<SessionFinding> {
        let about = self.about.as_ref()?;
        let mut named = self.sessions.iter().flat_map(|it| &it.transactions);
        if self.unselected.is_some() || named.any(|it| it.from == Side::Server) {
            return None;
        }
        let given = about.given.as_str();
        let place = self.session.map_or("this record".to_owned(), |number| {
            format!("session {number}")
        });
        let mut why = vec![format!(
            "No command of the server in {place} names it, or a node below it."
        )];
        let found = match self.unread {
            0 => "never sent",
            _ => "not found",
        };
        if self.unread > 0 {
            why.push("Some messages, commands or items were not read or not kept: it may have been sent there.".into());
        }
        Some(SessionFinding {
            id: "WHY-14".into(),
            pending: true,
            what: format!("{given}: {found}"),
            why,
            next: "look at the server: whether the policy is assigned to this device, and the spelling of the node".into(),
            node: Some(given.into()),
            ..SessionFinding::default()
        })
    }
}
