//! Failed commands after which a later one did what they were for. A server asks for a node, gets 404, and adds it; or it
//! sends an Add, gets 418, and sends a Replace with the same value.

use std::collections::{HashMap, HashSet};

use crate::dm::{StatusCode, locuri};
use crate::flow::{CommandDelivery, Side, Transaction, TransactionOutcome};
use crate::record::redact::MASK;

/// Marks them.
pub(super) fn mark(transactions: &mut [Transaction]) {
    let mut there: HashSet<String> = HashSet::new();
    // Failed commands on a node, of which a later one may do what they were for.
    let mut failed: HashMap<String, Vec<usize>> = HashMap::new();
    for at in 0..transactions.len() {
        let Some(node) = node(&transactions[at]) else {
            continue;
        };
        if transactions[at].has_failed() {
            // What was there before and is lost stays a failure, though it is written once more.
            if is_write(&transactions[at]) || !there.contains(&node) {
                failed.entry(node).or_default().push(at);
            }
        } else if is_done(&transactions[at]) && is_write(&transactions[at]) {
            for earlier in failed.remove(&node).unwrap_or_default() {
                if remedies(&transactions[at], &transactions[earlier]) {
                    transactions[earlier].outcome = TransactionOutcome::Remedied;
                }
            }
            there.insert(node);
        } else if is_done(&transactions[at]) && transactions[at].command == "Delete" {
            there.remove(&node);
        }
    }
    for at in 0..transactions.len() {
        if transactions[at].has_failed() && is_below_another(transactions, at) {
            transactions[at].outcome = TransactionOutcome::Remedied;
        }
    }
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

/// Commands beside a failed one that are looked at.
const MOST_BESIDE: usize = 100;

/// Whether a later command did what a failed one on the same node was for.
pub(in crate::record::analysis) fn remedies(later: &Transaction, failed: &Transaction) -> bool {
    let is_later = later.number > failed.number && is_write(later) && is_done(later);
    let is_same = node(later).is_some_and(|it| Some(it) == node(failed));
    let is_missing = matches!(&*failed.command, "Get" | "Delete") && failed.code() == Some(404);
    let does = match is_write(failed) {
        true => value(later).is_some() && value(later) == value(failed),
        false => is_missing,
    };
    is_later && is_same && does
}

/// The only node of a command of the server that no rule touched and that stands in no Atomic or Sequence, canonical.
fn node(transaction: &Transaction) -> Option<String> {
    let is_alone = transaction.from == Side::Server
        && transaction.delivery == CommandDelivery::Delivered
        && transaction.parent.is_none()
        && transaction.chunks == 0
        && transaction.items.len() == 1
        && transaction.all_rules().next().is_none();
    transaction
        .node()
        .filter(|_| is_alone)
        .map(locuri::canonical)
}

fn is_write(transaction: &Transaction) -> bool {
    matches!(&*transaction.command, "Add" | "Replace")
}

fn is_done(transaction: &Transaction) -> bool {
    let code = transaction.code();
    code.is_some_and(|code| code != 202 && StatusCode(code).is_done())
}

/// The value, where it is kept whole and not masked.
fn value(transaction: &Transaction) -> Option<&str> {
    let item = transaction.items.first()?;
    let value = item.value.as_deref().unwrap_or_default();
    (item.bytes <= value.len() as u64 && value != MASK).then_some(value)
}
