//! The command that an answer refers to, also after a rule has changed the message.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;

use super::RuleInput;
use crate::dm::{Command, CommandKind, Refs, asked_kind};
use crate::flow::{AnswerLink, AnswerTarget};
use crate::markup::Document;

/// The links from the answers of a message to commands. In the received document an answer is looked up by its node, in
/// a document that rules have changed by MsgRef and CmdRef, which survive edits.
pub(super) struct LinkedAnswers<'a> {
    document: Option<&'a Document>,
    /// The links, in document order.
    links: &'a [AnswerLink],
    by_refs: OnceCell<HashMap<RefsOf, usize>>,
}

impl<'a> LinkedAnswers<'a> {
    pub(super) fn of(input: &RuleInput<'a>) -> Self {
        Self {
            document: input.document.map(|document| &**document),
            links: input.links,
            by_refs: OnceCell::new(),
        }
    }

    pub(super) fn to(&self, answer: Command<'_>) -> Option<&'a AnswerTarget> {
        let element = answer.element();
        let document = self.document?;
        let at = if std::ptr::eq(element.document(), document) {
            let node = element.id();
            self.links
                .binary_search_by_key(&node, |link| link.from)
                .ok()?
        } else {
            let (message, command) = refs(answer)?;
            let refs = (message.into_owned(), command.into_owned());
            let known = self.by_refs(document);
            // If a CmdID is used twice, the kind of command decides; a rule may have changed that, too.
            let of_kind = known.get(&(refs.clone(), asked_kind(answer)));
            *of_kind.or_else(|| known.get(&(refs, None)))?
        };
        self.links.get(at).map(|link| &link.to)
    }

    fn by_refs(&self, document: &Document) -> &HashMap<RefsOf, usize> {
        let entries = |(at, link): (usize, &AnswerLink)| {
            let answer = Command::of(document.element(link.from)?)?;
            let (message, command) = refs(answer)?;
            let refs = (message.into_owned(), command.into_owned());
            let kinds = [asked_kind(answer), None];
            Some(kinds.map(|kind| ((refs.clone(), kind), at)))
        };
        let links = self.links.iter().enumerate();
        self.by_refs
            .get_or_init(|| links.filter_map(entries).flatten().collect())
    }
}

/// The MsgRef and CmdRef of an answer, and the kind of command that it names.
type RefsOf = ((String, String), Option<CommandKind>);

fn refs(answer: Command<'_>) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    let refs = Refs::of(answer)?;
    Some((refs.msg_ref?, refs.cmd_ref?))
}
