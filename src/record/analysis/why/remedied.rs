//! Failures that a later command remedied: nothing is left to do.

use super::words::{self, code, named};
use super::{Case, about};
use crate::flow::{Transaction, TransactionOutcome};
use crate::printable::counted;
use crate::record::analysis::finding::grouped;
use crate::record::analysis::session::remedies;
use crate::record::model::SessionFinding;

impl<'s> Case<'s> {
    /// WHY-01 of these, for what is worth knowing.
    pub(super) fn remedied(&self) -> Vec<SessionFinding> {
        let remedied = self
            .transactions()
            .filter(|it| it.outcome == TransactionOutcome::Remedied);
        let csp = |it: &Transaction| it.node().map(|node| super::csp(node).to_ascii_lowercase());
        let mut groups = grouped(remedied.take(MOST), |one, other| {
            one.command == other.command && one.code() == other.code() && csp(one) == csp(other)
        });
        groups.truncate(super::MOST_FINDINGS);
        groups.iter().map(|group| self.remedy(group)).collect()
    }

    fn remedy(&self, group: &[&'s Transaction]) -> SessionFinding {
        let first = group[0];
        let mut finding = about("WHY-01", group);
        finding.pending = false;
        let name = match group.len() {
            1 => named(first),
            more => format!(
                "{} and {}",
                named(first),
                counted(more - 1, "other command")
            ),
        };
        let later = |failed: &Transaction| {
            let later = self.session.transactions[failed.number as usize..].iter();
            { later }.find(|later| remedies(later, failed))
        };
        let how = match later(first).is_some_and(|it| it.command == "Add") {
            true => "then added",
            false => "then set",
        };
        let got = code(first.code().unwrap_or_default());
        finding.what = format!("{name}: {got}, {how}");
        finding.list(group, MOST_LISTED, "", |failed| {
            let asked = match failed.number == first.number {
                true => words::asked(failed),
                false => format!("likewise {}, {}", named(failed), words::asked(failed)),
            };
            let done = later(failed).map(|it| {
                let place = words::asked(it).replacen("asked ", "", 1);
                let got = code(it.code().unwrap_or_default());
                format!(" · then {}, {place}: {got}", named(it))
            });
            asked + &done.unwrap_or_default()
        });
        finding.next = "nothing".into();
        finding
    }
}

/// Failures that are looked into.
const MOST: usize = 1_000;

/// Commands that are listed.
const MOST_LISTED: usize = 5;
