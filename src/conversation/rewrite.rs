//! A message after a rewrite by `stay` or by the replacement of certificates.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use super::MessageInput;
use crate::flow::{RuleEffect, media};
use crate::markup::{self, Document, Hint, Limits};
use crate::patch::Patch;
use crate::rules::Verdict;

/// A message after a rewrite, by `stay` or by the replacement of certificates.
pub(super) struct Rewritten {
    pub(super) document: Arc<Document>,
    pub(super) body: Bytes,
    pub(super) effect: RuleEffect,
}

impl Rewritten {
    /// Rewrites the document of a message. Returns `None` if the result does not decode.
    pub(super) fn by(
        effect: RuleEffect,
        document: &Document,
        message: &MessageInput<'_>,
    ) -> Option<Self> {
        let (body, document) = patched(document, &effect.patch, message.headers(), message.limits)?;
        Some(Self {
            document,
            body,
            effect,
        })
    }

    /// Makes the rewritten request the one that is sent, unless a later rewrite or the rules changed it.
    pub(super) fn put_into(self, verdict: &mut Verdict) {
        if verdict.answer.is_some() {
            return;
        }
        if verdict.body.is_none() {
            verdict.body = Some(self.body);
            verdict.document = Some(self.document);
        }
        verdict.applied.insert(0, self.effect);
    }
}

/// Applies a patch to a document. `headers` are the header fields of its message. Returns `None` if the result does not
/// decode.
pub fn patched(
    document: &Document,
    patch: &Patch,
    headers: &HeaderMap,
    limits: &Limits,
) -> Option<(Bytes, Arc<Document>)> {
    let body = patch.apply(document.source());
    let hint = media::hint(headers);
    // A body in UTF-16 is UTF-8 by now, whatever the head says.
    let utf8 = Hint {
        charset: Some("utf-8"),
        ..hint
    };
    let decoded = markup::decode(body.clone(), hint, limits);
    let decoded = decoded.or_else(|_| markup::decode(body.clone(), utf8, limits));
    let document = decoded.ok()?;
    Some((body, Arc::new(document)))
}
