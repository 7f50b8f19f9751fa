//! The sessions of a run, for queries while the run goes on.

use std::collections::VecDeque;
use std::sync::Arc;

use hashlink::LinkedHashMap;
use parking_lot::Mutex;

use crate::record::EventRecord;
use crate::record::analysis::{AnalysedSession, Analysis};
use crate::record::model::SessionSummary;

/// The sessions that a journal follows; clones share them. Ended sessions are kept only with [`Sessions::kept`].
#[derive(Clone, Default)]
pub struct Sessions(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Follows the sessions under way.
    analysis: Analysis,
    keeps: bool,
    /// The ended sessions by number, in the order in which they ended.
    over: LinkedHashMap<u64, Arc<AnalysedSession>>,
    /// The number of transactions in `over`.
    transactions: usize,
    /// Summaries without a session number: failed enrollments and events outside sessions. The oldest is first.
    enrollments: VecDeque<SessionSummary>,
}

impl Sessions {
    /// Returns sessions that are kept for a while after they end.
    pub fn kept() -> Self {
        let sessions = Self::default();
        sessions.0.lock().keeps = true;
        sessions
    }

    /// Takes an event and returns the sessions that it ended.
    pub(super) fn event(&self, record: &EventRecord) -> Vec<Arc<AnalysedSession>> {
        let mut state = self.0.lock();
        let ended = state.analysis.event(record);
        state.keep(ended)
    }

    /// Ends the run and returns all sessions under way.
    pub(super) fn finish(&self) -> Vec<Arc<AnalysedSession>> {
        let mut state = self.0.lock();
        let ended = state.analysis.finish();
        state.keep(ended)
    }

    /// Returns the numbers of the sessions after session `after`; with `device`, only of that device.
    pub fn numbers(&self, after: u64, device: Option<&str>) -> Vec<u64> {
        let state = self.0.lock();
        let over = state.over.iter().map(|(number, it)| (*number, &it.summary));
        let asked = over.chain(state.analysis.open()).filter(|(number, it)| {
            *number > after && device.is_none_or(|device| device == it.device)
        });
        let mut numbers: Vec<u64> = asked.map(|(number, _)| number).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Returns the summaries of failed enrollments and of events outside sessions; with `device`, only of that device.
    pub fn enrollments(&self, device: Option<&str>) -> Vec<SessionSummary> {
        let state = self.0.lock();
        let asked = state.enrollments.iter();
        let asked = asked.filter(|it| device.is_none_or(|device| device == it.device));
        asked.cloned().collect()
    }

    /// Returns a session and whether it is over. A session under way is returned as if the run ended now.
    pub fn session(&self, number: u64) -> Option<(Arc<AnalysedSession>, bool)> {
        let state = self.0.lock();
        if let Some(over) = state.over.get(&number) {
            return Some((over.clone(), true));
        }
        // The record thread waits for the lock, and the traffic for the record thread, so this concludes without the
        // lock.
        let conclude = state.analysis.so_far(number)?;
        drop(state);
        Some((Arc::new(conclude()), false))
    }
}

impl State {
    /// Keeps ended sessions and forgets the oldest.
    fn keep(&mut self, ended: Vec<AnalysedSession>) -> Vec<Arc<AnalysedSession>> {
        let ended: Vec<_> = ended.into_iter().map(Arc::new).collect();
        for session in ended.iter().filter(|_| self.keeps) {
            let Some(number) = session.summary.number else {
                self.enrollments.push_back(session.summary.clone());
                if self.enrollments.len() > MOST_ENROLLMENTS {
                    self.enrollments.pop_front();
                }
                continue;
            };
            self.transactions += session.transactions.len();
            if let Some(before) = self.over.insert(number, session.clone()) {
                self.transactions -= before.transactions.len();
            }
            while self.over.len() > MOST_SESSIONS
                || self.transactions > MOST_TRANSACTIONS && self.over.len() > 1
            {
                let oldest = self.over.pop_front();
                self.transactions -= oldest.map_or(0, |(_, oldest)| oldest.transactions.len());
            }
        }
        ended
    }
}

/// The most ended sessions that are kept.
const MOST_SESSIONS: usize = 1_000;
/// The most transactions of all kept sessions.
const MOST_TRANSACTIONS: usize = 100_000;
/// The most summaries without a session number that are kept.
const MOST_ENROLLMENTS: usize = 100;
