//! Failed commands that need nothing more.

use super::large_object::INCOMPLETE;
use super::words::{self, code, named};
use super::{Case, MOST_LISTED, about};
use crate::dm::locuri;
use crate::facts;
use crate::flow::{Transaction, TransactionOutcome};
use crate::record::analysis::finding::grouped;
use crate::record::model::SessionFinding;

impl<'s> Case<'s> {
    /// WHY-01 and WHY-10 of these commands, without anything to do.
    pub(super) fn remedied(&self) -> Vec<SessionFinding> {
        let remedied = self.transactions().filter(|it| {
            it.outcome == TransactionOutcome::Remedied && self.atomic_of(it).is_none()
        });
        let later = |it: &Transaction| self.session.remedies.contains_key(&it.number);
        let csp = |it: &Transaction| it.node().map(|node| super::csp(node).to_ascii_lowercase());
        let mut groups = grouped(remedied.take(MOST), |one, other| {
            one.command == other.command
                && one.code() == other.code()
                && csp(one) == csp(other)
                && later(one) == later(other)
                && is_probe(one) == is_probe(other)
        });
        groups.truncate(super::MOST_FINDINGS);
        groups.iter().map(|group| self.remedy(group)).collect()
    }

    fn remedy(&self, group: &[&'s Transaction]) -> SessionFinding {
        let first = group[0];
        let mut finding = about(if first.chunks > 0 { "WHY-10" } else { "WHY-01" }, group);
        finding.pending = false;
        let name = words::with_others(named(first), group.len());
        let later = |failed: &Transaction| {
            let number = *self.session.remedies.get(&failed.number)?;
            self.session.transactions.get(number as usize - 1)
        };
        let remedy = later(first).map(|it| &*it.command);
        let how = match (&*first.command, remedy) {
            _ if is_probe(first) => "a probe of Intune, which gets this on every device",
            ("Atomic", _) => "then done",
            ("Delete", None) => "there was nothing to delete",
            (_, None) => "as is a node around it",
            (_, Some("Add")) => "then added",
            _ => "then set",
        };
        let got = match first.has_failed() {
            true => code(first.code().unwrap_or_default()),
            false => {
                finding.code = None;
                INCOMPLETE.to_owned()
            }
        };
        finding.what = format!("{name}: {got}, {how}");
        finding.list(group, MOST_LISTED, "", |failed| {
            let asked = match later(failed) {
                Some(_) => words::asked(failed),
                None => words::places(failed),
            };
            let asked = match failed.number == first.number {
                true => asked,
                false => format!("likewise {}, {asked}", named(failed)),
            };
            let done = later(failed).map(|it| {
                let place = words::place(&it.asked);
                let got = code(it.code().unwrap_or_default());
                format!(" · then {}, in {place}: {got}", named(it))
            });
            asked + &done.unwrap_or_default()
        });
        finding.next = match (&*first.command, remedy) {
            ("Delete", None) => {
                "nothing, if the node is to be gone; otherwise check its spelling".into()
            }
            _ => "nothing".into(),
        };
        finding
    }
}

fn is_probe(transaction: &Transaction) -> bool {
    let node = transaction.node().map(locuri::canonical);
    transaction.code() == Some(404) && node.is_some_and(|node| facts::is_probe(&node))
}

/// The most failed commands that are looked at.
const MOST: usize = 1_000;
