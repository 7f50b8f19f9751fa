//! Findings about a session that a later session of the same device settles: it shows the end of work, or repeats a failed
//! command with success.

use std::collections::HashSet;

use super::remedied::{Done, inside};
use super::why::{MOST_PLACES, Works, asked, code, is_end_of, named, place, reported_end};
use super::{AnalysedSession, SILENCE};
use crate::dm::locuri;
use crate::facts::ReportedValue;
use crate::flow::{SessionEnd, Side, Transaction, TransactionOutcome};
use crate::record::EventRecord;
use crate::record::model::{SessionFinding, SessionSummary};

/// A session that is over, as evidence about earlier ones of the same device.
pub struct Later<'s> {
    session: &'s AnalysedSession,
    /// Whether the user sees all findings about this session, too.
    is_shown: bool,
    done: Done<'s>,
    works: Works<'s>,
}

/// The fate of work, as a later session shows it.
struct Fate {
    value: ReportedValue,
    exchange: u64,
    /// The evidence, in words.
    shown: String,
}

/// The commands and findings of a session that a later one may settle.
#[derive(Default)]
pub struct OpenWork {
    /// The commands that failed or go on, and the others of the same Atomic.
    commands: Vec<Transaction>,
    /// The places of the findings that are settled.
    settled: HashSet<usize>,
    /// The places of the findings about work that failed later, and that a session after that may settle.
    failed: HashSet<usize>,
}

impl OpenWork {
    /// Returns those of a session with these commands.
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
            ..Self::default()
        }
    }
}

/// Whether a later session may settle a finding.
pub fn may_be_settled(finding: &SessionFinding) -> bool {
    let has_failed = finding.pending && finding.rules.is_empty();
    !finding.transactions.is_empty() && (has_failed || finding.id == "WHY-09")
}

impl<'s> Later<'s> {
    /// Returns the evidence of a session; `is_shown` if the user sees all findings about it, too.
    pub fn of(session: &'s AnalysedSession, is_shown: bool) -> Self {
        Self {
            session,
            is_shown,
            done: Done::of(&session.transactions),
            works: Works::of(&session.transactions),
        }
    }

    /// Settles findings of an earlier session of the same device.
    pub fn settle(&self, earlier: &mut SessionSummary, open_work: &mut OpenWork) {
        for at in 0..earlier.findings.len() {
            if open_work.settled.contains(&at) || !may_be_settled(&earlier.findings[at]) {
                continue;
            }
            if self.settle_work(earlier, at, open_work)
                || self.settle_failed(earlier, at, open_work)
            {
                open_work.settled.insert(at);
            }
        }
    }

    /// Writes the fate of the work into the finding at a place. Returns whether the finding is settled by that.
    fn settle_work(
        &self,
        earlier: &mut SessionSummary,
        at: usize,
        open_work: &mut OpenWork,
    ) -> bool {
        let is_same_user = self.is_same_user(earlier);
        let finding = &mut earlier.findings[at];
        let mut of_several = open_work.commands.iter().filter(|it| it.items.len() > 1);
        let is_of_several = of_several.any(|it| finding.transactions.first() == Some(&it.number));
        let node = finding.node.as_deref().unwrap_or_default();
        let may_tell = !is_of_several && (is_same_user || !locuri::is_of_user(node));
        let has_failed = open_work.failed.contains(&at);
        let mut begun = open_work.commands.iter();
        let begun = begun.find(|it| finding.transactions.contains(&it.number));
        let correlator = begun.and_then(|it| it.correlator.as_deref());
        let Some(fate) = self
            .fate(finding, correlator, has_failed)
            .filter(|_| may_tell)
        else {
            return false;
        };
        let command = finding.command.as_deref().unwrap_or_default();
        let name = format!("{command} {}", finding.node.as_deref().unwrap_or_default());
        let name = match finding.code {
            Some(got) => format!("{name}: {},", code(got)),
            None => format!("{name}:"),
        };
        let exchange = fate.exchange;
        // If the user sees the finding about the later session, that one is pending in place of this one.
        let findings = &self.session.summary.findings;
        let is_shown = self.is_shown
            && findings
                .iter()
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
        let going_on = open_work.commands.iter().filter(|it| {
            let is_of_it = finding.transactions.contains(&it.number);
            is_of_it && it.outcome == TransactionOutcome::InProgress
        });
        let (going_on, commands) = (count(going_on), &mut earlier.commands);
        let counted = match open_work.failed.remove(&at) {
            true => &mut commands.failed,
            false => &mut commands.in_progress,
        };
        *counted = counted.saturating_sub(going_on);
        if pending {
            commands.failed += going_on;
            open_work.failed.insert(at);
        }
        !pending
    }

    /// Writes into the finding at a place that this session repeated its failed commands with success. Returns whether it did.
    fn settle_failed(&self, earlier: &mut SessionSummary, at: usize, open_work: &OpenWork) -> bool {
        let is_same_user = self.is_same_user(earlier);
        let finding = &mut earlier.findings[at];
        let numbers = &finding.transactions;
        let (Some(first), true) = (numbers.first(), finding.pending) else {
            return false;
        };
        let of_finding = |it: &&Transaction| numbers.contains(&it.number);
        let failed: Vec<&Transaction> = match &*finding.id {
            "WHY-06" => inside(*first, &open_work.commands),
            // The finding names all its commands.
            "WHY-01" | "WHY-07" | "WHY-10" if numbers.len() < MOST_PLACES => {
                open_work.commands.iter().filter(of_finding).collect()
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
        let atomic = open_work.commands.iter().filter(|it| it.number == *first);
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

    /// Whether this session and an earlier one are of the same user: the LoginStatus of both says that the user who enrolled
    /// is signed in, and no SyncType says that there may be several.
    fn is_same_user(&self, earlier: &SessionSummary) -> bool {
        let is_of_enrolled = |it: &SessionSummary| {
            let is_signed_in = it.login.as_ref().is_some_and(|it| it.trim() == "user");
            is_signed_in && it.sync_type.is_none()
        };
        is_of_enrolled(earlier) && is_of_enrolled(&self.session.summary)
    }

    /// Returns the fate of the work that a finding is about; `has_failed` if an earlier session showed its failure.
    fn fate(
        &self,
        finding: &SessionFinding,
        correlator: Option<&str>,
        has_failed: bool,
    ) -> Option<Fate> {
        let is_of_work = finding.id == "WHY-09" || finding.id == "WHY-01" && finding.code.is_none();
        let node = finding.node.as_deref().filter(|_| is_of_work)?;
        let is_open = finding.id == "WHY-09" && !has_failed;
        let is_reported = finding.id == "WHY-09" && finding.pending;
        let reported = self.reported((correlator, Some(node)));
        let reported = reported.filter(|_| is_reported);
        // A failure stays a failure while work that began again goes on.
        let read = || {
            self.read(node)
                .filter(|it| is_open || !matches!(it.value, ReportedValue::Pending(_)))
        };
        reported.or_else(read)
    }

    /// Returns the fate that the device reports in an Alert.
    fn reported(&self, command: (Option<&str>, Option<&str>)) -> Option<Fate> {
        let alerts = self.session.transactions.iter().filter(|it| {
            let is_of_device = it.from == Side::Device && it.rules.is_empty();
            is_of_device && matches!(it.alert, Some(1224 | 1226))
        });
        let items = alerts.flat_map(|alert| alert.items.iter().map(move |item| (alert, item)));
        let about = items.filter(|(alert, item)| {
            let alert = (alert.correlator.as_deref(), item.node.as_deref());
            is_end_of(command, alert)
        });
        let mut ends = about.filter_map(|(alert, item)| Some((alert, reported_end(item)?)));
        let (alert, value) = ends.next_back()?;
        let exchange = alert.asked.exchange;
        Some(Fate {
            value,
            exchange,
            shown: format!("The device reported its end in x{exchange}."),
        })
    }

    /// Returns the fate that a value shows.
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

/// Settles a session that stopped when dmtap did, and goes on in the next run of the record. Returns whether it does.
pub fn settle_in_next_run(earlier: &mut SessionSummary, later: &SessionSummary) -> bool {
    let pause = later.began_us.saturating_sub(earlier.ended_us);
    let is_same = earlier.id == later.id && earlier.device == later.device;
    let stops = matches!(earlier.end, SessionEnd::Silent | SessionEnd::Open);
    let goes_on = later.starts_late && later.number.is_some() && pause < SILENCE;
    if !(is_same && stops && goes_on) {
        return false;
    }
    earlier.end = SessionEnd::Open;
    let silent = earlier.findings.iter_mut();
    let silent = silent.filter(|it| it.id == "WHY-03" && it.transactions.is_empty());
    for finding in silent {
        finding.what = "The session goes on in the next run of dmtap".into();
        finding.by = None;
        finding.pending = false;
        finding.next = "nothing: the device came back".into();
    }
    true
}

/// A failed attempt to enroll, and a later one that got a certificate.
#[derive(Clone, Copy, Debug)]
pub struct Remedied {
    /// The exchange that failed.
    pub failed: u64,
    /// The exchange with the certificate.
    pub granted: u64,
    /// How surely both are of the same device.
    pub tie: Tie,
}

impl Remedied {
    /// Whether the answer to the failed attempt comes only now: then its device waited, and another one got the certificate.
    pub(super) fn is_late(&self, answer: &EventRecord) -> bool {
        answer.exchange == Some(self.failed) && self.tie < Tie::Certain
    }
}

/// How surely two attempts are of the same device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tie {
    /// They are of the same user and address.
    Possible,
    /// So they are, one soon after the other, and no other device of either got a certificate.
    Likely,
    /// The record shows it.
    Certain,
}

/// Settles findings about attempts to enroll that the device repeated with success.
pub fn settle_attempts(findings: &mut [SessionFinding], remedied: &[Remedied]) {
    for finding in findings.iter_mut().filter(|it| it.pending) {
        let of_it = remedied
            .iter()
            .filter(|it| finding.exchanges == [it.failed]);
        let Some(later) = of_it.max_by_key(|it| it.tie) else {
            continue;
        };
        let granted = later.granted;
        if later.tie > Tie::Possible {
            finding.pending = false;
            finding.next = "nothing".into();
        }
        finding.why.push(match later.tie {
            Tie::Certain => {
                format!("A later attempt of this device got a certificate in x{granted}.")
            }
            Tie::Likely => format!(
                "Soon after, a device at the same address got a certificate, in x{granted}, and the record has no other \
                 device of this address or user that got one."
            ),
            Tie::Possible => format!(
                "Then a certificate was given at the same address, in x{granted}: to this device or another, which the \
                 request does not show."
            ),
        });
    }
}

/// Whether the end of a large object did not come before the session ended.
fn is_incomplete(transaction: &Transaction) -> bool {
    transaction.chunks > 0 && transaction.outcome == TransactionOutcome::Lost
}

fn count<'t>(transactions: impl Iterator<Item = &'t Transaction>) -> u32 {
    u32::try_from(transactions.count()).unwrap_or(u32::MAX)
}
