//! Where dmtap answers the device itself, because the server never gets its message.

use std::sync::Arc;

use bytes::Bytes;

use super::{PlannedEdits, ReconcileContext, Reconciled, Reconciling};
use crate::dm::compose::{self, CmdIdAllocator, StatusBuilder};
use crate::dm::{Command, Message, StatusCode};
use crate::flow::reconciler::{Obligation, Reconciler};
use crate::flow::{EffectDetail, EffectKind, RuleEffect, Side};
use crate::markup::edit::{Edit, Place};
use crate::markup::{Document, tag};
use crate::patch::Patch;

impl Reconciler {
    /// The server's message that waits, as the answer to this one of the device.
    pub(super) fn release_held(
        &mut self,
        document: &Arc<Document>,
        context: ReconcileContext<'_>,
    ) -> Option<Reconciled> {
        let (rule, waiting) = self.held.clone()?;
        let asking = Message::of(document)?;
        let request = asking.msg_id()?.parse().ok()?;
        self.msg_ids
            .take(Side::Device, Side::Device, request, &rule);
        let mut reply = Reconciling {
            document: waiting,
            context: ReconcileContext {
                speaker: Side::Server,
                ..context
            },
            done: Reconciled::default(),
        };
        reply.renumber_messages(self, &[]);
        let planned = reply.edits_to_answer(asking)?;
        reply.apply(&rule, planned);
        let body = reply.done.body.clone()?;
        self.held = None;
        // Their patches are of the message that waited, not of this one.
        let done = std::mem::take(&mut reply.done.applied);
        let named = |applied: RuleEffect| RuleEffect {
            patch: Patch::default(),
            ..applied
        };
        let mut applied: Vec<RuleEffect> = done.into_iter().map(named).collect();
        applied.push(sent_itself(&rule, "the server's message, which waited"));
        Some(Reconciled {
            applied,
            reply: Some(body),
            ..Reconciled::default()
        })
    }
}

impl Reconciling<'_> {
    /// Edits that make a message that waited the answer to another message, too.
    fn edits_to_answer(&self, asking: Message<'_>) -> Option<PlannedEdits> {
        let message = Message::of(&self.document)?;
        let msg_ref = asking.msg_id()?;
        let mut planned = PlannedEdits::default();
        let header = message.header_status()?;
        let element = header.element().child(tag::MSG_REF)?;
        planned.edits.push(Edit::SetText {
            element: element.id(),
            text: msg_ref.to_string(),
        });
        let mut ids = CmdIdAllocator::of(message);
        for command in asking.all_commands().filter(|c| c.expects_status()) {
            let status = StatusBuilder::of(&msg_ref, command, StatusCode(200));
            planned.edits.push(Edit::Insert {
                place: Place::After(header.element().id()),
                fragment: compose::fragment(&self.document, &status.xml(&ids.give()))?,
            });
        }
        Some(planned)
    }

    /// Gives the server the credentials it would have got without the rule.
    pub(super) fn restore_credentials(&mut self, reconciler: &mut Reconciler) {
        let document = self.document.clone();
        let (Some(message), Some((rule, credentials))) =
            (Message::of(&document), reconciler.credentials.clone())
        else {
            return;
        };
        if self.context.speaker == Side::Server {
            let is_authenticated = StatusCode(212);
            let answers_them = message.header_status().is_some_and(|status| {
                let is_answer = |code: StatusCode| code == is_authenticated || code.is_challenge();
                status.chal().is_some() || status.code().is_some_and(is_answer)
            });
            if answers_them {
                reconciler.credentials = None;
            }
            return;
        }
        let cred = message.header().and_then(|h| h.element().child(tag::CRED));
        let mut planned = PlannedEdits::default();
        let fragment = compose::fragment(&document, &credentials);
        if let Some(cred) = cred {
            let node = cred.id();
            let (after, edit) = match fragment {
                Some(fragment) => ("as before the challenge", Edit::Replace { node, fragment }),
                None => ("none, as before the challenge", Edit::Remove { node }),
            };
            planned.push_detail(
                cred,
                EffectKind::RestoredCredentials,
                "credentials",
                ["", after],
            );
            planned.edits.push(edit);
        }
        self.apply(&rule, planned);
    }

    /// Restores the device's SessionID, for which the server received another one.
    pub(super) fn restore_session_id(&mut self, reconciler: &Reconciler) {
        let document = self.document.clone();
        let header = Message::of(&document).and_then(|message| message.header());
        let id = header.and_then(|header| header.element().child(tag::SESSION_ID));
        let (Side::Server, Some(id)) = (self.context.speaker, id) else {
            return;
        };
        let mut newest = reconciler.obligations.iter().rev();
        let changed = newest.find_map(|owed| match &owed.obligation {
            Obligation::SessionId { received, original }
                if **received == *id.text().trim_ascii() =>
            {
                Some((owed.rule.clone(), original))
            }
            _ => None,
        });
        if let Some((rule, original)) = changed {
            let mut planned = PlannedEdits::default();
            planned.set(id, original.to_string());
            self.apply(&rule, planned);
        }
    }

    /// A message of the device of which nothing but the Status for the header is left must not be sent (PRO 8):
    /// dmtap ends the session in the server's place, which thinks it is over.
    pub(super) fn end_session(&mut self, reconciler: &mut Reconciler, received: &Arc<Document>) {
        let owes = reconciler.obligations.iter().any(
            |owed| matches!(&owed.obligation, Obligation::Status(owed) if owed.to == Side::Device),
        );
        if self.context.speaker == Side::Server || self.done.body.is_none() && !owes {
            return;
        }
        let document = self.document.clone();
        let is_header = |command: Command<'_>| {
            let status = command.as_status().filter(|status| status.is_for_header());
            let code = status.and_then(|status| status.code());
            code.is_some_and(StatusCode::is_success)
        };
        let left = Message::of(&document);
        if !left.is_some_and(|message| message.is_final() && message.commands().all(is_header)) {
            return;
        }
        if let Some((reply, rule)) = session_end(reconciler, received) {
            let last = sent_itself(&rule, "the end of the session");
            self.done.applied.push(last);
            self.done.reply = Some(reply);
        }
    }
}

/// The message that ends the session, and the rule that made it needed.
fn session_end(reconciler: &mut Reconciler, received: &Arc<Document>) -> Option<(Bytes, Arc<str>)> {
    let message = Message::of(received)?;
    let msg_ref = message.msg_id()?;
    let last = reconciler.obligations.last().map(|owed| &owed.rule);
    let rule = last.or(reconciler.msg_ids.rule()).cloned()?;
    let mut ids = CmdIdAllocator::after(0);
    let header = StatusBuilder::of_header(&msg_ref, StatusCode(200));
    let mut body = header.xml(&ids.give());
    for owed in reconciler.obligations.iter() {
        if let Obligation::Status(owed) = &owed.obligation
            && owed.to == Side::Device
            && owed.given_in.is_none()
        {
            body += &owed.status().xml(&ids.give());
        }
    }
    let reply = compose::message(received, reconciler.next_msg_id(), &(body + "<Final/>"))?;
    if let Ok(request) = msg_ref.parse() {
        let response = reconciler.next_msg_id();
        reconciler.note_answered(request, response, &rule);
    }
    Some((reply, rule))
}

/// The effect of a rule that made dmtap send a message itself.
fn sent_itself(rule: &str, what: &str) -> RuleEffect {
    let change = EffectDetail::of_message(EffectKind::Sent, "reply", "", what);
    RuleEffect::new(rule, vec![change])
}
