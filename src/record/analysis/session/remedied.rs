//! Failed commands after which a later one did what they were for. A server asks for a node, gets 404, and adds it; or it
//! sends an Add, gets 418, and sends a Replace with the same value.

use std::collections::HashMap;

use crate::dm::{StatusCode, locuri};
use crate::flow::{CommandDelivery, Side, Transaction, TransactionOutcome};

/// Marks them.
pub(super) fn mark(transactions: &mut [Transaction]) {
    // The next Add or Replace on each node that was done, seen from where this is.
    let mut done: HashMap<String, usize> = HashMap::new();
    for at in (0..transactions.len()).rev() {
        let Some(node) = node(&transactions[at]) else {
            continue;
        };
        if transactions[at].has_failed() {
            let ends = node.match_indices('/').map(|(end, _)| end);
            let around = ends.chain([node.len()]).map(|end| &node[..end]);
            let later = around.filter_map(|node| done.get(node));
            let mut later = later.map(|later| &transactions[*later]);
            if later.any(|later| remedies(later, &transactions[at])) {
                transactions[at].outcome = TransactionOutcome::Remedied;
            }
        } else if is_write(&transactions[at]) && is_done(&transactions[at]) {
            done.insert(node, at);
        }
    }
}

/// Whether a later command did what a failed one was for.
pub(in crate::record::analysis) fn remedies(later: &Transaction, failed: &Transaction) -> bool {
    let is_later = later.number > failed.number && is_write(later) && is_done(later);
    let nodes = is_later.then(|| node(later).zip(node(failed))).flatten();
    let Some((later_node, failed_node)) = nodes else {
        return false;
    };
    let is_same = later_node == failed_node;
    let is_missing = matches!(&*failed.command, "Get" | "Delete") && failed.code() == Some(404);
    let remedies = match is_write(failed) {
        true => is_same && value(later) == value(failed),
        // An Add was done: the node was not there, and nothing below it.
        false => is_missing && (is_same || later.command == "Add"),
    };
    remedies && locuri::is_within(&failed_node, &later_node)
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

/// As far as it is kept, with its length.
fn value(transaction: &Transaction) -> Option<(&str, u64)> {
    let item = transaction.items.first()?;
    Some((item.value.as_deref().unwrap_or_default(), item.bytes))
}
