//! The replacement of certificates that stand for each other. It happens on a request before the rules, which see the
//! certificates that the server knows, and on a response after the rules.

use super::rewrite::Rewritten;
use super::{Decision, MessageInput};
use crate::flow::Note;
use crate::identity::certificate_pairs::SIGNED_ID;
use crate::markup::{Document, Element, tag};

impl MessageInput<'_> {
    /// Returns the request with replaced certificates, and notes on what was not replaced.
    pub(super) fn paired_request(
        &self,
        unrenewable_field: Option<&'static str>,
    ) -> (Option<Rewritten>, Vec<Note>) {
        let (Some(pairs), Some(document)) = (self.pairs, self.document) else {
            return (None, Vec::new());
        };
        let (effect, note) = pairs.rewrite(document, self.speaker(), unrenewable_field);
        let notes = note.into_iter().chain(self.note_signed_id(document));
        let rewritten = effect.and_then(|effect| Rewritten::by(effect, document, self));
        (rewritten, notes.collect())
    }

    /// Returns note SWAP-05 if a device with a swapped identity reports a SignedEntDMID. The device's own key signed
    /// it, but the server knows dmtap's key.
    fn note_signed_id(&self, document: &Document) -> Option<Note> {
        let (certificate, _) = self.identity?;
        let is_it =
            |uri: &Element<'_>| uri.is(tag::LOC_URI) && uri.text().trim().ends_with(SIGNED_ID);
        let at = document.elements().find(is_it)?;
        let is_swapped = self
            .pairs
            .is_some_and(|pairs| pairs.has_of_server(certificate));
        let text = "SignedEntDMID is signed by the device's own key; a server that checks it against the certificate that \
                    it issued refuses it";
        is_swapped.then(|| Note::new("SWAP-05", text).at(at.span().start))
    }

    /// Replaces the certificates in a decided response.
    pub(super) fn pair_response(
        &self,
        decided: &mut Decision,
        unrenewable_field: Option<&'static str>,
    ) {
        let verdict = &mut decided.verdict;
        let (Some(pairs), Some(document)) = (self.pairs, verdict.leaving(self.document)) else {
            return;
        };
        let (effect, note) = pairs.rewrite(document, self.speaker(), unrenewable_field);
        decided.notes.extend(note);
        if let Some(rewritten) = effect.and_then(|it| Rewritten::by(it, document, self)) {
            verdict.body = Some(rewritten.body);
            verdict.document = Some(rewritten.document);
            verdict.applied.push(rewritten.effect);
        }
    }
}
