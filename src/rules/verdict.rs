//! What rules decide about a message.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::flow::reconciler::Reconciled;
use crate::flow::{Delivery, RuleEffect, SessionEffects};
use crate::markup::Document;

/// What is to happen to a message. The default changes nothing.
#[derive(Debug, Default)]
pub struct Verdict {
    /// The body to send instead, without content coding; XML that came in UTF-16 is in UTF-8 here. `None`: the very
    /// bytes received.
    pub body: Option<Bytes>,
    /// That body decoded, where it decodes.
    pub document: Option<Arc<Document>>,
    /// What is to be changed of the head, in order; lengths are made to fit the body before that.
    pub head: Vec<HeadEdit>,
    /// At the request stage: answer the device with this and ask no server. At the response stage: in place
    /// of the server's response.
    pub answer: Option<SyntheticResponse>,
    /// How it leaves.
    pub delivery: Delivery,
    /// What the rules did, in order.
    pub applied: Vec<RuleEffect>,
    /// What they cause in the session.
    pub session_effects: SessionEffects,
    /// The request goes to the server twice, and this response of the two to the device.
    pub duplicate: Option<WhichResponse>,
}

/// A response of dmtap's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyntheticResponse {
    /// The HTTP status.
    pub status: StatusCode,
    /// Header fields; without `Content-Type` a body is sent as plain text.
    pub headers: HeaderMap,
    /// Its body; empty for none.
    pub body: Bytes,
}

/// A change of the head that was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadEdit {
    /// The field gets this value, and only this one.
    Set(HeaderName, HeaderValue),
    /// Adds a field with this value.
    Add(HeaderName, HeaderValue),
    /// The field goes.
    Remove(HeaderName),
    /// The response gets this status.
    Status(StatusCode),
}

/// Which of the server's two responses the device gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each variant is the response it names")]
pub enum WhichResponse {
    First,
    #[default]
    Second,
}

impl Verdict {
    /// The document that is about to leave; none where dmtap answers in its place, or a rule broke it.
    pub fn leaving<'d>(&'d self, received: Option<&'d Arc<Document>>) -> Option<&'d Arc<Document>> {
        let leaving = match &self.body {
            Some(_) => self.document.as_ref(),
            None => received,
        };
        leaving.filter(|_| self.answer.is_none())
    }

    /// Takes what reconciling changed of `document`; `content_type` is the Content-Type of its message.
    pub fn apply_reconciled(
        &mut self,
        reconciled: Reconciled,
        document: &Document,
        content_type: Option<&HeaderValue>,
    ) {
        self.applied.extend(reconciled.applied);
        if let Some(body) = reconciled.reply {
            self.answer = Some(SyntheticResponse::syncml(body, document, content_type));
        }
        if reconciled.body.is_some() {
            self.body = reconciled.body;
            self.document = reconciled.document;
        }
    }
}

impl SyntheticResponse {
    /// A SyncML message in answer to `document`, in its encoding; `content_type` is the Content-Type that came with it.
    pub fn syncml(body: Bytes, document: &Document, content_type: Option<&HeaderValue>) -> Self {
        let known = HeaderValue::from_static(match document.is_wbxml() {
            true => "application/vnd.syncml.dm+wbxml",
            false => "application/vnd.syncml.dm+xml",
        });
        let content_type = content_type.cloned().unwrap_or(known);
        Self {
            headers: [(header::CONTENT_TYPE, content_type)].into_iter().collect(),
            body,
            ..Self::default()
        }
    }
}

impl HeadEdit {
    /// Carries it out on header fields; the others keep their order.
    pub fn apply(&self, headers: &mut HeaderMap) {
        match self {
            Self::Set(name, value) => drop(headers.insert(name, value.clone())),
            Self::Add(name, value) => drop(headers.append(name, value.clone())),
            Self::Remove(name) => {
                // Removing a field from a map moves the last one to its place.
                let kept = headers.iter().filter(|(kept, _)| *kept != name);
                *headers = kept
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect();
            }
            Self::Status(_) => {}
        }
    }
}
