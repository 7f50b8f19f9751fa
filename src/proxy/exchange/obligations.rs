//! The account of the session, settled in every message that leaves.

use std::sync::Arc;

use http::{HeaderMap, header};

use super::{Exchange, speaker};
use crate::flow::reconciler::ReconcileContext;
use crate::flow::{EffectDetail, Head, RuleEffect, media};
use crate::markup::Document;
use crate::patch::Patch;
use crate::proxy::read::{self, heavy};
use crate::rules::Verdict;

impl Exchange {
    /// Takes notice that the device gets a response that is no message: its session is over, unless it is told to come
    /// back.
    pub(super) fn end_session(&self, headers: &HeaderMap) {
        if let Some(place) = &self.place
            && !headers.contains_key(header::RETRY_AFTER)
        {
            place.ended();
        }
    }

    /// Enters what the rules promised, and does in this message what is owed about it.
    pub(super) fn reconcile(
        &self,
        head: &Head,
        received: Option<&Arc<Document>>,
        verdict: &mut Verdict,
    ) {
        let Some(place) = &self.place else {
            return;
        };
        let promised = std::mem::take(&mut verdict.promised);
        if let Err(full) = place.promise(&promised) {
            let rule = promised.first().map_or("", |promised| &promised.rule);
            verdict.applied.push(dropped(rule, full.to_string()));
        }
        let Some(document) = verdict.leaving(received).cloned() else {
            return;
        };
        let limits = read::limits(self.context.shared.settings.max_body);
        let setting = ReconcileContext {
            speaker: speaker(head),
            limits: &limits,
            hint: media::hint(head.headers()),
        };
        let settled = heavy(document.source().len(), || {
            place.reconcile(&document, setting)
        });
        let said = head.headers().get(header::CONTENT_TYPE);
        verdict.apply_reconciled(settled, &document, said);
    }
}

/// Tells that promises could not be taken on.
fn dropped(rule: &str, why: String) -> RuleEffect {
    RuleEffect {
        rule: rule.to_owned(),
        changes: vec![EffectDetail {
            path: String::new(),
            step: "dropped",
            before: String::new(),
            after: why,
        }],
        patch: Patch::default(),
    }
}
