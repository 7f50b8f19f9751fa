//! The values of the names in templates.

use http::uri::Authority;

use super::too_large;
use crate::dm::compose::CmdIdAllocator;
use crate::dm::{Command, Message, Refs};
use crate::markup::{Document, Element, tag};
use crate::rules::RuleInput;
use crate::rules::answers::LinkedAnswers;
use crate::rules::items::Selected;
use crate::rules::target_nodes;
use crate::rules::template::{Escape, Name, Template};

pub(in crate::rules) struct Values<'a> {
    input: &'a RuleInput<'a>,
    document: Option<&'a Document>,
    answers: &'a LinkedAnswers<'a>,
    /// The source of CmdIDs that are free in the message.
    ids: Option<CmdIdAllocator>,
}

impl<'a> Values<'a> {
    pub(in crate::rules) fn new(
        input: &'a RuleInput<'a>,
        document: Option<&'a Document>,
        answers: &'a LinkedAnswers<'a>,
    ) -> Self {
        Self {
            input,
            document,
            answers,
            ids: None,
        }
    }

    /// Returns the text of a template with its values filled in. `present` is the value that the text replaces.
    ///
    /// # Errors
    /// The name without a value here; or that the values together exceed the limit of a body.
    pub(in crate::rules) fn fill(
        &mut self,
        template: &Template,
        escape: Escape,
        selected: Option<&Selected>,
        present: Option<&str>,
    ) -> Result<String, String> {
        let most = self.input.limits.bytes;
        let mut length = 0_usize;
        template.fill(escape, |name| {
            let value = match (name, present) {
                (Name::Data, Some(present)) => Some(present.to_owned()),
                _ => self.value(name, selected),
            };
            let value =
                value.ok_or_else(|| format!("{{{{{}}}}} stands for nothing here", name.text()))?;
            length = length.saturating_add(value.len());
            match length <= most {
                true => Ok(value),
                false => Err(too_large(most)),
            }
        })
    }

    /// Returns a CmdID that is free in the message, a new one each time.
    pub(in crate::rules) fn next_cmd_id(&mut self) -> String {
        let message = self.document.and_then(Message::of);
        let free = || message.map_or_else(|| CmdIdAllocator::after(0), CmdIdAllocator::of);
        self.ids.get_or_insert_with(free).give()
    }

    fn value(&mut self, name: Name, selected: Option<&Selected>) -> Option<String> {
        let header = || Message::of(self.document?)?.header();
        let session = self.input.session;
        match name {
            Name::SessionId => {
                let own = header().and_then(|header| Some(header.session_id()?.into_owned()));
                own.or_else(|| Some(session?.key.id.to_string()))
            }
            Name::MessageId => {
                let own = header().and_then(|header| Some(header.msg_id()?.into_owned()));
                own.or_else(|| Some(session?.message?.to_string()))
            }
            Name::Device => Some(session?.key.device.to_string()),
            Name::NextCmdId => Some(self.next_cmd_id()),
            Name::Server => {
                let server: Authority = self.input.connection.server.parse().ok()?;
                Some(server.host().to_owned())
            }
            Name::Path => Some(self.input.request.uri.path().to_owned()),
            Name::CmdId | Name::CmdRef | Name::MsgRef | Name::LocUri | Name::Data => {
                self.of_command(name, selected?)
            }
        }
    }

    fn of_command(&self, name: Name, selected: &Selected) -> Option<String> {
        let command = Command::of(self.document?.element(selected.node)?)?;
        let value = match name {
            Name::CmdId => command.cmd_id()?,
            Name::CmdRef => Refs::of(command)?.cmd_ref?,
            Name::MsgRef => Refs::of(command)?.msg_ref?,
            Name::LocUri => return target_nodes::loc_uri(command, self.answers, &selected.items),
            _ => data(command, selected)?.text(),
        };
        Some(value.into_owned())
    }
}

/// Returns the element with the value of a command: its own Data, otherwise the first Data of its Items, or of the
/// selected Items if some are selected.
fn data<'d>(command: Command<'d>, selected: &Selected) -> Option<Element<'d>> {
    let own = command.element().child(tag::DATA);
    own.or_else(|| {
        let is_meant = |item: &Element<'_>| selected.items.has(item.id());
        let items = command.items().map(|item| item.element());
        items
            .filter(is_meant)
            .find_map(|item| item.child(tag::DATA))
    })
}
