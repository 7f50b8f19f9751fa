//! What a later session of a device shows of what an earlier one left pending: how work ended that had gone on, and commands
//! that had failed and were done.

use std::collections::HashSet;

use super::AnalysedSession;
use super::remedied::{Done, inside};
use super::why::{MOST_PLACES, Works, asked, code, named, place};
use crate::dm::locuri;
use crate::facts::ReportedValue;
use crate::flow::{Side, Transaction, TransactionOutcome};
use crate::record::model::{SessionFinding, SessionSummary};

/// A session that is over, with what it tells about earlier ones of the same device.
pub struct Later<'s> {
    session: &'s AnalysedSession,
    /// Whether this session is shown too, with what failed in it.
    is_shown: bool,
    done: Done<'s>,
    works: Works<'s>,
}

/// What became of work, as a later session shows it.
struct Fate {
    kind: FateKind,
    exchange: u64,
    /// What shows it, in words.
    shown: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FateKind {
    Done,
    Failed,
    GoesOn,
}

/// What a session leaves for a later one.
#[derive(Default)]
pub struct Left {
    /// The commands that a later one may make up for: those that failed or go on, and those beside them in an Atomic.
    commands: Vec<Transaction>,
    /// The places of the findings that are settled.
    settled: HashSet<usize>,
}

impl Left {
    /// What is left of a session with these commands.
    pub fn of(transactions: &[Transaction]) -> Self {
        let mut around: HashSet<u32> = HashSet::new();
        let is_left = |it: &&Transaction| {
            let is_inside = it.parent.is_some_and(|parent| around.contains(&parent));
            let is_left = it.from == Side::Server
                && (is_inside || it.has_failed() || it.outcome == TransactionOutcome::InProgress);
            if is_left && matches!(&*it.command, "Atomic" | "Sequence") {
                around.insert(it.number);
            }
            is_left
        };
        Self {
            commands: transactions.iter().filter(is_left).cloned().collect(),
            settled: HashSet::new(),
        }
    }
}

/// Whether a later session may settle a finding.
pub fn may_be_settled(finding: &SessionFinding) -> bool {
    let has_failed = finding.pending && finding.rules.is_empty();
    !finding.transactions.is_empty() && (has_failed || finding.id == "WHY-09")
}

impl<'s> Later<'s> {
    /// What this session tells; `is_shown`: who sees the earlier ones sees this one too.
    pub fn of(session: &'s AnalysedSession, is_shown: bool) -> Self {
        Self {
            session,
            is_shown,
            done: Done::of(&session.transactions),
            works: Works::of(&session.transactions),
        }
    }

    /// Settles findings of an earlier session of the same device.
    pub fn settle(&self, earlier: &mut SessionSummary, left: &mut Left) {
        for at in 0..earlier.findings.len() {
            if left.settled.contains(&at) || !may_be_settled(&earlier.findings[at]) {
                continue;
            }
            if self.tell_fate(earlier, at, left) || self.tell_done(earlier, at, left) {
                left.settled.insert(at);
            }
        }
    }

    /// Says in the finding at this place what became of the work that it is about; gives whether that is over.
    fn tell_fate(&self, earlier: &mut SessionSummary, at: usize, left: &Left) -> bool {
        let finding = &mut earlier.findings[at];
        let Some(fate) = self.fate(finding) else {
            return false;
        };
        let command = finding.command.as_deref().unwrap_or_default();
        let name = format!("{command} {}", finding.node.as_deref().unwrap_or_default());
        let name = match finding.code {
            Some(got) => format!("{name}: {},", code(got)),
            None => format!("{name}:"),
        };
        let exchange = fate.exchange;
        let (how, next) = match fate.kind {
            FateKind::Done => ("done later", "nothing".to_owned()),
            FateKind::Failed => (
                "failed later",
                format!("see what the device reports in x{exchange}"),
            ),
            FateKind::GoesOn => ("goes on later", format!("see x{exchange}")),
        };
        finding.what = format!("{name} {how}");
        finding.next = next;
        // The finding of the later session tells more.
        finding.pending &= fate.kind != FateKind::Done && !self.is_shown;
        if fate.kind == FateKind::GoesOn {
            return false;
        }
        finding.why.push(fate.shown);
        let going_on = left.commands.iter().filter(|it| {
            let is_of_it = finding.transactions.contains(&it.number);
            is_of_it && it.outcome == TransactionOutcome::InProgress
        });
        let in_progress = &mut earlier.commands.in_progress;
        *in_progress = in_progress.saturating_sub(count(going_on));
        true
    }

    /// Says in the finding at this place that what failed was done; gives whether it was.
    fn tell_done(&self, earlier: &mut SessionSummary, at: usize, left: &Left) -> bool {
        let finding = &mut earlier.findings[at];
        let numbers = &finding.transactions;
        let (Some(first), true) = (numbers.first(), finding.pending) else {
            return false;
        };
        let of_finding = |it: &&Transaction| numbers.contains(&it.number);
        let failed: Vec<&Transaction> = match &*finding.id {
            "WHY-06" => inside(*first, &left.commands),
            // All of them are known.
            "WHY-01" | "WHY-07" if numbers.len() < MOST_PLACES => {
                left.commands.iter().filter(of_finding).collect()
            }
            _ => return false,
        };
        let done = failed.iter().map(|it| self.done.instead_of(it, 0));
        let done: Option<Vec<_>> = done.collect();
        let Some([.., last]) = done.as_deref() else {
            return false;
        };
        let atomic = left.commands.iter().filter(|it| it.number == *first);
        let all = atomic.chain(failed.iter().copied().filter(|it| it.number != *first));
        let failures = count(all.filter(|it| it.has_failed()));
        earlier.commands.failed = earlier.commands.failed.saturating_sub(failures);
        finding.pending = false;
        finding.what += ", done later";
        let got = code(last.code().unwrap_or_default());
        let place = place(&last.asked);
        finding.why.push(format!(
            "A later session did it: {}, in {place}: {got}.",
            named(last)
        ));
        finding.next = "nothing".into();
        true
    }

    /// What became of the work that a finding is about.
    fn fate(&self, finding: &SessionFinding) -> Option<Fate> {
        let is_of_work = finding.id == "WHY-09" || finding.id == "WHY-01" && finding.code.is_none();
        let node = finding.node.as_deref().filter(|_| is_of_work)?;
        let is_open = finding.id == "WHY-09";
        let reported = self.reported(node).filter(|_| is_open && finding.pending);
        // A failure stays one while what was begun anew goes on.
        let read = || {
            self.read(node)
                .filter(|it| is_open || it.kind != FateKind::GoesOn)
        };
        reported.or_else(read)
    }

    /// What the device reports in an Alert.
    fn reported(&self, node: &str) -> Option<Fate> {
        let alert = self.session.transactions.iter().find(|it| {
            let is_report = it.from == Side::Device && matches!(it.alert, Some(1224 | 1226));
            is_report && it.node().is_some_and(|it| locuri::is_or_is_child(node, it))
        })?;
        let mut findings = self.session.summary.findings.iter();
        let has_failed =
            findings.any(|it| it.id == "WHY-01" && it.transactions.contains(&alert.number));
        let exchange = alert.asked.exchange;
        Some(Fate {
            kind: match has_failed {
                true => FateKind::Failed,
                false => FateKind::Done,
            },
            exchange,
            shown: format!("The device reported its end in x{exchange}."),
        })
    }

    /// What a value shows.
    fn read(&self, node: &str) -> Option<Fate> {
        let last = self.works.last_about(node)?;
        Some(Fate {
            kind: match last.value {
                ReportedValue::Failed(_) => FateKind::Failed,
                ReportedValue::Done => FateKind::Done,
                ReportedValue::Pending(_) => FateKind::GoesOn,
                ReportedValue::Fine => return None,
            },
            exchange: last.get.asked.exchange,
            shown: format!(
                "A later session read {} = {}, {}.",
                last.node(),
                last.item.value.as_deref().unwrap_or_default(),
                asked(last.get)
            ),
        })
    }
}

/// Marks findings about attempts of a device to enroll which it overcame: each exchange in which one failed, with that in
/// which the device got its certificate.
pub fn settle_attempts(findings: &mut [SessionFinding], overcome: &[(u64, u64)]) {
    for finding in findings.iter_mut().filter(|it| it.pending) {
        let mut overcome = overcome.iter();
        let later = overcome.find(|(failed, _)| finding.exchanges == [*failed]);
        if let Some((_, granted)) = later {
            finding.pending = false;
            let line =
                format!("A later attempt of this device or user got a certificate in x{granted}.");
            finding.why.push(line);
            finding.next = "nothing".into();
        }
    }
}

fn count<'t>(transactions: impl Iterator<Item = &'t Transaction>) -> u32 {
    u32::try_from(transactions.count()).unwrap_or(u32::MAX)
}
