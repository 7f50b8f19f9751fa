//! Statuses that refer to no command, and the commands that they seem to answer.

use std::borrow::Cow;

use super::lint_session::{LintSession, Pending, Turn};
use crate::dm::{CommandKind, Message, Refs, Status, StatusCode};
use crate::flow::AnswerTarget;

/// Statuses whose CmdRef no command has (STA-03). The command that such a Status seems to answer, by message and kind,
/// is not reported as unanswered, too.
#[derive(Default)]
pub(super) struct Strays<'m>(Vec<(Cow<'m, str>, CommandKind, bool)>);

impl<'m> Strays<'m> {
    pub(super) fn enter(&mut self, turn: &Turn<'m>, refs: &Refs<'m>, status: Status<'m>) {
        let is_stray = matches!(turn.target(status.element()), Some(AnswerTarget::Nothing));
        let kind = status.cmd().and_then(|cmd| CommandKind::named(&cmd));
        if let (Some(msg_ref), Some(kind), true) = (&refs.msg_ref, kind, is_stray)
            && self.0.len() <= MOST_STRAYS
        {
            let is_get = kind == CommandKind::Get && status.code() == Some(StatusCode(200));
            self.0.push((msg_ref.clone(), kind, is_get));
        }
    }

    /// Whether one of them may be the Status of the Get that Results answer.
    pub(super) fn may_be_of_get(&self, results: &Refs<'m>) -> bool {
        let is_it = |(msg_ref, kind, _): &(Cow<'_, str>, CommandKind, bool)| {
            Some(msg_ref) == results.msg_ref.as_ref() && *kind == CommandKind::Get
        };
        self.0.iter().any(is_it)
    }

    /// Marks a command as answered if it is the only one of its kind in that message without a Status.
    pub(super) fn settle(&self, turn: &Turn<'_>, seen: &mut LintSession) {
        if self.0.len() > MOST_STRAYS {
            return;
        }
        for (msg_ref, kind, is_get) in &self.0 {
            let alike = self
                .0
                .iter()
                .filter(|(msg, of, _)| (msg, of) == (msg_ref, kind));
            if alike.count() > 1 {
                continue;
            }
            let is_it = |pending: &&mut Pending| {
                let message = Message::of(&pending.document);
                let is_in_it = message.and_then(Message::msg_id).as_ref() == Some(msg_ref);
                let command = pending.command();
                !pending.is_answered && is_in_it && command.is_some_and(|it| it.kind() == *kind)
            };
            let pending = &mut seen.of_mut(turn.side.other()).pending;
            let mut left = pending.values_mut().filter(is_it);
            if let (Some(only), None) = (left.next(), left.next()) {
                only.is_answered = true;
                only.lacks_results |= is_get;
            }
        }
    }
}

/// The most Statuses without a command that are examined. If a message has more, none is.
const MOST_STRAYS: usize = 8;
