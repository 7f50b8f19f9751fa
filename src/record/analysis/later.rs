//! What a later session of a device shows of what an earlier one left pending: how work ended that had gone on, and commands
//! that had failed and were done.

use std::collections::HashSet;

use super::AnalysedSession;
use super::remedied::{Done, inside};
use super::why::{MOST_PLACES, Works, asked, code, named, place, reported_end};
use crate::dm::locuri;
use crate::facts::ReportedValue;
use crate::flow::{Side, Transaction, TransactionOutcome};
use crate::record::model::{SessionFinding, SessionSummary};

/// A session that is over, with what it tells about earlier ones of the same device.
pub struct Later<'s> {
    session: &'s AnalysedSession,
    /// Whether all that failed in it is shown too.
    is_shown: bool,
    done: Done<'s>,
    works: Works<'s>,
}

/// What became of work, as a later session shows it.
struct Fate {
    value: ReportedValue,
    exchange: u64,
    /// What shows it, in words.
    shown: String,
}

/// What a session leaves for a later one.
#[derive(Default)]
pub struct Left {
    /// The commands that a later one may make up for: those that failed, go on or are incomplete, and those beside them in an
    /// Atomic.
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
                && (is_inside
                    || it.has_failed()
                    || is_incomplete(it)
                    || it.outcome == TransactionOutcome::InProgress);
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
    /// What this session tells; `is_shown`: who sees the earlier ones sees all that failed in this one too.
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
        let is_same_user = self.is_same_user(earlier);
        let finding = &mut earlier.findings[at];
        let of_several = left.commands.iter().filter(|it| it.items.len() > 1);
        let is_of_several =
            { of_several }.any(|it| finding.transactions.first() == Some(&it.number));
        let node = finding.node.as_deref().unwrap_or_default();
        let may_tell = !is_of_several && (is_same_user || !locuri::is_of_user(node));
        let Some(fate) = self.fate(finding).filter(|_| may_tell) else {
            return false;
        };
        let command = finding.command.as_deref().unwrap_or_default();
        let name = format!("{command} {}", finding.node.as_deref().unwrap_or_default());
        let name = match finding.code {
            Some(got) => format!("{name}: {},", code(got)),
            None => format!("{name}:"),
        };
        let exchange = fate.exchange;
        // The finding of the later session tells more, where that is shown.
        let findings = &self.session.summary.findings;
        let is_shown = self.is_shown && { findings.iter() }
            .any(|it| it.pending && it.exchanges.contains(&exchange));
        let (how, next, pending) = match fate.value {
            ReportedValue::Failed(_) => (
                "failed later",
                format!("see what the device reports in x{exchange}"),
                !is_shown,
            ),
            ReportedValue::Pending(_) => (
                "goes on later",
                format!("see x{exchange}"),
                finding.pending && !is_shown,
            ),
            ReportedValue::Done | ReportedValue::Fine => ("done later", "nothing".into(), false),
        };
        finding.what = format!("{name} {how}");
        finding.next = next;
        finding.pending = pending;
        if matches!(fate.value, ReportedValue::Pending(_)) {
            return false;
        }
        finding.why.push(fate.shown);
        let going_on = left.commands.iter().filter(|it| {
            let is_of_it = finding.transactions.contains(&it.number);
            is_of_it && it.outcome == TransactionOutcome::InProgress
        });
        let (going_on, commands) = (count(going_on), &mut earlier.commands);
        commands.in_progress = commands.in_progress.saturating_sub(going_on);
        commands.failed += if pending { going_on } else { 0 };
        true
    }

    /// Says in the finding at this place that what failed was done; gives whether it was.
    fn tell_done(&self, earlier: &mut SessionSummary, at: usize, left: &Left) -> bool {
        let is_same_user = self.is_same_user(earlier);
        let finding = &mut earlier.findings[at];
        let numbers = &finding.transactions;
        let (Some(first), true) = (numbers.first(), finding.pending) else {
            return false;
        };
        let of_finding = |it: &&Transaction| numbers.contains(&it.number);
        let failed: Vec<&Transaction> = match &*finding.id {
            "WHY-06" => inside(*first, &left.commands),
            // All of them are known.
            "WHY-01" | "WHY-07" | "WHY-10" if numbers.len() < MOST_PLACES => {
                left.commands.iter().filter(of_finding).collect()
            }
            _ => return false,
        };
        let is_of_user = |it: &&Transaction| it.node().is_some_and(locuri::is_of_user);
        if !is_same_user && failed.iter().any(is_of_user) {
            return false;
        }
        let done = failed.iter().map(|it| self.done.instead_of(it, 0));
        let done: Option<Vec<_>> = done.collect();
        let Some([.., last]) = done.as_deref() else {
            return false;
        };
        let atomic = left.commands.iter().filter(|it| it.number == *first);
        let all = atomic.chain(failed.iter().copied().filter(|it| it.number != *first));
        let failures = count(all.filter(|it| it.has_failed()));
        let incomplete = count(failed.iter().copied().filter(|it| is_incomplete(it)));
        earlier.commands.failed = earlier.commands.failed.saturating_sub(failures);
        earlier.commands.lost = earlier.commands.lost.saturating_sub(incomplete);
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

    /// Whether this session and an earlier one are of one user: LoginStatus says in both that the one who enrolled is
    /// signed in, and no SyncType says that there may be several.
    fn is_same_user(&self, earlier: &SessionSummary) -> bool {
        let is_of_enrolled = |it: &SessionSummary| {
            let is_signed_in = it.login.as_ref().is_some_and(|it| it.trim() == "user");
            is_signed_in && it.sync_type.is_none()
        };
        is_of_enrolled(earlier) && is_of_enrolled(&self.session.summary)
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
                .filter(|it| is_open || !matches!(it.value, ReportedValue::Pending(_)))
        };
        reported.or_else(read)
    }

    /// What the device reports in an Alert.
    fn reported(&self, node: &str) -> Option<Fate> {
        let alerts = self.session.transactions.iter().filter(|it| {
            let is_of_device = it.from == Side::Device && it.rules.is_empty();
            is_of_device && matches!(it.alert, Some(1224 | 1226))
        });
        let items = alerts.flat_map(|alert| alert.items.iter().map(move |item| (alert, item)));
        let is_about = |about: &str| locuri::is_or_is_child(node, about);
        let about = items.filter(|(_, item)| item.node.as_deref().is_some_and(is_about));
        let mut ends = about.filter_map(|(alert, item)| Some((alert, reported_end(item)?)));
        let (alert, value) = ends.next_back()?;
        let exchange = alert.asked.exchange;
        Some(Fate {
            value,
            exchange,
            shown: format!("The device reported its end in x{exchange}."),
        })
    }

    /// What a value shows.
    fn read(&self, node: &str) -> Option<Fate> {
        let last = self.works.last_about(node);
        let last = last.filter(|it| it.value != ReportedValue::Fine)?;
        Some(Fate {
            value: last.value.clone(),
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

/// Whether the end of a large object did not come before the session ended.
fn is_incomplete(transaction: &Transaction) -> bool {
    transaction.chunks > 0 && transaction.outcome == TransactionOutcome::Lost
}

fn count<'t>(transactions: impl Iterator<Item = &'t Transaction>) -> u32 {
    u32::try_from(transactions.count()).unwrap_or(u32::MAX)
}
