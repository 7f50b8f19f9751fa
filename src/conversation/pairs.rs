//! Where certificates that stand for each other are exchanged: on a request before the rules, which see what the server
//! knows; on a response behind them.

use super::stay::{Rewritten, patched};
use super::{Decision, MessageFacts};
use crate::dm::locuri;
use crate::flow::{Note, Severity};
use crate::identity::session::SIGNED_ID;
use crate::markup::{Document, Element, tag};

impl MessageFacts<'_> {
    /// What becomes of a request, and what could not be done.
    pub(super) fn paired_request(
        &self,
        sealed: Option<&'static str>,
    ) -> (Option<Rewritten>, Option<Note>) {
        let (Some(pairs), Some(document)) = (self.pairs, self.document) else {
            return (None, None);
        };
        let (effect, note) = pairs.map(document, self.speaker(), sealed);
        let note = note.or_else(|| self.signed_id(document));
        let rewritten = effect.and_then(|effect| {
            let (body, document) = patched(document, &effect.patch, self.headers(), self.limits)?;
            Some(Rewritten {
                document,
                body,
                effects: vec![effect],
            })
        });
        (rewritten, note)
    }

    /// SWAP-05, where a device reports a SignedEntDMID, which its own key signed, to a server that knows another one.
    fn signed_id(&self, document: &Document) -> Option<Note> {
        self.identity
            .filter(|_| self.pairs.is_some_and(|pairs| !pairs.is_empty()))?;
        let is_signed_id = |uri: Element<'_>| uri.is(tag::LOC_URI) && is_signed_id(&uri.text());
        let at = document.elements().find(|element| is_signed_id(*element))?;
        Some(Note {
            id: "SWAP-05",
            severity: Severity::Info,
            at: Some(at.span().start),
            text: "SignedEntDMID is signed by the device's own key; a server that checks it against the certificate that \
                   it issued refuses it"
                .into(),
        })
    }

    /// Does the same to a response that is decided.
    pub(super) fn pair_response(&self, decided: &mut Decision, sealed: Option<&'static str>) {
        let verdict = &mut decided.verdict;
        let (Some(pairs), Some(document)) = (self.pairs, verdict.leaving(self.document)) else {
            return;
        };
        let (effect, note) = pairs.map(document, self.speaker(), sealed);
        decided.notes.extend(note);
        let Some(effect) = effect else {
            return;
        };
        let changed = patched(document, &effect.patch, self.headers(), self.limits);
        if let Some((body, document)) = changed {
            verdict.body = Some(body);
            verdict.document = Some(document);
            verdict.applied.push(effect);
        }
    }
}

/// Whether a LocURI names the node of the DMClient CSP that holds an id signed by the device.
fn is_signed_id(uri: &str) -> bool {
    let last = locuri::segments(uri).rsplit('/').next();
    last.is_some_and(|last| last.eq_ignore_ascii_case(SIGNED_ID))
}
