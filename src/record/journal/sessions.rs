//! The sessions of a run, for those who ask about them while it goes on.

use std::collections::VecDeque;
use std::sync::Arc;

use hashlink::LinkedHashMap;
use parking_lot::Mutex;

use crate::record::EventRecord;
use crate::record::analysis::{AnalysedSession, Analysis};
use crate::record::model::SessionSummary;

/// The sessions that a journal follows; clones share them. Those that are over are kept where somebody is to ask.
#[derive(Clone, Default)]
pub struct Sessions(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Follows the sessions that go on.
    analysis: Analysis,
    keeps: bool,
    /// Sessions that are over, by number, in the order in which they ended.
    over: LinkedHashMap<u64, Arc<AnalysedSession>>,
    /// Transactions of all of them.
    transactions: usize,
    /// Enrollments that came to nothing, the oldest first.
    enrollments: VecDeque<SessionSummary>,
}

impl Sessions {
    /// Sessions that are kept for a while when they are over.
    pub fn kept() -> Self {
        let sessions = Self::default();
        sessions.0.lock().keeps = true;
        sessions
    }

    /// Takes an event in; gives the sessions that ended with it.
    pub(super) fn event(&self, record: &EventRecord) -> Vec<Arc<AnalysedSession>> {
        let mut state = self.0.lock();
        let ended = state.analysis.event(record);
        state.keep(ended)
    }

    /// The run ends: gives all sessions that go on.
    pub(super) fn finish(&self) -> Vec<Arc<AnalysedSession>> {
        let mut state = self.0.lock();
        let ended = state.analysis.finish();
        state.keep(ended)
    }

    /// The numbers of the sessions after this one, of this device if one is given.
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

    /// Enrollments that came to nothing, of this device if one is given.
    pub fn enrollments(&self, device: Option<&str>) -> Vec<SessionSummary> {
        let state = self.0.lock();
        let asked = state.enrollments.iter();
        let asked = asked.filter(|it| device.is_none_or(|device| device == it.device));
        asked.cloned().collect()
    }

    /// A session, and whether it is over. One that goes on is as it would be if the run ended now.
    pub fn session(&self, number: u64) -> Option<(Arc<AnalysedSession>, bool)> {
        let state = self.0.lock();
        if let Some(over) = state.over.get(&number) {
            return Some((over.clone(), true));
        }
        // The record waits for the lock, and the traffic for the record: conclusions are drawn without it.
        let conclude = state.analysis.so_far(number)?;
        drop(state);
        Some((Arc::new(conclude()), false))
    }
}

impl State {
    /// Keeps sessions that ended, and forgets the oldest.
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

/// Sessions that are over and still shown.
const MOST_SESSIONS: usize = 1_000;
/// Transactions of all of them.
const MOST_TRANSACTIONS: usize = 100_000;
/// Enrollments that came to nothing and are still shown.
const MOST_ENROLLMENTS: usize = 100;
