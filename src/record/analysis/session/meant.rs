//! The search for the command of an answer with a missing or wrong reference.

use smol_str::SmolStr;

use super::super::exchanged::Exchanged;
use super::super::links::Links;
use super::OpenSession;
use super::answers::{MOST_OF_MESSAGE, short};
use crate::dm::locuri;
use crate::flow::{Arrival, Side, Transaction, TransactionItem};
use crate::record::model::CommandRecord;

impl OpenSession {
    /// Returns the transaction of the answer at a place. A peer whose numbers a rule disturbed may count by itself: then its
    /// answers fit the messages that the other peer really sent, under that peer's numbers.
    pub(super) fn find(
        &self,
        other: Side,
        commands: &[CommandRecord],
        number: usize,
    ) -> Option<usize> {
        let found = |links: &Links, command: &CommandRecord| {
            links.find(&command.kind, command.answers.as_ref()?)
        };
        let fits = |links: &Links, command: &CommandRecord| {
            let asked = match &*command.kind {
                "Results" => Some("Get"),
                _ => command.answers.as_ref().and_then(|it| it.cmd.as_deref()),
            };
            let at = found(links, command).filter(|_| asked.is_some());
            at.is_some_and(|at| asked == Some(&*self.transactions[at].command))
        };
        let command = &commands[number];
        let (received, sent) = (&self.received[other], &self.sent[other]);
        let places = (found(received, command), found(sent, command));
        match places {
            (_, None) => places.0,
            (None, Some(_)) => places.1.filter(|at| {
                let is_kept_back = self.transactions[*at].arrival == Arrival::Withheld;
                !is_kept_back && fits(sent, command)
            }),
            (Some(one), Some(two)) if one == two => places.0,
            (Some(_), Some(_)) => {
                let msg = command.answers.as_ref().map(|it| &it.msg);
                let is_alike = |it: &&CommandRecord| it.answers.as_ref().map(|it| &it.msg) == msg;
                let count = |links: &Links| {
                    let alike = commands.iter().filter(is_alike).take(MOST_OF_MESSAGE);
                    alike.filter(|it| fits(links, it)).count()
                };
                match count(sent) > count(received) {
                    true => places.1,
                    false => places.0,
                }
            }
        }
    }

    /// Returns the transaction of an answer of which dmtap only translated the references into the receiver's numbers.
    pub(super) fn renumbered(
        &self,
        message: &Exchanged<'_>,
        received: &CommandRecord,
    ) -> Option<usize> {
        let (_, sent) = message.sent?;
        let is_it = |it: &CommandRecord| it.id == received.id && it.kind == received.kind;
        let number = sent.iter().position(is_it)?;
        let refs = |it: &CommandRecord| {
            it.answers
                .as_ref()
                .map(|it| (it.msg.clone(), it.id.clone()))
        };
        if refs(&sent[number]) == refs(received) {
            return None;
        }
        let is_renumbered =
            message.rules_of(number).is_empty() && message.rules_of_frame().is_empty();
        is_renumbered.then(|| self.find(message.from.other(), sent, number))?
    }

    /// Notes that a peer answers, and so did read, a message that rules made unreadable for dmtap.
    pub(super) fn note_read(&mut self, other: Side, commands: &[CommandRecord]) {
        let Some((exchange, msg_id)) = self.last[other].unreadable.clone() else {
            return;
        };
        let mut answers = commands.iter().filter_map(|it| it.answers.as_ref());
        if !answers.any(|it| it.msg == msg_id) {
            return;
        }
        self.last[other].unreadable = None;
        if let Some(sent) = self.sent[other].message(&msg_id).cloned() {
            self.received[other].enter(&msg_id, sent);
        }
        for at in 0..self.transactions.len() {
            let transaction = &mut self.transactions[at];
            let is_of_it = transaction.from == other && transaction.asked.exchange == exchange;
            if is_of_it && transaction.arrival == Arrival::Withheld {
                transaction.arrival = Arrival::Delivered;
                transaction.rules.clear();
            }
            let mut is_answered = false;
            for answer in &mut transaction.answers {
                if answer.place.exchange == exchange && transaction.from != other {
                    answer.received = answer.sent;
                    answer.rules.clear();
                    is_answered = true;
                }
            }
            if is_answered {
                self.settle(at);
            }
        }
    }

    /// Returns a command without a CmdID that the Status at a place may answer, if it does not matter which one: each of
    /// these commands has a Status, and all have the same code.
    pub(super) fn without_id(
        &self,
        other: Side,
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

    /// Whether an earlier message has an answer to a command after which no other such answer may come.
    pub(super) fn has_answer_before(
        &self,
        message: &Exchanged<'_>,
        at: usize,
        answer: &CommandRecord,
    ) -> bool {
        let known = &self.transactions[at];
        let before = known
            .answers
            .iter()
            .filter(|it| it.place.exchange < message.exchange && !it.is_in_progress());
        let is_final = before.clone().next().is_some();
        // The answers about several Items may come in several messages.
        let count = known.items.len();
        let is_left = |item: &TransactionItem| {
            let is_about = |node: &SmolStr| before.clone().any(|it| it.is_about(node));
            let is_about_all = || before.clone().any(|it| it.node.is_none());
            !item.node.as_ref().map_or_else(is_about_all, is_about)
        };
        match answer.status {
            Some(_) => {
                let has_more = count == Transaction::MOST_ITEMS || known.items.iter().any(is_left);
                let may_follow = count > 1 && has_more;
                is_final && known.chunks == 0 && !may_follow
            }
            None => known.command != "Get" || is_final && !is_about(known, answer),
        }
    }

    /// Returns the command that an answer means which refers to a command with an answer: the only one in the newest message
    /// with the same CmdID and no such answer.
    pub(super) fn meant_of_newest(
        &self,
        asker: Side,
        answer: &CommandRecord,
    ) -> Option<(usize, WrongRef)> {
        let answers = answer.answers.as_ref()?;
        let newest = self.last[asker].commands.clone();
        let at = self.only_with_id(answer, |at, it| newest.contains(&at) && it.from == asker)?;
        let is_wrong = self.transactions[at].asked.message != answers.msg;
        is_wrong.then(|| (at, WrongRef::Msg(short(&answers.msg))))
    }

    /// Returns the command that an answer means whose MsgRef names no message: the only one of the same kind and CmdID.
    fn meant_of_no_message(
        &self,
        asker: Side,
        answer: &CommandRecord,
        asked: &str,
    ) -> Option<(usize, WrongRef)> {
        let msg = &answer.answers.as_ref()?.msg;
        // The record may lack messages before and between others.
        let newest = self.last[asker].msg_id.parse::<u32>().ok();
        let is_later = |number: u32| number == 0 || newest.is_some_and(|newest| number > newest);
        if !msg.parse().map_or(true, is_later) || !self.missing.is_empty() {
            return None;
        }
        let at = self.only_with_id(answer, |_, it| it.from == asker && it.command == asked)?;
        Some((at, WrongRef::Msg(short(msg))))
    }

    /// Returns the only command with the CmdID and the node of an answer that has no such answer, and on which no rule acted.
    fn only_with_id(
        &self,
        answer: &CommandRecord,
        is_it: impl Fn(usize, &Transaction) -> bool,
    ) -> Option<usize> {
        let id = &answer.answers.as_ref()?.id;
        if id.is_empty() {
            return None;
        }
        let is_left = |(at, it): &(usize, &Transaction)| {
            if it.asked.cmd_id != *id || it.arrival != Arrival::Delivered {
                return false;
            }
            let lacks_it = match answer.status {
                Some(_) => it.answers.is_empty(),
                None => it.results.is_empty() && it.command == "Get",
            };
            // Comparing nodes takes longest.
            lacks_it && it.all_rules().next().is_none() && is_it(*at, it) && is_about(it, answer)
        };
        self.only(is_left)
    }

    /// Returns the place of the only transaction that `is_it` accepts.
    fn only(&self, is_it: impl FnMut(&(usize, &Transaction)) -> bool) -> Option<usize> {
        let mut found = self.transactions.iter().enumerate().filter(is_it);
        let (at, _) = found.next()?;
        found.next().is_none().then_some(at)
    }

    /// Returns the command that an answer means whose CmdRef names none: the only one of its kind in the answered message
    /// without such an answer, if no other of these answers may mean it.
    pub(super) fn meant(
        &self,
        asker: Side,
        commands: &[CommandRecord],
        unfound: &[usize],
        number: usize,
    ) -> Option<(usize, WrongRef)> {
        let kind = |it: &CommandRecord| match &*it.kind {
            "Results" => Some(SmolStr::new_static("Get")),
            _ => it.answers.as_ref()?.cmd.clone(),
        };
        let answer = &commands[number];
        let answers = answer.answers.as_ref()?;
        let (asked, msg) = (kind(answer)?, &answers.msg);
        if self.received[asker].message(msg).is_none() {
            return self.meant_of_no_message(asker, answer, &asked);
        }
        let newest = self.meant_of_newest(asker, answer);
        let newest = newest.filter(|(at, _)| self.transactions[*at].command == asked);
        if newest.is_some() {
            return newest;
        }
        let is_alike = |other: &&usize| {
            let other = &commands[**other];
            let is_of_same = other.answers.as_ref().is_some_and(|it| it.msg == *msg);
            is_of_same && other.kind == answer.kind && kind(other).as_ref() == Some(&asked)
        };
        if unfound.iter().filter(is_alike).count() > 1 {
            return None;
        }
        let is_left = |(_, it): &(usize, &Transaction)| {
            let is_delivered = it.arrival == Arrival::Delivered;
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
        Some((self.only(is_left)?, WrongRef::Cmd(short(&answers.id))))
    }
}

/// Whether Results are about a node of a command. A Status is about any node: the record has the node of the command to
/// which the Status refers.
fn is_about(transaction: &Transaction, answer: &CommandRecord) -> bool {
    let own = answer.items.first().and_then(|item| item.source.as_ref());
    let nodes = transaction.items.iter();
    let mut nodes = nodes.filter_map(|item| item.node.as_deref());
    own.is_none_or(|own| nodes.any(|node| locuri::is_within(own, node)))
}

/// The wrong reference of an answer; empty if it is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum WrongRef {
    /// The CmdRef.
    Cmd(SmolStr),
    /// The MsgRef.
    Msg(SmolStr),
}
