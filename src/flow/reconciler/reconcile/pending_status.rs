//! Answers that dmtap gives, narrows to some Items, and suppresses.

use std::collections::HashMap;
use std::sync::Arc;

use super::{PlannedEdits, Reconciling, answers, refs};
use crate::dm::compose::{self, CmdIdAllocator, ItemRef};
use crate::dm::{Message, Status, asked_kind};
use crate::flow::EffectKind;
use crate::flow::reconciler::{Obligation, PendingStatus, Reconciler};
use crate::markup::edit::{Edit, Place};
use crate::markup::{NodeId, tag};

impl Reconciling<'_> {
    /// Says which Items a Status is about that would be taken for all of them, also for those that went.
    pub(super) fn name_items(&mut self, reconciler: &Reconciler) {
        // The newest obligation about a command is the one that counts.
        let mut names = HashMap::new();
        for owed in reconciler.obligations.iter() {
            if let Obligation::NameItems(status) = &owed.obligation
                && status.from == self.context.speaker
            {
                let refs = (&*status.msg_ref, &*status.cmd_ref);
                names.insert(refs, (&owed.rule, &*status.items));
            }
        }
        let mut rules: Vec<&Arc<str>> = names.values().map(|(rule, _)| *rule).collect();
        rules.sort();
        rules.dedup();
        for rule in rules {
            let document = self.document.clone();
            let Some(message) = Message::of(&document) else {
                return;
            };
            let mut planned = PlannedEdits::default();
            for status in message.statuses() {
                let refs = (status.msg_ref(), status.cmd_ref());
                let refs = refs.0.as_deref().zip(refs.1.as_deref());
                let known = refs.and_then(|refs| names.get(&refs));
                let own =
                    known.filter(|(by, _)| *by == rule && status.ref_nodes().next().is_none());
                if let Some((_, items)) = own {
                    planned.insert_item_refs(status, items);
                }
            }
            self.apply(rule, planned);
        }
    }

    /// Does what one rule caused, as far as it is about this message.
    pub(super) fn fulfil_obligations(&mut self, reconciler: &mut Reconciler, rule: &Arc<str>) {
        let document = self.document.clone();
        let Some(message) = Message::of(&document) else {
            return;
        };
        let speaker = self.context.speaker;
        let mut planned = PlannedEdits::default();
        let of_rule = reconciler.obligations.iter().filter(|it| it.rule == *rule);
        let suppressed = of_rule.filter_map(|owed| match &owed.obligation {
            Obligation::Suppress(reply) if reply.from == speaker => {
                Some(((&*reply.msg_ref, &*reply.cmd_ref), reply.cmd))
            }
            _ => None,
        });
        let suppressed: HashMap<_, _> = suppressed.collect();
        for answer in answers(message).filter(|_| !suppressed.is_empty()) {
            let (msg_ref, cmd_ref) = refs(answer);
            let sent = suppressed.get(&(&*msg_ref, &*cmd_ref));
            if sent.is_some_and(|cmd| asked_kind(answer).is_none_or(|asked| asked == *cmd)) {
                planned.remove(answer);
            }
        }
        let mut ids = CmdIdAllocator::of(message);
        let msg_id = message.msg_id();
        let mut answer_order: Option<AnswerOrder> = None;
        let is_repeated = |given: &str| msg_id.as_deref() == Some(given);
        let obligations = Arc::make_mut(&mut reconciler.obligations);
        for owed in obligations.iter_mut().filter(|it| it.rule == *rule) {
            let Obligation::Status(owed) = &mut owed.obligation else {
                continue;
            };
            if owed.to == speaker || !owed.given_in.as_deref().is_none_or(is_repeated) {
                continue;
            }
            let answer_order = match answer_order.take() {
                Some(known) if Arc::ptr_eq(&known.order, &owed.order) => answer_order.insert(known),
                _ => answer_order.insert(AnswerOrder::of(owed, message)),
            };
            if insert_status(owed, answer_order, message, &mut ids, &mut planned) {
                owed.given_in = msg_id.as_deref().map(Into::into);
            }
        }
        self.apply(rule, planned);
    }
}

impl PlannedEdits {
    /// Puts the references of Items into a Status.
    fn insert_item_refs(&mut self, status: Status<'_>, items: &[ItemRef]) {
        let element = status.element();
        let Some(cmd) = element.child(tag::CMD) else {
            return;
        };
        for item in items {
            if let Some(fragment) = compose::fragment(element.document(), &item.xml()) {
                let place = Place::After(cmd.id());
                self.edits.push(Edit::Insert { place, fragment });
            }
        }
        let after = format!("the references of {} Items", items.len());
        self.push_detail(element, EffectKind::Added, "name", ["", &after]);
    }
}

/// Where the answers to one message stand in another.
struct AnswerOrder {
    order: Arc<[Box<str>]>,
    /// For each command, the last answer that belongs in front of its own.
    in_front: Vec<Option<NodeId>>,
}

impl AnswerOrder {
    fn of(owed: &PendingStatus, message: Message<'_>) -> Self {
        let ids = owed.order.iter().enumerate();
        let ranks: HashMap<&str, usize> = ids.map(|(rank, id)| (&**id, rank)).collect();
        let mut in_front = vec![None; owed.order.len() + 1];
        for answer in answers(message) {
            let (msg_ref, cmd_ref) = refs(answer);
            let rank = ranks.get(&*cmd_ref).filter(|_| msg_ref == *owed.msg_ref);
            let behind = match (&*cmd_ref, rank) {
                ("0", _) => 0,
                (_, Some(rank)) => rank + 1,
                _ => continue,
            };
            in_front[behind] = Some(answer.element().id());
        }
        for place in 1..in_front.len() {
            // Numbers of nodes grow in document order.
            in_front[place] = in_front[place].max(in_front[place - 1]);
        }
        Self {
            order: owed.order.clone(),
            in_front,
        }
    }
}

/// Puts a Status where it belongs among the others. Says whether it found a place.
fn insert_status(
    owed: &PendingStatus,
    answer_order: &AnswerOrder,
    message: Message<'_>,
    ids: &mut CmdIdAllocator,
    planned: &mut PlannedEdits,
) -> bool {
    let Some(body) = message.body() else {
        return false;
    };
    let document = message.element().document();
    let Some(fragment) = compose::fragment(document, &owed.status().xml(&ids.give())) else {
        return false;
    };
    // The answers for single Items come behind the answer for the command.
    let behind = owed.place + usize::from(!owed.items.is_empty());
    let in_front = answer_order.in_front.get(behind).copied().flatten();
    let place = in_front.map_or(Place::FirstIn(body.element().id()), Place::After);
    let after = format!("Status {} for {} {}", owed.code, owed.cmd, owed.cmd_ref());
    planned.push_detail(
        body.element(),
        EffectKind::Added,
        "add-status",
        ["", &after],
    );
    planned.edits.push(Edit::Insert { place, fragment });
    true
}
