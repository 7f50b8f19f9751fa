//! The answer of `dmtap why`: the sessions of a record with the findings about them.

mod about;
mod answer;

use std::collections::{BTreeSet, HashMap};

use smol_str::SmolStr;

pub use self::about::About;

use crate::filter::Filter;
use crate::flow::lint::{Linter, MAX_SILENCE_US};
use crate::flow::{SessionEnd, Side, Transaction, TransactionOutcome};
use crate::record::analysis::later::{self, Later, OpenWork};
use crate::record::analysis::why::Options;
use crate::record::analysis::{AnalysedSession, Analysis};
use crate::record::model::{CommandCounts, EventKind, NoteRecord, SessionFinding, SessionSummary};
use crate::record::select::{ExchangeNumbers, may_select};
use crate::record::{self, EventRecord};

/// A question about a record, and the sessions and findings of the answer.
pub struct Question {
    /// Only this session.
    pub session: Option<u64>,
    /// Whether the effects of dmtap's rules are left out.
    pub ignore_rules: bool,
    /// Whether a finding was left out for that.
    has_ignored: bool,
    /// Only findings about transactions that this filter may select, in the exchanges that it selected.
    pub filter: Option<Filter>,
    /// Those exchanges, with their runs.
    pub selected: ExchangeNumbers,
    about: Option<About>,
    /// The reason why nothing was selected.
    unselected: Option<String>,
    analysis: Analysis,
    linter: Linter,
    /// The run of the newest event.
    run: u32,
    sessions: Vec<KeptSession>,
    /// The indexes of sessions that a later session may settle, by server and device.
    by_peers: HashMap<(Option<SmolStr>, SmolStr), Vec<usize>>,
    /// The number of unread messages, and of sessions of which not every command or item is kept.
    unread: usize,
    counts: Counts,
    messages: u64,
}

/// The counts of the sessions of a record.
#[derive(Clone, Copy, Default)]
struct Counts {
    all: u64,
    /// The sessions that `--session` selects.
    selected: u64,
    /// The kept sessions with something pending, and without.
    kept: [usize; 2],
    /// The sessions that were not kept, with something pending, and without.
    left_out: [u64; 2],
}

/// A session of the answer.
struct KeptSession {
    summary: SessionSummary,
    /// Its run in the record.
    run: u32,
    /// Its commands on the node of `--about`.
    transactions: Vec<Transaction>,
    /// The failures that a later session may settle.
    open_work: OpenWork,
}

impl Question {
    /// Creates a question about the pending findings of one node or all.
    pub fn new(options: Options, about: Option<About>) -> Self {
        Self {
            session: None,
            ignore_rules: false,
            has_ignored: false,
            filter: None,
            selected: ExchangeNumbers::new(),
            about,
            unselected: None,
            // The record shows whether a silent session goes on.
            analysis: Analysis::new(Options {
                silence_us: MAX_SILENCE_US,
                ..options
            }),
            linter: Linter::default(),
            run: 0,
            sessions: Vec::new(),
            by_peers: HashMap::new(),
            unread: 0,
            counts: Counts::default(),
            messages: 0,
        }
    }

    /// Takes in an event of the record.
    pub fn event(&mut self, event: &EventRecord) {
        if self.run != event.run {
            self.end_run();
            self.run = event.run;
            self.linter = Linter::default();
        }
        self.messages += u64::from(matches!(
            event.event,
            EventKind::Request | EventKind::Response
        ));
        let over = match self.with_notes(event) {
            Some(event) => self.analysis.event(&event),
            None => self.analysis.event(event),
        };
        over.into_iter().for_each(|session| self.over(session));
    }

    /// Returns an event of a file that is not a record of the proxy with notes of lint, which such a file lacks.
    fn with_notes(&mut self, event: &EventRecord) -> Option<EventRecord> {
        let is_of_file = event.connection.device.is_none_or(|it| it.port() == 0);
        if !is_of_file {
            return None;
        }
        let found = record::lint::of_record(&mut self.linter, event);
        let notes = found.iter().map(NoteRecord::from);
        let mut event = event.clone();
        event.notes.extend(notes);
        Some(event)
    }

    fn end_run(&mut self) {
        let remedied = self.analysis.remedied();
        let of_run = self.sessions.iter_mut().filter(|it| it.run == self.run);
        for enrollment in of_run.filter(|it| it.summary.number.is_none()) {
            later::settle_attempts(&mut enrollment.summary.findings, remedied);
        }
        let over = self.analysis.finish();
        over.into_iter().for_each(|session| self.over(session));
    }

    /// Takes in the end of the record.
    #[must_use]
    pub fn answered(mut self) -> Self {
        self.end_run();
        if self.filter.is_some() {
            for KeptSession { summary, run, .. } in &mut self.sessions {
                let is_passed = |x: &u64| self.selected.contains(&(*run, *x));
                let is_selected = |it: &SessionFinding| it.exchanges.iter().any(is_passed);
                summary.findings.retain(is_selected);
            }
        }
        self.unselected = match (self.session, &self.filter) {
            (Some(number), _) if self.counts.selected == 0 => {
                Some(format!("none of them is session {number}"))
            }
            (_, Some(_)) if self.selected.is_empty() => {
                Some("the filter selects no exchange of them".to_owned())
            }
            _ => None,
        };
        self
    }

    fn over(&mut self, session: AnalysedSession) {
        self.settle(&session);
        let AnalysedSession {
            mut summary,
            mut transactions,
        } = session;
        let open_work = OpenWork::of(&transactions);
        let unread = summary
            .findings
            .iter()
            .filter(|finding| finding.id == "WHY-15");
        let is_cut =
            |it: &Transaction| it.from == Side::Server && it.items.len() == Transaction::MOST_ITEMS;
        let is_whole = summary.commands.not_kept == 0 && !transactions.iter().any(is_cut);
        self.unread += unread.count() + usize::from(!is_whole);
        self.counts.all += u64::from(summary.number.is_some());
        if self.session.is_some() && self.session != summary.number {
            return;
        }
        self.counts.selected += 1;
        if self.ignore_rules {
            let before = summary.findings.len();
            summary
                .findings
                .retain(|it| it.rules.is_empty() || it.by.is_some());
            self.has_ignored |= summary.findings.len() < before;
            let is_untouched = |it: &Transaction| it.all_rules().next().is_none();
            let untouched = CommandCounts::of(&transactions, is_untouched);
            summary.commands = CommandCounts {
                all: summary.commands.all,
                not_kept: summary.commands.not_kept,
                ..untouched
            };
        }
        if let Some(filter) = &self.filter {
            let is_selected = |it: &Transaction| may_select(filter, it);
            let numbers = transactions
                .iter()
                .filter(|it| is_selected(it))
                .map(|it| it.number);
            let numbers: BTreeSet<u32> = numbers.collect();
            let is_about = |it: &SessionFinding| {
                it.transactions.is_empty() || it.transactions.iter().any(|it| numbers.contains(it))
            };
            summary.findings.retain(is_about);
        }
        match &self.about {
            Some(about) => {
                transactions.retain(|transaction| about.is_of(transaction));
                let is_about = |finding: &SessionFinding| {
                    let mut numbers = transactions.iter().map(|it| it.number);
                    // The finding ended the session, or concerns the exchange of an answer.
                    let is_hit = |it: &Transaction| {
                        let mut answers = it.answers.iter();
                        it.outcome == TransactionOutcome::Lost
                            || answers.any(|it| finding.exchanges.contains(&it.place.exchange))
                    };
                    let is_of_all = finding.pending && finding.transactions.is_empty();
                    numbers.any(|number| finding.transactions.contains(&number))
                        || is_of_all && transactions.iter().any(is_hit)
                };
                summary.findings.retain(is_about);
                if transactions.is_empty() && summary.findings.is_empty() {
                    return;
                }
            }
            None => transactions.clear(),
        }
        let sort = usize::from(!is_pending(&summary));
        match self.counts.kept[sort] < MOST_SESSIONS {
            true => {
                self.counts.kept[sort] += 1;
                if summary.findings.iter().any(later::may_be_settled) {
                    let of_same = self.by_peers.entry(peers(&summary));
                    of_same.or_default().push(self.sessions.len());
                }
                self.sessions.push(KeptSession {
                    summary,
                    run: self.run,
                    transactions,
                    open_work,
                });
            }
            false => self.counts.left_out[sort] += 1,
        }
    }

    /// Settles findings of earlier sessions of the same peers that this session resolves.
    fn settle(&mut self, session: &AnalysedSession) {
        if session.summary.starts_late {
            let mut before = self.sessions.iter_mut().rev();
            before.any(|it| {
                it.run + 1 == self.run
                    && later::settle_in_next_run(&mut it.summary, &session.summary)
            });
        }
        let Some(earlier) = self.by_peers.get(&peers(&session.summary)) else {
            return;
        };
        let is_whole = self.session.is_none() && self.filter.is_none() && self.about.is_none();
        let later = Later::of(session, is_whole && !self.ignore_rules);
        for at in earlier.iter().rev().take(MOST_EARLIER) {
            let KeptSession {
                summary, open_work, ..
            } = &mut self.sessions[*at];
            later.settle(summary, open_work);
        }
    }
}

/// Returns the server and the device of a session.
fn peers(summary: &SessionSummary) -> (Option<SmolStr>, SmolStr) {
    (summary.server.clone(), summary.device.clone())
}

/// Whether a finding of a session is pending.
fn is_pending(summary: &SessionSummary) -> bool {
    summary.findings.iter().any(|finding| finding.pending)
}

/// Whether a summary is that of an enrollment.
fn is_enrollment(summary: &SessionSummary) -> bool {
    summary.number.is_none() && summary.end != SessionEnd::Open
}

/// The limit of kept sessions with something pending, and of those without.
const MOST_SESSIONS: usize = 10_000;

/// The limit of earlier sessions of a device that a session may settle; the newest count.
const MOST_EARLIER: usize = 100;
