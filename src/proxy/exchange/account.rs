//! The account of the session, settled in every message that leaves.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, header};

use super::{Exchange, speaker};
use crate::flow::account::Setting;
use crate::flow::{Applied, Change, Head, media};
use crate::markup::Document;
use crate::patch::Patch;
use crate::proxy::read::{self, heavy};
use crate::rules::engine::{Answer, Verdict};

impl Exchange {
    /// Enters what the rules promised, and does in this message what is owed about it.
    pub(super) fn settle_account(
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
        let leaving = match &verdict.body {
            Some(_) => verdict.document.as_ref(),
            None => received,
        };
        let Some(document) = leaving.filter(|_| verdict.answer.is_none()) else {
            return;
        };
        let limits = read::limits(self.context.shared.settings.max_body);
        let setting = Setting {
            speaker: speaker(head),
            limits: &limits,
            hint: media::hint(head.headers()),
        };
        let settled = heavy(document.source().len(), || place.settle(document, setting));
        verdict.applied.extend(settled.applied);
        if let Some(body) = settled.reply {
            verdict.answer = Some(reply(head, document, body));
            verdict.body = None;
            return;
        }
        if settled.body.is_some() {
            verdict.body = settled.body;
            verdict.document = settled.document;
        }
    }
}

/// A message of dmtap's own, in the device's encoding.
fn reply(head: &Head, document: &Document, body: Bytes) -> Answer {
    let said = head.headers().get(header::CONTENT_TYPE).cloned();
    let known = HeaderValue::from_static(match document.is_wbxml() {
        true => "application/vnd.syncml.dm+wbxml",
        false => "application/vnd.syncml.dm+xml",
    });
    let content_type = (header::CONTENT_TYPE, said.unwrap_or(known));
    Answer {
        headers: [content_type].into_iter().collect(),
        body,
        ..Answer::default()
    }
}

/// Tells that promises could not be taken on.
fn dropped(rule: &str, why: String) -> Applied {
    Applied {
        rule: rule.to_owned(),
        changes: vec![Change {
            path: String::new(),
            step: "dropped",
            before: String::new(),
            after: why,
        }],
        patch: Patch::default(),
    }
}
