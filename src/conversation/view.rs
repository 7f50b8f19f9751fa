//! A session's knowledge of a message, and the decision of the rules about it.

use super::MessageInput;
use crate::dm::Message;
use crate::flow::session::note_dangling;
use crate::flow::{AnswerLink, Note, Reconciler, Session, SessionTag, Side};
use crate::markup::Document;
use crate::rules::{RuleInput, RuleSet, RuleState, Verdict};

/// The session's knowledge of a message that arrives. The default is a message without a session.
#[derive(Debug, Default)]
pub struct SessionView {
    /// The place of the message in the session.
    pub tag: Option<SessionTag>,
    /// The command that each Status and Results answers.
    pub links: Vec<AnswerLink>,
    /// The notes on these answers.
    pub notes: Vec<Note>,
    /// The obligations of dmtap towards the peers.
    pub reconciler: Option<Reconciler>,
}

impl SessionView {
    /// Takes in a document of `speaker`. A document that is not a message changes nothing.
    pub fn of(session: &mut Session, speaker: Side, document: &Document) -> Self {
        let Some(message) = Message::of(document) else {
            return Self {
                reconciler: Some(session.reconciler.clone()),
                ..Self::default()
            };
        };
        let links = session.links(speaker, message);
        session.reconciler.note_received(speaker, message);
        Self {
            tag: Some(session.tag(message)),
            notes: note_dangling(speaker, document, &links),
            links,
            reconciler: Some(session.reconciler.clone()),
        }
    }

    /// Returns the verdict of the rules on the message.
    pub fn decide(
        &self,
        message: &MessageInput<'_>,
        rules: &RuleSet,
        state: &mut dyn RuleState,
    ) -> Verdict {
        if rules.is_empty() {
            return Verdict::default();
        }
        let input = RuleInput {
            speaker: message.speaker(),
            connection: message.connection,
            exchange: message.exchange,
            request: message.request,
            response: message.response,
            session: self.tag.as_ref(),
            document: message.document,
            body: message.body,
            why_unread: message.why_unread,
            links: &self.links,
            reconciler: self.reconciler.as_ref(),
            limits: message.limits,
        };
        rules.decide(&input, state)
    }
}
