//! Where certificates that stand for each other are exchanged: on a request before the rules, which see what the server
//! knows; on a response behind them.

use super::stay::{Rewritten, patched};
use super::{Decision, MessageFacts};
use crate::flow::Note;

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
