//! Answers to commands that are in no message of the session.

use std::collections::HashMap;

use smol_str::SmolStr;

use super::answers::{MOST_ORPHANS, short};
use super::commands::{MOST_TRANSACTIONS, transaction};
use super::{MOST_KEPT, OpenSession, unasked};
use crate::dm::StatusCode;
use crate::flow::{CommandPlace, Side, Transaction};
use crate::record::EventRecord;
use crate::record::analysis::why::{hresult_words, message_and_cmd_id};
use crate::record::model::CommandRecord;

/// The commands of messages without a SyncHdr by CmdID, each with its exchange. The logs of some servers show commands in
/// this way beside the answer of a device.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct CommandsAlone(HashMap<SmolStr, (u64, CommandRecord)>);

impl CommandsAlone {
    /// Takes in a message without a SyncHdr.
    pub(in super::super) fn enter(&mut self, record: &EventRecord) {
        for command in record.commands.iter().filter(|it| it.answers.is_none()) {
            let id = command.id.as_ref().filter(|id| id.len() >= LEAST_ID);
            if let Some(id) = id.filter(|_| self.0.len() < MOST_KEPT) {
                let exchange = record.exchange.unwrap_or_default();
                let mut command = command.clone();
                command.items.truncate(Transaction::MOST_ITEMS);
                self.0.insert(id.clone(), (exchange, command));
            }
        }
    }

    pub(in super::super) fn has_any(record: &EventRecord) -> bool {
        let mut commands = record.commands.iter();
        commands.any(|it| it.answers.is_none())
    }
}

impl OpenSession {
    /// Returns the transaction of a command in a message without a SyncHdr that an answer belongs to.
    pub(super) fn sent_alone(&mut self, answer: &CommandRecord) -> Option<usize> {
        let answers = answer
            .answers
            .as_ref()
            .filter(|it| it.id.len() >= LEAST_ID)?;
        let is_it = |kind: &str| answers.cmd.as_ref().map_or("Get", |cmd| cmd) == kind;
        // The session may have the command already, from another answer.
        let known = self.transactions.iter().rposition(|it| {
            it.from == Side::Server && it.asked.cmd_id == answers.id && is_it(&it.command)
        });
        let at = self.transactions.len();
        if known.is_some() || at == MOST_TRANSACTIONS {
            return known;
        }
        let (exchange, command) = self.alone.0.get(&answers.id)?;
        if !is_it(&command.kind) {
            return None;
        }
        let asked = CommandPlace {
            exchange: *exchange,
            message: short(&answers.msg),
            cmd_id: short(&answers.id),
            at_us: self.summary.began_us,
        };
        let alone = transaction(Side::Server, asked, command);
        self.add(alone);
        Some(at)
    }

    /// Notes an answer whose command the record does not have.
    pub(super) fn orphan(&mut self, exchange: u64, command: &CommandRecord) {
        if self.unasked.len() < MOST_KEPT {
            let at_us = self.summary.ended_us;
            self.unasked.extend(unasked(exchange, at_us, command));
        }
        if self.orphans.len() < MOST_ORPHANS {
            let which = match self.is_rest {
                true => "from before that end",
                false => "which is not in the record",
            };
            self.orphans.extend(failure_words(exchange, command, which));
        }
    }
}

/// Returns the failure of an unknown command in words; `which` says why it is unknown. `None` if the answer reports no
/// failure.
pub(in super::super) fn failure_words(
    exchange: u64,
    command: &CommandRecord,
    which: &str,
) -> Option<String> {
    let status = command.status.as_ref();
    let code = status.and_then(|status| status.code);
    let (Some(answers), Some(code @ 400..)) = (&command.answers, code) else {
        return None;
    };
    let name = answers.cmd.as_ref().map(short);
    let name = name.as_deref().unwrap_or("a command");
    let node = answers.loc_uri.as_ref().map(short);
    let node = node.map_or_else(String::new, |node| format!(" {node}"));
    let error = status.and_then(|status| status.original_error.as_ref());
    let error = error.map(|error| format!(" · {}", hresult_words(&short(error))));
    let place = message_and_cmd_id(&short(&answers.msg), &short(&answers.id));
    Some(format!(
        "x{exchange}: {} for {name}{node} ({place}), {which}{}",
        StatusCode(code),
        error.unwrap_or_default()
    ))
}

/// The length of the shortest CmdID that is unique in a whole file: shorter ones are numbers that start again in each
/// message.
const LEAST_ID: usize = 16;
