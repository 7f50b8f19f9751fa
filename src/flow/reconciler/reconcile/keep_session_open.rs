//! Something for a device to do that would end the session otherwise.

use std::sync::Arc;

use super::{Entry, Reconciling};
use crate::dm::compose::{self, CmdIdAllocator};
use crate::dm::{Command, CommandKind, Message, StatusCode};
use crate::flow::reconciler::{Obligation, OwedByRule, Reconciler, SuppressReply};
use crate::flow::{EffectKind, Side};
use crate::markup::edit::Edit;

impl Reconciling<'_> {
    /// A device that has nothing to answer ends the session, and the server would wait for ever for what it
    /// is owed: the device gets something harmless to do.
    pub(super) fn occupy(&mut self, reconciler: &mut Reconciler) {
        let document = self.document.clone();
        let Some(message) = Message::of(&document) else {
            return;
        };
        let Some(rule) = owing(reconciler).filter(|_| self.setting.speaker == Side::Server) else {
            return;
        };
        if message.commands().any(Command::expects_status) || is_challenge(message) {
            return;
        }
        let (Some(body), Some(msg_id)) = (message.body(), message.msg_id()) else {
            return;
        };
        let id = CmdIdAllocator::of(message).give();
        let item = "<Item><Target><LocURI>./DevInfo/DevId</LocURI></Target></Item>";
        let get = format!("<Get>{}{item}</Get>", compose::leaf("CmdID", &id));
        let Some(fragment) = compose::fragment(&document, &get) else {
            return;
        };
        // The device refers to the message by the number it received.
        let obligation = Obligation::Suppress(SuppressReply {
            from: Side::Device,
            msg_ref: reconciler.as_server_numbers(&msg_id).into(),
            cmd_ref: id.into(),
            cmd: CommandKind::Get,
        });
        let mut entry = Entry::default();
        let after = "Get ./DevInfo/DevId to keep the session open".into();
        entry.push_detail(
            body.element(),
            EffectKind::Added,
            "occupy",
            String::new(),
            after,
        );
        let place = body.end();
        entry.edits.push(Edit::Insert { place, fragment });
        let owed = OwedByRule {
            rule: rule.clone(),
            obligation,
        };
        if reconciler.owe(&[owed]).is_ok() {
            self.enter(&rule, entry);
        }
    }
}

/// The first rule for which the server is owed a Status that it has not got.
fn owing(reconciler: &Reconciler) -> Option<Arc<str>> {
    let owes = |owed: &&OwedByRule| match &owed.obligation {
        Obligation::Status(owed) => owed.to == Side::Server && owed.given_in.is_none(),
        _ => false,
    };
    let owing = reconciler.obligations.iter().find(owes);
    owing.map(|owed| owed.rule.clone())
}

/// Whether it makes the device come back with credentials.
fn is_challenge(message: Message<'_>) -> bool {
    let code = message.header_status().and_then(|status| status.code());
    code.is_some_and(StatusCode::is_challenge)
}
