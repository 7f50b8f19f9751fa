//! Which command an answer means that does not say it, or says it wrongly.

use smol_str::SmolStr;

use super::{OpenSession, side};
use crate::flow::{CommandDelivery, Side, Transaction};
use crate::record::model::CommandRecord;

impl OpenSession {
    /// The command without a CmdID that the Status at this place answers. Which one that is cannot be known, and need not:
    /// each has a Status, and all have the same code.
    pub(super) fn without_id(
        &self,
        other: usize,
        commands: &[CommandRecord],
        number: usize,
    ) -> Option<usize> {
        let status = |command: &CommandRecord| command.status.as_ref().map(|status| status.code);
        let answers = commands[number].answers.as_ref()?;
        let asked = self.received[other].without_id(answers);
        if asked.is_empty() {
            return None;
        }
        let is_alike = |command: &&CommandRecord| {
            let of_same = command.answers.as_ref().is_some_and(|it| {
                it.id.is_empty() && it.msg == answers.msg && it.cmd == answers.cmd
            });
            of_same && command.status.is_some()
        };
        let alike = commands.iter().filter(is_alike);
        let is_certain = alike
            .clone()
            .all(|it| status(it) == status(&commands[number]));
        let before = commands[..number].iter().filter(is_alike).count();
        (is_certain && alike.count() == asked.len()).then(|| asked.get(before).copied())?
    }

    /// The command that an answer means whose CmdRef names none: the only one of its kind in the message answered that has
    /// no such answer, where no other of these answers may mean it.
    pub(super) fn meant(
        &self,
        asker: Side,
        commands: &[CommandRecord],
        unfound: &[usize],
        number: usize,
    ) -> Option<usize> {
        let kind = |it: &CommandRecord| match &*it.kind {
            "Results" => Some(SmolStr::new_static("Get")),
            _ => it.answers.as_ref()?.cmd.clone(),
        };
        let answer = &commands[number];
        let (asked, msg) = (kind(answer)?, &answer.answers.as_ref()?.msg);
        self.received[side(asker)].message(msg)?;
        let is_alike = |other: &&usize| {
            let other = &commands[**other];
            let is_of_same = other.answers.as_ref().is_some_and(|it| it.msg == *msg);
            is_of_same && other.kind == answer.kind && kind(other).as_ref() == Some(&asked)
        };
        if unfound.iter().filter(is_alike).count() > 1 {
            return None;
        }
        let is_left = |(_, it): &(usize, &Transaction)| {
            let is_delivered = it.delivery == CommandDelivery::Delivered;
            let lacks_it = match answer.status {
                Some(_) => it.answers.is_empty(),
                None => it.results.is_empty(),
            };
            is_delivered
                && lacks_it
                && it.from == asker
                && it.asked.message == *msg
                && it.command == asked
        };
        let mut left = self.transactions.iter().enumerate().filter(is_left);
        let (at, _) = left.next()?;
        left.next().is_none().then_some(at)
    }
}
