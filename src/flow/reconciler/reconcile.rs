//! Does what is owed about a message on its way out, after the rules.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

mod keep_session_open;
mod pending_status;
mod proxy_replies;
mod renumber;

use super::Reconciler;
use crate::dm::{Command, Message, Refs};
use crate::flow::{AnswerLink, EffectDetail, EffectKind, RuleEffect, Side};
use crate::markup::edit::{self, Edit};
use crate::markup::{self, Document, Element, Hint, Limits};

/// The facts about a message that is to be reconciled.
#[derive(Clone, Copy, Debug)]
pub struct ReconcileContext<'a> {
    /// Who sent it.
    pub speaker: Side,
    /// The limits for decoding the changed message.
    pub limits: &'a Limits,
    /// The hint of the transport about the body.
    pub hint: Hint<'a>,
}

/// The result of reconciling a message. The default changes nothing.
#[derive(Debug, Default)]
pub struct Reconciled {
    /// The changes, each under the rule that caused it.
    pub applied: Vec<RuleEffect>,
    /// The body to send instead.
    pub body: Option<Bytes>,
    /// That body decoded.
    pub document: Option<Arc<Document>>,
    /// The device gets this in place of what the server would answer, which is not asked.
    pub reply: Option<Bytes>,
}

impl Reconciler {
    /// Does in a message what is owed about it. `document` is the message as the rules left it; `links` say what its
    /// answers refer to, where the peers count differently.
    pub fn reconcile(
        &mut self,
        document: &Arc<Document>,
        context: ReconcileContext<'_>,
        links: &[AnswerLink],
    ) -> Reconciled {
        if self.is_empty() || Message::of(document).is_none() {
            return Reconciled::default();
        }
        let mut message = Reconciling {
            document: document.clone(),
            context,
            done: Reconciled::default(),
        };
        if context.speaker == Side::Device
            && let Some(reply) = self.release_held(document, context)
        {
            return reply;
        }
        message.restore_credentials(self);
        message.restore_session_id(self);
        message.renumber_messages(self, links);
        message.name_items(self);
        let mut rules: Vec<Arc<str>> = Vec::new();
        for owed in self.obligations.iter() {
            if !rules.contains(&owed.rule) {
                rules.push(owed.rule.clone());
            }
        }
        for rule in rules {
            message.fulfil_obligations(self, &rule);
        }
        message.keep_session_open(self);
        message.end_session(self, document);
        message.done
    }
}

/// A message on its way out.
struct Reconciling<'a> {
    /// As it is by now.
    document: Arc<Document>,
    context: ReconcileContext<'a>,
    done: Reconciled,
}

/// Planned edits, with their effect details.
#[derive(Default)]
struct PlannedEdits {
    edits: Vec<Edit>,
    changes: Vec<EffectDetail>,
}

impl PlannedEdits {
    fn push_detail(
        &mut self,
        at: Element<'_>,
        kind: EffectKind,
        step: &'static str,
        [before, after]: [&str; 2],
    ) {
        // A path takes time linear in the siblings; further edits are made and not listed.
        if self.changes.len() < MOST_DETAILS {
            self.changes.push(EffectDetail {
                path: at.path().to_string(),
                ..EffectDetail::of_message(kind, step, before, after)
            });
        }
    }

    fn set(&mut self, at: Element<'_>, text: String) {
        let before = at.text().into_owned();
        if before.trim_ascii() == text {
            return;
        }
        self.push_detail(at, EffectKind::Renumbered, "renumber", [&before, &text]);
        self.edits.push(Edit::SetText {
            element: at.id(),
            text,
        });
    }

    fn remove(&mut self, command: Command<'_>) {
        let element = command.element();
        self.push_detail(
            element,
            EffectKind::SuppressedReply,
            "swallow",
            [&summary(command), ""],
        );
        self.edits.push(Edit::Remove { node: element.id() });
    }
}

impl Reconciling<'_> {
    /// Makes the edits, as an effect of `rule`.
    fn apply(&mut self, rule: &str, planned: PlannedEdits) {
        if planned.edits.is_empty() {
            return;
        }
        let mut applied = RuleEffect::new(rule, planned.changes);
        let patched = edit::plan(&self.document, &planned.edits).map_err(|e| e.to_string());
        let patched = patched.and_then(|patch| {
            let body = patch.apply(self.document.source());
            let decoded = markup::decode(body.clone(), self.context.hint, self.context.limits);
            Ok((patch, body, decoded.map_err(|error| error.to_string())?))
        });
        match patched {
            Ok((patch, body, document)) => {
                self.document = Arc::new(document);
                self.done.body = Some(body);
                self.done.document = Some(self.document.clone());
                applied.patch = patch;
            }
            Err(why) => {
                let why = format!("what follows from a rule could not be written: {why}");
                applied.changes = vec![EffectDetail::not_applied("", why)];
            }
        }
        self.done.applied.push(applied);
    }
}

/// Status and Results of a message.
fn answers(message: Message<'_>) -> impl Iterator<Item = Command<'_>> {
    message
        .commands()
        .filter(|command| command.kind().is_answer())
}

/// MsgRef and CmdRef of an answer; empty where there is none.
fn refs(answer: Command<'_>) -> (Cow<'_, str>, Cow<'_, str>) {
    Refs::of(answer).map(Refs::or_empty).unwrap_or_default()
}

fn summary(command: Command<'_>) -> String {
    let (msg_ref, cmd_ref) = refs(command);
    format!("{} of {msg_ref}/{cmd_ref}", command.element().local())
}

/// The most changes of one rule in one message that are listed one by one.
const MOST_DETAILS: usize = 1_000;
