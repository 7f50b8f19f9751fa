//! Which transaction an answer belongs to.

use std::collections::VecDeque;
use std::sync::Arc;

use smol_str::SmolStr;

use crate::dm::CommandKind;
use crate::flow::session::{Answerable, CommandIndex, Referred};
use crate::record::model::{AnswerTargetRecord, CommandRecord};

/// The commands of one message, with the places of their transactions.
pub(super) type Indexed = Arc<CommandIndex<usize>>;

/// The messages of one sender as one of the peers knows them, newest last.
#[derive(Clone, Debug, Default)]
pub(super) struct Links(VecDeque<(SmolStr, Indexed)>);

/// A command with the place of its transaction.
pub(super) fn entry(command: &CommandRecord, transaction: usize) -> Answerable<usize> {
    Answerable {
        cmd_id: command.id.clone().unwrap_or_default(),
        kind: CommandKind::named(&command.kind).unwrap_or(CommandKind::Unknown),
        is: transaction,
    }
}

impl Links {
    /// Takes a message in.
    pub(super) fn enter(&mut self, msg_id: &SmolStr, commands: Indexed) {
        self.0.push_back((msg_id.clone(), commands));
        if self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
    }

    /// The commands of the newest message with this MsgID.
    pub(super) fn message(&self, msg_id: &str) -> Option<&Indexed> {
        let mut newest_first = self.0.iter().rev();
        newest_first.find(|(id, _)| id == msg_id).map(|(_, it)| it)
    }

    /// The transaction that an answer of this kind belongs to.
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

    /// The transactions without a CmdID that an answer without a CmdRef may belong to.
    pub(super) fn without_id(&self, answers: &AnswerTargetRecord) -> &[usize] {
        let asked = answers.cmd.as_deref().and_then(CommandKind::named);
        let message = self.message(&answers.msg).filter(|_| answers.id.is_empty());
        message.map_or(&[], |message| message.without_id(asked))
    }
}

/// Messages that are remembered for each sender.
const REMEMBERED: usize = 32;
