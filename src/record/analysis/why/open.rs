//! Commands that are not answered, or not done yet.

use super::failed::failure;
use super::words::{self, code, named};
use super::{Case, about};
use crate::flow::{
    CommandAnswer, CommandDelivery, SessionEnd, Side, Transaction, TransactionOutcome,
};
use crate::record::analysis::incident::IncidentKind;
use crate::record::model::SessionFinding;

impl<'s> Case<'s> {
    /// WHY-02, WHY-09, WHY-10, and WHY-15 where the record lacks something.
    pub(super) fn open(&self) -> Vec<SessionFinding> {
        let mut findings = Vec::new();
        findings.extend(self.unanswered());
        let incomplete = self.session.incomplete.iter();
        let incomplete =
            incomplete.filter(|(at, _)| failure(&self.session.transactions[*at]).is_none());
        findings.extend(
            incomplete.map(|(at, size)| self.incomplete(&self.session.transactions[*at], *size)),
        );
        findings.extend(self.without_results());
        let in_progress = self
            .transactions()
            .filter(|it| it.outcome == TransactionOutcome::InProgress);
        findings.extend(in_progress.map(accepted));
        findings.extend(self.torn());
        findings
    }

    /// WHY-02.
    fn unanswered(&self) -> Vec<SessionFinding> {
        let mut groups: Vec<Vec<&Transaction>> = Vec::new();
        for transaction in self.transactions() {
            let is_due = transaction.outcome == TransactionOutcome::Unanswered;
            let is_large = self
                .session
                .incomplete
                .iter()
                .any(|(at, _)| at + 1 == transaction.number as usize);
            if !is_due
                || is_large
                || self.is_refused(transaction)
                || self.may_be_unread(transaction)
                || self.is_sent_again(transaction)
            {
                continue;
            }
            let alike = |group: &&mut Vec<&Transaction>| {
                let first = group[0];
                first.from == transaction.from
                    && super::rules(&[first]) == super::rules(&[transaction])
            };
            match groups.iter_mut().find(alike) {
                Some(group) => group.push(transaction),
                None => groups.push(vec![transaction]),
            }
        }
        groups
            .iter()
            .map(|group| self.never_answered(group))
            .collect()
    }

    fn never_answered(&self, group: &[&Transaction]) -> SessionFinding {
        let mut finding = about("WHY-02", group);
        let first = group[0];
        let asked = first.from.other();
        finding.code = None;
        finding.what = match group.len() {
            1 => format!("{}: never answered", named(first)),
            more => format!(
                "{} and {}: never answered",
                named(first),
                words::counted(more - 1, "other command")
            ),
        };
        let removed = first
            .answers
            .iter()
            .find(|answer| answer.received.is_none());
        if !finding.rules.is_empty() {
            finding.why.push(match (removed, first.delivery) {
                (
                    Some(CommandAnswer {
                        sent: Some(sent),
                        place,
                        ..
                    }),
                    _,
                ) => words::by_rules(
                    &finding.rules,
                    &format!(
                        "did this: it removed the Status {} in x{}.",
                        code(*sent),
                        place.exchange
                    ),
                ),
                (_, CommandDelivery::Withheld) => words::by_rules(
                    &finding.rules,
                    &format!("did this: it kept the command from {}.", words::side(asked)),
                ),
                _ => words::by_rules(&finding.rules, "acted on this."),
            });
        }
        for transaction in group.iter().take(MOST_LISTED) {
            finding.why.push(match transaction.number == first.number {
                true => words::asked(transaction),
                false => format!(
                    "likewise {}, {}",
                    named(transaction),
                    words::asked(transaction)
                ),
            });
        }
        if group.len() > MOST_LISTED {
            finding
                .why
                .push(format!("and {} more", group.len() - MOST_LISTED));
        }
        if !finding.rules.is_empty() {
            finding.next = "take the rule out to see whether the answer comes".into();
            return finding;
        }
        finding.by = Some(asked);
        let answered = self
            .transactions()
            .filter(|it| it.from == first.from && !it.answers.is_empty());
        let answered = match answered.count() {
            0 => "no other command".to_owned(),
            count => words::counted(count, "other command"),
        };
        finding.why.push(format!(
            "{} closed the package that had to answer it; it answered {answered} in this session.",
            capital(words::side(asked)),
        ));
        match asked {
            Side::Device => finding.next =
                "Get the node in a later session: whether the command was carried out is not known"
                    .into(),
            // Devices go on without it.
            Side::Server => {
                finding.pending = false;
                finding.next =
                    "let the server answer every Alert and Replace of the device with a Status"
                        .into();
            }
        }
        finding
    }

    /// WHY-02 of Gets that succeeded and whose Results did not come.
    fn without_results(&self) -> Option<SessionFinding> {
        let lacks = |it: &&Transaction| {
            let is_sent = it.from == Side::Server && it.delivery == CommandDelivery::Delivered;
            is_sent && it.command == "Get" && it.results.is_empty() && it.code() == Some(200)
        };
        let lacking: Vec<_> = self.transactions().filter(lacks).collect();
        let first = lacking
            .first()
            .filter(|_| *self.end() == SessionEnd::Finished)?;
        let answer = first.answer().filter(|_| !self.may_be_unread(first))?;
        let mut finding = about("WHY-02", &lacking);
        finding.what = format!("{}: 200 OK, and no Results came", named(first));
        if finding.rules.is_empty() {
            finding.rules = self.session.rules_on(answer.place.exchange);
        }
        match finding.rules.is_empty() {
            true => finding.by = Some(Side::Device),
            false => finding.why.push(words::by_rules(
                &finding.rules,
                "acted on the message that the Results belong to.",
            )),
        }
        finding.why.push(words::asked_and_answered(first, answer));
        if lacking.len() > 1 {
            finding.why.push(format!("and {} more", lacking.len() - 1));
        }
        finding.next = "Get the node again".into();
        Some(finding)
    }

    /// WHY-10.
    fn incomplete(&self, transaction: &Transaction, size: Option<u64>) -> SessionFinding {
        let mut finding = about("WHY-10", &[transaction]);
        let bytes = transaction.items.first().map_or(0, |item| item.bytes);
        finding.what = format!("{}: large object not completed", named(transaction));
        if !finding.rules.is_empty() {
            finding
                .why
                .push(words::by_rules(&finding.rules, "acted on this."));
        }
        finding.why.push(words::asked(transaction));
        let of = size.map_or(String::new(), |size| format!(" of {size}"));
        finding.why.push(format!(
            "{bytes}{of} bytes came in {}, and no last one.",
            words::counted(transaction.chunks as usize, "chunk")
        ));
        finding.by = finding.rules.is_empty().then_some(transaction.from);
        finding.next = format!(
            "let {} send the object again from its first chunk",
            words::side(transaction.from)
        );
        finding
    }

    /// Whether the message it stands in was refused as a whole.
    fn is_refused(&self, transaction: &Transaction) -> bool {
        self.session
            .incidents
            .iter()
            .any(|incident| match &incident.what {
                IncidentKind::HeaderRefused { by, message, .. } => {
                    *by != transaction.from && *message == transaction.asked.message
                }
                _ => false,
            })
    }

    /// Whether the answer to a command may stand in a message that could not be read.
    fn may_be_unread(&self, transaction: &Transaction) -> bool {
        self.session.incidents.iter().any(|incident| {
            let is_later = incident.exchange >= transaction.asked.exchange;
            is_later && matches!(incident.what, IncidentKind::Unread { from, .. } if from != transaction.from)
        })
    }

    /// WHY-15: the record has not all of the session.
    fn torn(&self) -> Option<SessionFinding> {
        let summary = &self.session.summary;
        let is_open = *self.end() == SessionEnd::Open;
        let lost = if is_open { self.lost() } else { None };
        if !summary.starts_late && !is_open {
            return None;
        }
        if is_open && !self.session.has_request() && self.session.incidents.is_empty() {
            return Some(SessionFinding {
                id: "WHY-15".into(),
                pending: false,
                what:
                    "The record has no message of the device: a bootstrap, or a part of a session"
                        .into(),
                next: "nothing, if it is a bootstrap: a device does not answer it".into(),
                exchanges: vec![summary.first_exchange],
                ..SessionFinding::default()
            });
        }
        let what = match (summary.starts_late, is_open) {
            (true, true) if !self.session.is_left => {
                "The record has only a part of this session: neither its beginning nor its end"
            }
            (true, false) => "The record begins in the middle of this session",
            (_, true) if self.session.is_left => {
                "This session was not followed to its end: there were too many at a time"
            }
            _ => "The record ends while this session goes on",
        };
        Some(SessionFinding {
            id: "WHY-15".into(),
            pending: lost.is_some() || !self.session.orphans.is_empty(),
            what: what.into(),
            why: self.session.orphans.iter().cloned().chain(lost).collect(),
            next: match self.session.is_left {
                true => "record fewer devices at a time".into(),
                false => {
                    "record whole sessions: start dmtap before the device begins, and stop it after"
                        .into()
                }
            },
            exchanges: vec![summary.first_exchange, summary.last_exchange],
            ..SessionFinding::default()
        })
    }
}

/// WHY-09.
fn accepted(transaction: &Transaction) -> SessionFinding {
    let mut finding = about("WHY-09", &[transaction]);
    let got = transaction.code().unwrap_or_default();
    finding.what = format!(
        "{}: {}, its completion was not seen",
        named(transaction),
        code(got)
    );
    if !finding.rules.is_empty() {
        finding
            .why
            .push(words::by_rules(&finding.rules, "acted on this."));
    }
    if let Some(answer) = transaction.answer() {
        finding
            .why
            .push(words::asked_and_answered(transaction, answer));
    }
    finding.next =
        "wait for an Alert 1226 about the node, or Get its status in a later session".into();
    finding
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// Commands that are listed.
const MOST_LISTED: usize = 5;
