//! What settling a session's account makes of a verdict, and how dmtap answers in SyncML.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, header};

use super::{SyntheticResponse, Verdict};
use crate::flow::reconciler::Reconciled;
use crate::markup::Document;

impl Verdict {
    /// The document that is about to leave; none where dmtap answers in its place, or a rule broke it.
    pub fn leaving<'d>(&'d self, received: Option<&'d Arc<Document>>) -> Option<&'d Arc<Document>> {
        let leaving = match &self.body {
            Some(_) => self.document.as_ref(),
            None => received,
        };
        leaving.filter(|_| self.answer.is_none())
    }

    /// Takes what settling came to in `document`; `content_type` is the Content-Type of the message that is settled.
    pub fn apply_reconciled(
        &mut self,
        settled: Reconciled,
        document: &Document,
        content_type: Option<&HeaderValue>,
    ) {
        self.applied.extend(settled.applied);
        if let Some(body) = settled.reply {
            self.answer = Some(SyntheticResponse::syncml(body, document, content_type));
        }
        if settled.body.is_some() {
            self.body = settled.body;
            self.document = settled.document;
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
