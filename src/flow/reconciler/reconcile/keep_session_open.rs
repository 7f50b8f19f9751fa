//! Something for a device to do that would end the session otherwise.

use std::sync::Arc;

use super::{Entry, Settling, is_work, last_place};
use crate::dm::{Command, Message};
use crate::flow::compose::{self, CmdIdAllocator};
use crate::flow::reconciler::{Obligation, OwedByRule, Reconciler, SuppressReply};
use crate::flow::{EffectKind, Side};
use crate::markup::edit::Edit;

impl Settling<'_> {
    /// A device that has nothing to answer ends the session, and the server would wait for ever for what it
    /// is owed: the device gets something harmless to do.
    pub(super) fn occupy(&mut self, account: &mut Reconciler) {
        let document = self.document.clone();
        let Some(message) = Message::of(&document) else {
            return;
        };
        let Some(rule) = owing(account).filter(|_| self.setting.speaker == Side::Server) else {
            return;
        };
        if message.commands().any(is_work) || message.commands().any(is_challenge) {
            return;
        }
        let msg_id = message.header().and_then(|header| header.msg_id());
        let (Some(body), Some(msg_id)) = (message.body(), msg_id) else {
            return;
        };
        let id = CmdIdAllocator::of(message).give();
        let item = "<Item><Target><LocURI>./DevInfo/DevId</LocURI></Target></Item>";
        let get = format!("<Get>{}{item}</Get>", compose::leaf("CmdID", &id));
        let Some(fragment) = compose::fragment(&document, &get) else {
            return;
        };
        // The device refers to the message by the number it received.
        let promise = Obligation::Swallow(SuppressReply {
            from: Side::Device,
            msg_ref: account.as_server_numbers(&msg_id).into(),
            cmd_ref: id.into(),
        });
        let mut entry = Entry::default();
        let after = "Get ./DevInfo/DevId".into();
        let kind = EffectKind::other("occupy");
        entry.push_detail(body.element(), kind, String::new(), after);
        let place = last_place(body.element());
        entry.edits.push(Edit::Insert { place, fragment });
        let promised = OwedByRule {
            rule: rule.clone(),
            promise,
        };
        if account.promise(&[promised]).is_ok() {
            self.enter(&rule, entry);
        }
    }
}

/// The first rule that promised the server an answer which it has not got.
fn owing(account: &Reconciler) -> Option<Arc<str>> {
    let owes = |promised: &&OwedByRule| match &promised.promise {
        Obligation::Answer(owed) => owed.to == Side::Server && owed.given_in.is_none(),
        _ => false,
    };
    let owing = account.promises.iter().find(owes);
    owing.map(|promised| promised.rule.clone())
}

/// Whether it makes the device come back with credentials.
fn is_challenge(command: Command<'_>) -> bool {
    let status = command.as_status();
    status.is_some_and(|s| {
        s.cmd_ref().as_deref() == Some("0") && s.code().is_some_and(|c| matches!(c.0, 401 | 407))
    })
}
