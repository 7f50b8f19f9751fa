//! What the control API shows of the traffic: the newest sessions and exchanges of the run, as the records have them.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hashlink::LinkedHashMap;
use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;
use tokio::sync::{Notify, Semaphore};

use crate::flow::Transaction;
use crate::record::analysis::{AnalysedSession, Analysis};
use crate::record::model::{EventKind, SessionSummary};
use crate::record::{EventRecord, Sink, jsonl};

/// The traffic of a run; clones share it. As a sink it takes in the records of the run.
#[derive(Clone)]
pub struct Traffic(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// An exchange ended.
    grown: Notify,
    waiting: Semaphore,
}

#[derive(Default)]
struct State {
    /// Follows the sessions that go on.
    analysis: Analysis,
    /// Sessions that are over, by number, in the order in which they ended.
    over: LinkedHashMap<u64, AnalysedSession>,
    /// Transactions of all of them.
    transactions: usize,
    /// Enrollments that came to nothing, the oldest first.
    enrollments: VecDeque<SessionSummary>,
    /// The requests of exchanges under way, as JSON.
    open: LinkedHashMap<u64, String>,
    /// Exchanges that ended, in the order in which they did, each as JSON.
    exchanges: VecDeque<(u64, String)>,
    /// Bytes of the JSON that is kept.
    bytes: usize,
}

/// A session as it is now.
#[derive(Serialize)]
pub(super) struct SessionReport {
    /// `open`, or `over`.
    state: &'static str,
    /// `failed` where a finding is left open, else `ok`; `None` while nothing failed and more can come.
    verdict: Option<&'static str>,
    #[serde(flatten)]
    summary: SessionSummary,
    #[serde(skip_serializing_if = "Option::is_none")]
    transactions: Option<Vec<Transaction>>,
}

/// Sessions by number, and enrollments that came to nothing.
#[derive(Serialize)]
pub(super) struct SessionPage {
    sessions: Vec<SessionReport>,
    /// The last number, to ask for those after it.
    last: u64,
    /// Whether there are more.
    more: bool,
    enrollments: Vec<SessionSummary>,
}

/// Which part of a list is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PageQuery {
    /// What comes after this number.
    pub(super) after: u64,
    /// At most so many entries.
    pub(super) limit: Option<usize>,
    /// Only sessions of this device.
    pub(super) device: Option<String>,
    /// How long to wait where there is nothing yet.
    pub(super) wait: Duration,
}

impl Default for Traffic {
    fn default() -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            grown: Notify::new(),
            waiting: Semaphore::new(MOST_WAITING),
        }))
    }
}

impl Sink for Traffic {
    fn write_event(&mut self, record: &EventRecord) -> io::Result<()> {
        let mut state = self.0.state.lock();
        state.session(record);
        if state.exchange(record)? {
            self.0.grown.notify_waiters();
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Traffic {
    /// The sessions of a page.
    pub(super) fn sessions(&self, query: &PageQuery) -> SessionPage {
        let (numbers, enrollments) = self.state().asked(query);
        let limit = query.limit.unwrap_or(PAGE).clamp(1, MOST_PAGE);
        let asked = numbers.iter().take(limit);
        // The sink waits for the lock, and the traffic for the sink: it is held for one session at a time.
        let sessions = asked.filter_map(|number| self.state().session_report(*number, false));
        let sessions: Vec<_> = sessions.collect();
        SessionPage {
            last: sessions.last().map_or(query.after, SessionReport::number),
            more: numbers.len() > limit,
            sessions,
            enrollments,
        }
    }

    /// One session with its transactions.
    pub(super) fn session(&self, number: u64) -> Option<SessionReport> {
        self.state().session_report(number, true)
    }

    /// The exchanges of a page as JSON: each with the records of its request and of its response, or of how it failed.
    pub(super) fn exchanges(&self, query: &PageQuery) -> String {
        let state = self.state();
        let from = state.position_after(query.after);
        let limit = query.limit.unwrap_or(PAGE).clamp(1, MOST_PAGE);
        let (mut text, mut last, mut shown) = ("{\"exchanges\":[".to_owned(), query.after, 0);
        let rest = state.exchanges.range(from.unwrap_or_default()..);
        for (number, exchange) in rest.clone().take(limit) {
            if shown > 0 && text.len() + exchange.len() > PAGE_BYTES {
                break;
            }
            if shown > 0 {
                text.push(',');
            }
            text.push_str(exchange);
            (last, shown) = (*number, shown + 1);
        }
        let (more, missed) = (rest.len() > shown, from.is_none());
        let _ = write!(
            text,
            "],\"last\":{last},\"more\":{more},\"missed\":{missed}}}"
        );
        text
    }

    /// Waits until an exchange ends after this one, or as long as was asked for; `false`, and at once, where too many
    /// wait already.
    pub(super) async fn wait(&self, query: &PageQuery) -> bool {
        let Ok(_place) = self.0.waiting.try_acquire() else {
            return false;
        };
        let _ = tokio::time::timeout(query.wait.min(LONGEST_WAIT), async {
            loop {
                let grown = self.0.grown.notified();
                tokio::pin!(grown);
                grown.as_mut().enable();
                if self.state().has_after(query.after) {
                    return;
                }
                grown.await;
            }
        })
        .await;
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }
}

impl State {
    /// Follows the sessions.
    fn session(&mut self, record: &EventRecord) {
        for session in self.analysis.event(record) {
            let Some(number) = session.summary.number else {
                self.enrollments.push_back(session.summary);
                if self.enrollments.len() > MOST_ENROLLMENTS {
                    self.enrollments.pop_front();
                }
                continue;
            };
            self.transactions += session.transactions.len();
            if let Some(before) = self.over.insert(number, session) {
                self.transactions -= before.transactions.len();
            }
            while self.over.len() > MOST_SESSIONS
                || self.transactions > MOST_TRANSACTIONS && self.over.len() > 1
            {
                let oldest = self.over.pop_front();
                self.transactions -= oldest.map_or(0, |(_, oldest)| oldest.transactions.len());
            }
        }
    }

    /// Takes in the record of an exchange; whether it ended with it.
    fn exchange(&mut self, record: &EventRecord) -> io::Result<bool> {
        let Some(number) = record.exchange else {
            return Ok(false);
        };
        let name = match record.event {
            EventKind::Request => {
                let json = jsonl::object(record)?;
                self.bytes += json.len();
                let before = self.open.insert(number, json);
                self.bytes -= before.map_or(0, |before| before.len());
                self.make_room();
                return Ok(false);
            }
            EventKind::Response => "response",
            EventKind::Failed => "failed",
            _ => return Ok(false),
        };
        if let Some(known) = self.ended_lately(number) {
            // dmtap reports that an exchange failed, and then its own response.
            let more = format!(",\"{name}\":{}}}", jsonl::object(record)?);
            known.pop();
            known.push_str(&more);
            self.bytes += more.len() - 1;
            self.make_room();
            return Ok(true);
        }
        let mut json = format!("{{\"exchange\":{number},");
        if let Some(request) = self.open.remove(&number) {
            self.bytes -= request.len();
            let _ = write!(json, "\"request\":{request},");
        }
        let _ = write!(json, "\"{name}\":{}}}", jsonl::object(record)?);
        self.bytes += json.len();
        self.exchanges.push_back((number, json));
        self.make_room();
        Ok(true)
    }

    /// The JSON of an exchange that ended a moment ago.
    fn ended_lately(&mut self, number: u64) -> Option<&mut String> {
        let mut lately = self.exchanges.iter_mut().rev().take(LATELY);
        let known = lately.find(|(known, _)| *known == number);
        known.map(|(_, json)| json)
    }

    /// Forgets the oldest of what is more than is kept.
    fn make_room(&mut self) {
        while self.exchanges.len() > MOST_EXCHANGES
            || self.bytes > MOST_BYTES && self.exchanges.len() > 1
        {
            let oldest = self.exchanges.pop_front();
            self.bytes -= oldest.map_or(0, |(_, oldest)| oldest.len());
        }
        while self.open.len() > MOST_EXCHANGES || self.bytes > MOST_BYTES && self.open.len() > 1 {
            let oldest = self.open.pop_front();
            self.bytes -= oldest.map_or(0, |(_, oldest)| oldest.len());
        }
    }

    /// The place of the exchange that ended next after this one; `None` if that is not kept, or not known.
    fn position_after(&self, number: u64) -> Option<usize> {
        if number == 0 {
            return Some(0);
        }
        let before = self
            .exchanges
            .iter()
            .rposition(|(known, _)| *known == number);
        before.map(|before| before + 1)
    }

    fn has_after(&self, number: u64) -> bool {
        self.position_after(number).unwrap_or_default() < self.exchanges.len()
    }

    /// The numbers of the sessions that are asked for, and the enrollments.
    fn asked(&self, query: &PageQuery) -> (Vec<u64>, Vec<SessionSummary>) {
        let is_asked = |summary: &SessionSummary| {
            let device = query.device.as_deref();
            device.is_none_or(|device| device == summary.device)
        };
        let is_after = |number: u64| number > query.after;
        let over = self.over.iter().map(|(number, it)| (*number, &it.summary));
        let sessions = over.chain(self.analysis.open());
        let asked = sessions.filter(|(number, summary)| is_after(*number) && is_asked(summary));
        let mut numbers: Vec<u64> = asked.map(|(number, _)| number).collect();
        numbers.sort_unstable();
        let enrollments = self.enrollments.iter().filter(|it| is_asked(it));
        (numbers, enrollments.cloned().collect())
    }

    /// A session as it is now; the whole of it with its transactions.
    fn session_report(&self, number: u64, whole: bool) -> Option<SessionReport> {
        let (state, summary, transactions) = match self.over.get(&number) {
            Some(over) => {
                let transactions = whole.then(|| over.transactions.clone());
                ("over", over.summary.clone(), transactions)
            }
            None => {
                let so_far = self.analysis.so_far(number)?;
                ("open", so_far.summary, whole.then_some(so_far.transactions))
            }
        };
        let verdict = match summary.findings.iter().any(|it| it.pending) {
            true => Some("failed"),
            false => (state == "over").then_some("ok"),
        };
        Some(SessionReport {
            state,
            verdict,
            summary,
            transactions,
        })
    }
}

impl SessionReport {
    fn number(&self) -> u64 {
        self.summary.number.unwrap_or_default()
    }
}

/// Sessions that are over and still shown.
const MOST_SESSIONS: usize = 1_000;
/// Transactions of all of them.
const MOST_TRANSACTIONS: usize = 100_000;
/// Enrollments that came to nothing and are still shown.
const MOST_ENROLLMENTS: usize = 100;
/// Exchanges that ended and are still shown, and those under way.
const MOST_EXCHANGES: usize = 10_000;
/// Bytes of all of them.
const MOST_BYTES: usize = 64 << 20;
/// Exchanges among which one is looked for that ended a moment ago.
const LATELY: usize = 64;
/// Entries of a page, unless asked otherwise.
const PAGE: usize = 100;
/// Entries of a page at most.
const MOST_PAGE: usize = 1_000;
/// Bytes of a page of exchanges, of which one may be larger.
const PAGE_BYTES: usize = 8 << 20;
/// Requests that wait at a time.
const MOST_WAITING: usize = 16;
/// The longest wait.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_so_many_requests_wait_at_a_time() {
        let traffic = Traffic::default();
        let query = PageQuery::default();
        assert!(traffic.wait(&query).await);
        let others = traffic.0.waiting.acquire_many(MOST_WAITING as u32).await;
        assert!(!traffic.wait(&query).await);
        drop(others);
        assert!(traffic.wait(&query).await);
    }

    #[test]
    fn exchanges_that_are_no_longer_kept_are_reported_as_missed() {
        let mut state = State::default();
        let kept = MOST_EXCHANGES as u64;
        for number in 1..=kept + 2 {
            state.exchanges.push_back((number, "{}".to_owned()));
            state.bytes += 2;
            state.make_room();
        }
        assert_eq!(state.exchanges.len(), MOST_EXCHANGES);
        assert_eq!(state.bytes, 2 * MOST_EXCHANGES);
        assert_eq!(state.position_after(2), None);
        assert_eq!(state.position_after(3), Some(1));
        let traffic = Traffic::default();
        *traffic.0.state.lock() = state;
        let missed = |after: u64| {
            let query = PageQuery {
                after,
                limit: Some(1),
                ..PageQuery::default()
            };
            traffic.exchanges(&query).contains("\"missed\":true")
        };
        assert_eq!([2, 3, kept + 2].map(missed), [true, false, false]);
    }
}
