//! The last failures of each device, which show that a command fails in session after session.

use hashlink::LinkedHashMap;
use smol_str::{SmolStr, format_smolstr};

use crate::dm::locuri;
use crate::flow::{Arrival, Side, Transaction};
use crate::record::model::SessionSummary;

/// The failures in the sessions of devices.
#[derive(Default)]
pub(super) struct History {
    /// The failures by device, and by command and node.
    failures: LinkedHashMap<SmolStr, LinkedHashMap<SmolStr, Repeated>>,
}

/// A failure that repeats.
#[derive(Clone, Debug)]
pub(super) struct Repeated {
    pub(super) code: u16,
    /// The number of consecutive sessions with it.
    pub(super) sessions: u32,
    /// The time of the first of them.
    pub(super) since_us: u64,
}

impl History {
    /// Returns the earlier sessions in which a command got the same code as now.
    pub(super) fn before(
        &self,
        session: &SessionSummary,
        transaction: &Transaction,
    ) -> Option<&Repeated> {
        let of_device = self.failures.get(&session.device)?;
        let known = of_device.get(&key(transaction))?;
        (Some(known.code) == transaction.code()).then_some(known)
    }

    /// Returns the failures of one device.
    pub(super) fn of_device(&self, device: &SmolStr) -> Self {
        let failures = self.failures.get(device).cloned();
        Self {
            failures: failures
                .map(|it| (device.clone(), it))
                .into_iter()
                .collect(),
        }
    }

    /// Takes in the answers of a session.
    pub(super) fn enter(&mut self, session: &SessionSummary, transactions: &[Transaction]) {
        let own = |transaction: &&Transaction| {
            let is_servers = transaction.from == Side::Server;
            let is_delivered = transaction.arrival == Arrival::Delivered;
            is_servers && is_delivered && transaction.all_rules().next().is_none()
        };
        let mut entered: Vec<SmolStr> = Vec::new();
        for transaction in transactions.iter().filter(own) {
            let (Some(code), Some(_)) = (transaction.code(), transaction.failed_node()) else {
                continue;
            };
            let key = key(transaction);
            if code < 400 {
                if let Some(of_device) = self.failures.get_mut(&session.device) {
                    of_device.remove(&key);
                }
                continue;
            }
            if entered.len() == NODES || entered.contains(&key) {
                continue;
            }
            let of_device = self
                .failures
                .entry(session.device.clone())
                .or_insert_with(LinkedHashMap::new);
            match of_device.to_back(&key).filter(|known| known.code == code) {
                Some(known) => known.sessions += 1,
                None => {
                    let since_us = session.began_us;
                    of_device.insert(
                        key.clone(),
                        Repeated {
                            code,
                            sessions: 1,
                            since_us,
                        },
                    );
                }
            }
            if of_device.len() > NODES {
                of_device.pop_front();
            }
            entered.push(key);
        }
        if self.failures.to_back(&session.device).is_some() && self.failures.len() > DEVICES {
            self.failures.pop_front();
        }
    }
}

fn key(transaction: &Transaction) -> SmolStr {
    let node = transaction
        .failed_node()
        .map(locuri::canonical)
        .unwrap_or_default();
    format_smolstr!("{} {node}", transaction.command)
}

/// The most devices that are remembered.
const DEVICES: usize = 1_000;
/// The most nodes that are remembered of each device.
const NODES: usize = 200;
