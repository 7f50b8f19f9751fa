//! The transactions of analysed sessions, by the exchanges that show them.

use std::collections::HashMap;
use std::sync::Arc;

use smol_str::SmolStr;

use super::may_select;
use crate::filter::Filter;
use crate::flow::Transaction;
use crate::record::analysis::AnalysedSession;

/// The transactions and findings of a record whose sessions were analysed.
#[derive(Default)]
pub struct Linked {
    transactions: HashMap<Key, Vec<Arc<Transaction>>>,
    findings: HashMap<Key, Vec<SmolStr>>,
    kept: usize,
}

/// The run in the record, from 0, and the exchange: a record may have several runs, and each numbers its exchanges from
/// 1.
type Key = (u32, u64);

impl Linked {
    /// Adds the sessions of a run.
    pub(super) fn enter(&mut self, filter: &Filter, run: u32, sessions: Vec<AnalysedSession>) {
        for session in sessions {
            for finding in &session.summary.findings {
                for id in std::iter::once(&finding.id).chain(&finding.also) {
                    self.finding(run, id, &finding.exchanges);
                }
            }
            for transaction in session.transactions {
                self.transaction(filter, run, transaction);
            }
        }
    }

    /// Adds a transaction, unless the filter cannot select it.
    fn transaction(&mut self, filter: &Filter, run: u32, transaction: Transaction) {
        if self.kept >= MOST_TRANSACTIONS || !may_select(filter, &transaction) {
            return;
        }
        self.kept += 1;
        let answers = transaction
            .answers
            .iter()
            .map(|answer| answer.place.exchange);
        let mut exchanges: Vec<u64> = answers.chain([transaction.asked.exchange]).collect();
        exchanges.sort_unstable();
        exchanges.dedup();
        let transaction = Arc::new(transaction);
        for exchange in exchanges {
            let shown = self.transactions.entry((run, exchange)).or_default();
            shown.push(transaction.clone());
        }
    }

    /// Adds a finding to the exchanges that it is about.
    fn finding(&mut self, run: u32, id: &SmolStr, exchanges: &[u64]) {
        for exchange in exchanges {
            let ids = self.findings.entry((run, *exchange)).or_default();
            if !ids.contains(id) && ids.len() < MOST_FINDINGS {
                ids.push(id.clone());
            }
        }
    }

    pub(super) fn of(&self, key: Key) -> &[Arc<Transaction>] {
        self.transactions.get(&key).map_or(&[], Vec::as_slice)
    }

    pub(super) fn findings(&self, key: Key) -> &[SmolStr] {
        self.findings.get(&key).map_or(&[], Vec::as_slice)
    }
}

/// The most transactions that are kept for a filter. Commands and answers of further transactions are seen only message
/// by message.
const MOST_TRANSACTIONS: usize = 1_000_000;

/// The most findings that are kept for an exchange.
const MOST_FINDINGS: usize = 32;
