//! The Results of the device, and their refusal by the server.

use smol_str::SmolStr;

use super::super::exchanged::Exchanged;
use super::answers::{MOST_OF_MESSAGE, item, place, short};
use super::commands::transaction;
use super::{MOST_KEPT, OpenSession};
use crate::dm::locuri;
use crate::flow::{Arrival, CommandAnswer, CommandPlace, Side, Transaction};
use crate::record::model::CommandRecord;

/// Results that a Status refuses.
#[derive(Clone, Debug)]
pub(in super::super) struct RefusedResults {
    /// The place of the transaction that they answer.
    pub(in super::super) transaction: usize,
    /// The places of the Results and of the Status.
    pub(in super::super) came: CommandPlace,
    pub(in super::super) refused: CommandPlace,
    pub(in super::super) code: u16,
    /// The rules that acted on the Status.
    pub(in super::super) rules: Vec<SmolStr>,
}

impl OpenSession {
    /// Takes in the Results for a transaction.
    pub(super) fn results(&mut self, at: usize, command: &CommandRecord, place: CommandPlace) {
        if self.given_results.len() < MOST_OF_MESSAGE {
            self.given_results.push((at, place));
        }
        let results = &mut self.transactions[at].results;
        let room = Transaction::MOST_ITEMS.saturating_sub(results.len());
        results.extend(command.items.iter().take(room).map(item));
        for item in &command.items {
            let Some(node) = item.source.as_ref().or(item.target.as_ref()) else {
                continue;
            };
            let is = |known: &str| locuri::segments(node).eq_ignore_ascii_case(known);
            let value = item.data.as_ref().filter(|data| !data.masked);
            let value = || value.map(|data| data.text.clone());
            if is("devdetail/swv") {
                self.summary.os_version = value();
            } else if is("vendor/msft/devicestatus/os/edition") {
                self.summary.os_edition = value();
            }
        }
    }

    /// Notes the answer at a place of a message if it refuses Results of the message before. Returns whether it does.
    pub(super) fn note_refused_results(&mut self, message: &Exchanged<'_>, number: usize) -> bool {
        let Some((header, commands)) = message.sent else {
            return false;
        };
        let command = &commands[number];
        let code = command.status.as_ref().and_then(|status| status.code);
        let (Some(answers), Some(code @ 400..)) = (&command.answers, code) else {
            return false;
        };
        let mut given = self.given_results.iter();
        let given = given.find(|(_, it)| it.message == answers.msg && it.cmd_id == answers.id);
        let has_room = self.refused_results.len() < MOST_KEPT;
        let Some((transaction, came)) = given.filter(|_| has_room) else {
            return false;
        };
        self.refused_results.push(RefusedResults {
            transaction: *transaction,
            came: came.clone(),
            refused: place(message, header, command),
            code,
            rules: message.rules_of(number),
        });
        true
    }
}

/// Returns the Get of Results, for a record that does not have it.
pub(in super::super) fn unasked(
    exchange: u64,
    at_us: u64,
    results: &CommandRecord,
) -> Option<Transaction> {
    if results.kind != "Results" {
        return None;
    }
    let answers = results.answers.as_ref();
    let asked = CommandPlace {
        exchange,
        message: answers.map(|it| short(&it.msg)).unwrap_or_default(),
        cmd_id: answers.map(|it| short(&it.id)).unwrap_or_default(),
        at_us,
    };
    let given = transaction(Side::Server, asked, results);
    Some(Transaction {
        command: SmolStr::new_static("Get"),
        items: Vec::new(),
        results: given.items,
        ..given
    })
}

/// Returns the first node without Results of a Get of several Items, if some of the others have Results.
pub(in super::super) fn without_results(get: &Transaction) -> Vec<&SmolStr> {
    let is_of_several = get.items.len() > 1 && !get.results.is_empty();
    let nodes = get.items.iter().filter_map(|item| item.node.as_ref());
    nodes
        .filter(|node| is_of_several && !has_results(get, node))
        .collect()
}

/// Returns the first node of a command of several Items that has no answer, though others have one: no Status names it or is about
/// all, or, of a Get, no Results of it came and no Status says why. Only commands of the server: some servers name one of
/// the Items of the device in a Status about all.
pub(in super::super) fn without_answer(asked: &Transaction) -> Option<&SmolStr> {
    let is_sent = asked.from == Side::Server && asked.arrival == Arrival::Delivered;
    let nodes: Option<Vec<_>> = asked.items.iter().map(|item| item.node.as_ref()).collect();
    let nodes = nodes.filter(|nodes| is_sent && nodes.len() > 1)?;
    let is_get = asked.command == "Get";
    let statuses = || asked.answers.iter().filter(|it| it.received.is_some());
    let has_success = statuses().any(|it| it.received == Some(200));
    let is_judged = match (is_get, asked.results.len()) {
        (true, 0) => !has_success && statuses().next().is_some(),
        (true, count) => count < Transaction::MOST_ITEMS,
        (false, _) => statuses().next().is_some(),
    };
    // An answer under another name may be about any of them.
    let is_known = |name: &SmolStr| nodes.iter().any(|node| locuri::is_within(name, node));
    let mut results = asked.results.iter();
    let all_known = results.all(|item| item.node.as_ref().is_some_and(is_known))
        && statuses().flat_map(CommandAnswer::nodes).all(is_known);
    if !is_judged || !all_known {
        return None;
    }
    let is_read = |node: &SmolStr| {
        let mut read = asked.results.iter().filter_map(|item| item.node.as_ref());
        read.any(|name| locuri::is_within(name, node))
    };
    let has_status = |node: &SmolStr| {
        let mut telling = statuses().filter(|it| !is_get || it.received != Some(200));
        telling.any(|it| it.is_about(node))
    };
    nodes
        .into_iter()
        .find(|node| !(has_status(node) || is_get && is_read(node)))
}

/// Whether the Results of a Get have a node.
fn has_results(get: &Transaction, node: &str) -> bool {
    let wanted = locuri::canonical(node);
    let mut nodes = get.results.iter().filter_map(|item| item.node.as_deref());
    nodes.any(|node| locuri::canonical(node) == wanted)
}
