//! Failed commands that need nothing more, because a later command reached their goal: a server asks for a node, gets 404,
//! and adds it; sends an Add, gets 418, and sends a Replace with the same value; or repeats an Atomic, or a large object. A
//! Delete that found nothing to delete needs nothing more, either, and no probe of Intune does.

use std::collections::{HashMap, HashSet};

use crate::dm::{StatusCode, locuri};
use crate::facts;
use crate::flow::{Arrival, Side, Transaction, TransactionItem, TransactionOutcome};
use crate::record::redact::MASK;

/// Marks failed commands that need nothing more. Commands at the places in `incomplete` count as failed. Returns the later
/// command that reached the goal of a failed one, both by number.
pub(super) fn mark(
    transactions: &mut [Transaction],
    incomplete: &[(usize, Option<u64>)],
) -> HashMap<u32, u32> {
    let incomplete: HashSet<usize> = incomplete.iter().map(|(at, _)| *at).collect();
    let remedied = remedied(transactions, &incomplete);
    for (number, _) in &remedied {
        transactions[*number as usize - 1].outcome = TransactionOutcome::Remedied;
    }
    for at in 0..transactions.len() {
        if transactions[at].has_failed() && is_below_another(transactions, at) {
            transactions[at].outcome = TransactionOutcome::Remedied;
        }
    }
    let later = remedied.into_iter();
    later
        .filter_map(|(number, later)| Some((number, later?)))
        .collect()
}

/// Returns the numbers of the failed commands that need nothing more, each with that of the later command that reached its
/// goal.
fn remedied(transactions: &[Transaction], incomplete: &HashSet<usize>) -> Vec<(u32, Option<u32>)> {
    let done = Done::of(transactions);
    let mut remedied = Vec::new();
    // The nodes that a command of this session wrote, and those that exist for all that the session shows.
    let mut there: HashSet<String> = HashSet::new();
    let mut known: HashSet<String> = HashSet::new();
    for (at, transaction) in transactions.iter().enumerate() {
        if transaction.from == Side::Server && is_write(transaction) {
            known.extend(transaction.node().map(locuri::canonical));
        }
        let Some(node) = node(transaction).filter(|_| transaction.parent.is_none()) else {
            continue;
        };
        if transaction.has_failed() || incomplete.contains(&at) {
            // A node that existed before and is lost stays a failure, though a later command writes it again.
            let is_absent = transaction.code() == Some(404) && !there.contains(&node);
            let later = match &*transaction.command {
                "Add" | "Replace" => done.instead_of(transaction, transaction.number),
                "Get" | "Delete" if is_absent => done
                    .after(transaction, transaction.number)
                    .find(|it| is_write(it)),
                _ => None,
            };
            let is_gone = transaction.command == "Delete" && is_absent && !known.contains(&node);
            let is_probe = transaction.code() == Some(404) && facts::is_probe(&node);
            if later.is_some() || is_gone || is_probe {
                remedied.push((transaction.number, later.map(|it| it.number)));
            }
        } else if is_done(transaction) {
            match &*transaction.command {
                "Add" | "Replace" => {
                    there.insert(node);
                }
                "Delete" => {
                    there.remove(&node);
                    known.remove(&node);
                }
                "Get" => {
                    known.insert(node);
                }
                _ => {}
            }
        }
    }
    let atomics = transactions.iter().filter(|it| is_own_atomic(it));
    for atomic in atomics {
        let inside = inside(atomic.number, transactions);
        let has_failed = atomic.has_failed() || inside.iter().any(|it| it.has_failed());
        let later = inside.iter().filter(|_| has_failed).map(|it| {
            let later = done.instead_of(it, it.number)?;
            Some((it.number, Some(later.number)))
        });
        let later: Option<Vec<_>> = later.collect();
        let later = later.unwrap_or_default();
        let last = later.last().map(|(_, last)| (atomic.number, *last));
        remedied.extend(later.into_iter().chain(last));
    }
    remedied
}

/// Whether a Get that found nothing asked for something below a node that did not exist, either, in the same message.
fn is_below_another(transactions: &[Transaction], at: usize) -> bool {
    let failed = &transactions[at];
    if failed.command != "Get" || failed.code() != Some(404) {
        return false;
    }
    let message = transactions[..at].iter().rev();
    let message = message.take_while(|it| it.asked.exchange == failed.asked.exchange);
    let mut gone = message
        .take(MOST_BESIDE)
        .filter(|it| it.command == "Get" && it.outcome == TransactionOutcome::Remedied);
    let below = node(failed);
    gone.any(|it| {
        let nodes = below.as_ref().zip(node(it));
        nodes.is_some_and(|(below, node)| locuri::is_within(below, &node))
    })
}

fn is_own_atomic(transaction: &Transaction) -> bool {
    transaction.command == "Atomic"
        && transaction.from == Side::Server
        && transaction.all_rules().next().is_none()
}

/// Returns the commands inside an Atomic, which follow it; also those of a Sequence in it.
pub(super) fn inside(atomic: u32, transactions: &[Transaction]) -> Vec<&Transaction> {
    let first = transactions.partition_point(|it| it.number <= atomic);
    let inside = transactions[first..].iter();
    inside
        .take_while(|it| it.parent.is_some_and(|parent| parent >= atomic))
        .filter(|it| !matches!(&*it.command, "Atomic" | "Sequence"))
        .collect()
}

/// The server's commands of a session that succeeded, by node, in order.
#[derive(Default)]
pub(super) struct Done<'s>(HashMap<String, Vec<&'s Transaction>>);

impl<'s> Done<'s> {
    pub(super) fn of(session: &'s [Transaction]) -> Self {
        let mut done = Self::default();
        let is_kept = |it: &&Transaction| !it.around(session).any(Transaction::has_failed);
        for it in session.iter().filter(|it| is_done(it)).filter(is_kept) {
            if let Some(node) = node(it) {
                done.0.entry(node).or_default().push(it);
            }
        }
        done
    }

    /// Returns the first command with a number above `number` that reached the goal of a failed one. Nothing makes up for a
    /// failed Get: it would have read the value of that time.
    pub(super) fn instead_of(&self, failed: &Transaction, number: u32) -> Option<&'s Transaction> {
        self.after(failed, number).find(|later| {
            let is_alike = later.command == failed.command && failed.command != "Get"
                || is_write(later) && is_write(failed);
            is_alike && is_same_value(later, failed)
        })
    }

    /// Returns the commands on the node of a command that have a number above `number`.
    fn after(&self, failed: &Transaction, number: u32) -> impl Iterator<Item = &'s Transaction> {
        let done = node(failed).and_then(|node| self.0.get(&node));
        let done = done.map_or(&[][..], |done| {
            &done[done.partition_point(|it| it.number <= number)..]
        });
        done.iter().copied()
    }
}

/// Returns the only node of a command of the server that no rule touched, canonical.
fn node(transaction: &Transaction) -> Option<String> {
    let is_own = transaction.from == Side::Server
        && transaction.arrival == Arrival::Delivered
        && transaction.items.len() == 1
        && transaction.all_rules().next().is_none();
    transaction.node().filter(|_| is_own).map(locuri::canonical)
}

fn is_write(transaction: &Transaction) -> bool {
    matches!(&*transaction.command, "Add" | "Replace")
}

fn is_done(transaction: &Transaction) -> bool {
    let code = transaction.code();
    code.is_some_and(|code| !matches!(code, 202 | 213) && StatusCode(code).is_done())
}

/// Whether a later command has the value of a failed one. Of a large object the beginning alone is kept: that is the same.
fn is_same_value(later: &Transaction, failed: &Transaction) -> bool {
    if failed.chunks == 0 {
        return value(later).is_some() && value(later) == value(failed);
    }
    let items = (later.items.first(), failed.items.first());
    let (Some(later), Some(failed)) = items else {
        return false;
    };
    let beginning = |item: &TransactionItem| item.value.clone().filter(|it| !it.contains(MASK));
    let beginnings = beginning(later).zip(beginning(failed));
    // The first chunk of one may be longer than that of the other.
    let is_same = beginnings.is_some_and(|(one, other)| {
        let is_known = !one.is_empty() && !other.is_empty();
        is_known && (one.starts_with(&*other) || other.starts_with(&*one))
    });
    is_same && later.bytes >= failed.bytes
}

/// Returns the value if all of it is kept and no part of it is masked.
fn value(transaction: &Transaction) -> Option<&str> {
    let item = transaction.items.first()?;
    let value = item.value.as_deref().unwrap_or_default();
    (item.bytes <= value.len() as u64 && !value.contains(MASK)).then_some(value)
}

/// The most commands before a failed one that are compared with it.
const MOST_BESIDE: usize = 100;
