//! Something for a device to do that would end the session otherwise.

use std::sync::Arc;

use super::{PlannedEdits, Reconciling};
use crate::dm::compose::{self, CmdIdAllocator};
use crate::dm::{Command, CommandKind, Message, StatusCode};
use crate::flow::reconciler::{Obligation, OwedByRule, Reconciler, SuppressReply};
use crate::flow::{EffectKind, Side};
use crate::markup::edit::Edit;

impl Reconciling<'_> {
    /// A device that has nothing to answer ends the session, and the server would wait for ever for what it
    /// is owed: the device gets something harmless to do.
    pub(super) fn keep_session_open(&mut self, reconciler: &mut Reconciler) {
        let document = self.document.clone();
        let Some(message) = Message::of(&document) else {
            return;
        };
        let Some(rule) = first_rule_with_pending_status(reconciler)
            .filter(|_| self.context.speaker == Side::Server)
        else {
            return;
        };
        // A challenged device comes back with credentials.
        let is_challenge = message.header_code().is_some_and(StatusCode::is_challenge);
        if message.commands().any(Command::expects_status) || is_challenge {
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
        let mut planned = PlannedEdits::default();
        let after = "Get ./DevInfo/DevId to keep the session open";
        planned.push_detail(body.element(), EffectKind::Added, "occupy", ["", after]);
        let place = body.end();
        planned.edits.push(Edit::Insert { place, fragment });
        let owed = OwedByRule {
            rule: rule.clone(),
            obligation,
        };
        if reconciler.add_obligations(&[owed]).is_ok() {
            self.apply(&rule, planned);
        }
    }
}

/// The first rule for which the server is owed a Status that it has not got.
fn first_rule_with_pending_status(reconciler: &Reconciler) -> Option<Arc<str>> {
    let owes = |owed: &&OwedByRule| match &owed.obligation {
        Obligation::Status(owed) => owed.to == Side::Server && owed.given_in.is_none(),
        _ => false,
    };
    let owing = reconciler.obligations.iter().find(owes);
    owing.map(|owed| owed.rule.clone())
}
