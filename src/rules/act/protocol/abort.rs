//! `session-abort`, `next-message`, `duplicate-message`: messages that end the session, wait, or come twice.

use std::sync::Arc;

use super::{body, msg_id};
use crate::dm::compose::{self, CmdIdAllocator, StatusBuilder};
use crate::dm::{AlertCode, CommandKind, StatusCode};
use crate::flow::reconciler::SuppressReply;
use crate::flow::{EffectKind, Obligation, SessionChange, Side};
use crate::markup::edit::{Edit, Place};
use crate::markup::tag;
use crate::rules::WhichResponse;
use crate::rules::act::Planning;

impl Planning<'_, '_> {
    /// Adds Alert 1223 and Final. In a response, removes the server's commands: a device that must abort should not run
    /// them (PRO 8.1).
    pub(super) fn abort(&mut self) -> Result<(), String> {
        let message = self.message()?;
        if self.input.speaker == Side::Server {
            for command in message.commands().filter(|c| c.expects_status()) {
                self.take_away(command.element());
            }
        }
        self.put_alert(AlertCode::SESSION_ABORT, EffectKind::Aborted)?;
        let body = body(message)?.element();
        if body.child(tag::FINAL).is_none() {
            let place = Place::LastIn(body.id());
            let fragment = self.xml("<Final/>")?;
            self.push(Vec::new(), Edit::Insert { place, fragment });
        }
        Ok(())
    }

    /// Inserts Alert 1222 into a request. A response is held back: the device gets a message that announces more, and
    /// gets the response when it asks for it.
    pub(super) fn next_message(&mut self) -> Result<(), String> {
        let message = self.message()?;
        if self.input.speaker == Side::Device {
            return self.put_alert(AlertCode::NEXT_MESSAGE, EffectKind::Added);
        }
        let number = msg_id(message)?.parse();
        let msg_id: u32 = number.map_err(|_| "the MsgID is not a number")?;
        let reconciler = self.reconciler()?;
        let own_id = reconciler.in_numbers_of(Side::Server, Side::Device, msg_id);
        let msg_ref = message.header_status().and_then(|status| status.msg_ref());
        let msg_ref = msg_ref.ok_or("the message has no Status for the header")?;
        let msg_ref = match msg_ref.parse() {
            Ok(n) => reconciler
                .in_numbers_of(Side::Device, Side::Device, n)
                .to_string(),
            Err(_) => msg_ref.into_owned(),
        };
        let mut ids = CmdIdAllocator::after(0);
        let status = StatusBuilder::of_header(&msg_ref, StatusCode(200));
        let text = status.xml(&ids.give()) + &compose::alert(&ids.give(), AlertCode::NEXT_MESSAGE);
        let bytes = compose::message_as(self.document, own_id, &text);
        let bytes = bytes.ok_or("no message can be written in its place")?;
        self.change_session(SessionChange::MessageHeld {
            document: Arc::new(self.document.clone()),
            msg_id,
        });
        let what = "Alert 1222; the server's message waits";
        self.note_of_message(EffectKind::Sent, "", what);
        self.answer(bytes);
        Ok(())
    }

    /// Adds an Alert, and suppresses the answer to it.
    fn put_alert(&mut self, code: AlertCode, kind: EffectKind) -> Result<(), String> {
        let message = self.message()?;
        let body = body(message)?;
        let msg_ref = msg_id(message)?;
        let id = self.values.next_cmd_id();
        let fragment = self.xml(&compose::alert(&id, code))?;
        let suppress = Obligation::Suppress(SuppressReply {
            from: self.input.speaker.other(),
            msg_ref,
            cmd_ref: id.into(),
            cmd: CommandKind::Alert,
        });
        self.owe(vec![suppress])?;
        let after = format!("Alert {}", code.0);
        let place = body.end();
        let edit = Edit::Insert { place, fragment };
        self.change_at(body.element(), kind, [String::new(), after], edit);
        Ok(())
    }

    pub(super) fn send_twice(&mut self, keep: WhichResponse) -> Result<(), String> {
        self.message()?;
        let which = match keep {
            WhichResponse::First => "first",
            WhichResponse::Second => "second",
        };
        let after = format!("the request twice; the device gets the {which} response");
        self.note_of_message(EffectKind::Sent, "", &after);
        self.planned.duplicate = Some(keep);
        Ok(())
    }
}
