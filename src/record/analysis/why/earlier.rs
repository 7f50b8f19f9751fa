//! Commands before a failed one that explain it: they added or deleted its node, or a rule changed what they did.

use std::collections::{HashMap, HashSet};

use smol_str::SmolStr;

use super::Case;
use super::failed::{failure, is_carried_out};
use super::words::{self, code, named};
use crate::dm::locuri;
use crate::flow::{CommandAnswer, CommandDelivery, Side, Transaction, begins_escaped};

/// The places of the server's Adds and Deletes, by node.
pub(super) type Changes = HashMap<String, Vec<usize>>;

/// The Adds and Deletes of a session.
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
    /// The command through which a rule caused this failure, where it is one, and how: `caused this: …`.
    pub(super) fn cause_by_rule(
        &self,
        transaction: &'s Transaction,
    ) -> Option<(Option<&'s Transaction>, String)> {
        let is_servers = transaction.from == Side::Server;
        if !is_servers || transaction.all_rules().next().is_some() {
            return None;
        }
        match failure(transaction)?.received? {
            _ if !self.rules_of_beginning(transaction).is_empty() => Some((
                None,
                "caused this: it changed the device's message, and the server began its commands anew."
                    .into(),
            )),
            413 if !self.announced_before(transaction).is_empty() => Some((
                None,
                "caused this: it changed the size that the server's messages announce.".into(),
            )),
            404 => {
                let cause = self.settled_by_rule(transaction, true)?;
                Some((Some(cause), how(cause)))
            }
            418 => {
                let cause = self.settled_by_rule(transaction, false)?;
                Some((Some(cause), how(cause)))
            }
            _ => None,
        }
    }

    /// The rules behind a failure.
    pub(super) fn rules_behind(&self, transaction: &'s Transaction) -> Vec<SmolStr> {
        match self.cause_by_rule(transaction) {
            Some((Some(cause), _)) => super::rules(&[cause]),
            Some((None, _)) => match self.rules_of_beginning(transaction) {
                rules if rules.is_empty() => self.announced_before(transaction),
                rules => rules,
            },
            None => super::rules(&[transaction]),
        }
    }

    /// The rules that changed the device's message after which the server's MsgIDs began anew, with this command.
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

    /// The rules that had changed the sizes that the server announces when this command was answered.
    fn announced_before(&self, transaction: &Transaction) -> Vec<SmolStr> {
        let answered = failure(transaction).map_or(0, |answer| answer.place.exchange);
        let announced = self.session.announced.iter();
        let before = announced.filter(|(exchange, _)| *exchange < answered);
        before.map(|(_, rule)| rule.clone()).collect()
    }

    /// The last command that settled whether the node of this one is there, where rules decided that: it is lacking since
    /// its Add was not carried out or it was deleted, or it is there since it was added or not deleted.
    fn settled_by_rule(&self, transaction: &Transaction, lacks: bool) -> Option<&'s Transaction> {
        let last = self.newest_before(transaction, |_| true)?;
        // A failure that a rule only pretends changes nothing on the device.
        let is_by_rule = !last.rules.is_empty() || last.delivery != CommandDelivery::Delivered;
        let is_lacking = match &*last.command {
            "Add" => !is_carried_out(last),
            _ => is_carried_out(last),
        };
        (is_by_rule && last.all_rules().next().is_some() && is_lacking == lacks).then_some(last)
    }

    /// The Add of this node, or of one around it, that failed before, so that the node is not found.
    pub(super) fn add_without_which(&self, transaction: &Transaction) -> Option<&'s Transaction> {
        let is_own = transaction.all_rules().next().is_none();
        failure(transaction).filter(|it| is_own && it.code() == Some(404))?;
        let last = self.newest_before(transaction, |_| true)?;
        // 418 says that the node is there.
        let has_failed = failure(last).is_some_and(|it| it.code() != Some(418));
        (last.command == "Add" && has_failed && !is_carried_out(last)).then_some(last)
    }

    /// The Delete that took this node away, or one around it.
    pub(super) fn deleted_before(&self, transaction: &Transaction) -> Option<&'s Transaction> {
        let last = self.newest_before(transaction, is_carried_out)?;
        (last.command == "Delete").then_some(last)
    }

    /// The newest command before that succeeded on the node of one that got 404, where no Delete did since: the node was
    /// there.
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
        let is_as_sent = last.delivery == CommandDelivery::Delivered && last.rules.is_empty();
        (is_as_sent && last.command != "Delete").then_some(last)
    }

    /// The newest command of this session on the node of one that got 404, or on one in it, whose document was escaped
    /// twice: the device got it, answered that it did it, and did nothing. What it did on the same node later counts more.
    pub(super) fn escaped_before(&self, transaction: &Transaction) -> Option<&'s Transaction> {
        let missing = locuri::canonical(transaction.failed_node()?);
        let before = transaction.number as usize - 1;
        let mut done_later: HashSet<String> = HashSet::new();
        for it in self.session.transactions.get(..before)?.iter().rev() {
            let is_delivered = it.delivery == CommandDelivery::Delivered && it.rules.is_empty();
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

    /// The newest Add or Delete, of those `is_it` accepts, on the node of a command or one around it.
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
            { before }
                .map(|at| &self.session.transactions[*at])
                .find(|it| is_it(it))
        };
        nodes
            .filter_map(|node| self.changes.get(node).and_then(newest))
            .max_by_key(|it| it.number)
    }
}

fn how(cause: &Transaction) -> String {
    let place = words::place(&cause.asked);
    let name = named(cause);
    match (cause.delivery, failure(cause).and_then(CommandAnswer::code)) {
        (CommandDelivery::Injected, _) => format!("caused this: it put {name} in, in {place}."),
        (CommandDelivery::Delivered, Some(got)) => {
            format!(
                "caused this: it changed {name}, in {place}, which got {}.",
                code(got)
            )
        }
        (CommandDelivery::Delivered, None) => {
            format!("caused this: it changed {name}, in {place}.")
        }
        _ => format!("caused this: it kept {name} from the device, in {place}."),
    }
}
