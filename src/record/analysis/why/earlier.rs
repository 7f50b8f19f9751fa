//! Commands before a failed one that explain the failure: they added or deleted its node, or a rule changed them.

use std::collections::{HashMap, HashSet};

use smol_str::SmolStr;

use super::Case;
use super::failed::{failure, is_carried_out};
use super::words::{self, code, named};
use crate::dm::locuri;
use crate::flow::{Arrival, CommandAnswer, Side, Transaction, begins_escaped};

/// The places of the server's Adds and Deletes, by canonical node.
pub(super) type Changes = HashMap<String, Vec<usize>>;

/// A rule that caused the failure of a later command.
pub(super) struct CauseByRule<'s> {
    /// The earlier command that the rule acted on; absent if the rule changed a message as a whole.
    pub(super) command: Option<&'s Transaction>,
    pub(super) rules: Vec<SmolStr>,
    /// The deed of the rule, in words: `caused this: …`.
    pub(super) how: String,
}

/// Returns the Adds and Deletes of a session.
pub(super) fn changes(transactions: &[Transaction]) -> Changes {
    let mut changes = Changes::new();
    for (at, it) in transactions.iter().enumerate() {
        let is_change = matches!(&*it.command, "Add" | "Delete") && it.from == Side::Server;
        if let (true, Some(node)) = (is_change, it.node()) {
            changes.entry(locuri::canonical(node)).or_default().push(at);
        }
    }
    changes
}

impl<'s> Case<'s> {
    /// Returns the rule that caused a failure by an earlier change.
    pub(super) fn cause_by_rule(&self, transaction: &'s Transaction) -> Option<CauseByRule<'s>> {
        let is_servers = transaction.from == Side::Server;
        if !is_servers || transaction.all_rules().next().is_some() {
            return None;
        }
        let failed = failure(transaction)?.received?;
        let of_message = |rules: Vec<SmolStr>, how: &str| {
            (!rules.is_empty()).then(|| CauseByRule {
                command: None,
                rules,
                how: how.to_owned(),
            })
        };
        of_message(
            self.rules_of_beginning(transaction),
            "caused this: it changed the device's message, and the server began its commands anew.",
        )
        .or_else(|| match failed {
            413 => of_message(
                self.announced_before(transaction),
                "caused this: it changed the size that the server's messages announce.",
            ),
            404 | 418 => {
                let command = self.settled_by_rule(transaction, failed == 404)?;
                Some(CauseByRule {
                    command: Some(command),
                    rules: super::rules(&[command]),
                    how: how(command),
                })
            }
            _ => None,
        })
    }

    /// Returns the rules behind a failure.
    pub(super) fn rules_behind(&self, transaction: &'s Transaction) -> Vec<SmolStr> {
        match self.cause_by_rule(transaction) {
            Some(cause) => cause.rules,
            None => super::rules(&[transaction]),
        }
    }

    /// Returns the rules that changed the device's message to which the server answered with this command under MsgIDs that
    /// began anew.
    fn rules_of_beginning(&self, transaction: &Transaction) -> Vec<SmolStr> {
        let asked = &transaction.asked;
        let mut rules = self.session.rules_on(asked.exchange);
        rules.retain(|rule| self.session.frame_rules.contains(rule));
        let msg_id = |it: &Transaction| it.asked.message.parse::<u32>().ok();
        let mut before = self.transactions().take(transaction.number as usize - 1);
        let begins_anew = !rules.is_empty()
            && before.any(|it| {
                let is_earlier = it.from == Side::Server && it.asked.exchange < asked.exchange;
                is_earlier && msg_id(it) >= msg_id(transaction)
            });
        if !begins_anew {
            rules.clear();
        }
        rules
    }

    /// Returns the rules that had changed the sizes that the server announces when this command was answered.
    fn announced_before(&self, transaction: &Transaction) -> Vec<SmolStr> {
        let answered = failure(transaction).map_or(0, |answer| answer.place.exchange);
        let announced = self.session.announced.iter();
        let before = announced.filter(|(exchange, _)| *exchange < answered);
        before.map(|(_, rule)| rule.clone()).collect()
    }

    /// Returns the last Add or Delete on the node of a command, if a rule decided its result: the node is lacking, because it
    /// was not added or was deleted, or it exists, because it was added or not deleted.
    fn settled_by_rule(&self, transaction: &Transaction, lacks: bool) -> Option<&'s Transaction> {
        let last = self.newest_before(transaction, |_| true)?;
        // A failure that a rule pretended changed nothing on the device.
        let is_by_rule = !last.rules.is_empty() || last.arrival != Arrival::Delivered;
        let is_lacking = match &*last.command {
            "Add" => !is_carried_out(last),
            _ => is_carried_out(last),
        };
        (is_by_rule && last.all_rules().next().is_some() && is_lacking == lacks).then_some(last)
    }

    /// Returns the earlier Add of the node, or of a node around it, whose failure explains a 404.
    pub(super) fn add_without_which(&self, transaction: &Transaction) -> Option<&'s Transaction> {
        let is_own = transaction.all_rules().next().is_none();
        failure(transaction).filter(|it| is_own && it.code() == Some(404))?;
        let last = self.newest_before(transaction, |_| true)?;
        // 418 says that the node exists.
        let has_failed = failure(last).is_some_and(|it| it.code() != Some(418));
        (last.command == "Add" && has_failed && !is_carried_out(last)).then_some(last)
    }

    /// Returns the Alert in front of a command that was not executed to which the user said no.
    pub(super) fn refused_by_user(&self, transaction: &'s Transaction) -> Option<&'s Transaction> {
        let around = transaction.around(&self.session.transactions);
        let mut around = std::iter::once(transaction).chain(around);
        around.find_map(|it| self.siblings_before(it).find(|it| user_words(it).is_some()))
    }

    /// Returns the failed command in front of a command of a Sequence that was not executed.
    pub(super) fn failed_in_sequence(
        &self,
        transaction: &'s Transaction,
    ) -> Option<&'s Transaction> {
        let mut around = transaction.around(&self.session.transactions);
        let is_in_sequence = around.next().is_some_and(|it| it.command == "Sequence");
        let failed = failure(transaction).filter(|_| is_in_sequence);
        failed.filter(|it| it.code() == Some(Transaction::NOT_EXECUTED))?;
        self.siblings_before(transaction).find(|it| it.has_failed())
    }

    /// Returns the commands in front of a command in the same message, and in the same Atomic or Sequence.
    fn siblings_before(
        &self,
        transaction: &'s Transaction,
    ) -> impl Iterator<Item = &'s Transaction> {
        let before = &self.session.transactions[..transaction.number as usize - 1];
        let of_message = before.iter().rev().take_while(move |it| {
            it.from == transaction.from && it.asked.exchange == transaction.asked.exchange
        });
        of_message.filter(move |it| it.parent == transaction.parent)
    }

    /// Returns the Delete that removed the node of a command, or a node around it.
    pub(super) fn deleted_before(&self, transaction: &Transaction) -> Option<&'s Transaction> {
        let last = self.newest_before(transaction, is_carried_out)?;
        (last.command == "Delete").then_some(last)
    }

    /// Returns the newest command before a 404 that succeeded on the same node, if no Delete followed it: the node existed.
    pub(super) fn there_before(&self, transaction: &Transaction) -> Option<&'s Transaction> {
        let missing = locuri::canonical(transaction.failed_node()?);
        let before = transaction.number as usize - 1;
        let mut newest_first = self.session.transactions.get(..before)?.iter().rev();
        let last = newest_first.find(|it| {
            let is_on_it = || {
                it.node()
                    .is_some_and(|node| locuri::canonical(node) == missing)
            };
            let shows_it = matches!(&*it.command, "Add" | "Replace" | "Get" | "Delete");
            it.from == Side::Server && shows_it && is_carried_out(it) && is_on_it()
        })?;
        let is_as_sent = last.arrival == Arrival::Delivered && last.rules.is_empty();
        (is_as_sent && last.command != "Delete").then_some(last)
    }

    /// Returns the newest command before a 404 on the same node, or on a node in it, whose document was escaped twice: the
    /// device answers such a command with a success, and does nothing. A later command on the same node counts more.
    pub(super) fn escaped_before(&self, transaction: &Transaction) -> Option<&'s Transaction> {
        let missing = locuri::canonical(transaction.failed_node()?);
        let before = transaction.number as usize - 1;
        let mut done_later: HashSet<String> = HashSet::new();
        for it in self.session.transactions.get(..before)?.iter().rev() {
            let is_delivered = it.arrival == Arrival::Delivered && it.rules.is_empty();
            let Some(node) = it.node().map(locuri::canonical) else {
                continue;
            };
            let rest = node.strip_prefix(&*missing);
            let is_within = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            if it.from != Side::Server || !is_within || !is_delivered || !is_carried_out(it) {
                continue;
            }
            let value = it.items.first().and_then(|item| item.value.as_deref());
            let is_new = done_later.insert(node);
            if is_new && value.is_some_and(begins_escaped) {
                return Some(it);
            }
        }
        None
    }

    /// Returns the newest Add or Delete before a command on its node or a node around it, of those that `is_it` accepts.
    fn newest_before(
        &self,
        transaction: &Transaction,
        is_it: impl Fn(&Transaction) -> bool,
    ) -> Option<&'s Transaction> {
        let node = locuri::canonical(transaction.failed_node()?);
        let ends = node.match_indices('/').map(|(end, _)| end);
        let nodes = ends.chain([node.len()]).map(|end| &node[..end]);
        let newest = |places: &Vec<usize>| {
            let before = places
                .iter()
                .rev()
                .filter(|at| (**at as u64) + 1 < u64::from(transaction.number));
            before
                .map(|at| &self.session.transactions[*at])
                .find(|it| is_it(it))
        };
        nodes
            .filter_map(|node| self.changes.get(node).and_then(newest))
            .max_by_key(|it| it.number)
    }
}

/// `the user said no to Alert 1101 Confirm or reject, in x1 (CmdID 2): 304 Not modified`, if a command is such an Alert.
pub(super) fn user_words(alert: &Transaction) -> Option<String> {
    let sent = alert.answers.iter().find_map(|answer| answer.sent)?;
    let did = match (alert.alert?, sent) {
        (1101, 304) => "said no to",
        (1100..=1104, 214) => "cancelled",
        _ => return None,
    };
    let place = words::short_place(&alert.asked);
    Some(format!(
        "the user {did} {}, in {place}: {}",
        named(alert),
        code(sent)
    ))
}

/// The advice about a user who said no.
pub(super) const ASK_AGAIN: &str = "nothing, if the user may decide; otherwise send it without the question, or ask again in a later session";

fn how(cause: &Transaction) -> String {
    let place = words::place(&cause.asked);
    let name = named(cause);
    match (cause.arrival, failure(cause).and_then(CommandAnswer::code)) {
        (Arrival::Injected, _) => format!("caused this: it put {name} in, in {place}."),
        (Arrival::Delivered, Some(got)) => {
            format!(
                "caused this: it changed {name}, in {place}, which got {}.",
                code(got)
            )
        }
        (Arrival::Delivered, None) => {
            format!("caused this: it changed {name}, in {place}.")
        }
        _ => format!("caused this: it kept {name} from the device, in {place}."),
    }
}
