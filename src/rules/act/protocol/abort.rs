//! `session-abort`, `next-message`, `duplicate-message`: messages that do not come as they should.

use std::sync::Arc;

use super::challenge::syncml;
use super::{StepContext, body, msg_id};
use crate::dm::compose::{self, CmdIdAllocator, StatusBuilder};
use crate::dm::{AlertCode, CommandKind, Message, StatusCode};
use crate::flow::reconciler::{MessageDirection, SuppressReply};
use crate::flow::{EffectKind, Obligation, SessionChange, Side};
use crate::markup::edit::{Edit, Fragment, Place};
use crate::markup::tag;
use crate::rules::act::Planned;
use crate::rules::act::edit::summary;
use crate::rules::{Stage, WhichResponse};

impl Planned {
    /// Alert 1223 and Final; the server's own commands are not for a device that is to give up (PRO 8.1).
    pub(super) fn abort(&mut self, context: &StepContext<'_>) -> Result<(), String> {
        let message = context.message().ok_or("this is no SyncML message")?;
        if context.facts.stage == Stage::Response {
            for command in message.commands().filter(|c| c.expects_status()) {
                let element = command.element();
                let kind = EffectKind::Removed;
                self.detail(element, kind, summary(element), String::new());
                self.own.push(Edit::Remove { node: element.id() });
            }
        }
        self.put_alert(
            AlertCode::SESSION_ABORT,
            EffectKind::Aborted,
            context,
            message,
        )?;
        let body = body(message)?.element();
        if body.child(tag::FINAL).is_none() {
            let fragment: Option<Fragment> = compose::fragment(context.document, "<Final/>");
            self.own.push(Edit::Insert {
                place: Place::LastIn(body.id()),
                fragment: fragment.ok_or("Final cannot be written")?,
            });
        }
        Ok(())
    }

    /// Inserts Alert 1222 into a request. A response waits: the device learns that there is more to come, and
    /// gets it when it asks.
    pub(super) fn next_message(&mut self, context: &StepContext<'_>) -> Result<(), String> {
        let message = context.message().ok_or("this is no SyncML message")?;
        if context.facts.stage == Stage::Request {
            return self.put_alert(AlertCode::NEXT_MESSAGE, EffectKind::Added, context, message);
        }
        let number = msg_id(message)?.parse();
        let msg_id: u32 = number.map_err(|_| "the MsgID is no number")?;
        let reconciler = context.reconciler()?;
        let own_id = reconciler.in_numbers_of(Side::Device, MessageDirection::Responses, msg_id);
        let msg_ref = message.header_status().and_then(|status| status.msg_ref());
        let msg_ref = msg_ref.ok_or("the message has no Status for the header")?;
        let msg_ref = match msg_ref.parse() {
            Ok(n) => reconciler
                .in_numbers_of(Side::Device, MessageDirection::Requests, n)
                .to_string(),
            Err(_) => msg_ref.into_owned(),
        };
        let mut ids = CmdIdAllocator::after(0);
        let status = StatusBuilder::of_header(&msg_ref, StatusCode(200));
        let text = status.xml(&ids.give()) + &compose::alert(&ids.give(), AlertCode::NEXT_MESSAGE);
        let bytes = compose::message_as(context.document, own_id, &text);
        let bytes = bytes.ok_or("no message can be written in its place")?;
        self.change_session(SessionChange::Held {
            document: Arc::new(context.document.clone()),
            msg_id,
        });
        let what = "Alert 1222; the server's message waits";
        self.detail_of_message(EffectKind::Sent, "", what);
        self.answer = Some(syncml(context, bytes));
        Ok(())
    }

    /// An Alert of dmtap's own; the answer to it is suppressed.
    fn put_alert(
        &mut self,
        code: AlertCode,
        kind: EffectKind,
        context: &StepContext<'_>,
        message: Message<'_>,
    ) -> Result<(), String> {
        let body = body(message)?;
        let msg_ref = msg_id(message)?;
        let id = self.fresh(message).give();
        let fragment = compose::fragment(context.document, &compose::alert(&id, code));
        let fragment = fragment.ok_or("the Alert cannot be written")?;
        let suppress = Obligation::Suppress(SuppressReply {
            from: context.speaker().other(),
            msg_ref,
            cmd_ref: id.into(),
            cmd: CommandKind::Alert,
        });
        self.owe(context, vec![suppress])?;
        let after = format!("Alert {}", code.0);
        self.detail(body.element(), kind, String::new(), after);
        let place = body.end();
        self.own.push(Edit::Insert { place, fragment });
        Ok(())
    }

    pub(super) fn duplicate(
        &mut self,
        keep: WhichResponse,
        context: &StepContext<'_>,
    ) -> Result<(), String> {
        context.message().ok_or("this is no SyncML message")?;
        let which = match keep {
            WhichResponse::First => "first",
            WhichResponse::Second => "second",
        };
        let after = format!("the request twice; the device gets the {which} response");
        self.detail_of_message(EffectKind::Sent, "", &after);
        self.duplicate = Some(keep);
        Ok(())
    }
}
