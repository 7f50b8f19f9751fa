//! Results of the device: what they give, and whether the server takes them.

use smol_str::SmolStr;

use super::super::exchanged::Exchanged;
use super::OpenSession;
use super::answers::{item, place};
use crate::dm::locuri;
use crate::flow::{CommandPlace, Transaction};
use crate::record::model::CommandRecord;

/// Results that a Status refuses.
#[derive(Clone, Debug)]
pub(in super::super) struct RefusedResults {
    /// The place of the transaction that they answer.
    pub(in super::super) transaction: usize,
    /// Where they stand, and where the Status.
    pub(in super::super) came: CommandPlace,
    pub(in super::super) refused: CommandPlace,
    pub(in super::super) code: u16,
    /// The rules that acted on the Status.
    pub(in super::super) rules: Vec<SmolStr>,
}

impl OpenSession {
    /// Takes in Results, the answer to a transaction.
    pub(super) fn results(&mut self, at: usize, command: &CommandRecord, place: CommandPlace) {
        if self.given_results.len() < MOST_GIVEN {
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

    /// Takes notice of the answer at this place of a message, where it refuses Results of the message before.
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
        let has_room = self.refused_results.len() < MOST_GIVEN;
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

/// Results of one message, and refused ones of a session, that are kept.
const MOST_GIVEN: usize = 100;
