//! What a rule changed, in one line.

use std::fmt::Write;

use crate::flow::EffectDetail;
use crate::printable;

/// `set-status at /SyncML/SyncBody/Status[2]/Data: 200 → 404`
pub fn line(change: &EffectDetail) -> String {
    words(
        change.kind.name(),
        &change.path,
        &change.before,
        &change.after,
    )
}

/// The same for the parts of a change; `place` may be empty.
pub fn words(step: &str, place: &str, before: &str, after: &str) -> String {
    let [place, before, after] = [place, before, after].map(printable::line);
    let mut line = step.to_owned();
    if !place.is_empty() {
        let _ = write!(line, " at {place}");
    }
    match (&*before, &*after) {
        ("", "") => {}
        ("", after) => line.extend([": ", after]),
        (before, "") => line.extend([": ", before, " removed"]),
        (before, after) => line.extend([": ", before, " → ", after]),
    }
    line
}
