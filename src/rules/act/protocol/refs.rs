//! `unknown-cmdref`, `break-msgid`, `wrong-size`: wrong numbers.

use super::msg_id;
use crate::dm::Command;
use crate::flow::{EffectKind, Obligation, SessionChange};
use crate::markup::{Element, tag};
use crate::rules::act::Planning;
use crate::rules::step::MsgIdBreak;

impl Planning<'_, '_> {
    pub(super) fn unknown_cmd_ref(&mut self) -> Result<(), String> {
        let commands = self.commands();
        let statuses = commands.iter().filter(|c| c.as_status().is_some());
        let refs = statuses.filter_map(|c| c.element().child(tag::CMD_REF));
        let refs: Vec<Element<'_>> = refs.collect();
        if refs.is_empty() {
            return Err("no Status with a CmdRef was selected".into());
        }
        for element in refs {
            self.put(EffectKind::Changed, element, NO_COMMAND.into());
        }
        Ok(())
    }

    /// Gives the message a wrong MsgID; its sender never learns of it.
    pub(super) fn break_msg_id(&mut self, how: MsgIdBreak) -> Result<(), String> {
        let message = self.message()?;
        let element = message.header().map(|header| header.element());
        let element = element.and_then(|header| header.child(tag::MSG_ID));
        let element = element.ok_or("the message has no MsgID")?;
        let original = msg_id(message)?;
        let number: Option<u32> = original.parse().ok();
        let number = number.ok_or("the MsgID is not a number already")?;
        let received: Box<str> = match how {
            MsgIdBreak::Skip => {
                let next = number.checked_add(1);
                let next = next.ok_or("there is no MsgID behind this one")?;
                let path = || element.path().to_string();
                let kind = EffectKind::Changed;
                self.note(path, kind, original.into(), next.to_string());
                self.change_session(SessionChange::NumberTaken {
                    from: self.input.speaker,
                    msg_id: number,
                });
                return Ok(());
            }
            MsgIdBreak::Zero => "0".into(),
            MsgIdBreak::Text => "x".into(),
            MsgIdBreak::Repeat => {
                let before = number.checked_sub(1).filter(|n| *n > 0);
                let before = before.ok_or("there is no message before this one")?;
                before.to_string().into()
            }
        };
        let corrected = Obligation::MsgId {
            from: self.input.speaker.other(),
            received: received.clone(),
            original,
            answered_in: None,
        };
        self.owe(vec![corrected])?;
        self.put(EffectKind::Changed, element, received.into());
        Ok(())
    }

    /// Changes `Size`, so that it announces more or less than the real size: the receiver should answer 424.
    pub(super) fn wrong_size(&mut self, by: i64) -> Result<(), String> {
        let commands = self.commands().into_iter();
        let sizes: Vec<Element<'_>> = commands.flat_map(sizes).collect();
        if sizes.is_empty() {
            return Err("no Meta with a Size was selected".into());
        }
        for element in sizes {
            let announced: i64 = element.text().trim_ascii().parse().unwrap_or_default();
            let size = announced.saturating_add(by).max(0);
            self.put(EffectKind::Changed, element, size.to_string());
        }
        Ok(())
    }
}

/// Returns every `Size` in the Metas of a command and its Items.
fn sizes(command: Command<'_>) -> Vec<Element<'_>> {
    let items = command.items().map(|item| item.element());
    let around = std::iter::once(command.element()).chain(items);
    let metas = around.filter_map(|element| element.child(tag::META));
    let inside = metas.filter_map(|meta| {
        let size = |element: Element<'_>| element.children(tag::SIZE).next().map(|e| e.id());
        let id = size(meta).or_else(|| size(meta.child(tag::MET_INF)?))?;
        meta.document().element(id)
    });
    inside.collect()
}

const NO_COMMAND: &str = "987654";
