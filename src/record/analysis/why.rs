//! The findings about a session: each names a failure, its place, its cause, the peer or rule behind it, and the next step.
//! Findings say nothing that the record does not show.

mod atomic;
mod cause;
mod earlier;
mod endless;
mod failed;
mod header;
mod incidents;
mod large_object;
mod mistake;
mod open;
mod refused;
mod remedied;
mod reported;
mod undelivered;
mod unenrolled;
mod unknown;
mod values;
mod without_results;
mod words;

use smol_str::SmolStr;

use super::exchanged::distinct;
use super::history::History;
use super::session::OpenSession;
use super::{AnalysedSession, SILENCE};
use crate::dm::locuri;
use crate::facts;
use crate::flow::{Arrival, SessionEnd, Side, Transaction, TransactionOutcome};
use crate::record::model::SessionFinding;

pub(super) use reported::{goes_on, is_end_of, reported_end};
pub(super) use values::{Works, failed_document, reported_unasked};
pub(super) use words::message_and_cmd_id;
pub(super) use words::{asked, at, by_rules, code, named, place};
pub use words::{attempt_words, end_words, hresult_words, transaction_line};

/// The limits for findings.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The time that a peer may take, in microseconds.
    pub slow_us: u64,
    /// The time in which nothing happens, in microseconds, after which a session is over though the record goes on.
    pub silence_us: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            slow_us: 5_000_000,
            silence_us: SILENCE,
        }
    }
}

/// A session that is over, with the facts about it that several findings need.
struct Case<'s> {
    session: &'s OpenSession,
    history: &'s History,
    options: &'s Options,
    /// Whether any command on a ./User node succeeded.
    user_commands_succeed: bool,
    changes: earlier::Changes,
}

/// Returns the session with its findings.
pub(super) fn conclude(
    mut session: OpenSession,
    history: &History,
    options: &Options,
) -> AnalysedSession {
    let case = Case {
        session: &session,
        history,
        options,
        changes: earlier::changes(&session.transactions),
        user_commands_succeed: session.transactions.iter().any(|it| {
            let is_servers = it.from == Side::Server && it.all_rules().next().is_none();
            is_servers && failed::is_success(it) && it.node().is_some_and(locuri::is_of_user)
        }),
    };
    let mut findings = Vec::new();
    findings.extend(case.incidents());
    findings.extend(case.failed());
    findings.extend(case.remedied());
    findings.extend(case.unenrolled());
    findings.extend(case.open(&findings));
    findings.extend(case.endless());
    findings.extend(case.of_unknown_commands(&findings));
    if session.is_data_sync && !session.is_dm {
        findings = vec![of_data_sync(&session)];
    }
    findings.sort_by_key(|finding| (!finding.pending, order(&finding.id)));
    findings.truncate(MOST_FINDINGS);
    session.summary.end_rule = findings.iter().find_map(|finding| match &*finding.id {
        "WHY-03" | "WHY-04" => finding.rules.first().cloned(),
        _ => None,
    });
    session.summary.findings = findings;
    AnalysedSession {
        summary: session.summary,
        transactions: session.transactions,
    }
}

/// WHY-15 of a session that is not of device management.
fn of_data_sync(session: &OpenSession) -> SessionFinding {
    let (first, last) = (
        session.summary.first_exchange,
        session.summary.last_exchange,
    );
    SessionFinding {
        pending: false,
        what: "This session is of data synchronization (SyncML DS): nothing is concluded from it"
            .into(),
        next: "read it with dmtap show".into(),
        exchanges: vec![first, last],
        ..SessionFinding::new("WHY-15")
    }
}

/// Returns the rank of a finding: those that explain others come first.
fn order(id: &str) -> usize {
    const ORDER: [&str; 14] = [
        "WHY-15", "WHY-08", "WHY-04", "WHY-03", "WHY-13", "WHY-05", "WHY-06", "WHY-07", "WHY-01",
        "WHY-02", "WHY-10", "WHY-09", "WHY-12", "WHY-11",
    ];
    ORDER
        .iter()
        .position(|known| *known == id)
        .unwrap_or(ORDER.len())
}

impl<'s> Case<'s> {
    fn transactions(&self) -> impl Iterator<Item = &'s Transaction> {
        self.session.transactions.iter()
    }

    /// Returns the server's commands that no rule touched and the device got.
    fn untouched(&self) -> impl Iterator<Item = &'s Transaction> {
        self.transactions().filter(|transaction| {
            transaction.from == Side::Server
                && transaction.arrival == Arrival::Delivered
                && transaction.all_rules().next().is_none()
        })
    }

    /// Returns the outermost Atomic around a command.
    fn atomic_of(&self, transaction: &Transaction) -> Option<&'s Transaction> {
        let around = transaction.around(&self.session.transactions);
        around.filter(|it| it.command == "Atomic").last()
    }

    /// `4 of the server's commands have no answer.`
    fn lost(&self) -> Option<String> {
        let lost = self.transactions().filter(|it| {
            let is_lost = matches!(
                it.outcome,
                TransactionOutcome::Lost | TransactionOutcome::Open
            );
            let is_own = it.arrival != Arrival::Injected;
            let is_servers = it.from == Side::Server && is_own && !it.leaves_nothing_open();
            is_servers && is_lost && !self.is_sent_again(it)
        });
        let lost: Vec<_> = lost.collect();
        let first = lost.first()?;
        Some(match lost.len() {
            1 => format!("{} has no answer.", words::named(first)),
            more => format!(
                "{more} commands of the server have no answer, {} the first.",
                words::named(first)
            ),
        })
    }

    /// Whether a command that did not arrive was sent again.
    fn is_sent_again(&self, transaction: &Transaction) -> bool {
        transaction.is_sent_again_among(&self.session.transactions)
    }

    fn end(&self) -> &SessionEnd {
        &self.session.summary.end
    }
}

/// Returns a finding about transactions, with the facts about the first one and without its texts.
fn about(id: &'static str, transactions: &[&Transaction]) -> SessionFinding {
    let first = transactions.first();
    let exchanges = transactions.iter().flat_map(|transaction| {
        let answers = transaction
            .answers
            .iter()
            .map(|answer| answer.place.exchange);
        std::iter::once(transaction.asked.exchange).chain(answers)
    });
    let mut exchanges: Vec<u64> = exchanges.collect();
    exchanges.sort_unstable();
    exchanges.dedup();
    exchanges.truncate(MOST_PLACES);
    SessionFinding {
        rules: rules(transactions),
        command: first.map(|it| it.command.clone()),
        node: first.and_then(|it| it.node().map(SmolStr::new)),
        value: first.and_then(|it| it.items.first()?.value.clone()),
        code: first.and_then(|it| it.code()),
        hresult: first.and_then(|it| it.answer()?.original_error.clone()),
        transactions: transactions
            .iter()
            .take(MOST_PLACES)
            .map(|it| it.number)
            .collect(),
        exchanges,
        ..SessionFinding::new(id)
    }
}

/// Returns the rules that acted on any of these.
fn rules(transactions: &[&Transaction]) -> Vec<SmolStr> {
    distinct(transactions.iter().flat_map(|it| it.all_rules()))
}

/// Returns the CSP of a node; empty if it belongs to none.
fn csp(node: &str) -> &str {
    facts::csp_name(node).unwrap_or_default()
}

/// The shortest time that counts as slow, in microseconds: shorter times are not remembered.
pub const LEAST_SLOW_US: u64 = super::incident::SLOW;

/// The event log of Windows about its management.
pub(super) const EVENT_LOG: &str = "DeviceManagement-Enterprise-Diagnostics-Provider/Admin";

/// The most findings about one session.
const MOST_FINDINGS: usize = 100;
/// The most lines of one kind in a finding.
const MOST_LISTED: usize = 5;
/// The most transactions and exchanges that one finding names.
pub(super) const MOST_PLACES: usize = 100;
