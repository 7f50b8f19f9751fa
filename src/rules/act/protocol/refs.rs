//! `unknown-cmdref`, `break-msgid`, `wrong-size`: numbers that are not right.

use super::{StepContext, msg_id};
use crate::dm::Command;
use crate::flow::{EffectKind, Obligation, SessionChange};
use crate::markup::edit::Edit;
use crate::markup::{Element, tag};
use crate::rules::act::Planned;
use crate::rules::selector::Selected;
use crate::rules::step::MsgIdBreak;

impl Planned {
    pub(super) fn unknown_cmd_ref(
        &mut self,
        context: &StepContext<'_>,
        selection: &[Selected],
    ) -> Result<(), String> {
        let commands = context.commands(selection);
        let refs = commands.iter().filter(|c| c.as_status().is_some());
        let refs: Vec<Element<'_>> = refs
            .filter_map(|c| c.element().child(tag::CMD_REF))
            .collect();
        if refs.is_empty() {
            return Err("no Status with a CmdRef was selected".into());
        }
        for element in refs {
            self.put(EffectKind::Changed, element, NO_COMMAND.into());
        }
        Ok(())
    }

    /// The message gets a MsgID that is not the one due; its sender never learns of it.
    pub(super) fn break_msg_id(
        &mut self,
        how: MsgIdBreak,
        context: &StepContext<'_>,
    ) -> Result<(), String> {
        let message = context.message().ok_or("this is no SyncML message")?;
        let element = message.header().map(|header| header.element());
        let element = element.and_then(|header| header.child(tag::MSG_ID));
        let element = element.ok_or("the message has no MsgID")?;
        let original = msg_id(message)?;
        let number: Option<u32> = original.parse().ok();
        let number = number.ok_or("the MsgID is no number already")?;
        if how == MsgIdBreak::Skip {
            let from = context.speaker();
            let next = number
                .checked_add(1)
                .ok_or("there is no MsgID behind this one")?;
            let kind = EffectKind::Changed;
            self.detail(element, kind, original.to_string(), next.to_string());
            self.change_session(SessionChange::Skipped {
                from,
                msg_id: number,
            });
            return Ok(());
        }
        let received: Box<str> = match how {
            MsgIdBreak::Zero => "0".into(),
            MsgIdBreak::Text => "x".into(),
            MsgIdBreak::Repeat | MsgIdBreak::Skip => {
                let before = number.checked_sub(1).filter(|n| *n > 0);
                let before = before.ok_or("there is no message before this one")?;
                before.to_string().into()
            }
        };
        let corrected = Obligation::MsgId {
            from: context.speaker().other(),
            received: received.clone(),
            original,
            answered_in: None,
        };
        self.owe(context, vec![corrected])?;
        self.put(EffectKind::Changed, element, received.into());
        Ok(())
    }

    /// `Size` announces more or less than what comes: the receiver is to answer 424.
    pub(super) fn wrong_size(
        &mut self,
        by: i64,
        context: &StepContext<'_>,
        selection: &[Selected],
    ) -> Result<(), String> {
        let commands = context.commands(selection);
        let sizes: Vec<Element<'_>> = commands.iter().flat_map(|c| sizes(*c)).collect();
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

    pub(super) fn put(&mut self, kind: EffectKind, element: Element<'_>, text: String) {
        let before = element.text().into_owned();
        self.detail(element, kind, before, text.clone());
        self.own.push(Edit::SetText {
            element: element.id(),
            text,
        });
    }
}

/// Every `Size` in the Metas of a command and its Items.
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
