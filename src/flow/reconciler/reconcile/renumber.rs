//! MsgIDs and MsgRefs, where the peers count differently.

use std::sync::Arc;

use super::{PlannedEdits, Reconciling, answers};
use crate::dm::Message;
use crate::flow::reconciler::{Obligation, OwedByRule, Reconciler};
use crate::flow::{AnswerLink, Side};
use crate::markup::{Element, tag};

impl Reconciling<'_> {
    /// Translates MsgID and MsgRefs where the peers count differently.
    /// `links` are those of its answers, in their order.
    pub(super) fn renumber_messages(&mut self, reconciler: &mut Reconciler, links: &[AnswerLink]) {
        let document = self.document.clone();
        let Some(message) = Message::of(&document) else {
            return;
        };
        let (speaker, mut planned) = (self.context.speaker, PlannedEdits::default());
        reconciler.mark_as_answered(speaker, message);
        // What the speaker received, and the MsgID that it answers.
        let aliases = reconciler.obligations.iter();
        let aliases = aliases.filter_map(|owed| match &owed.obligation {
            Obligation::MsgId {
                from,
                received,
                original,
                ..
            } if *from == speaker => Some((&owed.rule, &**received, &**original)),
            _ => None,
        });
        let aliases: Vec<_> = aliases.collect();
        let first = aliases.first().map(|(rule, ..)| *rule);
        let Some(rule) = reconciler.msg_ids.rule().or(first).cloned() else {
            return;
        };
        let receiver = speaker.other();
        let header = message.header().map(|header| header.element());
        if let Some(id) = header.and_then(|h| h.child(tag::MSG_ID)) {
            let there = number(id).and_then(|n| reconciler.msg_ids.to(speaker, receiver, n));
            if let Some(there) = there {
                planned.set(id, there.to_string());
            }
        }
        for (number_of_answer, answer) in answers(message).enumerate() {
            // A peer that counts for itself answers what the other really sent, under the other's number.
            let link = links.get(number_of_answer);
            if link.is_some_and(|link| link.arrived_as.is_some()) {
                continue;
            }
            let Some(msg_ref) = answer.element().child(tag::MSG_REF) else {
                continue;
            };
            let received = msg_ref.text();
            let mut newest = aliases.iter().rev();
            let is_it = |(_, alias, _): &&(_, &str, _)| **alias == *received.trim_ascii();
            if let Some((.., original)) = newest.find(is_it) {
                planned.set(msg_ref, original.to_string());
                continue;
            }
            match number(msg_ref).map(|n| reconciler.msg_ids.to(receiver, receiver, n)) {
                Some(Some(number)) => planned.set(msg_ref, number.to_string()),
                // It answers a message that dmtap sent in the other's place.
                Some(None) => planned.remove(answer),
                None => {}
            }
        }
        self.apply(&rule, planned);
    }
}

impl Reconciler {
    /// Marks the MsgIDs that `speaker` received instead of others as answered in its message.
    fn mark_as_answered(&mut self, speaker: Side, message: Message<'_>) {
        let is_of = |owed: &OwedByRule| matches!(&owed.obligation, Obligation::MsgId { from, .. } if *from == speaker);
        if !self.obligations.iter().any(is_of) {
            return;
        }
        let msg_id = message.msg_id();
        for owed in Arc::make_mut(&mut self.obligations) {
            match &mut owed.obligation {
                Obligation::MsgId {
                    from, answered_in, ..
                } if *from == speaker => *answered_in = msg_id.as_deref().map(Into::into),
                _ => {}
            }
        }
    }

    /// The server's own number of a message that the device knows as `sent`.
    pub(super) fn as_server_numbers(&self, sent: &str) -> String {
        let number = sent.parse().ok();
        let own = number.and_then(|n| self.msg_ids.to(Side::Server, Side::Server, n));
        own.map_or_else(|| sent.to_owned(), |n| n.to_string())
    }
}

fn number(element: Element<'_>) -> Option<u32> {
    element.text().trim_ascii().parse().ok()
}
