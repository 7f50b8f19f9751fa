//! Large objects that were not completed.

use super::words::{self, named};
use super::{Case, about};
use crate::flow::Transaction;
use crate::printable::counted;
use crate::record::analysis::session::NO_END_OF_DATA;
use crate::record::model::SessionFinding;

impl Case<'_> {
    /// WHY-10. What ended the session before the last chunk is among the `known` findings.
    pub(super) fn incomplete_object(
        &self,
        object: &Transaction,
        size: Option<u64>,
        known: &[SessionFinding],
    ) -> SessionFinding {
        let mut finding = about("WHY-10", &[object]);
        finding.what = format!("{}: {INCOMPLETE}", named(object));
        let mut how = "acted on this.";
        let mut later = self.session.transactions[object.number as usize..].iter();
        let is_given_up =
            later.any(|it| it.from != object.from && it.alert == Some(NO_END_OF_DATA));
        if finding.rules.is_empty() && !is_given_up {
            let ends_it = |it: &&SessionFinding| match &*it.id {
                "WHY-03" | "WHY-04" | "WHY-05" | "WHY-08" => it.pending,
                // A refused message.
                "WHY-01" => it.pending && it.command.is_none(),
                _ => false,
            };
            let ended_by = known.iter().find(ends_it);
            finding.rules = ended_by.map_or_else(Vec::new, |it| it.rules.clone());
            how = "ended the session before the last chunk, as it seems.";
        }
        finding.blame(how, object.from);
        finding.why.push(words::asked(object));
        let last = match object.chunks {
            // A rule made a chunk of the whole object.
            0 => "chunk",
            _ => "one",
        };
        let came = came(object, size);
        finding.why.push(format!("{came}, and no last {last}."));
        let sender = words::side(object.from);
        finding.advise(
            format!("let {sender} send the object again from its first chunk"),
            " to see whether the object is completed",
        );
        finding
    }
}

/// `18 of 10353 bytes came in 1 chunk`
pub(super) fn came(object: &Transaction, size: Option<u64>) -> String {
    let bytes = object.items.first().map_or(0, |item| item.bytes);
    let of = size.map_or(String::new(), |size| format!(" of {size}"));
    match object.chunks as usize {
        0 => format!("{bytes}{of} bytes came"),
        chunks => format!("{bytes}{of} bytes came in {}", counted(chunks, "chunk")),
    }
}

/// The heading of a finding about a large object without its end.
pub(super) const INCOMPLETE: &str = "large object not completed";
