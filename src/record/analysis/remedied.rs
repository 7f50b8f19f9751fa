//! Failed commands that need nothing more. A later one did what they were for: a server asks for a node, gets 404, and adds
//! it; sends an Add, gets 418, and sends a Replace with the same value; or sends an Atomic once more. Or a Delete found
//! nothing to delete.

use std::collections::{HashMap, HashSet};

use crate::dm::{StatusCode, locuri};
use crate::flow::{CommandDelivery, Side, Transaction, TransactionOutcome};
use crate::record::redact::MASK;

/// Marks these commands. Gives, by the number of each, the number of the later command that did what it was for.
pub(super) fn mark(transactions: &mut [Transaction]) -> HashMap<u32, u32> {
    let mut remedies = HashMap::new();
    let mut there: HashSet<String> = HashSet::new();
    // Nodes that the server wrote, or tried to write.
    let mut written: HashSet<String> = HashSet::new();
    // Failed commands on a node, of which a later one may do what they were for.
    let mut failed: HashMap<String, Vec<usize>> = HashMap::new();
    let mut deletes_of_nothing = Vec::new();
    for at in 0..transactions.len() {
        let transaction = &transactions[at];
        if transaction.from == Side::Server && is_write(transaction) {
            written.extend(transaction.node().map(locuri::canonical));
        }
        let Some(node) = node(transaction).filter(|_| transaction.parent.is_none()) else {
            continue;
        };
        if transaction.has_failed() {
            let is_lost = there.contains(&node);
            let is_delete = transaction.command == "Delete" && transaction.code() == Some(404);
            if is_delete && !is_lost && !written.contains(&node) {
                deletes_of_nothing.push(at);
            }
            // What was there before and is lost stays a failure, though it is written once more.
            if is_write(transaction) || !is_lost {
                failed.entry(node).or_default().push(at);
            }
        } else if is_done(transaction) && is_write(transaction) {
            for earlier in failed.remove(&node).unwrap_or_default() {
                if is_remedy(&transactions[at], &transactions[earlier]) {
                    transactions[earlier].outcome = TransactionOutcome::Remedied;
                    remedies.insert(transactions[earlier].number, transactions[at].number);
                }
            }
            there.insert(node);
        } else if is_done(transaction) && transaction.command == "Delete" {
            there.remove(&node);
            written.remove(&node);
        } else if is_done(transaction) && transaction.command == "Get" {
            written.insert(node);
        }
    }
    for at in deletes_of_nothing {
        transactions[at].outcome = TransactionOutcome::Remedied;
    }
    for at in 0..transactions.len() {
        if transactions[at].has_failed() && is_below_another(transactions, at) {
            transactions[at].outcome = TransactionOutcome::Remedied;
        }
    }
    for (failed, later) in remedied_atomics(transactions) {
        transactions[failed as usize - 1].outcome = TransactionOutcome::Remedied;
        remedies.insert(failed, later);
    }
    remedies
}

/// Whether a Get that found nothing asked for something below a node that was not there either, in the same message.
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

/// Failed Atomics all of whose commands were done later, and these commands: the number of each with that of the later
/// command.
fn remedied_atomics(transactions: &[Transaction]) -> Vec<(u32, u32)> {
    let atomics = transactions.iter().filter(|it| is_own_atomic(it));
    let failed: Vec<_> = atomics
        .map(|atomic| (atomic, inside(atomic.number, transactions)))
        .filter(|(atomic, inside)| atomic.has_failed() || inside.iter().any(|it| it.has_failed()))
        .collect();
    if failed.is_empty() {
        return Vec::new();
    }
    let done = Done::of(transactions);
    let remedied = failed.into_iter().filter_map(|(atomic, inside)| {
        let later = inside.iter().map(|it| {
            let later = done.instead_of(it, it.number)?;
            Some((it.number, later.number))
        });
        let mut all: Vec<_> = later.collect::<Option<_>>()?;
        let (_, last) = *all.last()?;
        all.push((atomic.number, last));
        Some(all)
    });
    remedied.flatten().collect()
}

fn is_own_atomic(transaction: &Transaction) -> bool {
    transaction.command == "Atomic"
        && transaction.from == Side::Server
        && transaction.all_rules().next().is_none()
}

/// The commands inside an Atomic, those of a Sequence in it included. They follow it.
pub(super) fn inside(atomic: u32, transactions: &[Transaction]) -> Vec<&Transaction> {
    let first = transactions.partition_point(|it| it.number <= atomic);
    let inside = transactions[first..].iter();
    inside
        .take_while(|it| it.parent.is_some_and(|parent| parent >= atomic))
        .filter(|it| !matches!(&*it.command, "Atomic" | "Sequence"))
        .collect()
}

/// The server's commands of a session that were done, by node, in order.
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

    /// The first one with a number above `after` that did what a failed command was for.
    pub(super) fn instead_of(&self, failed: &Transaction, after: u32) -> Option<&'s Transaction> {
        let done = self.0.get(&node(failed)?)?;
        let first = done.partition_point(|it| it.number <= after);
        let mut later = done[first..].iter().copied();
        // What could not be read then is not made up for by what is there now.
        later.find(|later| {
            let is_alike = later.command == failed.command && failed.command != "Get"
                || is_write(later) && is_write(failed);
            is_alike && has_same_value(later, failed)
        })
    }
}

/// Whether a write that was done later did what a failed command on the same node was for.
fn is_remedy(later: &Transaction, failed: &Transaction) -> bool {
    match is_write(failed) {
        true => has_same_value(later, failed),
        false => matches!(&*failed.command, "Get" | "Delete") && failed.code() == Some(404),
    }
}

/// The only node of a command of the server that no rule touched, canonical.
fn node(transaction: &Transaction) -> Option<String> {
    let is_own = transaction.from == Side::Server
        && transaction.delivery == CommandDelivery::Delivered
        && transaction.chunks == 0
        && transaction.items.len() == 1
        && transaction.all_rules().next().is_none();
    transaction.node().filter(|_| is_own).map(locuri::canonical)
}

fn is_write(transaction: &Transaction) -> bool {
    matches!(&*transaction.command, "Add" | "Replace")
}

fn is_done(transaction: &Transaction) -> bool {
    let code = transaction.code();
    code.is_some_and(|code| code != 202 && StatusCode(code).is_done())
}

fn has_same_value(one: &Transaction, other: &Transaction) -> bool {
    value(one).is_some() && value(one) == value(other)
}

/// The value, where it is kept whole and no part of it is masked.
fn value(transaction: &Transaction) -> Option<&str> {
    let item = transaction.items.first()?;
    let value = item.value.as_deref().unwrap_or_default();
    (item.bytes <= value.len() as u64 && !value.contains(MASK)).then_some(value)
}

/// Commands beside a failed one that are looked at.
const MOST_BESIDE: usize = 100;
