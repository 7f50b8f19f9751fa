//! The decision of rules about a message.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::flow::reconciler::Reconciled;
use crate::flow::{Delivery, RuleEffect, SessionEffects};
use crate::markup::Document;

/// The decision about a message. The default changes nothing.
#[derive(Debug, Default)]
pub struct Verdict {
    /// The body to send instead, before content codings are applied; XML that came in UTF-16 is in UTF-8 here. `None`
    /// sends the received bytes.
    pub body: Option<Bytes>,
    /// The decoded form of `body`, if it decodes.
    pub document: Option<Arc<Document>>,
    /// The changes of the head, in order; dmtap adapts lengths to the body before it applies them.
    pub head: Vec<HeadEdit>,
    /// The answer to the device: at the request stage, the server is not asked; at the response stage, the answer
    /// replaces the server's response.
    pub answer: Option<SyntheticResponse>,
    /// The way in which the message is sent.
    pub delivery: Delivery,
    /// The effects of the rules, in order.
    pub applied: Vec<RuleEffect>,
    /// The effects of the rules on the session.
    pub session_effects: SessionEffects,
    /// The response that the device gets, if the request is sent to the server twice; `None` sends it once.
    pub duplicate: Option<WhichResponse>,
}

/// A response that dmtap itself writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyntheticResponse {
    /// The HTTP status.
    pub status: StatusCode,
    /// The header fields; without `Content-Type`, a body is sent as plain text.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
}

/// A change of the head of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadEdit {
    /// Sets a field to this value, and removes other fields of the name.
    Set(HeaderName, HeaderValue),
    /// Adds a field with this value.
    Add(HeaderName, HeaderValue),
    /// Removes the fields of this name.
    Remove(HeaderName),
    /// Sets the status of the response.
    Status(StatusCode),
}

/// One of the server's two responses to a request that was sent twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each variant is the response it names")]
pub enum WhichResponse {
    First,
    #[default]
    Second,
}

impl Verdict {
    /// Returns the document that is sent; `None` if dmtap answers instead, or if a rule broke the document.
    pub fn leaving<'d>(&'d self, received: Option<&'d Arc<Document>>) -> Option<&'d Arc<Document>> {
        let leaving = match &self.body {
            Some(_) => self.document.as_ref(),
            None => received,
        };
        leaving.filter(|_| self.answer.is_none())
    }

    /// Returns the status that replaces the one of the response, if a rule set one.
    pub fn status(&self) -> Option<StatusCode> {
        self.head.iter().rev().find_map(|edit| match edit {
            HeadEdit::Status(status) => Some(*status),
            _ => None,
        })
    }

    /// Applies the changes of the head to header fields.
    pub fn edit_headers(&self, headers: &mut HeaderMap) {
        self.head.iter().for_each(|edit| edit.apply(headers));
    }

    /// Adds the changes that reconciling made to `document`; `content_type` is the Content-Type of its message.
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
    /// Creates a SyncML message that answers `document`, in the encoding of `document`; `content_type` is the
    /// Content-Type that came with it.
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
    /// Applies the change to header fields; the other fields keep their order.
    fn apply(&self, headers: &mut HeaderMap) {
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
