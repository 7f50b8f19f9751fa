//! Commands that were lost on the way and did not come again.

use super::words::{self, named};
use super::{Case, MOST_LISTED, about};
use crate::flow::{Arrival, SessionEnd, Side, Transaction, TransactionOutcome};
use crate::record::model::SessionFinding;

impl Case<'_> {
    /// WHY-02 of commands in a session that finished, whose message did not arrive and that the server did not send again.
    pub(super) fn undelivered(&self) -> Option<SessionFinding> {
        let is_lost = |it: &&Transaction| {
            let is_undelivered = it.arrival == Arrival::Undelivered && it.chunks == 0;
            let is_lost = is_undelivered && it.outcome == TransactionOutcome::Lost;
            it.from == Side::Server
                && is_lost
                && !it.leaves_nothing_open()
                && !self.is_sent_again(it)
        };
        let is_finished = *self.end() == SessionEnd::Finished;
        let lost: Vec<_> = self
            .transactions()
            .filter(|_| is_finished)
            .filter(is_lost)
            .collect();
        let first = lost.first()?;
        let mut finding = about("WHY-02", &lost);
        let mut incidents = self.session.incidents.iter();
        let broken =
            incidents.find(|it| it.exchange == first.asked.exchange && it.what.is_without_answer());
        finding
            .rules
            .extend(broken.iter().flat_map(|it| it.rules.iter().cloned()));
        finding.what = format!(
            "{}: never answered",
            words::with_others(named(first), lost.len())
        );
        finding.by_rules("kept its message from the device.");
        finding.list(&lost, MOST_LISTED, "", |it| {
            match it.number == first.number {
                true => words::asked(it),
                false => format!("likewise {}, {}", named(it), words::asked(it)),
            }
        });
        finding.why.push(
            "Its message seems not to have reached the device, and the server did not send it again.".into(),
        );
        finding.advise("let the server send it again in a later session", "");
        Some(finding)
    }
}
