//! The decision on one message: first the rules, then the reconciler.

use std::sync::Arc;

use bytes::Bytes;
use http::{StatusCode, header};

use super::handle::{LeavingMessage, SessionHandle};
use super::seal::{Seal, unrenewable_field};
use super::view::SessionView;
use super::{Decision, MessageInput};
use crate::flow::reconciler::ReconcileContext;
use crate::flow::{EffectDetail, EffectKind, RuleEffect, media};
use crate::rules::{RuleSet, RuleState, Verdict};

impl SessionHandle {
    /// Decides on one half of the exchange.
    pub(super) fn decide(
        &mut self,
        message: &MessageInput<'_>,
        rules: &RuleSet,
        state: &mut dyn RuleState,
        seals: Vec<Seal>,
    ) -> Decision {
        let unrenewable = unrenewable_field(message, &seals);
        let view = match &self.session {
            Some(session) => session.receive(message.speaker(), message.document.map(|d| &**d)),
            None => SessionView::default(),
        };
        let mut verdict = view.decide(message, rules, state);
        // Drop the snapshot first: otherwise a change of the reconciler clones it.
        drop(view.reconciler);
        self.reconcile(message, &mut verdict);
        let mut notes = view.notes;
        notes.extend(super::source_check::note(message, view.tag.as_ref()));
        let mut learned = Vec::new();
        if let Some(stay) = message.stay.filter(|_| message.response.is_some()) {
            let (more, hosts) = stay.response(message, &mut verdict, unrenewable);
            notes.extend(more);
            learned = hosts;
        }
        self.learn_credentials(message, &verdict, view.tag.as_ref());
        let mut decided = Decision {
            session: view.tag,
            links: view.links,
            notes,
            verdict,
            learned,
            renewable_seals: seals,
        };
        if message.response.is_some() {
            message.pair_response(&mut decided, unrenewable);
        }
        self.leaving = leaving(message, &decided.verdict);
        decided
    }

    /// Takes on the effects of the rules in the session, and reconciles this message.
    fn reconcile(&self, message: &MessageInput<'_>, verdict: &mut Verdict) {
        let Some(session) = &self.session else {
            return;
        };
        let effects = std::mem::take(&mut verdict.session_effects);
        if let Err(full) = session.take_on(&effects) {
            let rule = effects.owed.first().map_or("", |owed| &owed.rule);
            verdict.applied.push(dropped(rule, full.to_string()));
        }
        let Some(document) = verdict.leaving(message.document).cloned() else {
            return;
        };
        let context = ReconcileContext {
            speaker: message.speaker(),
            limits: message.limits,
            hint: media::hint(message.headers()),
        };
        let reconciled = session.reconcile(&document, context);
        let content_type = message.headers().get(header::CONTENT_TYPE);
        verdict.apply_reconciled(reconciled, &document, content_type);
    }
}

/// Returns what the receiver gets of the message.
fn leaving(message: &MessageInput<'_>, verdict: &Verdict) -> LeavingMessage {
    if verdict.answer.is_some() || !verdict.delivery.is_whole() {
        return LeavingMessage::Nothing;
    }
    let restated = verdict.status();
    let has_body = !matches!(
        restated,
        Some(StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    );
    if let Some(document) = verdict.leaving(message.document).filter(|_| has_body) {
        let original = message.document.filter(|it| !Arc::ptr_eq(it, document));
        return LeavingMessage::Message(document.clone(), original.cloned());
    }
    let Some(response) = message.response else {
        return LeavingMessage::Unread;
    };
    let body = verdict.body.as_ref().or(message.body);
    let is_empty = !has_body || body.is_some_and(Bytes::is_empty);
    if !says_nothing(restated.unwrap_or(response.status), is_empty) {
        return LeavingMessage::Unread;
    }
    let mut headers = response.headers.clone();
    verdict.edit_headers(&mut headers);
    match headers.contains_key(header::RETRY_AFTER) {
        true => LeavingMessage::Nothing,
        false => LeavingMessage::End,
    }
}

/// Whether a response without a DM message ends the conversation: it is empty, or an error.
fn says_nothing(status: StatusCode, is_empty: bool) -> bool {
    match status.is_success() {
        true => is_empty,
        false => status.is_client_error() || status.is_server_error(),
    }
}

/// Returns the effect of a rule whose obligations could not be taken on.
fn dropped(rule: &str, why: String) -> RuleEffect {
    let change = EffectDetail::of_message(EffectKind::Other, "dropped", "", why);
    RuleEffect::new(rule, vec![change])
}
