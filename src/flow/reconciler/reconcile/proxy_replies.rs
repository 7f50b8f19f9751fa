//! Where dmtap answers the device itself, because the server is not to hear of its message.

use std::sync::Arc;

use bytes::Bytes;

use super::{Entry, ReconcileContext, Reconciled, Settling, answers, is_work};
use crate::dm::{Message, StatusCode};
use crate::flow::compose::{self, CmdIdAllocator, StatusBuilder};
use crate::flow::reconciler::{Obligation, Reconciler, Sequence};
use crate::flow::{EffectDetail, EffectKind, RuleEffect, Side};
use crate::markup::edit::{Edit, Place};
use crate::markup::{Document, tag};
use crate::patch::Patch;

impl Reconciler {
    /// The server's message that waits, as the answer to this one of the device.
    pub(super) fn release(
        &mut self,
        document: &Arc<Document>,
        setting: ReconcileContext<'_>,
    ) -> Option<Reconciled> {
        let held = self.held.clone()?;
        let asking = Message::of(document)?;
        let request = asking.header()?.msg_id()?.parse().ok()?;
        self.gaps
            .take(Sequence::Requests, Side::Device, request, &held.rule);
        let mut settling = Settling {
            document: held.document,
            setting: ReconcileContext {
                speaker: Side::Server,
                ..setting
            },
            settled: Reconciled::default(),
        };
        settling.renumber(self);
        let entry = settling.answer_also(asking)?;
        settling.enter(&held.rule, entry);
        let reply = settling.settled.body.clone()?;
        self.held = None;
        // Their patches are of the message that waited, not of this one.
        let done = std::mem::take(&mut settling.settled.applied);
        let named = |applied: RuleEffect| RuleEffect {
            patch: Patch::default(),
            ..applied
        };
        let mut applied: Vec<RuleEffect> = done.into_iter().map(named).collect();
        applied.push(spoke(&held.rule, "the server's message, which waited"));
        Some(Reconciled {
            applied,
            reply: Some(reply),
            ..Reconciled::default()
        })
    }
}

impl Settling<'_> {
    /// Edits that make a message that waited the answer to another message, too.
    fn answer_also(&self, asking: Message<'_>) -> Option<Entry> {
        let message = Message::of(&self.document)?;
        let msg_ref = asking.header()?.msg_id()?;
        let mut entry = Entry::default();
        let header = answers(message).find(|answer| {
            let status = answer.as_status();
            status.is_some_and(|status| status.cmd_ref().as_deref() == Some("0"))
        })?;
        let element = header.element().child(tag::MSG_REF)?;
        entry.edits.push(Edit::SetText {
            element: element.id(),
            text: msg_ref.to_string(),
        });
        let mut ids = CmdIdAllocator::of(message);
        for command in asking.all_commands().filter(|c| is_work(*c)) {
            let status = StatusBuilder {
                msg_ref: &msg_ref,
                cmd_ref: &command.cmd_id().unwrap_or_default(),
                cmd: command.element().local(),
                items: &[],
                chal: "",
                code: StatusCode(200),
            };
            entry.edits.push(Edit::Insert {
                place: Place::After(header.element().id()),
                fragment: compose::fragment(&self.document, &status.xml(&ids.give()))?,
            });
        }
        Some(entry)
    }

    /// Gives the server the credentials it would have got without the rule.
    pub(super) fn credentials(&mut self, account: &mut Reconciler) {
        let document = self.document.clone();
        let (Some(message), Some(credentials)) =
            (Message::of(&document), account.credentials.clone())
        else {
            return;
        };
        if self.setting.speaker == Side::Server {
            let codes = answers(message).filter_map(|answer| answer.as_status());
            let speaks = |s: crate::dm::Status<'_>| {
                let code = s.code().map_or(0, |code| code.0);
                s.cmd_ref().as_deref() == Some("0")
                    && (s.chal().is_some() || matches!(code, 212 | 401 | 407))
            };
            if codes.into_iter().any(speaks) {
                account.credentials = None;
            }
            return;
        }
        let cred = message.header().and_then(|h| h.element().child(tag::CRED));
        let mut entry = Entry::default();
        let fragment = compose::fragment(&document, &credentials.xml);
        if let Some(cred) = cred {
            let node = cred.id();
            let (after, edit) = match fragment {
                Some(fragment) => ("as before the challenge", Edit::Replace { node, fragment }),
                None => ("none, as before the challenge", Edit::Remove { node }),
            };
            let kind = EffectKind::RestoreCredentials;
            entry.push_detail(cred, kind, String::new(), after.into());
            entry.edits.push(edit);
        }
        self.enter(&credentials.rule, entry);
    }

    /// Restores the device's SessionID, for which the server received another one.
    pub(super) fn own_session(&mut self, account: &Reconciler) {
        let document = self.document.clone();
        let header = Message::of(&document).and_then(|message| message.header());
        let id = header.and_then(|header| header.element().child(tag::SESSION_ID));
        let (Side::Server, Some(id)) = (self.setting.speaker, id) else {
            return;
        };
        let changed = account
            .promises
            .iter()
            .rev()
            .find_map(|p| match &p.promise {
                Obligation::Session { said, meant } if **said == *id.text().trim_ascii() => {
                    Some((p.rule.clone(), meant))
                }
                _ => None,
            });
        if let Some((rule, meant)) = changed {
            let mut entry = Entry::default();
            entry.set(id, meant.to_string());
            self.enter(&rule, entry);
        }
    }

    /// A message of the device of which nothing but the Status for the header is left must not be sent (PRO 8):
    /// dmtap ends the session in the server's place, which thinks it is over.
    pub(super) fn close(&mut self, account: &mut Reconciler, received: &Arc<Document>) {
        let owes = account.promises.iter().any(|promised| {
            matches!(&promised.promise, Obligation::Answer(owed) if owed.to == Side::Device)
        });
        if self.setting.speaker == Side::Server || self.settled.body.is_none() && !owes {
            return;
        }
        let document = self.document.clone();
        let is_header = |command: crate::dm::Command<'_>| {
            let status = command.as_status();
            status.is_some_and(|s| {
                s.cmd_ref().as_deref() == Some("0") && s.code().is_some_and(StatusCode::is_success)
            })
        };
        let left = Message::of(&document);
        if !left.is_some_and(|message| message.is_final() && message.commands().all(is_header)) {
            return;
        }
        if let Some((reply, rule)) = closing(account, received) {
            let last = spoke(&rule, "the end of the session");
            self.settled.applied.push(last);
            self.settled.reply = Some(reply);
        }
    }
}

/// The message that ends the session, and the rule that made it needed.
fn closing(account: &mut Reconciler, received: &Arc<Document>) -> Option<(Bytes, Arc<str>)> {
    let message = Message::of(received)?;
    let msg_ref = message.header()?.msg_id()?;
    let rule = account
        .promises
        .last()
        .map(|promised| promised.rule.clone());
    let rule = rule.or_else(|| account.gaps.rule().cloned())?;
    let mut ids = CmdIdAllocator::none_taken();
    let header = StatusBuilder {
        msg_ref: &msg_ref,
        cmd_ref: "0",
        cmd: "SyncHdr",
        items: &[],
        chal: "",
        code: StatusCode(200),
    };
    let mut body = header.xml(&ids.give());
    for promised in account.promises.iter() {
        if let Obligation::Answer(owed) = &promised.promise
            && owed.to == Side::Device
            && owed.given_in.is_none()
        {
            body += &owed.status().xml(&ids.give());
        }
    }
    let reply = compose::message(received, account.next_msg_id(), &(body + "<Final/>"))?;
    if let Ok(request) = msg_ref.parse() {
        let response = account.next_msg_id();
        account.spoke(request, response, &rule);
    }
    Some((reply, rule))
}

fn spoke(rule: &str, what: &str) -> RuleEffect {
    RuleEffect {
        rule: rule.to_owned(),
        changes: vec![EffectDetail {
            path: String::new(),
            kind: EffectKind::other("answer"),
            before: String::new(),
            after: what.to_owned(),
        }],
        patch: Patch::default(),
    }
}
