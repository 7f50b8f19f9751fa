//! Something for a device to do that would end the session otherwise.

use std::sync::Arc;

use super::{Entry, Settling, is_work, last_place};
use crate::dm::{Command, Message};
use crate::flow::Side;
use crate::flow::account::{Account, Promise, Promised, Swallow};
use crate::flow::own::{self, FreshIds};
use crate::markup::edit::Edit;

impl Settling<'_> {
    /// A device that has nothing to answer ends the session, and the server would wait for ever for what it
    /// is owed: the device gets something harmless to do.
    pub(super) fn occupy(&mut self, account: &mut Account) {
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
        let id = FreshIds::of(message).give();
        let item = "<Item><Target><LocURI>./DevInfo/DevId</LocURI></Target></Item>";
        let get = format!("<Get>{}{item}</Get>", own::leaf("CmdID", &id));
        let Some(fragment) = own::fragment(&document, &get) else {
            return;
        };
        // The device refers to the message by the number it was told.
        let promise = Promise::Swallow(Swallow {
            from: Side::Device,
            msg_ref: account.as_server_says(&msg_id).into(),
            cmd_ref: id.into(),
        });
        let mut entry = Entry::default();
        let told = "Get ./DevInfo/DevId".into();
        entry.tell(body.element(), "occupy", String::new(), told);
        let place = last_place(body.element());
        entry.edits.push(Edit::Insert { place, fragment });
        let promised = Promised {
            rule: rule.clone(),
            promise,
        };
        if account.promise(&[promised]).is_ok() {
            self.enter(&rule, entry);
        }
    }
}

/// The first rule that promised the server an answer which it has not got.
fn owing(account: &Account) -> Option<Arc<str>> {
    let owes = |promised: &&Promised| match &promised.promise {
        Promise::Answer(owed) => owed.to == Side::Server && owed.given_in.is_none(),
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
