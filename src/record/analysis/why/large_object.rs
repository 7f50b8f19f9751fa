//! Large objects that were not completed.

use super::about;
use super::words::{self, named};
use crate::flow::Transaction;
use crate::printable::counted;
use crate::record::model::SessionFinding;

/// WHY-10.
pub(super) fn incomplete_object(object: &Transaction, size: Option<u64>) -> SessionFinding {
    let mut finding = about("WHY-10", &[object]);
    finding.what = format!("{}: {INCOMPLETE}", named(object));
    finding.blame("acted on this.", object.from);
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

/// `18 of 10353 bytes came in 1 chunk`
pub(super) fn came(object: &Transaction, size: Option<u64>) -> String {
    let bytes = object.items.first().map_or(0, |item| item.bytes);
    let of = size.map_or(String::new(), |size| format!(" of {size}"));
    match object.chunks as usize {
        0 => format!("{bytes}{of} bytes came"),
        chunks => format!("{bytes}{of} bytes came in {}", counted(chunks, "chunk")),
    }
}

/// What is said of a large object without its end.
pub(super) const INCOMPLETE: &str = "large object not completed";
