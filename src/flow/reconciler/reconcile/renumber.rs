//! MsgIDs and MsgRefs, where the peers count differently.

use std::sync::Arc;

use super::{PlannedEdits, Reconciling, answers};
use crate::dm::Message;
use crate::flow::reconciler::{MessageDirection, Obligation, OwedByRule, Reconciler};
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
        let aliases = reconciler.msg_id_aliases(speaker, message);
        let first = aliases.first().map(|alias| &alias.rule);
        let Some(rule) = reconciler.msg_ids.rule().or(first).cloned() else {
            return;
        };
        let receiver = speaker.other();
        let header = message.header().map(|header| header.element());
        if let Some(id) = header.and_then(|h| h.child(tag::MSG_ID)) {
            let own = MessageDirection::sent_by(speaker);
            let there = number(id).and_then(|n| reconciler.msg_ids.to(receiver, own, n));
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
            if let Some(alias) = newest.find(|alias| *alias.received == *received.trim_ascii()) {
                planned.set(msg_ref, alias.original.to_string());
                continue;
            }
            let other = MessageDirection::sent_by(receiver);
            match number(msg_ref).map(|n| reconciler.msg_ids.to(receiver, other, n)) {
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
    /// The MsgIDs that the sender of a message received instead of those that it answers.
    fn msg_id_aliases(&mut self, speaker: Side, message: Message<'_>) -> Vec<MsgIdAlias> {
        let msg_id = message.msg_id();
        let is_of = |owed: &OwedByRule| matches!(&owed.obligation, Obligation::MsgId { from, .. } if *from == speaker);
        if !self.obligations.iter().any(is_of) {
            return Vec::new();
        }
        let obligations = Arc::make_mut(&mut self.obligations);
        let known = obligations
            .iter_mut()
            .filter_map(|owed| match &mut owed.obligation {
                Obligation::MsgId {
                    from,
                    received,
                    original,
                    answered_in,
                } if *from == speaker => {
                    *answered_in = msg_id.as_deref().map(Into::into);
                    Some(MsgIdAlias {
                        rule: owed.rule.clone(),
                        received: received.clone(),
                        original: original.clone(),
                    })
                }
                _ => None,
            });
        known.collect()
    }

    /// The server's own number of a message that the device knows as `sent`.
    pub(super) fn as_server_numbers(&self, sent: &str) -> String {
        let number = sent.parse().ok();
        let own = number.and_then(|n| {
            self.msg_ids
                .to(Side::Server, MessageDirection::Responses, n)
        });
        own.map_or_else(|| sent.to_owned(), |n| n.to_string())
    }
}

/// A MsgID that one peer received instead of another.
struct MsgIdAlias {
    rule: Arc<str>,
    received: Box<str>,
    original: Box<str>,
}

fn number(element: Element<'_>) -> Option<u32> {
    element.text().trim_ascii().parse().ok()
}
