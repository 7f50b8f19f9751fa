//! The messages of a sender, to find the transaction of an answer.

use std::collections::VecDeque;
use std::sync::Arc;

use smol_str::SmolStr;

use crate::dm::CommandKind;
use crate::flow::session::{Answerable, CommandIndex, Referred};
use crate::record::model::{AnswerTargetRecord, CommandRecord};

/// The commands of one message, with the places of their transactions.
pub(super) type Indexed = Arc<CommandIndex<usize>>;

/// The messages of one sender as one of the peers knows them, the newest last.
#[derive(Clone, Debug, Default)]
pub(super) struct Links(VecDeque<(SmolStr, Indexed)>);

/// Returns a command with the place of its transaction.
pub(super) fn entry(command: &CommandRecord, transaction: usize) -> Answerable<usize> {
    Answerable {
        cmd_id: command.id.clone().unwrap_or_default(),
        kind: CommandKind::named(&command.kind).unwrap_or(CommandKind::Unknown),
        is: transaction,
    }
}

impl Links {
    /// Takes in a message.
    pub(super) fn enter(&mut self, msg_id: &SmolStr, commands: Indexed) {
        self.0.push_back((msg_id.clone(), commands));
        if self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
    }

    /// Returns the commands of the newest message with this MsgID.
    pub(super) fn message(&self, msg_id: &str) -> Option<&Indexed> {
        // A peer may read the MsgID 01 as a number, and answer message 1.
        let is_number = |id: &str| {
            let number = id.parse::<u32>().ok();
            id.starts_with(['0', '+']) && number.is_some_and(|number| number.to_string() == msg_id)
        };
        let mut newest_first = self.0.iter().rev();
        let found = newest_first.find(|(id, _)| id == msg_id || is_number(id));
        found.map(|(_, commands)| commands)
    }

    /// Returns the transaction to which an answer of this kind belongs.
    pub(super) fn find(&self, kind: &str, answers: &AnswerTargetRecord) -> Option<usize> {
        let asked = match kind {
            "Results" => Some(CommandKind::Get),
            _ => answers.cmd.as_deref().and_then(CommandKind::named),
        };
        match self.message(&answers.msg)?.refer(&answers.id, asked) {
            Referred::Command(transaction) => Some(transaction),
            Referred::Header | Referred::WithoutId | Referred::Nothing => None,
        }
    }

    /// Returns the transactions without a CmdID to which an answer without a CmdRef may belong.
    pub(super) fn without_id(&self, answers: &AnswerTargetRecord) -> &[usize] {
        let asked = answers.cmd.as_deref().and_then(CommandKind::named);
        let message = self.message(&answers.msg).filter(|_| answers.id.is_empty());
        message.map_or(&[], |message| message.without_id(asked))
    }
}

/// The number of messages that are remembered of each sender.
const REMEMBERED: usize = 32;
